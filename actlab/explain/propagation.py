r"""What becomes of a signal through the depth of a network at its first step, over many initialisations.

At every site, of its pre-activations h of a batch of inputs:

.. math::
    q = \operatorname{mean}\, h^2, \qquad
    c = \operatorname{mean}_{a \ne b} \frac{h_a \cdot h_b}{\lVert h_a \rVert \lVert h_b \rVert}, \qquad
    g = \operatorname{rms}\, \frac{\partial\,\mathrm{loss}}{\partial h}

Poole et al. 2016, arXiv:1606.05340; Schoenholz et al. 2017, arXiv:1611.01232. Shapes: S seeds, L sites, B inputs,
T trainings.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.errors import InputError
from actlab.models.expected import Expected, expected, gradient_at, wide
from actlab.stats import VALUE, value_and_grad
from actlab.train import Run
from actlab.values import Bound

BATCH = 64  # inputs whose pairs are compared


@dataclass(frozen=True, eq=False)
class Propagation:
    """What S initialisations make of a signal, and what training made of the first T of them.

    Args:
        sites: L names, in forward order.
        q: (S, L) mean square of the pre-activations.
        c: (S, L) mean cosine of two inputs, of those that are not all zero there; NaN where fewer than two are not.
        g: (S, L) root mean square of the loss's gradient there.
        inputs: (q, c) of the inputs themselves.
        scores: (T,) on the test split after training; NaN where training diverged.
        quantity: what these are: ``accuracy``, or ``loss`` where there are no classes.
        chance: the accuracy of always saying the commonest class; NaN where there are none.
        theory: what maps of wide networks expect; None where they do not say, and ``reason`` why.
        reason: ``""`` beside a theory.
        given_q: (S, L) gradients against the last site's as theory has them at each network's own q; None without.
    """

    sites: tuple[str, ...]
    q: np.ndarray
    c: np.ndarray
    g: np.ndarray
    inputs: tuple[float, float]
    scores: np.ndarray
    quantity: str
    chance: float
    theory: Expected | None = None
    reason: str = ""
    given_q: np.ndarray | None = None

    @property
    def relative(self) -> np.ndarray:
        """Gradients against the last site's (S, L); NaN where none arrives even there."""
        last = self.g[:, -1:]
        return np.divide(self.g, last, out=np.full_like(self.g, np.nan), where=last > 0)


def propagation(run: Run, *, seeds: int = 16, trained: int = 1) -> Propagation:
    """Return what ``seeds`` initialisations of a run's model make of a signal; train the first ``trained`` in memory.

    The seeds are the run's and those after it; all see the same inputs, the first of the test split.

    Raises:
        InputError: no initialisation, fewer of them than trainings, a model without a site, inputs that are tokens.

    """
    if seeds < 2 or not 0 <= trained <= seeds:
        raise InputError(
            f"seeds={seeds}, trained={trained}: at least 2 seeds, and not more trainings than seeds"
        )
    program, setup = run.program, run.setup
    if not program.sites:
        raise InputError("explain network needs a model with an activation: model.depth=1, say")
    data = setup.data
    data.check_held("explain network")
    if not np.issubdtype(data.x_test.dtype, np.floating):
        raise InputError(
            f"explain network compares inputs that are numbers, {data.name} has {data.x_test.dtype}"
        )
    x, y = jnp.asarray(data.x_test[:BATCH]), jnp.asarray(data.y_test[:BATCH])
    own = [{**run.numbers, "seed": (setup.seed + k) % 2**32} for k in range(seeds)]

    def loss(params, rest):
        model = nnx.merge(program.graphdef, params, rest)
        key = jax.random.key(0)  # of dropout and stochastic activations
        return setup.loss(model(x, train=True, key=key).astype(jnp.float32), y).mean()

    @jax.jit
    def measure(params, rest):
        (_, seen), _ = value_and_grad(loss, reading=VALUE)(params, rest)
        at = [f"{site}.pre" for site in program.sites]
        return [(seen.values[name], seen.gradients[name]) for name in at]

    measured = []
    for numbers in own:
        state = program.init(numbers)
        found = jax.device_get(measure(state.params, state.rest))
        measured.append([(_square(h), _cosine(h), _square(g) ** 0.5) for h, g in found])
    q, c, g = np.moveaxis(np.array(measured), -1, 0)
    classes = data.task != "regression"
    theory, given_q, reason = _theory(run, np.asarray(x), q)
    count = np.bincount(data.y_test.reshape(-1)) if classes else np.array([np.nan])
    return Propagation(
        sites=tuple(program.sites),
        q=q,
        c=c,
        g=g,
        inputs=(_square(x), _cosine(x)),
        scores=np.array([_train(run, numbers) for numbers in own[:trained]]),
        quantity="accuracy" if classes else "loss",
        chance=float(count.max() / count.sum()),
        theory=theory,
        reason=reason,
        given_q=given_q,
    )


