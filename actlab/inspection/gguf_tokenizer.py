"""The tokenizer that a GGUF file describes: byte-pair encoding of bytes, or sentencepiece's of characters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from actlab.errors import InputError, suggest
from actlab.inspection.tokenizer import Tokenizer, bytes_of

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)  # kinds of tokens, llama.cpp's
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
CASED = (  # contractions in either case, punctuation with the line ends after it, so many digits together
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
# How text is cut before pieces are merged, by what llama.cpp calls it: patterns one after another, whether whole
# words of the vocabulary are taken unmerged, a normal form, and whether a text begins with BOS where the file does
# not say.
PRE = {
    "gpt-2": ((GPT2,), False, None, False),
    "smollm": ((r"\p{N}", GPT2), False, None, False),
    "llama-bpe": ((CASED % "{1,3}",), True, None, True),
    "qwen2": ((CASED % "",), False, "NFC", False),
}
ALIASES = {"llama3": "llama-bpe", "llama-v3": "llama-bpe", "deepseek-r1-qwen": "qwen2", "starcoder": "smollm"}
ENDS = ("eos", "eot", "eom")


def tokenizer_of(metadata: Mapping[str, Any]) -> Tokenizer | None:
    """Return the tokenizer that metadata describe, None where they describe none.

    Raises:
        InputError: a kind that is not supported, one that makes no sense, or ``tokenizers`` is not installed.

    """
    kind = metadata.get("tokenizer.ggml.model")
    if kind is None:
        return None
    if not isinstance(kind, str):
        raise InputError(f"tokenizer.ggml.model={kind!s:.40}: must be text")
    if kind == "no_vocab":
        return None
    try:
        import tokenizers
    except ImportError:
        raise InputError("its tokenizer needs tokenizers: pip install 'actlab[lm]'") from None
    if kind not in ("gpt2", "llama"):
        raise InputError(f"a tokenizer of kind {kind!r:.40} is not supported; known: 'gpt2', 'llama'")
    tokens = metadata.get("tokenizer.ggml.tokens")
    if not isinstance(tokens, tuple) or len(set(tokens)) != len(tokens) or not tokens:
        raise InputError("tokenizer.ggml.tokens is no list of different tokens")
    kinds = metadata.get("tokenizer.ggml.token_type", np.full(len(tokens), NORMAL))
    if not isinstance(kinds, np.ndarray) or len(kinds) != len(tokens):
        raise InputError(
            f"tokenizer.ggml.token_type does not have a number for each of {len(tokens):,} tokens"
        )
    made = _of_bytes if kind == "gpt2" else _of_characters
    try:
        plain, marked, raw, begins = made(tokenizers, metadata, tokens, kinds.tolist())
    except InputError:
        raise
    except Exception as e:  # of the library, which has no class of its own
        raise InputError(f"its tokenizer cannot be built: {' '.join(str(e).split()):.120}") from None
    template = metadata.get("tokenizer.chat_template")
    bos, *ends = (metadata.get(f"tokenizer.ggml.{name}_token_id") for name in ("bos", *ENDS))
    ends = [i for i in ends if i is not None]
    names = {
        f"{called}_token": tokens[i]
        for name, called in (("bos", "bos"), ("eos", "eos"), ("unknown", "unk"), ("padding", "pad"))
        if isinstance(i := metadata.get(f"tokenizer.ggml.{name}_token_id"), int) and 0 <= i < len(tokens)
    }
    if any(type(i) is not int for i in (*ends, 0 if bos is None else bos)) or not isinstance(
        template, str | None
    ):
        raise InputError("tokenizer.ggml's bos, eos or template are no numbers and text")
    prefixed = kind == "llama" and metadata.get("tokenizer.ggml.add_space_prefix", True) is True
    return Tokenizer(
        plain,
        marked,
        raw,
        frozenset(i for i, k in enumerate(kinds.tolist()) if k == CONTROL),
        bos if metadata.get("tokenizer.ggml.add_bos_token", begins) is True else None,
        tuple(sorted(set(ends))),
        template,
        names,
        indented=prefixed,
        prefix=" " if prefixed else "",
    )


def _of_bytes(tokenizers: Any, metadata: Mapping[str, Any], tokens: Sequence[str], kinds: Sequence[int]):
    name = str(metadata.get("tokenizer.ggml.pre"))
    name = ALIASES.get(name, name)
    if name not in PRE:
        raise InputError(f"tokenizer.ggml.pre={name!r:.40} is not supported{suggest(name, PRE)}")
    patterns, whole, normal, begins = PRE[name]
    merges = metadata.get("tokenizer.ggml.merges")
    if not isinstance(merges, tuple):
        raise InputError("tokenizer.ggml.merges is missing")
    pairs = [(first, second) for first, _, second in (m[1:].partition(" ") for m in merges)]
    pairs = [(m[0] + first, second) for m, (first, second) in zip(merges, pairs, strict=True)]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    model = tokenizers.models.BPE(vocabulary, pairs, ignore_merges=whole)
    cuts = [tokenizers.pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated") for pattern in patterns]
    cuts.append(tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False))
    pair = []
    for _ in range(2):
        one = tokenizers.Tokenizer(model)
        if normal:
            one.normalizer = tokenizers.normalizers.NFC()
        one.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(cuts)
        pair.append(one)
    own = (CONTROL, USER)
    raw = tuple(t.encode() if k in own else bytes_of(t) for t, k in zip(tokens, kinds, strict=True))
    return *_with_marks(tokenizers, *pair, tokens, kinds), raw, begins


def _with_marks(tokenizers: Any, plain: Any, marked: Any, tokens: Sequence[str], kinds: Sequence[int]):
    """Return both with the tokens that are found in a text before it is cut; ``plain`` takes marks for text."""
    for kind, special in ((CONTROL, True), (USER, False)):
        found = [
            tokenizers.AddedToken(t, special=special, normalized=False)
            for t, k in zip(tokens, kinds, strict=True)
            if k == kind and t
        ]
        for one in (plain, marked):
            one.add_tokens(found)
    plain.encode_special_tokens = True
    return plain, marked


def _of_characters(tokenizers: Any, metadata: Mapping[str, Any], tokens: Sequence[str], kinds: Sequence[int]):
    """Sentencepiece's byte-pair encoding (Kudo & Richardson 2018, arXiv:1808.06226): pieces by score, then bytes."""
    scores = metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, np.ndarray) or len(scores) != len(tokens):
        raise InputError(f"tokenizer.ggml.scores does not have a number for each of {len(tokens):,} tokens")
    byte_of = {}
    for i, (token, kind) in enumerate(zip(tokens, kinds, strict=True)):
        if kind == BYTE:
            byte_of[i] = bytes.fromhex(token.removeprefix("<0x").removesuffix(">"))
    if len(byte_of) != 256 or any(len(b) != 1 for b in byte_of.values()):
        raise InputError("its tokenizer has no token for every byte, which is not supported")
    vocabulary = {token: i for i, token in enumerate(tokens)}
    usable = {t: float(s) for t, s, k in zip(tokens, scores, kinds, strict=True) if k in (NORMAL, USER)}
    unknown = next((t for t, k in zip(tokens, kinds, strict=True) if k == UNKNOWN), None)
    model = tokenizers.models.BPE(
        vocabulary, list(_merges(usable, vocabulary)), unk_token=unknown, fuse_unk=True, byte_fallback=True
    )
    pair = []
    for _ in range(2):
        one = tokenizers.Tokenizer(model)
        one.normalizer = tokenizers.normalizers.Replace(" ", "▁")
        pair.append(one)
    raw = tuple(
        byte_of[i] if i in byte_of else (t if k == CONTROL else t.replace("▁", " ")).encode()
        for i, (t, k) in enumerate(zip(tokens, kinds, strict=True))
    )
    return *_with_marks(tokenizers, *pair, tokens, kinds), raw, True


def _merges(usable: Mapping[str, float], ids: Mapping[str, int]) -> Iterator[tuple[str, str]]:
    """Yield pairs of pieces that make a piece, the best first: what makes it earlier, then pieces learnt earlier."""
    for token in sorted(usable, key=lambda t: (-usable[t], ids[t])):
        halves = ((token[:i], token[i:]) for i in range(1, len(token)))
        known = [(a, b) for a, b in halves if a in usable and b in usable]
        yield from sorted(known, key=lambda p: (ids[p[0]], ids[p[1]]))
