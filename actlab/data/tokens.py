"""From text to tokens, int32: by characters, or by pieces of bytes."""

from __future__ import annotations

import hashlib

import numpy as np

from actlab.data.cache import cached_arrays
from actlab.errors import InputError

BYTES = 256


def characters(train: str, test: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the tokens of both parts and what they stand for: the characters that occur, in order of code point.

    >>> characters("abba", "cab")
    (array([0, 1, 1, 0], dtype=int32), array([2, 0, 1], dtype=int32), ('a', 'b', 'c'))
    """
    codes = [np.frombuffer(part.encode("utf-32-le"), np.uint32) for part in (train, test)]
    known = np.unique(np.concatenate(codes))
    train_tokens, test_tokens = (np.searchsorted(known, c).astype(np.int32) for c in codes)
    return train_tokens, test_tokens, tuple(map(chr, known))


def bytes_of_pieces(train: str, test: str, size: int) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Return the tokens of both parts and what they stand for: pieces of bytes learnt from ``train``, cached.

    Byte-pair encoding on bytes: every text has tokens. Fewer than ``size`` where the text has no more pairs that
    repeat. A piece that is not whole characters is shown as the sign for what cannot be decoded.

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
    name = f"bpe-pieces-{tokenizers.__version__}-{size}-{content}"
    found = cached_arrays(name, lambda: _learn(tokenizers, train, test, size))
    pieces = found["pieces"].tobytes().decode("utf-32-le").split("\0")
    return found["train"], found["test"], tuple(pieces)


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
    pieces = "\0".join(
        tokenizer.decode([i]).replace("\0", "\u2400") or "\ufffd" for i in range(tokenizer.get_vocab_size())
    )
    return parts | {"pieces": np.frombuffer(pieces.encode("utf-32-le"), np.uint8)}
