"""Arrays built once and kept on disk, checked by their SHA-256 whenever they are read."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from actlab.files import write_atomic

log = logging.getLogger(__name__)


def cache_dir() -> Path:
    """Return the folder for rebuildable files: $ACTLAB_CACHE, else $XDG_CACHE_HOME/actlab, else ~/.cache/actlab."""
    if own := os.environ.get("ACTLAB_CACHE"):
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "actlab"


def cached_arrays(name: str, build: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Return the arrays of ``build()``, read from the cache when a whole copy is there.

    A copy whose checksum does not match is rebuilt, with one warning. A cache that cannot be written costs
    time at the next start, not the run: one warning.
    """
    path = cache_dir() / f"{name}.npz"
    try:
        return _read(path)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as e:
        log.warning("%s is damaged (%s): building it again", path, e)
    arrays = build()
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    content = buffer.getvalue()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, hashlib.sha256(content).digest() + content)
    except OSError as e:
        log.warning("cannot keep %s (%s): it will be built again next time", path, e.strerror)
    return arrays


def _read(path: Path) -> dict[str, np.ndarray]:
    """Read a file of 32 bytes of SHA-256 followed by the npz they belong to."""
    content = path.read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise ValueError("checksum does not match")
    with np.load(io.BytesIO(content[32:]), allow_pickle=False) as arrays:
        return dict(arrays)
