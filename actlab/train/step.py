"""The compiled parts of a run: initialise, train a chunk of steps.

Everything here is a pure function of (state, data, key); the configuration is static. Shapes: L steps of a
chunk, E steps of a window, B batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable, Mapping
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from actlab.errors import InputError
from actlab.nn import sites
from actlab.nn.numbers import given
from actlab.stats import VALUE, Reading, Seen, value_and_grad, watch
from actlab.stats.layers import forward_order, layer_leaves, layer_statistics, norm
from actlab.stats.observer import Key, Observer, Rows
from actlab.stats.scanned import places, unstacked
from actlab.train import draws, numbers
from actlab.train.flops import matmul_flops
from actlab.train.setup import Setup, TrainState, run_once
from actlab.train.update import updated


class Program:
    """The compiled functions of a ``Setup``."""

    def __init__(self, setup: Setup, *, stacked: bool | None = None):
        self.setup = setup
        with given({}) as asked:
            abstract = nnx.eval_shape(lambda: setup.build(nnx.Rngs(0)))
        self.graphdef, params, rest = nnx.split(abstract, nnx.Param, ...)
        self.parameters = sum(leaf.size for _, leaf in layer_leaves(nnx.to_pure_dict(params)))
        found = numbers.candidates(setup)
        own = {n for n in found if n.split(".")[0] in ("model", "activation", "init")}
        if not any(n.startswith("activation.") for n in asked):
            own.add("threshold")
        # What the model does not ask for is part of the program: it took it from its arguments.
        self.own_numbers = {n: v for n, v in found.items() if n in asked or n not in own}
        x, y = setup.data.abstract(setup.batch_size)
        key = jax.eval_shape(lambda: jax.random.key(0))
        inputs = nnx.to_pure_dict(params), nnx.to_pure_dict(rest), x, y, key
        positions = {name for name, site in sites(abstract).items() if site.repeated}
        self.places = places(self._loss, positions)(
            *inputs
        )  # in forward order: a dict comes out of a trace sorted
        self.probes = [place.name for place in self.places]
        read = watch(self._loss, reading=VALUE)
        shapes = jax.eval_shape(lambda *a: self.by_layer(read(*a)[1]), *inputs)
        self.shapes = probes = {name: shapes[name] for name in self.probes}
        self.layers = forward_order(self._loss, *inputs)
        self.sites = [name.removesuffix(".pre") for name in self.probes if name.endswith(".pre")]
        self.observer = Observer(setup.stats, setup.act, probes, setup.batch_size, stacked, self.places)
        # Numbers cross into compiled code as inputs, the seed rather than a key: one program serves them all.
        everywhere = setup.parallel.options()
        self.init = jax.jit(self._init, compiler_options=run_once(), **everywhere)
        self.chunk = jax.jit(self._chunk, static_argnames=("length", "every"), donate_argnums=0, **everywhere)
        self.first = jax.jit(self._first, compiler_options=run_once(), **everywhere)
        self.layer_keys: frozenset[Key] = frozenset()
        self.keys = self._kept(*inputs)

    def _kept(self, *inputs) -> list[Key]:
        """Return the records kept of a window, in order; keep all there could be as ``known``."""
        state = jax.eval_shape(self._init, self.own_numbers)
        rows = Rows()

        def trace(state, x, y, key):
            rows.extend(self._recorded(state, x, y, key, every=1, **self._start())[1])

        jax.eval_shape(trace, state, *inputs[2:])
        stats = self.setup.stats
        self.known = [q for site, q in rows.keys if site != "train"]
        return [key for key in rows.keys if key[0] == "train" or stats.keeps(key[1])]

    def numbers_of(self, setup: Setup) -> dict[str, Any]:
        """Return the numbers of another setup of the same structure, for `init`."""
        return {name: value for name, value in numbers.candidates(setup).items() if name in self.own_numbers}

    def key_of(self, setup: Setup) -> Hashable:
        """Return a value that is equal for setups this program, or one like it, serves."""
        names = self.numbers_of(setup)
        return numbers.structure(setup, names), tuple(names)

    def _init(self, own: numbers.Numbers) -> TrainState:
        """Return the state before the first step. Always compiled: eager initial values differ in the last bit."""
        own = numbers.on_device(own)
        with given(own):
            model = self.setup.build(nnx.Rngs(jax.random.fold_in(jax.random.key(own["seed"]), 0)))
        _, params, rest = nnx.split(model, nnx.Param, ...)
        params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)
        aside = {name: jnp.int32(0) for name in ("shift", "rewinds", "skipped", "skipped_in_row")}
        aside |= self.setup.stability.carried()
        if self.setup.stats.level == "full":
            aside["dead_for"] = jax.tree.map(
                lambda on: jnp.zeros(on.shape, jnp.int32), self.observer.nobody()
            )
        opt_state = self._optimizer(own).init(params)
        return TrainState(params, rest, opt_state, jnp.int32(0), jnp.int32(-1), aside, own)

    def _optimizer(self, own: numbers.Numbers) -> optax.GradientTransformation:
        return numbers.traced(self.setup.optimizer, own).transformation(self.setup.steps)

    def rate(self, state: TrainState) -> jax.Array:
        """Return the learning rate of the update that comes next; dropped ones do not advance the schedule."""
        optimizer = numbers.traced(self.setup.optimizer, state.numbers)
        return optimizer.rate(self.setup.steps)(state.step - state.aside["skipped"])

    def check(self) -> None:
        """Trace a whole training step abstractly; raise what a model that does not fit raises."""
        state = jax.eval_shape(self.init, self.own_numbers)
        key = jax.eval_shape(lambda: jax.random.key(0))
        x, y = self.setup.data.abstract(self.setup.batch_size)
        jax.eval_shape(lambda *a: self._gradient(*a, None, None), state, x, y, key)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.rest):
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                name = jax.tree_util.keystr(path, simple=True, separator=".")
                raise InputError(
                    f"{name} is a random key kept in the model; take the key from __call__ instead"
                )

    @cached_property
    def flops(self) -> int | None:
        """Floating-point operations of the products in a forward pass, a sample of a batch; see `matmul_flops`."""
        state = jax.eval_shape(self.init, self.own_numbers)
        x, _ = self.setup.data.abstract(self.setup.batch_size)

        def forward(params, rest, x):
            return nnx.merge(self.graphdef, params, rest)(x, train=False)

        whole = matmul_flops(forward)(state.params, state.rest, x)
        return None if whole is None else round(whole / self.setup.batch_size)

    # -- one step ------------------------------------------------------------------------------------------

    def _loss(self, params, rest, x, y, key) -> tuple[jax.Array, Any]:
        model = nnx.merge(self.graphdef, params, rest)
        logits = model(x, train=True, key=key).astype(jnp.float32)
        loss = self.setup.loss(logits, y).mean()
        _, _, rest = nnx.split(model, nnx.Param, ...)
        right = (
            {}
            if self.setup.data.task == "regression"
            else {"accuracy": jnp.mean(jnp.argmax(logits, -1) == y)}
        )
        return loss, (right, nnx.to_pure_dict(rest))

    def bound(self, state: TrainState) -> dict[str, dict[str, jax.Array]]:
        """Return the parameters of every site's activation that are learnt, or numbers of the program."""
        if not self.setup.act.learn and not any(n.startswith("activation.") for n in self.own_numbers):
            return {site: {} for site in self.sites}
        model = nnx.merge(self.graphdef, state.params, state.rest)
        found = {name: site.bound() for name, site in sites(model).items()}
        # One site of a scan holds the values of all its layers, stacked; one of layers apart has its own name.
        inside = [
            dataclasses.replace(p, name=p.name.removesuffix(".pre"), source=p.source.removesuffix(".pre"))
            for p in self.places
            if p.index and p.name.endswith(".pre")
        ]
        return found | unstacked(found, inside)

    def watcher(self, state: TrainState) -> Observer:
        """Return the observer of a state's run."""
        return self.observer.at(state.numbers.get("threshold"))

    def _gradient(self, state: TrainState, x, y, key, reading: Reading | None, of_gradient: Reading | None):
        """Return loss, (accuracy by name if there is one, new rest), what was seen at the probes, gradients."""
        loss = self._loss
        if reading is None:
            (value, aux), grads = jax.value_and_grad(loss, has_aux=True)(state.params, state.rest, x, y, key)
            return value, aux, Seen({}, {}), grads
        if of_gradient is not None:
            (value, aux, seen), grads = value_and_grad(
                loss, has_aux=True, reading=reading, of_gradient=of_gradient
            )(state.params, state.rest, x, y, key)
            return value, aux, Seen(self.by_layer(seen.values), self.by_layer(seen.gradients)), grads

        def watched(params):
            (value, aux), seen = watch(loss, reading=reading)(params, state.rest, x, y, key)
            return value, (aux, seen)

        (value, (aux, seen)), grads = jax.value_and_grad(watched, has_aux=True)(state.params)
        return value, aux, Seen(self.by_layer(seen), {}), grads

    def by_layer(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Return what was found at the probes with that of each layer of a scan under its own name."""
        return unstacked(found, self.places)

    def step(self, state: TrainState, x, y, key) -> TrainState:
        """Return the state after one step on these samples."""
        loss, (_, rest), _, grads = self._gradient(state, x, y, key, None, None)
        return updated(self.setup, state, loss, rest, grads)[0]

    def _start(self) -> dict[str, Any]:
        """Return what a window carries, at its start."""
        sums = {name: jnp.float32(0) for name in (*self.setup.scores, "steps")}
        return {"ever": self.observer.nobody(), "sums": sums, "most": jnp.float32(-jnp.inf)}

    @staticmethod
    def _tally(sums, most, loss, right, dropped):
        """Add a step's numbers to a window's, but for those of a step whose update was dropped."""
        now = {"loss": loss} | right | dropped
        own = {"loss": loss} | right | {"steps": jnp.float32(1)}
        if dropped:
            out = dropped["dropped"]
            own = {name: jnp.where(out, 0.0, value) for name, value in own.items()}
            loss = jnp.where(out, -jnp.inf, loss)
        return {name: sums[name] + own[name] for name in sums}, jnp.maximum(most, loss), now

    def _plain(self, state, x, y, key, *, ever, sums, most):
        """Do a step that is not recorded; return the state, what the window carries, and the step's own numbers."""
        watching = self.setup.stats.level != "none" and self.observer.threshold is not None
        bound, observer = self.bound(state), self.watcher(state)
        reading = observer.light_reading(state.step, bound) if watching else None
        loss, (right, rest), seen, grads = self._gradient(state, x, y, key, reading, None)
        if watching:
            on = observer.active(seen.values, bound)
            ever = {name: ever[name] | on[name] for name in ever}
        state, dropped = updated(self.setup, state, loss, rest, grads)
        sums, most, now = self._tally(sums, most, loss, right, dropped)
        return state, {"ever": ever, "sums": sums, "most": most}, now

    def _recorded(self, state, x, y, key, *, every, ever, sums, most, every_row: bool = False):
        """Do the step at a window's end; return the state, the window's rows, and the step's own numbers."""
        level = self.setup.stats.level
        bound, observer = self.bound(state), self.watcher(state)
        reading = observer.reading(state.step, bound, every_row=every_row) if level != "none" else None
        back = observer.of_gradient(state.step, every_row=every_row) if level == "full" else None
        loss, (right, rest), seen, grads = self._gradient(state, x, y, key, reading, back)
        new, dropped = updated(self.setup, state, loss, rest, grads)
        sums, most, now = self._tally(sums, most, loss, right, dropped)
        with jax.numpy_dtype_promotion("standard"):
            rate = jnp.asarray(self.rate(state), jnp.float32)
        rows = Rows()
        means = {("train", q): sums[q] / sums["steps"] for q in self.setup.scores}
        rows.add_all(means | {("train", "learning_rate"): rate})
        if self.setup.stability.drops:
            rows.add_all({("train", "skipped"): new.aside["skipped"]})
        if level == "full":
            rows.add_all({("train", "loss_max"): most})
        if level == "none":
            return new, rows, now
        sited, on = observer.record(seen.values, seen.gradients, bound, state.step, every_row=every_row)
        ever = {name: ever[name] | on[name] for name in ever}
        parts = [sited, observer.dead(ever)]
        if level == "full":
            before = state.aside["dead_for"]
            dead_for = {
                name: jnp.where(ever[name], 0, before[name] + every).astype(jnp.int32) for name in ever
            }
            frozen = new.diverged >= 0
            dead_for = jax.tree.map(lambda n, o: jnp.where(frozen, o, n), dead_for, before)
            new = new._replace(aside=new.aside | {"dead_for": dead_for})
            parts.append(observer.longest(dead_for))
        for part in parts:
            rows.extend(part)
        rows.add_all(
            {
                (site, f"param.{name}.{q}"): getattr(value, q)()
                for site in self.observer.sites
                for name, value in bound.get(site, {}).items()
                if name in self.setup.act.learn
                for q in ("mean", "min", "max")
            }
        )
        self._add_layers(rows, state, new, grads, every, always=every_row)
        return new, rows, now

    def _add_layers(self, rows: Rows, state, new, grads, every: int, *, always: bool) -> None:
        """Add the layers' norms, where they are due or always; what an update is, is what it changed."""
        full = self.setup.stats.level == "full"
        names: list[Key] = []

        def norms(old, new, grads):
            moved = jax.tree.map(lambda n, o: n - o, new, old)
            part = layer_statistics(old, grads, moved, full=full)
            if full:
                part["train", "gradient_norm"] = norm(
                    [v for (_, q), v in part.items() if q == "gradient_norm"]
                )
            names[:] = part
            return jnp.stack(list(part.values()))

        inputs = state.params, new.params, grads
        if always or self.setup.stats.layers_every <= every:
            values = norms(*inputs)
        else:
            shape = jax.eval_shape(norms, *inputs)
            due = self.due(state.step + 1, every)
            values = jax.lax.cond(due, norms, lambda *_: jnp.zeros(shape.shape, shape.dtype), *inputs)
        self.layer_keys = frozenset(names)
        rows.add(names, values)

    def due(self, step, every: int):
        """Return whether the layers' norms are in the record of the window that ends with ``step``."""
        return self.setup.stats.layers_due(step, every) | (step == self.setup.steps)

    # -- many steps ----------------------------------------------------------------------------------------

    def _chunk(self, state: TrainState, x, y, *, length: int, every: int):
        """Train ``length`` steps on all samples (N, ...), or of a streamed data set on theirs, (L, B, ...).

        Returns the state, for each window the values (K,) of ``keys``, and every step's own numbers (length,): loss,
        accuracy of classes, where policies drop updates whether one was.
        """
        if length % every:
            raise ValueError(f"a chunk of {length} steps is not made of windows of {every}")
        _, dropout_key, _ = draws.keys(state)
        indices, y = draws.drawn(self.setup, state, len(x), length), draws.labels(self.setup, state, y)

        def inputs(state, index_B):
            batch = self.setup.parallel.split((x[index_B], y[index_B]))
            return *batch, self._step_key(dropout_key, state)

        def plain(carry, index_B):
            state, window = carry
            state, window, now = self._plain(state, *inputs(state, index_B), **window)
            return (state, window), now

        # The recorded step stands apart from the others rather than in a branch of each: under vmap a branch is
        # computed by every lane at every step.
        def window(state, indices_E):
            carry, trace = self._start(), None
            if every > 1:
                (state, carry), trace = jax.lax.scan(plain, (state, carry), indices_E[:-1])
            state, rows, now = self._recorded(state, *inputs(state, indices_E[-1]), every=every, **carry)
            now = jax.tree.map(lambda v: v[None], now)
            trace = now if trace is None else jax.tree.map(lambda a, b: jnp.concatenate([a, b]), trace, now)
            return state, (rows.vector(self.keys), trace)

        windows = indices.reshape(length // every, every, *indices.shape[1:])
        state, (table, trace) = jax.lax.scan(window, state, windows)
        trace = jax.tree.map(lambda v: v.reshape(length), trace)
        state = state._replace(aside=self.setup.stability.after(state.aside, trace["loss"]))
        return state, table, trace

    def _step_key(self, dropout_key: jax.Array, state: TrainState) -> jax.Array:
        return jax.random.fold_in(dropout_key, state.step + state.aside["shift"])

    def rows(self, table: np.ndarray, start: int, every: int, stop: int) -> list[tuple[int, str, str, float]]:
        """Return rows in order of step: the k-th record (K,) belongs to step start + (k+1) every, up to stop."""
        always = [i for i, key in enumerate(self.keys) if key not in self.layer_keys]
        whole, part = zip(*self.keys, strict=True), zip(*(self.keys[i] for i in always), strict=True)
        names = {True: (slice(None), *whole), False: (always, *part)}
        rows: list[tuple[int, str, str, float]] = []
        for k, line in enumerate(np.asarray(table, np.float64)):
            if (end := start + (k + 1) * every) <= stop:
                chosen, sites, quantities = names[bool(self.due(end, every))]
                rows += zip([end] * len(sites), sites, quantities, line[chosen].tolist(), strict=True)
        return rows

    def batch(self, state: TrainState, x, y) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Return the samples, labels and key of the step that comes next; of streamed ones ``x`` is (1, B, ...)."""
        _, dropout_key, _ = draws.keys(state)
        index_B = draws.drawn(self.setup, state, len(x), 1)[0]
        return x[index_B], draws.labels(self.setup, state, y)[index_B], self._step_key(dropout_key, state)

    def _first(self, state: TrainState, x, y) -> jax.Array:
        """Return the record (K,) of the step that comes next, over its whole batch."""
        inputs = self.batch(state, x, y)
        _, rows, _ = self._recorded(state, *inputs, every=1, every_row=True, **self._start())
        return rows.vector(self.keys)
