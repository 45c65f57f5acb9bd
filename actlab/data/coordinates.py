"""Pictures and signals as functions of place: coordinates in, colours or values out, to be regressed.

The training and the test split are the same points: what is asked is how well a network represents them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from actlab.data.dataset import Dataset
from actlab.data.images import PHOTOS, Photo, bundled_path, read_photo
from actlab.errors import InputError, suggest


def picture(path: str = "china.jpg", *, size: int = 128, grey: bool = False) -> Dataset:
    r"""Return a picture's pixels: coordinates (size**2, 2), row and column, and colours (size**2, 3).

    All in [-1, 1], as Sitzmann et al. 2020, arXiv:2006.09661, scale them. The picture's central square is cropped out
    and scaled down to ``size`` by averaging. A network's fidelity to it is

    .. math:: \mathrm{PSNR} = 10 \log_{10} (2^2 / \mathrm{MSE})

    in decibel, see `psnr`.

    Args:
        path: ``china.jpg`` or ``flower.jpg``, photographs by danielbuechele and vultilion that come with
            scikit-learn (CC BY 2.0), or an image file of your own, relative to where the command runs; what is
            transparent in it becomes white.
        size: pixels along each side.
        grey: brightness alone, (size**2, 1).

    Raises:
        InputError: no such file, one that `read_photo` does not read, or smaller than ``size``; Pillow or
            scikit-learn is missing.

    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 2:
        raise InputError(f"size={size!r}: must be an integer >= 2")
    pixels = _square(_photo(path), size, path, grey)
    line = np.linspace(-1, 1, size, dtype=np.float32)
    x = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1).reshape(-1, 2)
    y = pixels.reshape(size * size, -1) * 2 - 1
    return Dataset(Path(path).stem, x, y, x, y)


def signal(name: str = "chirp", *, size: int = 1024) -> Dataset:
    """Return a signal in one dimension: times (size, 1) and values (size, 1), both in [-1, 1].

    ``chirp``: sin(2 pi (2 s + 14 s**2)), s = (t + 1) / 2, whose frequency rises evenly from 2 to 30.
    ``square``: sign(sin(8 pi t)), jumps. ``steps``: a staircase of 8.

    Raises:
        InputError: unknown name, or too few points.

    """
    if isinstance(size, bool) or not isinstance(size, int) or size < 2:
        raise InputError(f"size={size!r}: must be an integer >= 2")
    t = np.linspace(-1, 1, size)
    s = (t + 1) / 2
    signals = {
        "chirp": np.sin(2 * np.pi * (2 * s + 14 * s**2)),
        "square": np.sign(np.sin(8 * np.pi * t)),
        "steps": np.floor(8 * np.minimum(s, 1 - 1e-9)) / 3.5 - 1,
    }
    if name not in signals:
        raise InputError(f"name={name!r} is unknown{suggest(str(name), signals)}")
    x, y = t[:, None].astype(np.float32), signals[name][:, None].astype(np.float32)
    return Dataset(name, x, y, x, y)


def psnr(mean_squared_error: float, *, peak: float = 2.0) -> float:
    """Return the peak signal-to-noise ratio in decibel; ``peak`` is the width of the values' range, here [-1, 1].

    >>> round(psnr(0.004), 2)
    30.0
    """
    return float(10 * np.log10(peak**2 / mean_squared_error))


def _photo(path: str) -> Photo:
    file = Path(path).expanduser()
    if path in PHOTOS and not file.exists():
        file = bundled_path(path)
    if file.is_dir():
        raise InputError(f"data.path={path} is a folder: must be an image file")
    if not file.is_file():
        raise InputError(f"{path} does not exist{suggest(path, PHOTOS)}")
    return read_photo(file, smallest=1)  # what is asked for is `size`


def _square(photo: Photo, size: int, path: str, grey: bool) -> np.ndarray:
    """Return the central square in [0, 1], (size, size) or (size, size, 3)."""
    from PIL import Image

    height, width, _ = photo.pixels.shape
    side = min(height, width)
    if side < size:
        raise InputError(f"size={size}: {path} has {width} x {height} pixels")
    left, top = (width - side) // 2, (height - side) // 2
    square = (left, top, left + side, top + side)
    image = Image.fromarray(photo.pixels)
    image = (image.convert("L") if grey else image).resize((size, size), Image.Resampling.BOX, box=square)
    return np.asarray(image, np.float32) / np.float32(255)
