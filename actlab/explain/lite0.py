"""EfficientNet-Lite0 as a subject: its preprocessing, its classes, and photographs as its examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from flax import nnx

from actlab.data.images import Photo, crops, imagenet_names
from actlab.errors import InputError
from actlab.explain.canvas import IMAGENET_COLOURS, normalised
from actlab.explain.subject import Subject
from actlab.models.efficientnet import MEAN, SCALE, efficientnet_lite0

NAME = "efficientnet-lite0"
COLOURS = normalised(IMAGENET_COLOURS)


def subject(size: int = 128, *, weights: Path | None = None) -> Subject:
    """Return EfficientNet-Lite0 with ImageNet's weights, taking images (size, size, 3).

    Raises:
        InputError: the weights or the names are not installed, or the size is below 32.

    """
    if size < 32:
        raise InputError(f"size={size}: {NAME} takes images of at least 32 x 32")
    graphdef, state = nnx.split(efficientnet_lite0(weights=weights, size=size))

    def apply(weights, x):
        return nnx.merge(graphdef, weights)(x)

    low, high = ((p - MEAN) / SCALE for p in (0.0, 255.0))
    return Subject(NAME, apply, state, (size, size, 3), low, high, "image", imagenet_names())


def examples(photos: Sequence[Photo], size: int) -> np.ndarray:
    """Return crops of photographs as the model takes them, (N, size, size, 3) float32."""
    return ((crops(photos, size).astype(np.float32) - MEAN) / SCALE).astype(np.float32)
