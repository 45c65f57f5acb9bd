"""Texts with a class each, out of a text that a package ships: from which books of the Bible a verse is."""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np

from actlab.data.corpora import verses_of_corpus
from actlab.data.dataset import Dataset
from actlab.data.splits import split_of
from actlab.data.tokens import Spelling, characters, pieces_of_texts
from actlab.errors import InputError, suggest

# The last book of each group: the order and the division are those of Protestant Bibles.
GROUPS = {
    "law": 5,
    "history": 17,
    "poetry": 22,
    "prophets": 39,
    "gospels and acts": 44,
    "letters, revelation": 66,
}
TESTAMENTS = {"old": 39, "new": 66}
CLASSES = ("group", "testament", "book")


def verses(
    *,
    classes: Literal["group", "testament", "book"] = "group",
    level: Literal["bpe", "char"] = "bpe",
    context: int = 64,
    vocabulary: int = 2048,
    test_share: float = 0.2,
    split_seed: int = 0,
) -> Dataset:
    """Return the verses of the American Standard Version, 1901, and where each is from: tokens (N, T), classes (N,).

    31,102 verses, see `actlab.data.corpora.verses_of_corpus`; split by verse, so that a verse of the test has
    neighbours in the training split. What is longer than T tokens is cut, what is shorter filled up with a token of
    its own, the last one, that stands for nothing.

    Args:
        classes: ``group``: law, history, poetry, prophets, gospels and acts, letters with revelation; ``testament``:
            old or new; ``book``: one of 66.
        level: ``bpe``: pieces of bytes learnt from the training verses; ``char``: characters.
        context: T.
        vocabulary: pieces of ``bpe``, 256 at least.
        test_share: share of the verses held out.
        split_seed: chooses which.

    Raises:
        InputError: a choice that cannot be; ``actlab[text]`` is not installed.

    """
    for name, value, known in (("classes", classes, CLASSES), ("level", level, ("bpe", "char"))):
        if value not in known:
            raise InputError(f"{name}={value!r} is unknown{suggest(str(value), known)}")
    if context < 1:
        raise InputError(f"context={context}: must be an integer >= 1")
    texts, book = verses_of_corpus()
    labels = {"group": _grouped(book, GROUPS), "testament": _grouped(book, TESTAMENTS), "book": book - 1}[
        classes
    ]
    chosen = split_of(len(texts), test_share=test_share, seed=split_seed)
    train, test = ([texts[i] for i in part] for part in chosen)
    if level == "bpe":
        tokens, tested, spelling = pieces_of_texts(train, test, vocabulary)
    else:
        tokens, tested, spelling = _characters(train, test)
    x, x_test = (_filled(part, context, spelling.size) for part in (tokens, tested))
    y, y_test = (labels[part].astype(np.int32) for part in chosen)
    return Dataset(
        f"verses by {classes} ({level})",
        x,
        y,
        x_test,
        y_test,
        num_classes=int(labels.max()) + 1,
        vocabulary=spelling.size + 1,
        spelling=dataclasses.replace(
            spelling, pieces=(*spelling.pieces, "")
        ),  # the last fills short verses up
    )


def _grouped(book: np.ndarray, last: dict[str, int]) -> np.ndarray:
    """Return the group of each book from 1 on, given the last book of each."""
    return np.searchsorted(list(last.values()), book)


def _characters(train: list[str], test: list[str]) -> tuple[list[np.ndarray], list[np.ndarray], Spelling]:
    one, other, spelling = characters("".join(train), "".join(test))
    ends = [np.cumsum([len(t) for t in part])[:-1] for part in (train, test)]
    return np.split(one, ends[0]), np.split(other, ends[1]), spelling


def _filled(tokens: list[np.ndarray], context: int, filler: int) -> np.ndarray:
    x = np.full((len(tokens), context), filler, np.int32)
    for row, own in zip(x, tokens, strict=True):
        row[: len(own)] = own[:context]
    return x
