r"""How far a loss stands above those before it, in robust standard deviations.

.. math::
    z = \frac{x - m}{\max(1.4826 \cdot \operatorname{med} |w_i - m|,\; r\,|m|,\; a)}, \qquad
    m = \operatorname{med}(w_i)

over the last W losses w before x. One formula, `score`, for the compiled step and for a recorded series. What
holds of it:

- **A spike enters the window as it is.** Median and MAD ignore what up to half of the window does, so one spike, or
  ten, hardly move them; a lasting rise is a spike for at most W/2 steps and then the new level. Were
  spikes kept out or cut down, a lasting rise would alarm for ever, and each verdict would hang on all verdicts
  before it; so it is a function of the last W losses alone.
- **Non-finite losses take a place but no part**: they age out like others. NaN scores NaN, +inf scores inf.
  Losses beyond half of float32's range (1.7e38) have no median, and score NaN.
- **No verdict, NaN, before W/4 finite losses** are there, and NaN exceeds no threshold.
- **Floors**: ``relative`` keeps a rise of a few per cent from alarming, however quiet the loss was before (a flat
  loss has a MAD of 0); ``absolute`` is about the rounding of a float32 loss of order 1.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError

WINDOW = 64
THRESHOLD = 8.0  # see tests/stability: how often a healthy loss exceeds it
RELATIVE = 0.01  # of the median: with THRESHOLD, no rise below 8 % is a spike
ABSOLUTE = 1e-6
NORMAL = 1.4826  # the standard deviation of a normal variable is 1.4826 times its MAD
_BLOCK = 1 << 14  # losses of a series scored at once: a window each


class SpikeWindow(NamedTuple):
    """The last W losses (float32, NaN where there is none) and the place (int32) of the next."""

    losses: jax.Array
    place: jax.Array


def spike_window(size: int = WINDOW) -> SpikeWindow:
    """Return an empty window, to be carried through a compiled loop.

    Raises:
        InputError: ``size`` below 4.

    """
    _check(size)
    return SpikeWindow(jnp.full(size, jnp.nan, jnp.float32), jnp.int32(0))


def spike_score(
    window: SpikeWindow, loss: jax.Array, *, relative: float = RELATIVE, absolute: float = ABSOLUTE
) -> tuple[SpikeWindow, jax.Array]:
    """Return the window with ``loss`` in it and the score of ``loss`` against those before; jittable.

    >>> window = spike_window(8)
    >>> for loss in (1.0, 1.1, 0.9, 1.0, 2.0):
    ...     window, z = spike_score(window, jnp.float32(loss))
    >>> print(f"{z:.2f}")
    13.49
    """
    loss = jnp.asarray(loss, jnp.float32)
    z = score(jnp, window.losses, loss, relative=relative, absolute=absolute)
    kept = jnp.where(jnp.isfinite(loss), loss, jnp.nan)
    size = window.losses.shape[0]
    return SpikeWindow(window.losses.at[window.place].set(kept), (window.place + 1) % size), z


def spike_scores(
    losses: Any,
    *,
    start: int = 0,
    window: int = WINDOW,
    relative: float = RELATIVE,
    absolute: float = ABSOLUTE,
) -> np.ndarray:
    """Return the score of every loss of a recorded series (N,), float32: what `spike_score` gives one by one.

    With ``start`` only those from there on (N - start,): the others are what they are judged by.

    Raises:
        InputError: a window below 4, or losses that are no series.

    >>> print(spike_scores([1.0, 1.1, 0.9, 1.0, 2.0], window=8).round(2))
    [  nan   nan -2.02  0.   13.49]
    """
    _check(window)
    losses = np.asarray(losses, np.float32)
    if losses.ndim != 1:
        raise InputError(f"spike_scores: losses of shape {losses.shape}: must be one series (N,)")
    if losses.size <= start:
        return losses[:0]
    kept = np.concatenate([np.full(window, np.nan, np.float32), losses[:-1]])
    kept[~np.isfinite(kept)] = np.nan
    windows = np.lib.stride_tricks.sliding_window_view(kept, window)
    with np.errstate(invalid="ignore"):  # NaN in, NaN out
        blocks = [
            score(np, windows[i : i + _BLOCK], losses[i : i + _BLOCK], relative=relative, absolute=absolute)
            for i in range(start, losses.size, _BLOCK)
        ]
    return np.concatenate(blocks)


def score(xp: ModuleType, window: Any, loss: Any, *, relative: float, absolute: float) -> Any:
    """Return the score of ``loss`` (...) against ``window`` (..., W), NaN where there is none.

    ``xp`` is numpy or jax.numpy; both arrays float32, NaN in the window where there is no loss. No product whose
    rounding counts is added to anything: there is nothing for a compiler to fuse, so both give the same bits.
    """
    half = np.float32(0.5)
    count = xp.sum(xp.isfinite(window), axis=-1, dtype=np.int32)

    def median(values: Any) -> Any:
        ordered = xp.sort(values, axis=-1)  # NaN last
        low, high = (
            xp.take_along_axis(ordered, xp.maximum(k, 0)[..., None], -1)[..., 0]
            for k in ((count - 1) // 2, count // 2)
        )
        return half * (low + high)  # a half only moves the exponent

    middle = median(window)
    spread = np.float32(NORMAL) * median(xp.abs(window - middle[..., None]))
    scale = xp.maximum(spread, xp.maximum(np.float32(relative) * xp.abs(middle), np.float32(absolute)))
    enough = count * 4 >= window.shape[-1]
    return xp.where(enough, (loss - middle) / scale, np.float32(np.nan))


def _check(size: int) -> None:
    if isinstance(size, bool) or not isinstance(size, int) or size < 4:
        raise InputError(f"spikes: window={size!r}: must be an integer >= 4")
