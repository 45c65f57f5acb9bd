"""What an input is drawn with: numbers that an optimiser moves, and the map from them to inputs within bounds.

Shapes: B batch, S... spatial axes (two of an image, one of a signal, none of a vector), F... their frequencies,
C channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError
from actlab.explain.subject import Subject

# Root of the covariance of RGB over ImageNet, largest row norm 1 (lucid, optvis/param/color.py).
IMAGENET_COLOURS = np.array([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], np.float32)
SPREAD = (
    0.01  # of the spectrum at the start: lucid, optvis/param/spatial.py, whose image is then divided by 4
)
EDGE = 1 / 64  # how near to a bound a real input is taken to be, where its bounds are infinitely far in


@dataclass(frozen=True, eq=False)
class Canvas:
    r"""Draw inputs from Fourier coefficients. Compares by identity.

    .. math:: x = l + (h - l)\,\sigma(C\,z), \qquad z = \mathcal F^{-1}\big[\max(f, 1/n)^{-d}\,s\big]

    with coefficients s of frequency f, along axes of at most n positions, coloured by C where there are several
    channels. The decay d = 1 is that of natural images: equal steps of all s then move z as those move, and high
    frequencies do not cover the picture. With a ``magnitude`` s is of that size, and only its phases move
    (MaCo). Of a vector z itself moves. With a radius R the bound is a ball around the centre c instead of a box:

    .. math:: x = c + R\,z / \sqrt{1 + \|z\|^2}

    Args:
        shape: of one input.
        space: how many of its axes are spatial.
        low: least value, a number or shaped as an input.
        high: greatest value.
        colours: (C, C) root of the covariance of channels, or None.
        magnitude: (F..., C) sizes of the coefficients of z, or None.
        decay: d.
        centre: c.
        radius: R, or None.

    Source: Olah, Mordvintsev, Schubert 2017, doi:10.23915/distill.00007; Fel et al. 2023, arXiv:2306.06805; the ball:
    Erhan et al. 2009, "Visualizing higher-layer features of a deep network".

    """

    shape: tuple[int, ...]
    space: int
    low: float | np.ndarray
    high: float | np.ndarray
    colours: np.ndarray | None = None
    magnitude: np.ndarray | None = None
    decay: float = 1.0
    centre: float | np.ndarray = 0.0
    radius: float | None = None

    @property
    def middle(self) -> float:
        """A value in the middle of the bounds: what an input has where nothing is drawn."""
        if self.radius is not None:
            return float(np.mean(self.centre))
        return float(np.mean((np.asarray(self.low) + np.asarray(self.high)) / 2))

    def start(self, key: jax.Array, count: int) -> Any:
        """Return the numbers of ``count`` inputs to begin with: faint noise, or random phases."""
        if not self.space:
            return {"values": SPREAD * jax.random.normal(key, (count, *self.shape))}
        shape = (count, *self._frequencies().shape, self._channels())
        if self.magnitude is not None:
            return {"phase": jax.random.uniform(key, shape, jnp.float32, -np.pi, np.pi)}
        both = SPREAD * jax.random.normal(key, (2, *shape))
        return {"real": both[0], "imaginary": both[1]}

    def draw(self, numbers: Any) -> jax.Array:
        """Return inputs (B, *shape) within the bounds, float32."""
        if not self.space:
            return self._bounded(numbers["values"])
        if self.magnitude is not None:
            phase = numbers["phase"]
            spectrum = jax.lax.complex(self.magnitude * jnp.cos(phase), self.magnitude * jnp.sin(phase))
        else:
            size = self._sizes()[..., None]
            spectrum = jax.lax.complex(numbers["real"] * size, numbers["imaginary"] * size)
        axes = tuple(range(1, 1 + self.space))
        z = jnp.fft.irfftn(spectrum, self.shape[: self.space], axes)
        if self.colours is not None:
            z = z @ self.colours.T
        return self._bounded(z.reshape(len(z), *self.shape))

    def _bounded(self, z: jax.Array) -> jax.Array:
        if self.radius is not None:
            size = jnp.sqrt(1 + jnp.sum(z**2, tuple(range(1, z.ndim)), keepdims=True))
            return jnp.asarray(self.centre, jnp.float32) + self.radius * z / size
        low, high = (jnp.asarray(v, jnp.float32) for v in (self.low, self.high))
        return low + (high - low) * jax.nn.sigmoid(z)

    def unbounded(self, x: np.ndarray) -> np.ndarray:
        """Return the z of real inputs (N, *shape) in float64; what is at a bound is taken to be just inside."""
        if self.radius is not None:
            u = (x - np.asarray(self.centre)) / self.radius
            square = np.sum(u**2, tuple(range(1, u.ndim)), keepdims=True)
            return u / np.sqrt(np.maximum(1 - square, EDGE))
        share = np.clip((x - self.low) / (np.asarray(self.high) - self.low), EDGE, 1 - EDGE)
        return np.log(share / (1 - share))

    def _channels(self) -> int:
        return math.prod(self.shape[self.space :])

    def _frequencies(self) -> np.ndarray:
        """Return the length of each frequency (F...), in cycles a position."""
        *outer, last = self.shape[: self.space]
        grids = np.meshgrid(*map(np.fft.fftfreq, outer), np.fft.rfftfreq(last), indexing="ij")
        return np.sqrt(sum(g**2 for g in grids))

    def _sizes(self) -> np.ndarray:
        space = self.shape[: self.space]
        floor = np.maximum(self._frequencies(), 1 / max(space))
        return (floor**-self.decay * math.sqrt(math.prod(space)) / 4).astype(np.float32)


def canvas(
    subject: Subject,
    *,
    size: int | None = None,
    colours: np.ndarray | None = None,
    magnitude_of: np.ndarray | None = None,
) -> Canvas:
    """Return the canvas of a subject's inputs.

    Args:
        subject: whose inputs.
        size: height and width, or length, other than the subject's own.
        colours: root of the covariance of channels, see `colour_root`.
        magnitude_of: inputs (N, *shape) whose mean spectrum is kept (MaCo).

    Raises:
        InputError: a size that cannot be, examples of other shape, or texts, which have no optimum to walk to.

    """
    if subject.kind == "text":
        raise InputError(f"{subject.name} takes tokens: there is no optimum between two of them to walk to")
    space = {"image": 2, "signal": 1, "vector": 0}[subject.kind]
    shape = subject.in_shape if size is None else (size,) * space + subject.in_shape[space:]
    if size is not None and (size < 4 or not space):
        raise InputError(f"size={size}: must be at least 4, of images or signals")
    bounds = {"centre": subject.centre, "radius": subject.radius}
    plain = Canvas(shape, space, subject.low, subject.high, colours, **bounds)
    if magnitude_of is None:
        return plain
    if not space:
        raise InputError("a fixed spectrum is for images and signals: these inputs are vectors")
    magnitude = mean_magnitude(plain, magnitude_of)
    return Canvas(shape, space, subject.low, subject.high, colours, magnitude, **bounds)


def mean_magnitude(canvas: Canvas, x: np.ndarray) -> np.ndarray:
    """Return the mean size (F..., C) of real inputs' Fourier coefficients, taken where the canvas draws: before its
    colours and its bounds, so that with its own phases an input is drawn as it is.

    Raises:
        InputError: inputs of other shape.

    """
    if x.shape[1:] != canvas.shape:
        raise InputError(f"examples have shape {x.shape[1:]}, the canvas {canvas.shape}")
    z = canvas.unbounded(x.astype(np.float64)).reshape(*x.shape[: 1 + canvas.space], -1)
    if canvas.colours is not None:
        z = z @ np.linalg.inv(canvas.colours.astype(np.float64)).T
    axes = tuple(range(1, 1 + canvas.space))
    return np.abs(np.fft.rfftn(z, axes=axes)).mean(0).astype(np.float32)


def colour_root(x: np.ndarray) -> np.ndarray:
    """Return the symmetric root of the covariance of channels over (N, ..., C), scaled to a largest row norm of 1.

    >>> print(colour_root(np.array([[[0.0, 0.0]], [[2.0, 1.0]], [[4.0, 2.0]]])).round(2))
    [[0.89 0.45]
     [0.45 0.22]]
    """
    flat = x.reshape(-1, x.shape[-1]).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(flat.T) + 1e-6 * np.eye(x.shape[-1]))
    return normalised(vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T)


def normalised(root: Sequence[Sequence[float]] | np.ndarray) -> np.ndarray:
    """Return a root of a covariance scaled so that its largest row has length 1, float32."""
    root = np.asarray(root)
    return (root / np.linalg.norm(root, axis=0).max()).astype(np.float32)
