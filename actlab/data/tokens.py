"""From text to tokens, int32: by characters, or by pieces of bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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
        content: of ``char`` the characters in order of their tokens; of ``bpe`` the JSON of PyPI's ``tokenizers``.
        pieces: what each token stands for by itself, to be shown; of bytes that are no whole character U+FFFD.

    """

    level: Literal["char", "bpe"]
    content: str
    pieces: tuple[str, ...]

    @property
    def size(self) -> int:
        """Tokens there are."""
        return len(self.pieces)


def characters(train: str, test: str) -> tuple[np.ndarray, np.ndarray, Spelling]:
    """Return the tokens of both parts and what they are: the characters that occur, in order of code point.

    >>> train, test, spelling = characters("abba", "cab")
    >>> train, test, spelling.pieces
    (array([0, 1, 1, 0], dtype=int32), array([2, 0, 1], dtype=int32), ('a', 'b', 'c'))
    """
    codes = [np.frombuffer(part.encode("utf-32-le"), np.uint32) for part in (train, test)]
    known = np.unique(np.concatenate(codes))
    train_tokens, test_tokens = (np.searchsorted(known, c).astype(np.int32) for c in codes)
    content = known.tobytes().decode("utf-32-le")
    return train_tokens, test_tokens, Spelling("char", content, tuple(content))


def bytes_of_pieces(train: str, test: str, size: int) -> tuple[np.ndarray, np.ndarray, Spelling]:
    """Return the tokens of both parts and what they are: pieces of bytes learnt from ``train``, cached.

    Byte-pair encoding on bytes: every text has tokens. Fewer than ``size`` where the text has no more pairs that
    repeat. A piece that is not whole characters is shown as the sign for what cannot be decoded.

    Raises:
        InputError: fewer pieces than bytes, or ``tokenizers`` is not installed.

    Source: Sennrich, Haddow, Birch 2016, arXiv:1508.07909; Radford et al. 2019, GPT-2. By PyPI's ``tokenizers``.
    """
    (train_tokens,), (test_tokens,), spelling = pieces_of_texts([train], [test], size)
    return train_tokens, test_tokens, spelling


def pieces_of_texts(
    train: Sequence[str], test: Sequence[str], size: int
) -> tuple[list[np.ndarray], list[np.ndarray], Spelling]:
    """Return what `bytes_of_pieces` does of many texts, the tokens of each; raise as it does."""
    if size < BYTES:
        raise InputError(f"vocabulary={size}: must be at least {BYTES}, the bytes")
    try:
        import tokenizers
    except ImportError:
        raise InputError("level=bpe needs tokenizers: pip install 'actlab[text]'") from None
    content = hashlib.sha256(repr((list(train), list(test))).encode()).hexdigest()[:16]
    name = f"bpe-spelt-{tokenizers.__version__}-{size}-{content}"
    found = cached_arrays(name, lambda: _learn(tokenizers, train, test, size))
    pieces = found["pieces"].tobytes().decode("utf-32-le").split("\0")
    parts = [
        np.split(found[name], np.cumsum(found[f"{name}_lengths"])[:-1].tolist()) for name in ("train", "test")
    ]
    return *parts, Spelling("bpe", found["json"].tobytes().decode(), tuple(pieces))


def _learn(tokenizers, train: Sequence[str], test: Sequence[str], size: int) -> dict[str, np.ndarray]:
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(train, trainer)
    pieces = "\0".join(
        tokenizer.decode([i]).replace("\0", "\u2400") or "\ufffd" for i in range(tokenizer.get_vocab_size())
    )
    found = {
        "pieces": np.frombuffer(pieces.encode("utf-32-le"), np.uint8),
        "json": np.frombuffer(tokenizer.to_str().encode(), np.uint8),
    }
    for name, texts in (("train", train), ("test", test)):
        ids = [np.asarray(one.ids, np.int32) for one in tokenizer.encode_batch(list(texts))]
        found |= {name: np.concatenate(ids), f"{name}_lengths": np.array([len(i) for i in ids], np.int32)}
    return found
