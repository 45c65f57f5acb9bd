"""PNG files out of arrays, with nothing but zlib."""

from __future__ import annotations

import struct
import zlib

import numpy as np


def png(pixels: np.ndarray) -> bytes:
    """Return (H, W, 3) or (H, W) uint8 as a PNG file, colour or grey.

    Each row is written as differences from its left or its upper neighbour, or as it is, whichever has the smallest
    sum of absolute values: the rule of thumb of the standard (RFC 2083, 9.6).

    >>> png(np.zeros((2, 2), np.uint8))[:4]
    b'\\x89PNG'
    """
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)):
        raise ValueError(f"{pixels.dtype}{list(pixels.shape)}: must be uint8, (H, W) or (H, W, 3)")
    height, width = pixels.shape[:2]
    rows = np.ascontiguousarray(pixels).reshape(height, -1)
    step = rows.shape[1] // width
    left, up = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:], up[1:] = rows[:, :-step], rows[:-1]
    filtered = np.stack([rows, rows - left, rows - up])  # modulo 256
    cost = np.abs(filtered.astype(np.int8).astype(np.int32)).sum(-1)
    best = cost.argmin(0)
    lines = np.concatenate([best[:, None].astype(np.uint8), filtered[best, np.arange(height)]], 1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if pixels.ndim == 3 else 0, 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(lines.tobytes(), 9), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts.items())


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
