"""Small files of text and JSON from strangers, no larger than they may be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from actlab.errors import InputError


def read_text(path: Path, limit: int) -> str:
    """Return a file's text.

    Raises:
        InputError: it cannot be read, has more than ``limit`` bytes, or is not UTF-8.

    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as e:
        raise InputError(f"{path.name} cannot be read: {e.strerror or e}") from e
    if len(content) > limit:
        raise InputError(f"{path.name} has more than {limit:,} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        raise InputError(
            f"{path.name} is not UTF-8: byte {content[e.start]:#04x} at offset {e.start}"
        ) from None


def read_json(path: Path, limit: int) -> dict[str, Any]:
    """Return a JSON file's keys with values.

    Raises:
        InputError: as `read_text`, or it holds no JSON, something other than keys with values, or too deep a nest.

    """
    try:
        found = json.loads(read_text(path, limit))
    except RecursionError:
        raise InputError(f"{path.name} is nested too deeply") from None
    except json.JSONDecodeError as e:
        raise InputError(f"{path.name} is no JSON: {e}") from None
    if not isinstance(found, dict):
        raise InputError(f"{path.name} holds no keys with values")
    return found
