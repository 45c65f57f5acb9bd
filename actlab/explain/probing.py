r"""Linear probes: how well a linear model tells classes apart by what a layer makes of the inputs.

A probe is logistic regression on standardised features h, with weights W and biases b, that minimises

.. math:: \frac1N \sum_i -\log \operatorname{softmax}(W^\top h_i + b)_{y_i} + \frac{\lambda}{2} \lVert W \rVert^2

Alain & Bengio 2016, arXiv:1610.01644. Shapes: N samples, D features, K classes.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError

STEPS = 300  # of the accelerated descent; the tests compare with scikit-learn's optimum
PENALTY = 1e-3


class Probe(NamedTuple):
    """A fitted probe: its accuracy on what it was fitted to and on what it was not, in [0, 1]."""

    train: float
    test: float


def linear_probe(
    h_train: np.ndarray,
    y_train: np.ndarray,
    h_test: np.ndarray,
    y_test: np.ndarray,
    *,
    num_classes: int,
    penalty: float = PENALTY,
) -> Probe:
    """Fit a linear probe to features (N, D) and classes (N,); return its accuracies.

    Raises:
        InputError: features that are not finite, or do not fit the labels.

    >>> h = np.array([[-1.0], [-2.0], [1.0], [2.0]])
    >>> linear_probe(h, np.array([0, 0, 1, 1]), h, np.array([0, 1, 1, 1]), num_classes=2)
    Probe(train=1.0, test=0.75)
    """
    probes = linear_probes(
        h_train[None], y_train, h_test[None], y_test, num_classes=num_classes, penalty=penalty
    )
    return probes[0]


def linear_probes(
    h_train: np.ndarray,
    y_train: np.ndarray,
    h_test: np.ndarray,
    y_test: np.ndarray,
    *,
    num_classes: int,
    penalty: float = PENALTY,
) -> list[Probe]:
    """Fit many probes at once, to features (M, N, D) of the same samples; return as many accuracies.

    Raises:
        InputError: as ``linear_probe``.

    """
    for name, h, y in (("training", h_train, y_train), ("test", h_test, y_test)):
        if h.ndim != 3 or h.shape[1] != len(y) or not len(y):
            raise InputError(f"probe: {name} features of shape {h.shape[1:]} with {len(y)} labels")
        if not np.isfinite(h).all():
            raise InputError(f"probe: {name} features must be finite")
    arrays = (jnp.asarray(a, jnp.float32) for a in (h_train, h_test))
    labels = (jnp.asarray(a, jnp.int32) for a in (y_train, y_test))
    (a, b), (ya, yb) = arrays, labels
    train, test = jax.device_get(_fit(a, ya, b, yb, jnp.float32(penalty), num_classes=num_classes))
    return [Probe(float(p), float(q)) for p, q in zip(train, test, strict=True)]


@partial(jax.jit, static_argnames="num_classes")
def _fit(h_train, y_train, h_test, y_test, penalty, *, num_classes: int):
    def one(both):
        a, b = both
        middle, spread = a.mean(0), a.std(0)
        scale = jnp.where(spread > 1e-6 * (1 + jnp.abs(middle)), 1 / jnp.maximum(spread, 1e-30), 0.0)
        a, b = (a - middle) * scale, (b - middle) * scale
        weights, bias = _descend(a, jax.nn.one_hot(y_train, num_classes), penalty)
        return tuple(
            jnp.mean(jnp.argmax(h @ weights + bias, -1) == y) for h, y in ((a, y_train), (b, y_test))
        )

    return jax.lax.map(one, (h_train, h_test))


def _descend(h: jax.Array, target: jax.Array, penalty: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Return weights (D, K) and biases (K,) at the optimum, for centred features (N, D) and one-hot targets (N, K).

    Of every class the Hessian is at most B = h'h / 2N + penalty (Böhning 1992, Ann. Inst. Statist. Math. 44), so
    descent preconditioned by B needs no step size; Nesterov's momentum, begun anew where it points uphill
    (O'Donoghue & Candès 2015, arXiv:1204.3982).
    """
    n, d = h.shape
    bound = h.T @ h / (2 * n) + penalty * jnp.eye(d)
    factor = jax.scipy.linalg.cho_factor(bound)

    def step(carry, _):
        (w, b), (w_ahead, b_ahead), t = carry
        error = (jax.nn.softmax(h @ w_ahead + b_ahead) - target) / n
        slope = h.T @ error + penalty * w_ahead, error.sum(0)
        new = w_ahead - jax.scipy.linalg.cho_solve(factor, slope[0]), b_ahead - 2 * slope[1]
        uphill = jnp.sum(slope[0] * (new[0] - w)) + jnp.sum(slope[1] * (new[1] - b)) > 0
        t = jnp.where(uphill, 1.0, t)
        t_next = (1 + jnp.sqrt(1 + 4 * t * t)) / 2
        ahead = jax.tree.map(lambda n, o: n + (t - 1) / t_next * (n - o), new, (w, b))
        return (new, ahead, t_next), None

    zero = jnp.zeros((d, target.shape[1])), jnp.zeros(target.shape[1])
    (best, _, _), _ = jax.lax.scan(step, (zero, zero, jnp.float32(1)), None, length=STEPS)
    return best
