"""Figures of the whole run: distance, gradient noise, curvature, and where the optimiser turns unstable.

The limits are those of the optimiser's own recursion on a quadratic of curvature h: above, it diverges along that
direction. They hold at a constant learning rate without noise; gradient clipping raises them, and L2 weight
decay adds its coefficient to the curvature of the kernels, which the loss alone does not show.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from actlab.errors import InputError
from actlab.stats.curvature import Params, directional, distance, top_eigenvalue
from actlab.stats.noise import gradient_noise
from actlab.train.optimizer import Optimizer

_RULES = "sgd, adam and adamw have one"


def stability_limit(optimizer: Optimizer, learning_rate: jax.typing.ArrayLike | None = None) -> Array:
    r"""Return the sharpness above which the optimiser is unstable on a quadratic, float32.

    .. math::
        \text{sgd: } \frac{2}{\eta} \qquad
        \text{momentum: } \frac{2 (1 + \beta)}{\eta} \qquad
        \text{Nesterov: } \frac{2 (1 + \beta)}{\eta (1 + 2 \beta)} \qquad
        \text{adam: } \frac{2 (1 + \beta_1)}{\eta (1 - \beta_1)}

    Momentum in optax's form, :math:`u \leftarrow g + \beta u`. For adam and adamw it is the limit of the
    *preconditioned* sharpness (`adam_scale`): 38 / lr at b1 = 0.9.

    Args:
        optimizer: made by `sgd`, `adam` or `adamw`.
        learning_rate: the present one, where a schedule changes it; None takes the peak.

    Raises:
        InputError: a rule whose limit is not known.

    Source: Cohen, Kaur, Li, Kolter, Talwalkar 2021, arXiv:2103.00065; Cohen et al. 2022,
    arXiv:2207.14484.

    >>> from actlab.train import adam, sgd
    >>> print(stability_limit(sgd(learning_rate=0.1)), stability_limit(adam(learning_rate=0.01)))
    20.0 3800.0
    """
    factor = _factor(optimizer)
    if factor is None:
        name = getattr(optimizer.rule.function, "__name__", optimizer.rule.function)
        raise InputError(f"stability_limit: {name} has no known limit; {_RULES}")
    rate = optimizer.learning_rate if learning_rate is None else learning_rate
    return jnp.asarray(factor, jnp.float32) / jnp.asarray(rate, jnp.float32)


def adam_scale(optimizer: Optimizer, opt_state: optax.OptState) -> Params | None:
    r"""Return the diagonal that Adam divides its momentum by, a tree like the parameters; None for other rules.

    .. math:: D = (1 - \beta_1^t) \left(\sqrt{v_t / (1 - \beta_2^t)} + \epsilon\right)

    t updates done, v_t the running mean of squares. The first factor, from the bias correction of the
    momentum, soon is 1. NaN before the first update, when there is no mean yet.

    Raises:
        InputError: the state of another optimiser.

    Source: Cohen et al. 2022, arXiv:2207.14484.
    """
    if not _is_adam(optimizer):
        return None
    leaves = jax.tree.leaves(opt_state, is_leaf=lambda s: isinstance(s, optax.ScaleByAdamState))
    found = [s for s in leaves if isinstance(s, optax.ScaleByAdamState)]
    if len(found) != 1:
        raise InputError(f"adam_scale: {len(found)} states of Adam in the optimiser's state: must be 1")
    (state,) = found
    rule = dict(optimizer.rule.keywords)
    t = state.count.astype(jnp.float32)
    first, second = (-jnp.expm1(t * jnp.log(jnp.asarray(rule[b], jnp.float32))) for b in ("b1", "b2"))
    eps = jnp.asarray(rule["eps"], jnp.float32)
    return jax.tree.map(lambda v: first * (jnp.sqrt(v.astype(jnp.float32) / second) + eps), state.nu)


def whole_run(
    loss: Callable[[Params], Array],
    params: Params,
    start_params: Params,
    opt_state: optax.OptState,
    *,
    optimizer: Optimizer,
    learning_rate: jax.typing.ArrayLike,
    key: Array,
    update: Params | None = None,
    curvature: bool = True,
    iterations: int = 20,
    noise_loss: Callable[[Params, Any], Array] | None = None,
    microbatches: Any = None,
    samples: int | None = None,
) -> dict[tuple[str, str], Array]:
    """Return the figures of site ``run`` and the layers' ``gradient_snr``: float32 by (site, quantity); jittable.

    - ``distance``: from ``start_params``.
    - with ``curvature``: ``sharpness`` of ``loss`` and, by rule, ``sharpness_limit`` (sgd) or
      ``sharpness_preconditioned`` and ``sharpness_preconditioned_limit`` (adam); ``step_curvature`` along
      ``update`` where it is given.
    - with ``noise_loss``: ``noise_scale``, ``gradient_snr``, of the run and by layer; see `gradient_noise`.

    Costs ``iterations`` products with the Hessian of ``loss`` (about two gradients each), twice with adam, one more
    for ``update``, and one gradient of every microbatch.

    Args:
        loss: training loss of the parameters alone, its batch bound; the same samples each time, so that
            what changes is the network.
        params: where to look.
        start_params: parameters before the first step.
        opt_state: state of the optimiser's chain.
        optimizer: what trains.
        learning_rate: the present one.
        key: of Lanczos' random start.
        update: the last step, parameters after minus before.
        curvature: whether to take what needs the Hessian.
        iterations: most products with the Hessian, each time.
        noise_loss: ``noise_loss(params, microbatch)``, a mean over samples.
        microbatches: K of them along the first axis.
        samples: in one microbatch.

    Raises:
        InputError: ``noise_loss`` without ``microbatches`` and ``samples``; what `gradient_noise` and
            `top_eigenvalue` raise.

    """
    run: dict[tuple[str, str], Array] = {("run", "distance"): distance(params, start_params)}
    if noise_loss is not None:
        if microbatches is None or samples is None:
            raise InputError("whole_run: noise_loss needs microbatches and samples, the number in each")
        noise = gradient_noise(noise_loss, params, microbatches, samples=samples)
        run |= {("run", "noise_scale"): noise.noise_scale, ("run", "gradient_snr"): noise.gradient_snr}
        run |= {(layer, "gradient_snr"): value for layer, value in noise.layers.items()}
    if not curvature:
        return run
    kind = "sharpness"
    if (scale := adam_scale(optimizer, opt_state)) is None:
        run["run", kind] = top_eigenvalue(loss, params, key, iterations=iterations).value
    else:  # one program for both, one after the other
        scales = jax.tree.map(lambda d: jnp.stack([jnp.ones_like(d), d]), scale)
        both = jax.lax.map(
            lambda d: top_eigenvalue(loss, params, key, iterations=iterations, scale=d).value, scales
        )
        run["run", kind], kind = both[0], "sharpness_preconditioned"
        run["run", kind] = both[1]
    if _factor(optimizer) is not None:
        run["run", f"{kind}_limit"] = stability_limit(optimizer, learning_rate)
    if update is not None:
        run["run", "step_curvature"] = directional(loss, params, update)
    return run


def _is_adam(optimizer: Optimizer) -> bool:
    return optimizer.rule.function is optax.scale_by_adam


def _factor(optimizer: Optimizer) -> jax.typing.ArrayLike | None:
    """Return limit times learning rate; None for a rule we know nothing of."""
    rule = dict(optimizer.rule.keywords)
    match optimizer.rule.function:
        case optax.identity:
            return 2.0
        case optax.trace:
            beta = rule["decay"]
            return 2 * (1 + beta) / (1 + 2 * beta if rule.get("nesterov", False) else 1)
        case optax.scale_by_adam:
            return 2 * (1 + rule["b1"]) / (1 - rule["b1"])
    return None
