"""The compiled parts of a run: initialise, train a chunk of steps, evaluate, find what broke.

Everything here is a pure function of (state, data, key); the configuration is static. Shapes: L steps of a
chunk, E steps of a window, B batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from jax.extend.core import Literal

from actlab.activations import Act
from actlab.data import Dataset, batch_indices
from actlab.data.batches import Order
from actlab.errors import InputError
from actlab.nn import sites
from actlab.stats import VALUE, StatsConfig, probe_names, watch
from actlab.stats.basic import (
    SATURATION,
    Scalars,
    active,
    any_unit,
    histogram,
    layer_leaves,
    layer_statistics,
    site_statistics,
    steepest,
)
from actlab.train.optimizer import Optimizer

EVAL_BATCH = 1024


class TrainState(NamedTuple):
    """All that a run carries from step to step.

    ``params`` and ``rest`` (running averages) are nested dicts of arrays by module path; ``step`` counts
    updates done; ``diverged`` is -1, or the step whose loss or update was not finite, after which the
    state no longer changes.
    """

    params: dict[str, Any]
    rest: dict[str, Any]
    opt_state: optax.OptState
    step: jax.Array
    diverged: jax.Array


@dataclass(frozen=True)
class Setup:
    """What a run is: values only, from which everything else follows.

    Args:
        model: ``model(act, in_shape, num_classes, dtype=..., rngs=...)`` gives an ``nnx.Module``.
        act: the activation.
        data: the data set.
        optimizer: rule, rate, decay.
        stats: statistics to take.
        seed: of initial values, batch order and dropout.
        steps: updates in the whole run.
        batch_size: samples in a batch.
        order: how batches are drawn, see ``actlab.data.batch_indices``.
        dtype: compute dtype of the model.

    """

    model: Callable[..., nnx.Module]
    act: Act
    data: Dataset
    optimizer: Optimizer
    stats: StatsConfig
    seed: int
    steps: int
    batch_size: int
    order: Order
    dtype: jax.typing.DTypeLike

    def build(self, rngs: nnx.Rngs) -> nnx.Module:
        """Return the model with initial values from ``rngs``."""
        return self.model(self.act, self.data.in_shape, self.data.num_classes, dtype=self.dtype, rngs=rngs)


class Program:
    """The compiled functions of a ``Setup``."""

    def __init__(self, setup: Setup):
        self.setup = setup
        abstract = nnx.eval_shape(lambda: setup.build(nnx.Rngs(0)))
        self.graphdef, params, rest = nnx.split(abstract, nnx.Param, ...)
        self.parameters = sum(leaf.size for _, leaf in layer_leaves(nnx.to_pure_dict(params)))
        self.rate = setup.optimizer.rate(setup.steps)
        self.tx = setup.optimizer.transformation(setup.steps)
        x = jax.ShapeDtypeStruct((setup.batch_size, *setup.data.in_shape), jnp.float32)
        y = jax.ShapeDtypeStruct((setup.batch_size,), jnp.int32)
        key = jax.eval_shape(lambda: jax.random.key(0))
        inputs = nnx.to_pure_dict(params), nnx.to_pure_dict(rest), x, y, key
        self.probes = probe_names(self._loss)(*inputs)
        self.layers = _forward_order(self._loss, *inputs)
        self.sites = [name.removesuffix(".pre") for name in self.probes if name.endswith(".pre")]
        self.threshold = SATURATION * steepest(setup.act) if setup.act.elementwise else None
        # The seed, not a key, crosses into compiled code: one program serves every seed.
        self.init = jax.jit(self._init, compiler_options=_run_once())
        self.chunk = jax.jit(self._chunk, static_argnames=("length", "every"), donate_argnums=0)
        self.evaluate = jax.jit(self._evaluate)
        self.locate = jax.jit(self._locate)

    def _init(self, seed: jax.Array) -> TrainState:
        """Return the state before the first step. Always compiled: eager initial values differ in the last bit."""
        model = self.setup.build(nnx.Rngs(jax.random.fold_in(jax.random.key(seed), 0)))
        _, params, rest = nnx.split(model, nnx.Param, ...)
        params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)
        return TrainState(params, rest, self.tx.init(params), jnp.int32(0), jnp.int32(-1))

    def check(self) -> None:
        """Trace a whole training step abstractly; raise what a model that does not fit raises."""
        state = jax.eval_shape(self.init, jax.ShapeDtypeStruct((), jnp.uint32))
        key = jax.eval_shape(lambda: jax.random.key(0))
        x = jax.ShapeDtypeStruct((self.setup.batch_size, *self.setup.data.in_shape), jnp.float32)
        y = jax.ShapeDtypeStruct((self.setup.batch_size,), jnp.int32)
        jax.eval_shape(self._gradient, state, x, y, key)
        for path, leaf in jax.tree_util.tree_leaves_with_path(state.rest):
            if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
                name = jax.tree_util.keystr(path, simple=True, separator=".")
                raise InputError(
                    f"{name} is a random key kept in the model; take the key from __call__ instead"
                )

    # -- one step ------------------------------------------------------------------------------------------

    def _loss(self, params, rest, x, y, key) -> tuple[jax.Array, Any]:
        model = nnx.merge(self.graphdef, params, rest)
        logits = model(x, train=True, key=key).astype(jnp.float32)
        loss = optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
        _, _, rest = nnx.split(model, nnx.Param, ...)
        return loss, (jnp.mean(jnp.argmax(logits, -1) == y), nnx.to_pure_dict(rest))

    def _gradient(self, state: TrainState, x, y, key):
        """Return loss, (accuracy, new rest), watched values by probe name, gradients."""

        def loss_fn(params):
            if self.setup.stats.level == "none":
                loss, aux = self._loss(params, state.rest, x, y, key)
                return loss, (aux, {})
            (loss, aux), seen = watch(self._loss, reading=VALUE)(params, state.rest, x, y, key)
            return loss, (aux, seen)

        (loss, (aux, seen)), grads = jax.value_and_grad(loss_fn, has_aux=True)(state.params)
        return loss, aux, seen, grads

    def _step(self, carry, inputs, *, x, y, key, every):
        state, window = carry
        i, index_B = inputs
        key = jax.random.fold_in(key, state.step)
        loss, (accuracy, rest), seen, grads = self._gradient(state, x[index_B], y[index_B], key)
        with jax.numpy_dtype_promotion("standard"):  # optax counts steps in int32 and mixes them with floats
            updates, opt_state = self.tx.update(grads, state.opt_state, state.params)
        where = self._active(state, seen)
        ever = {name: window["ever"][name] | any_unit(a) for name, a in where.items()}
        sums = {
            "loss": window["sums"]["loss"] + loss,
            "accuracy": window["sums"]["accuracy"] + accuracy,
        }
        record = jax.lax.cond(
            i == every - 1,
            lambda: self._record(state, seen, where, ever, sums, grads, updates, every),
            lambda: window["record"],
        )
        new = TrainState(
            optax.apply_updates(state.params, updates), rest, opt_state, state.step + 1, state.diverged
        )
        # A gradient that is not finite leaves no finite parameters behind, so the two checks cover all.
        finite = jnp.isfinite(loss) & (state.diverged < 0)
        for leaf in jax.tree.leaves((new.params, new.rest)):
            if jnp.issubdtype(leaf.dtype, jnp.inexact):
                finite &= jnp.isfinite(leaf).all()
        state = jax.tree.map(lambda n, o: jnp.where(finite, n, o), new, state)
        state = state._replace(diverged=jnp.where(finite | (state.diverged >= 0), state.diverged, state.step))
        return (state, {"ever": ever, "sums": sums, "record": record}), None

    def _record(self, state, seen, where, ever, sums, grads, updates, every) -> Scalars:
        with jax.numpy_dtype_promotion("standard"):
            rate = jnp.asarray(self.rate(state.step), jnp.float32)
        row: Scalars = {("train", q): v / every for q, v in sums.items()} | {("train", "learning_rate"): rate}
        if self.setup.stats.level == "none":
            return row
        row |= self._site_rows(state, seen, where, ever)
        return row | layer_statistics(state.params, grads, updates)

    def _active(self, state, seen) -> dict[str, jax.Array]:
        """Return where each site lets gradient through; empty if nothing is watched or f is not elementwise."""
        if not seen or self.threshold is None:
            return {}
        model = nnx.merge(self.graphdef, state.params, state.rest)
        return {n: active(site, seen[f"{n}.pre"], self.threshold) for n, site in sites(model).items()}

    def _site_rows(self, state, seen, where, ever) -> Scalars:
        model = nnx.merge(self.graphdef, state.params, state.rest)
        rows: Scalars = {}
        for name, site in sites(model).items():
            pre, post = seen[f"{name}.pre"], seen[f"{name}.post"]
            rows |= site_statistics(site, pre, post, where.get(name), ever.get(name))
        return rows

    # -- many steps ----------------------------------------------------------------------------------------

    def _chunk(self, state: TrainState, x, y, seed, *, length: int, every: int) -> tuple[TrainState, Scalars]:
        """Train ``length`` steps; return the state and every quantity's values (length // every,)."""
        if length % every:
            raise ValueError(f"a chunk of {length} steps is not made of windows of {every}")
        data_key, dropout_key = self._keys(seed)
        indices_LxB = batch_indices(
            data_key,
            state.step,
            length=length,
            size=len(x),
            batch=self.setup.batch_size,
            order=self.setup.order,
        )
        step = partial(self._step, x=x, y=y, key=dropout_key, every=every)

        def window(state, indices_ExB):
            (state, window), _ = jax.lax.scan(
                step, (state, self._empty_window(state, x, y)), (jnp.arange(every), indices_ExB)
            )
            return state, window["record"]

        return jax.lax.scan(window, state, indices_LxB.reshape(length // every, every, -1))

    def _empty_window(self, state, x, y) -> dict[str, Any]:
        """Return the carry at a window's start; its structure is found by tracing one step abstractly."""
        key, batch = jax.random.key(0), self.setup.batch_size
        loss, (accuracy, _), seen, grads = jax.eval_shape(self._gradient, state, x[:batch], y[:batch], key)
        sums = {"loss": loss, "accuracy": accuracy}
        where = jax.eval_shape(self._active, state, seen)
        ever = {name: jax.ShapeDtypeStruct(a.shape[-1:], a.dtype) for name, a in where.items()}
        record = jax.eval_shape(partial(self._record, every=1), state, seen, where, ever, sums, grads, grads)
        empty = {"ever": ever, "sums": sums, "record": record}
        return jax.tree.map(lambda a: jnp.zeros(a.shape, a.dtype), empty)

    def _keys(self, seed: jax.Array) -> tuple[jax.Array, jax.Array]:
        root = jax.random.key(seed)
        return jax.random.fold_in(root, 1), jax.random.fold_in(root, 2)

    # -- looking -------------------------------------------------------------------------------------------

    def _scores(self, state: TrainState, x, y, mask) -> tuple[jax.Array, jax.Array]:
        """Return the summed loss and the number of hits over the samples in ``mask``."""
        model = nnx.merge(self.graphdef, state.params, state.rest)
        logits = model(x, train=False).astype(jnp.float32)
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, y)
        return jnp.sum(losses, where=mask), jnp.sum(jnp.argmax(logits, -1) == y, where=mask)

    def _evaluate(self, state: TrainState, x, y) -> tuple[dict[str, jax.Array], dict[tuple[str, str], Any]]:
        """Return test loss and accuracy over all of ``x``, and histograms by (site, ``pre`` or ``post``).

        Histograms are of the first ``EVAL_BATCH`` samples.
        """
        batch = min(EVAL_BATCH, len(x))
        count = -(-len(x) // batch)
        pad = count * batch - len(x)
        xs = jnp.pad(x, [(0, pad)] + [(0, 0)] * (x.ndim - 1)).reshape(count, batch, *x.shape[1:])
        ys = jnp.pad(y, (0, pad)).reshape(count, batch)
        mask = (jnp.arange(count * batch) < len(x)).reshape(count, batch)
        (loss, hits), seen = watch(self._scores, reading=VALUE)(state, xs[0], ys[0], mask[0])
        if count > 1:
            rest = (xs[1:], ys[1:], mask[1:])
            losses, more = jax.lax.map(lambda batch: self._scores(state, *batch), rest)
            loss, hits = loss + losses.sum(), hits + more.sum()
        scores = {"loss": loss / len(x), "accuracy": hits / len(x)}
        if self.setup.stats.level == "none":
            return scores, {}
        return scores, {tuple(name.rsplit(".", 1)): histogram(value) for name, value in seen.items()}

    def _locate(self, state: TrainState, x, y, seed) -> dict[str, Any]:
        """Run the step a diverged state stopped before; tell what is finite, in the order it is computed."""
        data_key, dropout_key = self._keys(seed)
        index_B = batch_indices(
            data_key,
            state.step,
            length=1,
            size=len(x),
            batch=self.setup.batch_size,
            order=self.setup.order,
        )[0]
        key = jax.random.fold_in(dropout_key, state.step)
        run = watch(self._loss, reading=VALUE)
        (loss, _), seen = run(state.params, state.rest, x[index_B], y[index_B], key)
        grads = jax.grad(lambda p: run(p, state.rest, x[index_B], y[index_B], key)[0][0])(state.params)
        return {
            "loss": loss,
            "values": [jnp.isfinite(v).all() for v in seen.values()],
            "gradients": [jnp.isfinite(g).all() for _, g in layer_leaves(grads)],
            "rows": self._site_rows(state, seen, self._active(state, seen), {}),
        }


def _forward_order(fn: Callable[..., Any], params: dict[str, Any], *inputs: Any) -> list[str]:
    """Return the layers in the order in which ``fn(params, ...)`` first uses their parameters."""
    jaxpr = jax.make_jaxpr(fn)(params, *inputs).jaxpr
    layers = [layer for layer, _ in layer_leaves(params)]
    of = dict(zip(jaxpr.invars[: len(layers)], layers, strict=True))
    used = (
        of[atom] for eqn in jaxpr.eqns for atom in eqn.invars if not isinstance(atom, Literal) and atom in of
    )
    return list(dict.fromkeys([*used, *layers]))


def _run_once() -> dict[str, Any] | None:
    """Return compiler options for what runs once: on CPU, unoptimised code (compiles 6 times faster)."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
