"""Text as tokens: characters, or pieces of bytes learnt from the text; one that a package ships, or a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from actlab.data.corpora import corpus
from actlab.data.dataset import Dataset
from actlab.data.tokens import bytes_of_pieces, characters
from actlab.errors import InputError

TEST_SHARE = 0.1


def text(
    *,
    path: str | None = None,
    level: Literal["char", "bpe"] = "char",
    context: int = 128,
    vocabulary: int = 1024,
    size: int | None = None,
) -> Dataset:
    """Return windows of a text: tokens (N, T) and, one further on, those to be foretold; the last tenth is the test.

    The split is by position: no training window holds a token of the test. Pieces (``bpe``) are learnt from the
    training part, but the alphabet (``char``) is the whole text's: every character of the test has a token. Windows
    stand side by side, each begins where the one before ended, and what is left over is dropped.

    Args:
        path: a UTF-8 file, or a folder whose ``*.txt`` and ``*.md`` files, those in folders below too, are read in
            the order of their names; None is the American Standard Version, 1901, see `actlab.data.corpora.corpus`.
        level: ``char``: every character that occurs is a token; ``bpe``: pieces of bytes, learnt from the training
            part (Sennrich et al. 2016, arXiv:1508.07909; on bytes as in GPT-2), needs ``actlab[text]``.
        context: T, tokens of a window.
        vocabulary: V of ``bpe``, 256 at least; of ``char`` it is what occurs.
        size: read the first so many characters alone; None all.

    Raises:
        InputError: nothing to read, text in another encoding (with the file and the place), too short a text, sizes
            that cannot be, or a package that is missing.

    """
    if context < 1:
        raise InputError(f"context={context}: must be an integer >= 1")
    if size is not None and size < 1:
        raise InputError(f"size={size}: must be an integer >= 1, or null")
    if level not in ("char", "bpe"):
        raise InputError(f"level={level!r}: must be 'char' or 'bpe'")
    whole = corpus() if path is None else read(Path(path))
    whole = whole[:size]
    name = "asv" if path is None else Path(path).name
    cut = len(whole) - int(len(whole) * TEST_SHARE)
    parts = whole[:cut], whole[cut:]
    if level == "char":
        train, test, pieces = characters(*parts)
    else:
        train, test, pieces = bytes_of_pieces(*parts, vocabulary)
    for split, tokens in (("training", train), ("test", test)):
        if len(tokens) <= context:
            raise InputError(
                f"{name}: its {split} part has {len(tokens)} tokens, too few for one window: context={context} wants "
                f"{context + 1}"
            )
    (x, y), (x_test, y_test) = windows(train, context), windows(test, context)
    count = len(pieces)
    return Dataset(f"{name} ({level})", x, y, x_test, y_test, num_classes=count, token_text=pieces)


def windows(tokens: np.ndarray, context: int) -> tuple[np.ndarray, np.ndarray]:
    """Return tokens (N, T) side by side and for each the one after it.

    >>> x, y = windows(np.arange(8), 3)
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    """
    count = (len(tokens) - 1) // context
    x = tokens[: count * context].reshape(count, context)
    y = tokens[1 : count * context + 1].reshape(count, context)
    return x, y


def read(path: Path) -> str:
    """Return a file's text, or that of a folder's text files, a blank line between two.

    Raises:
        InputError: it is not there, holds no text, or text that is not UTF-8.

    """
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix in (".txt", ".md") and p.is_file())
        if not files:
            raise InputError(f"{path} holds no .txt or .md file")
    elif path.is_file():
        files = [path]
    else:
        raise InputError(f"{path} is neither a file nor a folder")
    texts = [_decoded(file) for file in files]
    if not any(texts):
        raise InputError(f"{path} is empty")
    return "\n\n".join(part for part in texts if part)


def _decoded(file: Path) -> str:
    try:
        content = file.read_bytes()
    except OSError as e:
        raise InputError(f"{file} cannot be read: {e.strerror or e}") from e
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as e:
        raise InputError(
            f"{file} is not UTF-8: byte {content[e.start]:#04x} at offset {e.start}; convert it, e.g. with iconv -t "
            "UTF-8"
        ) from e
