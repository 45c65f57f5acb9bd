"""How much a run loses by a learning rate that is not the best one."""

from __future__ import annotations

from typing import Any

import numpy as np

from actlab.errors import InputError


def learning_rate_sensitivity(rates: Any, losses: Any, *, initial: Any) -> np.ndarray:
    r"""Return the learning-rate sensitivity, float64, of losses reached at several learning rates.

    .. math::
        \operatorname{E}_{\eta \in [a, b]} [\min(\ell(\eta), \ell_0) - \ell^*], \qquad \ell^* = \min_\eta \ell(\eta)

    :math:`\eta` uniform in its logarithm between the smallest and the largest of ``rates``, by the trapezoid rule.
    0 is a method that any rate suits. A run that diverged counts as one that never began: losses that are not finite,
    or above the initial loss, count as :math:`\ell_0`.

    Args:
        rates: learning rates (R,), at least 2, increasing, > 0; evenly spaced in their logarithm or not.
        losses: final losses (..., R): seeds or methods before the last axis, each with a best of its own.
        initial: loss before training, one for all or (...).

    Raises:
        InputError: rates or shapes that do not fit, or an initial loss that is not finite.

    Source: Wortsman et al. 2023, arXiv:2309.14322.

    >>> print(learning_rate_sensitivity([0.01, 0.1, 1.0], [1.0, 0.5, float("nan")], initial=2.3).round(6))
    0.575
    """
    rates, losses, initial = (np.asarray(v, np.float64) for v in (rates, losses, initial))
    if rates.ndim != 1 or rates.size < 2 or not (np.isfinite(rates).all() and rates[0] > 0):
        raise InputError("learning_rate_sensitivity: rates must be at least two finite numbers > 0")
    if (np.diff(rates) <= 0).any():
        raise InputError("learning_rate_sensitivity: rates must increase")
    if losses.shape[-1:] != rates.shape:
        raise InputError(
            f"learning_rate_sensitivity: losses of shape {losses.shape} need {rates.size} rates along the last axis"
        )
    if not np.isfinite(initial).all() or initial.shape not in ((), losses.shape[:-1]):
        raise InputError(
            f"learning_rate_sensitivity: initial must be finite, one number or of shape {losses.shape[:-1]}"
        )
    capped = np.where(np.isfinite(losses), losses, np.inf)
    capped = np.minimum(capped, initial[..., None])
    excess = capped - capped.min(axis=-1, keepdims=True)
    at = np.log(rates)
    return np.trapezoid(excess, at, axis=-1) / (at[-1] - at[0])
