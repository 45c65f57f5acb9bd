"""The compiled functions of a program over many lanes, whose states are stacked along a first axis.

``map`` runs the lanes of a device one after another, ``vmap`` in one batch; both spread them over the
devices. A lane that is off keeps its state; under ``map`` it costs nothing. Shapes: N lanes, a multiple of the number
of devices.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from actlab.train.look import Eyes
from actlab.train.loop import Run
from actlab.train.setup import TrainState, run_once

Strategy = Literal["map", "vmap"]


class Stacked:
    """The compiled functions of runs that share ``run``'s program, on ``devices``."""

    def __init__(self, run: Run, strategy: Strategy, devices: Sequence[jax.Device]):
        self.run, self.program, self.strategy = run, run.program, strategy
        self.mesh = Mesh(np.array(devices), ("lanes",))
        self.by_lane = NamedSharding(self.mesh, P("lanes"))
        self.everywhere = NamedSharding(self.mesh, P())
        self.chunk = jax.jit(self._chunk, static_argnames=("length", "every"), donate_argnums=0)

    @cached_property
    def copy(self) -> Callable[[TrainState], TrainState]:
        """A copy of all states, on their devices."""
        return jax.jit(lambda states: jax.tree.map(jnp.copy, states))

    @cached_property
    def select(self) -> Callable[[jax.Array, TrainState, TrainState], TrainState]:
        """Of each lane the second state where ``which`` (N,), else the third."""

        def select(which, some, others):
            def one(a, b):
                return jnp.where(which.reshape(-1, *[1] * (a.ndim - 1)), a, b)

            return jax.tree.map(one, some, others)

        return jax.jit(select)

    def place(self, tree: Any) -> Any:
        """Return stacked arrays (N, ...) on their devices."""
        return jax.device_put(tree, self.by_lane)

    def share(self, tree: Any) -> Any:
        """Return arrays that every lane reads, on every device."""
        return jax.device_put(tree, self.everywhere)

    def stack(self, states: Sequence[TrainState]) -> TrainState:
        """Return states as one, on their devices."""
        return self.place(jax.tree.map(lambda *leaves: np.stack(leaves), *jax.device_get(list(states))))

    def over_lanes(self, fn: Callable[..., Any], stacked: Any, shared: Any) -> Any:
        """Return ``fn(lane, shared)`` of each lane of ``stacked``, stacked."""

        def of_device(stacked, shared):
            if self.strategy == "vmap":
                return jax.vmap(lambda lane: fn(lane, shared))(stacked)
            return jax.lax.map(lambda lane: fn(lane, shared), stacked)

        over = jax.shard_map(
            of_device, mesh=self.mesh, in_specs=(P("lanes"), P()), out_specs=P("lanes"), check_vma=False
        )
        return over(stacked, shared)

    def _chunk(self, states: TrainState, on, x, y, *, length: int, every: int):
        """Train the lanes that are ``on`` (N,) for ``length`` steps; as `Program.chunk`, stacked."""

        def train(state, data):
            return self.program._chunk(state, *data, length=length, every=every)

        def lane(both, data):
            state, going = both
            if self.strategy == "vmap":
                new, table, trace = train(state, data)
                return jax.tree.map(lambda n, o: jnp.where(going, n, o), new, state), table, trace
            return self._where_on(train, state, going, data)

        return self.over_lanes(lane, (states, on), (x, y))

    @staticmethod
    def _where_on(fn, state, going, data):
        """Return ``fn``, whose first result is a new state; the same state, and zeros for the rest, if not going."""
        fn = jax.jit(fn, inline=True)  # traced once, for its shapes and for the branch
        _, *rest = jax.eval_shape(fn, state, data)

        def stay(state, _):
            return state, *jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), rest)

        return jax.lax.cond(going, fn, stay, state, data)

    def eyes(self, on: np.ndarray) -> Eyes:
        """Return the functions of a look at all lanes, see `actlab.train.look`; of one that is not ``on``, zeros."""
        lanes = self.place(on)

        def evaluate(states, x, y, due):
            if self.strategy == "map" and self.run.setup.stats.level == "full":
                return self._one_by_one(on, self.run.looks.evaluate, states, x, y, due)
            return self._evaluate(states, lanes, x, y, jnp.asarray(due))

        def first(states, x, y):
            return self._first(states, lanes, x, y)

        def curves(states):
            return self._curves(states, lanes)

        def whole(both, start, x, y, *, curvature):
            if self.strategy == "vmap":
                return self._whole(both, start, x, y, curvature=curvature)
            fn = partial(self.run.looks.whole, curvature=curvature)
            return self._one_by_one(on, lambda s, *data: fn(*s, *data), (both, start), x, y)

        return Eyes(evaluate, first, whole, curves)

    def _looking(self, fn: Callable[..., Any], options: Any = None) -> Callable[..., Any]:
        """Return ``fn(state, *shared)`` over lanes, compiled: ``f(states, on, *shared)``."""

        def over(states, on, *shared):
            def lane(both, shared):
                state, going = both
                if self.strategy == "vmap":
                    return fn(state, *shared)
                once = jax.jit(fn, inline=True)  # traced once, for its shapes and for the branch
                shape = jax.eval_shape(once, state, *shared)
                nothing = jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), shape)
                return jax.lax.cond(going, lambda s, d: once(s, *d), lambda *_: nothing, state, shared)

            return self.over_lanes(lane, (states, on), shared)

        return jax.jit(over, compiler_options=options)

    @cached_property
    def _evaluate(self):
        return self._looking(self.run.looks._evaluate)

    @cached_property
    def _first(self):
        return self._looking(self.program._first, run_once())

    @cached_property
    def _curves(self):
        return self._looking(self.run.looks._curves)

    @cached_property
    def _whole(self):
        def whole(states, start, x, y, *, curvature):
            def lane(both, data):
                return self.run.looks._whole(*both, *data, curvature=curvature)

            return self.over_lanes(lane, (states, start), (x, y))

        return jax.jit(whole, static_argnames="curvature", compiler_options=run_once())

    def _one_by_one(self, on: np.ndarray, fn: Callable[..., Any], stacked: Any, x, y, *rest: Any) -> Any:
        """Return ``fn(lane, x, y, *rest)``, the run's own program, of the lanes that are ``on``.

        For what, compiled for lanes, adds up in another order, so that a last digit would differ.
        """
        device = self.mesh.devices[0]
        x, y = jax.device_put((x, y), device)
        stacked = jax.device_get(stacked)
        found = [
            jax.device_get(
                fn(jax.device_put(jax.tree.map(lambda a, i=i: a[i], stacked), device), x, y, *rest)
            )
            for i in np.flatnonzero(on).tolist()
        ]
        places = np.cumsum(on) - 1  # of lanes that are off, anything
        return jax.tree.map(lambda *leaves: np.stack(leaves)[places], *found)

    def bytes_of(self, n: int, *data: Any) -> int:
        """Return the bytes that a chunk of ``n`` lanes takes on a device, by the compiled program."""
        state = jax.eval_shape(self.program.init, self.program.own_numbers)

        def there(a, sharding, *lead):
            return jax.ShapeDtypeStruct((*lead, *a.shape), a.dtype, sharding=sharding)

        states = jax.tree.map(lambda a: there(a, self.by_lane, n), state)
        on = jax.ShapeDtypeStruct((n,), bool, sharding=self.by_lane)
        shared = [there(a, self.everywhere) for a in data]
        length, every = next(self.run.pieces(0))
        memory = self.chunk.lower(states, on, *shared, length=length, every=every).compile().memory_analysis()
        # The states are donated, but a copy of them is kept to go back to.
        return memory.temp_size_in_bytes + 2 * memory.argument_size_in_bytes + memory.output_size_in_bytes
