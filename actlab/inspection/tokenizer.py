"""From text to tokens and back, for any model that is looked into."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from actlab.errors import InputError
from actlab.inspection.chat import hidden, render

if TYPE_CHECKING:
    import tokenizers

# GPT-2's printable stand-ins (Radford et al. 2019): bytes that print stand for themselves, the others follow 255.
_PRINT = (*range(33, 127), *range(161, 173), *range(174, 256))
_OTHERS = (*range(33), *range(127, 161), 173)
BYTES = {chr(byte): byte for byte in _PRINT} | {chr(256 + i): byte for i, byte in enumerate(_OTHERS)}
HALF = re.compile("[\ud800-\udfff]")  # of a surrogate pair


@dataclass(frozen=True, eq=False)
class Tokenizer:
    r"""Tokens of a model: a text's ids, and of an id its bytes. Compares by identity; may be used by many threads.

    A token is some bytes of UTF-8, which need be no whole characters. Some tokens are marks that a model was trained
    to see as one, ``<|im_end|>`` say: in a text that somebody typed they are ordinary characters unless told
    otherwise, so that nobody ends somebody else's turn.

    Args:
        plain: PyPI's ``tokenizers.Tokenizer`` that takes marks for ordinary text.
        marked: one that knows them, with the same ids.
        raw: the bytes of each token, by id.
        marks: ids of the marks.
        bos: the token a text begins with, None where the model was trained without.
        eos: tokens that end a text or a turn.
        template: of a conversation, Jinja; None where the model has none.
        names: of what a template may call by name, ``bos_token`` and the like.
        indented: whether the first token's leading space is the tokenizer's own, so that a text's start loses it.
        prefix: what is put before a text, and before what follows a mark, by sentencepiece's kind.
        alphabet: the characters a text may have, None if any.

    """

    plain: tokenizers.Tokenizer
    marked: tokenizers.Tokenizer
    raw: tuple[bytes, ...]
    marks: frozenset[int] = frozenset()
    bos: int | None = None
    eos: tuple[int, ...] = ()
    template: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    indented: bool = False
    prefix: str = ""
    alphabet: frozenset[str] | None = None

    def __post_init__(self):
        for what, ids in (
            ("mark", self.marks),
            ("eos", self.eos),
            ("bos", () if self.bos is None else (self.bos,)),
        ):
            if bad := [i for i in ids if not 0 <= i < len(self.raw)]:
                raise InputError(f"{what} token {bad[0]} is none of {len(self.raw):,} tokens")

    @property
    def size(self) -> int:
        """Tokens there are; a model's table may have more rows."""
        return len(self.raw)

    def encode(self, text: str, *, special: bool = False, bos: bool = True) -> list[int]:
        """Return the ids of a text.

        Args:
            text: any; for a model of characters, of those it was trained on.
            special: whether marks in the text are the tokens they name.
            bos: whether to begin with the token that the model begins with, if it does.

        Raises:
            InputError: half a surrogate pair, which is no character, or one that has no token.

        """
        if self.alphabet is not None and (unknown := sorted(set(text) - self.alphabet)):
            raise InputError(
                f"the model was trained on a text without {unknown[0]!r}: it knows {len(self.alphabet)} characters"
            )
        if HALF.search(text):
            raise InputError(
                "the text has no tokens: it holds half of a surrogate pair, which is no character"
            )
        with library("the text has no tokens"):
            ids = self._ids(text, special)
        return [self.bos, *ids] if bos and self.bos is not None else ids

    def decode(self, ids: Iterable[int], *, special: bool = True) -> str:
        """Return the text of some tokens, bytes that are no characters as U+FFFD.

        Args:
            ids: tokens.
            special: whether marks are written out; they are left out if not.

        Raises:
            InputError: there is no such token.

        """
        kept = [i for i in ids if special or i not in self.marks]
        text = b"".join(self._bytes(kept)).decode("utf-8", "replace")
        return text[1:] if self.indented and text.startswith(" ") else text

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """Return for each token what it adds to the text, so that they make up ``decode(ids)``.

        A character whose bytes lie in several tokens belongs to the one that completes it, those before it have "":
        `label` says what they are.
        """
        pieces = list(self.streamed(ids))
        if pieces:  # what is left unfinished at the end
            pieces[-1] += self.decode(ids)[sum(map(len, pieces)) :]
        return pieces

    def streamed(self, ids: Iterable[int]) -> Iterator[str]:
        """Yield for each token what it adds to the text, as soon as it comes; see `pieces`."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        begun = not self.indented
        for token in self._bytes(ids):
            text = decoder.decode(token)
            if text and not begun:
                text, begun = text.removeprefix(" "), True
            yield text

    def label(self, token: int) -> str:
        """Return a token by itself, each byte that is no whole character as ``<0xE4>``.

        Raises:
            InputError: there is no such token.

        """
        (raw,) = self._bytes([token])
        return raw.decode("utf-8", "actlab.bytes")

    def chat(self, messages: Sequence[Mapping[str, str]], *, answer: bool = True) -> list[int]:
        """Return the ids of a conversation by the model's template.

        Marks that a message itself contains are ordinary text; those of the template are tokens.

        Args:
            messages: mappings with ``role`` (``system``, ``user``, ``assistant``) and ``content``.
            answer: end where the model's answer begins.

        Raises:
            InputError: the model has no template, it is not for these messages, or it takes too long.

        """
        if self.template is None:
            raise InputError("the model has no chat template: give it a text to go on with")
        marks = list(self._spelt)
        kept, pattern = hidden(messages, marks, self.template)
        text = render(self.template, kept, {**self.names, "add_generation_prompt": answer})
        if not pattern.search(text):
            return self.encode(text, special=True, bos=False)
        ids: list[int] = []
        for part in self._parts(text):
            whole = pattern.sub(lambda m: marks[int(m[1])], part)
            ids += [self._spelt[part]] if part in self._spelt else self.encode(whole, bos=False)
        return ids

    @cached_property
    def _spelt(self) -> dict[str, int]:
        """The marks by their text, the longest first."""
        found = {self.raw[i].decode("utf-8", "replace"): i for i in sorted(self.marks)}
        return {mark: found[mark] for mark in sorted(found, key=len, reverse=True) if mark}

    def _parts(self, text: str) -> list[str]:
        """Return a text cut into marks and what is between them."""
        cut = re.split("(" + "|".join(map(re.escape, self._spelt)) + ")", text) if self._spelt else [text]
        return [part for part in cut if part]

    def _ids(self, text: str, special: bool) -> list[int]:
        if not self.prefix:
            return (self.marked if special else self.plain).encode(text, add_special_tokens=False).ids
        found: list[int] = []
        for part in self._parts(text) if special else filter(None, [text]):
            if special and part in self._spelt:
                found.append(self._spelt[part])
            else:
                found += self.plain.encode(self.prefix + part, add_special_tokens=False).ids
        return found

    def _bytes(self, ids: Iterable[int]) -> Iterator[bytes]:
        for i in ids:
            if not 0 <= i < len(self.raw):
                raise InputError(f"token {i} is none of {len(self.raw):,}")
            yield self.raw[i]


def _shown(error: UnicodeError) -> tuple[str, int]:
    bad = error.object[error.start : error.end]
    return "".join(f"<0x{byte:02X}>" for byte in bad), error.end


codecs.register_error("actlab.bytes", _shown)


def bytes_of(piece: str) -> bytes:
    """Return the bytes that GPT-2's printable characters stand for, a piece with any other as its own UTF-8.

    >>> bytes_of("\u0120caf\u00c3\u00a9")
    b' caf\\xc3\\xa9'
    """
    known = [BYTES.get(c) for c in piece]
    return piece.encode() if None in known else bytes(known)


@contextmanager
def library(what: str) -> Iterator[None]:
    """Turn what PyPI's ``tokenizers`` raises into one line that begins with ``what``.

    It has no class of its own, and where its Rust gives up, on a pattern that takes too long say, what comes is no
    ``Exception`` but a ``pyo3_runtime.PanicException``, which would end a server.
    """
    try:
        yield
    except InputError:
        raise
    except BaseException as e:
        if not isinstance(e, Exception) and type(e).__module__ != "pyo3_runtime":
            raise
        raise InputError(f"{what}: {' '.join(str(e).split()):.150}") from None
