"""The compiled looks at a run from outside its steps: evaluation, what sites make of the test data, what broke."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.stats import VALUE, Reading, value_and_grad, watch
from actlab.stats.histogram import histogram
from actlab.stats.layers import layer_leaves, norm
from actlab.stats.observer import Key, Rows
from actlab.stats.sites import active_units
from actlab.stats.spectra import ranks, selectivity
from actlab.train.draws import labels
from actlab.train.numbers import traced
from actlab.train.setup import TrainState, run_once
from actlab.train.step import Program
from actlab.train.whole_run import whole_run

EVAL_BATCH = 1024
EVAL_LABELS = 8192  # of a batch of texts: what all sites hold of it is in memory at once
RANK_BATCH = 128  # samples whose matrix is decomposed, some ms a site
RANKS = ("effective_rank", "stable_rank", "cosine", "pre_cosine")
CURVATURE_BATCH = 512  # samples the Hessian is of; half of those of an evaluation where these are fewer
MICROBATCHES = 8  # of a batch, to tell a gradient from its noise
CURVE = (-6.0, 6.0, 121)  # from, to, points of a learnt activation's curve


class Looks:
    """The compiled functions that look at a ``Program``'s states."""

    def __init__(self, program: Program):
        self.program = program
        self.setup = program.setup
        self.observer = program.observer
        self.loss = dataclasses.replace(
            self.setup.loss, z=0.0
        )  # z-loss steers training and says nothing of a model
        positions = self.setup.data.positions
        self.at_once = min(EVAL_BATCH, max(1, EVAL_LABELS // positions))
        self.looked = min(CURVATURE_BATCH, max(1, self.at_once // 2), len(self.setup.data.x_train))
        self.evaluate = jax.jit(self._evaluate)
        self.locate = jax.jit(self._locate)
        self.curves = jax.jit(self._curves)
        self.whole = jax.jit(self._whole, static_argnames="curvature", compiler_options=run_once())
        self.keys = self._keys_kept()

    def _keys_kept(self) -> list[Key]:
        setup = self.setup
        state = jax.eval_shape(self.program.init, self.program.own_numbers)
        x, y = setup.data.abstract(min(self.at_once, len(setup.data.x_test)))
        known: list[Key] = []

        def trace(state, x, y):
            logits, seen = self._seen(state, x)
            known.extend(self._figures(state, logits, seen, y, jnp.bool_(True)).keys)

        jax.eval_shape(trace, state, x, y)
        stats, whole = setup.stats, []
        if stats.level == "full":
            train = setup.data.abstract(len(setup.data.x_train))
            if setup.data.stream is not None:  # of which a batch is given, (1, B, ...)
                train = jax.eval_shape(
                    lambda *b: [a[None] for a in b], *setup.data.abstract(setup.batch_size)
                )
            inputs = state, state.params, *train, setup.data.abstract(self.looked)
            every = jax.eval_shape(lambda *a: self._whole(*a, curvature=True, every=True), *inputs)
            whole = [q for _, q in every]
        if stats.level != "none":
            stats.chosen_quantities([*self.program.known, *(q for _, q in known), *whole])
        return [key for key in known if key[0] == "head" or stats.keeps(key[1])]

    def _outputs(self, state: TrainState, x) -> jax.Array:
        model = nnx.merge(self.program.graphdef, state.params, state.rest)
        return model(x, train=False).astype(jnp.float32)

    def _seen(self, state: TrainState, x) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return outputs, and the values at every probe."""
        outputs, seen = watch(self._outputs, reading=VALUE)(state, x)
        return outputs, self.program.by_layer(seen)

    def _scores(self, logits, y, mask) -> dict[str, jax.Array]:
        """Return the summed loss and, of classes, the number of hits over the samples in ``mask`` (B,)."""
        sums = {"loss": jnp.sum(self.loss(logits, y), where=mask)}
        if "accuracy" in self.setup.scores:
            inside = mask.reshape(-1, *[1] * (y.ndim - 1))
            sums["accuracy"] = jnp.sum(jnp.argmax(logits, -1) == y, where=inside)
        return sums

    def _evaluate(
        self, state: TrainState, x, y, ranked: jax.Array
    ) -> tuple[dict[str, jax.Array], dict[Key, Any], jax.Array]:
        """Return test scores over all of ``x``, histograms by (site, tensor), and figures by ``keys``.

        Histograms and figures are of the first ``at_once`` samples. Ranks are computed where ``ranked``.
        """
        batch = min(self.at_once, len(x))
        count = -(-len(x) // batch)
        pad = count * batch - len(x)
        xs = jnp.pad(x, [(0, pad)] + [(0, 0)] * (x.ndim - 1)).reshape(count, batch, *x.shape[1:])
        ys = jnp.pad(y, [(0, pad)] + [(0, 0)] * (y.ndim - 1)).reshape(count, batch, *y.shape[1:])
        mask = (jnp.arange(count * batch) < len(x)).reshape(count, batch)
        logits, seen = self._seen(state, xs[0])
        sums = self._scores(logits, ys[0], mask[0])
        if count > 1:
            rest = (xs[1:], ys[1:], mask[1:])
            more = jax.lax.map(lambda b: self._scores(self._outputs(state, b[0]), b[1], b[2]), rest)
            sums = {name: value + more[name].sum() for name, value in sums.items()}
        labels = {"loss": len(x), "accuracy": len(x) * self.setup.data.positions}
        scores = {name: value / labels[name] for name, value in sums.items()}
        if self.setup.stats.level == "none":
            return scores, {}, jnp.zeros(0)
        histograms = {
            (site, tensor): histogram(value)
            for name, value in seen.items()
            for site, _, tensor in [name.rpartition(".")]
            if site in self.observer.sites and tensor != "scores"
        }
        return scores, histograms, self._figures(state, logits, seen, ys[0], ranked).vector(self.keys)

    def _figures(self, state: TrainState, logits, seen: dict[str, jax.Array], y, ranked) -> Rows:
        rows = Rows()
        if self.setup.stats.level == "none":
            return rows
        row: dict[Key, jax.Array] = {
            ("head", "logits.rms"): norm([logits]) / logits.size**0.5,
            ("head", "logits.max_abs"): jnp.max(jnp.abs(logits)),
            ("head", "logits.min"): logits.min(),
            ("head", "logits.max"): logits.max(),
            ("head", "logits.row_sum_error"): jnp.max(jnp.abs(logits.sum(-1) - 1.0)),
        }
        # XLA's CPU backend (jax 0.10 to 0.12) passes NaN over in a maximum of many numbers, not in their sum
        nothing = jnp.isnan(jnp.abs(logits).sum())
        row = {key: jnp.where(nothing, jnp.nan, x) for key, x in row.items()}
        if self.setup.stats.level == "full":
            bound, observer = self.program.bound(state), self.program.watcher(state)
            for site in self.observer.units:
                pre, post = seen[f"{site}.pre"], seen[f"{site}.post"]
                found = jax.lax.cond(
                    ranked,
                    lambda pre, post: ranks(post) | {"pre_cosine": ranks(pre)["cosine"]},
                    lambda pre, post: dict.fromkeys(RANKS, jnp.float32(0)),
                    pre[:RANK_BATCH],
                    post[:RANK_BATCH],
                )
                row |= {(site, q): found[q] for q in RANKS}
                if (labelled := self._labelled(post, y)) is not None:
                    found = selectivity(*labelled, self.setup.data.num_classes)
                    row[site, "selectivity"] = jnp.nanmean(found)
                if (threshold := observer.threshold) is not None:
                    on = active_units(self.setup.act, bound[site], pre.astype(jnp.float32), threshold)
                    row[site, "dataset_dead_share"] = (~on).astype(jnp.float32).mean()
        rows.add_all(row)
        return rows

    def _labelled(self, post, y) -> tuple[jax.Array, jax.Array] | None:
        """Return values (N, ..., C) and the class (N,) of each; None where values have none of their own."""
        match self.setup.data.task:
            case "classes":
                return post, y
            case "tokens" if post.shape[:-1] == y.shape:
                return post.reshape(-1, post.shape[-1]), y.ravel()
        return None

    def _curves(self, state: TrainState) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return x (121,) and, by site, the activation there as learnt so far, the mean over its units."""
        low, high, points = CURVE
        x = jnp.linspace(low, high, points)
        curves = {}
        for site, bound in self.program.bound(state).items():
            shape = self.program.shapes[f"{site}.pre"].shape[1:]
            grid = jnp.broadcast_to(x.reshape(-1, *[1] * len(shape)), (points, *shape))
            curves[site] = self.setup.act(grid, **bound).reshape(points, -1).mean(-1)
        return x, curves

    def _whole(
        self, state: TrainState, start_params, x, y, first=None, *, curvature: bool, every: bool = False
    ) -> dict[Key, jax.Array]:
        """Return the figures of the whole run, see `whole_run`; of the ``first`` samples, by default of ``x``.

        Gradient noise is of the next batch. Dropout is off, running averages stand still.
        """
        program, setup = self.program, self.setup
        batch_x, batch_y, key = program.batch(state, x, y)
        if first is None:
            first = x[: self.looked], labels(setup, state, y)[: self.looked]
        parts = min(MICROBATCHES, setup.batch_size // 2)
        samples = setup.batch_size // max(parts, 1)

        def loss(params, x, y):
            return setup.loss(self._outputs(state._replace(params=params), x), y).mean()

        noise = {}
        if parts >= 2:
            split = jax.tree.map(
                lambda v: v[: parts * samples].reshape(parts, samples, *v.shape[1:]), (batch_x, batch_y)
            )
            noise = {"noise_loss": lambda p, b: loss(p, *b), "microbatches": split, "samples": samples}
        update = None
        if curvature:
            new = program.step(state, batch_x, batch_y, key)
            update = jax.tree.map(lambda n, o: n - o, new.params, state.params)
        with jax.numpy_dtype_promotion("standard"):
            rate = jnp.asarray(program.rate(state), jnp.float32)
        row = whole_run(
            lambda p: loss(p, *first),
            state.params,
            start_params,
            state.opt_state,
            optimizer=traced(setup.optimizer, state.numbers),
            learning_rate=rate,
            key=jax.random.key(0),
            update=update,
            curvature=curvature,
            **noise,
        )
        return {key: v for key, v in row.items() if every or setup.stats.keeps(key[1])}

    def _locate(self, state: TrainState, x, y) -> dict[str, Any]:
        """Run the step a diverged state stopped before; tell what is finite, in the order it is computed."""
        inputs = self.program.batch(state, x, y)

        def fine(name: str, value: jax.Array) -> jax.Array:
            ok = jnp.isfinite(value)
            if name.endswith(".scores"):  # where a mask is -inf
                ok |= jnp.isneginf(value)
            return ok.all().astype(jnp.float32)

        finite = Reading(fine)
        run = partial(value_and_grad, has_aux=True, reading=finite)
        (loss, _, seen), grads = run(self.program._loss)(state.params, state.rest, *inputs)
        return {
            "loss": loss,
            "values": jax.tree.map(jnp.min, self.program.by_layer(seen.values)),  # over positions in a scan
            "value_gradients": jax.tree.map(jnp.min, self.program.by_layer(seen.gradients)),
            "gradients": [jnp.isfinite(g).all() for _, g in layer_leaves(grads)],
        }