class Disagreement(NamedTuple):
    """Where initialisations do not do what theory expects: their mean, what was expected, in standard errors."""

    quantity: str
    site: str
    measured: float
    expected: float
    errors: float


def disagreements(one: Propagation) -> list[Disagreement]:
    """Return the sites whose mean over initialisations is off by 4 standard errors and by more than theory rounds.

    Errors are those of networks of this width, `actlab.theory.bands`, as far as these hold; less than 5 % of a
    variance or a gradient, or 0.02 of a cosine, does not count. A gradient is held against theory at the network's
    own q. Empty without a theory.
    """
    found = []
    if one.theory is None:
        return found
    t = one.theory
    for name, values, wanted, sd, room in (
        ("variance", one.q, t.q, t.q_sd, 0.05 * t.q),
        ("cosine", one.c, t.c, t.c_sd, 0.02),
        ("gradient", one.relative / one.given_q, np.ones_like(t.q), t.gradient_sd, 0.05),
    ):
        some = np.isfinite(values).sum(0)
        with np.errstate(invalid="ignore"):
            mean = np.nansum(values, 0) / np.maximum(some, 1)
            error = np.maximum(sd / np.sqrt(np.maximum(some, 1)), 1e-6 * np.abs(wanted))
            off = np.abs(mean - wanted)
        for i in range(min(len(one.sites), t.layers) if name != "gradient" else len(one.sites)):
            if some[i] and off[i] > 4 * error[i] and off[i] > np.broadcast_to(room, off.shape)[i]:
                scale = t.gradient[i] if name == "gradient" else 1.0
                told = (float(v) for v in (scale * mean[i], scale * wanted[i], off[i] / error[i]))
                found.append(Disagreement(name, one.sites[i], *told))
    return found


def _theory(run: Run, x: np.ndarray, q: np.ndarray) -> tuple[Expected | None, np.ndarray | None, str]:
    """Return what theory expects of inputs ``x``, and of gradients at ``q``; or None and why it says nothing."""
    setup = run.setup
    if not isinstance(setup.model, Bound):
        return None, None, "the model's arguments are not known"
    inputs = int(np.prod(setup.data.in_shape))
    try:
        told = wide(setup.model.function, dict(setup.model.keywords), setup.act, inputs)
        return expected(told, x), gradient_at(told, q), ""
    except InputError as e:
        return None, None, str(e)


def _square(h: np.ndarray) -> float:
    """Return the mean square, in float64: a signal that is nearly gone has squares that float32 has not."""
    return float(np.mean(np.square(np.asarray(h, np.float64))))


def _cosine(h: np.ndarray) -> float:
    """Return the mean cosine over all pairs of a batch (B, ...) of rows that are not zero.

    By the norm of the sum of unit vectors; NaN of fewer than two such rows.
    """
    flat = np.asarray(h, np.float64).reshape(len(h), -1)
    norms = np.linalg.norm(flat, axis=1)
    unit = flat[norms > 0] / norms[norms > 0, None]
    n = len(unit)
    if n < 2:
        return float("nan")
    return float((np.sum(np.square(unit.sum(0))) - n) / (n * (n - 1)))


def _train(run: Run, numbers) -> float:
    """Train one initialisation to the end, in memory; return its score on the test split, NaN if it diverged."""
    program, data = run.program, run.setup.data
    state = program.init(numbers)
    while (step := int(state.step)) < run.setup.steps:
        for length, every in run.pieces(step):
            state, _, _ = program.chunk(state, data.x_train, data.y_train, length=length, every=every)
        if int(state.diverged) >= 0:
            return float("nan")
    scores, _, _ = run.looks.evaluate(state, data.x_test, data.y_test, jnp.bool_(False))
    return float(scores["accuracy" if "accuracy" in scores else "loss"])
