"""From text to tokens, int32: by characters, or by pieces of bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np

from actlab.data.cache import cached_arrays
from actlab.errors import InputError

BYTES = 256


@dataclass(frozen=True)
class Spelling:
    """How the tokens of a text are written, so that what a model says can be read.

    Args:
        level: ``char`` or ``bpe``.
        size: tokens there are.
        content: of ``char`` the characters in order of their tokens; of ``bpe`` the JSON of PyPI's ``tokenizers``.

    """

    level: Literal["char", "bpe"]
    size: int
    content: str


def characters(train: str, test: str) -> tuple[np.ndarray, np.ndarray, Spelling]:
    """Return the tokens of both parts and what they are: the characters that occur, in order of code point.

    >>> train, test, spelling = characters("abba", "cab")
    >>> train, test, spelling.content
    (array([0, 1, 1, 0], dtype=int32), array([2, 0, 1], dtype=int32), 'abc')
    """
    codes = [np.frombuffer(part.encode("utf-32-le"), np.uint32) for part in (train, test)]
    known = np.unique(np.concatenate(codes))
    train_tokens, test_tokens = (np.searchsorted(known, c).astype(np.int32) for c in codes)
    return train_tokens, test_tokens, Spelling("char", len(known), known.tobytes().decode("utf-32-le"))


def bytes_of_pieces(train: str, test: str, size: int) -> tuple[np.ndarray, np.ndarray, Spelling]:
    """Return the tokens of both parts and what they are: pieces of bytes learnt from ``train``, cached.

    Byte-pair encoding on bytes: every text has tokens. Fewer than ``size`` where the text has no more pairs that
    repeat.

    Raises:
        InputError: fewer pieces than bytes, or ``tokenizers`` is not installed.

    Source: Sennrich, Haddow, Birch 2016, arXiv:1508.07909; Radford et al. 2019, GPT-2. By PyPI's ``tokenizers``.
    """
    if size < BYTES:
        raise InputError(f"vocabulary={size}: must be at least {BYTES}, the bytes")
    try:
        import tokenizers
    except ImportError:
        raise InputError("level=bpe needs tokenizers: pip install 'actlab[text]'") from None
    content = hashlib.sha256(f"{len(train)} {train}{test}".encode()).hexdigest()[:16]
    name = f"bpe-spelt-{tokenizers.__version__}-{size}-{content}"
    found = cached_arrays(name, lambda: _learn(tokenizers, train, test, size))
    spelling = Spelling("bpe", int(found["count"]), found["spelling"].tobytes().decode())
    return found["train"], found["test"], spelling


def _learn(tokenizers, train: str, test: str, size: int) -> dict[str, np.ndarray]:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([train], trainer)
    parts = {
        name: np.asarray(tokenizer.encode(part).ids, np.int32)
        for name, part in (("train", train), ("test", test))
    }
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    spelling = np.frombuffer(tokenizer.to_str().encode(), np.uint8)
    return parts | {"count": np.int32(tokenizer.get_vocab_size()), "spelling": spelling}
