"""The tokenizer in a Hugging Face folder: ``tokenizer.json``, with what other files there say of marks and chats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from actlab.errors import InputError
from actlab.inspection.json_file import read_json, read_text
from actlab.inspection.tokenizer import Tokenizer, bytes_of, library

TOKENS = 1 << 21
OTHERS = ("tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")


def read_tokenizer(folder: Path, config: Mapping[str, Any]) -> Tokenizer | None:
    """Return a folder's tokenizer, None where it has no file of any.

    Args:
        folder: with ``tokenizer.json`` and perhaps ``tokenizer_config.json``, ``generation_config.json`` and
            ``chat_template.jinja``.
        config: the content of ``config.json``.

    Raises:
        InputError: a file that cannot be read, a kind that is not supported, or ``tokenizers`` is not installed.

    """
    file = folder / "tokenizer.json"
    if not file.is_file():
        if other := next((name for name in OTHERS if (folder / name).is_file()), None):
            raise InputError(f"has {other} but no tokenizer.json, which transformers' save_pretrained writes")
        return None
    try:
        import tokenizers
    except ImportError:
        raise InputError("its tokenizer needs tokenizers: pip install 'actlab[lm]'") from None
    text = read_text(file, 1 << 28)
    described = read_json(file, 1 << 28)
    with library("tokenizer.json"):
        plain, marked = (tokenizers.Tokenizer.from_str(text) for _ in range(2))
        for one in (plain, marked):
            one.no_truncation()
            one.no_padding()
        plain.encode_special_tokens = True
        added = marked.get_added_tokens_decoder()
        vocabulary = marked.get_vocab(with_added_tokens=True)
    size = 1 + max(vocabulary.values(), default=-1)
    if not 0 < size <= TOKENS:
        raise InputError(f"tokenizer.json has tokens up to {size:,}, {TOKENS:,} at most can be")
    as_bytes, indented = _decoder(described)
    raw = [b""] * size
    for token, i in vocabulary.items():
        raw[i] = token.encode() if i in added else as_bytes(token)
    settings = _optional(folder / "tokenizer_config.json")
    names = {k: n for k, v in settings.items() if k.endswith("_token") and (n := _content(v)) is not None}
    return Tokenizer(
        plain,
        marked,
        tuple(raw),
        frozenset(i for i, token in added.items() if token.special),
        _bos(marked, settings, names),
        _ends(folder, config, names, vocabulary),
        _template(folder, settings),
        names,
        indented,
    )


def _decoder(described: Mapping[str, Any]) -> tuple[Callable[[str], bytes], bool]:
    """Return how a token's name becomes bytes, and whether the first loses a leading space."""
    decoder = described.get("decoder")
    if decoder is None:
        return str.encode, False
    steps = decoder.get("decoders", []) if decoder.get("type") == "Sequence" else [decoder]
    kinds = {step.get("type") for step in steps}
    if kinds == {"ByteLevel"}:
        return bytes_of, False
    if not kinds <= {"Replace", "ByteFallback", "Fuse", "Strip", "Metaspace"}:
        raise InputError(
            f"tokenizer.json: a decoder of {', '.join(sorted(map(str, kinds))):.80} is not supported"
        )
    for step in steps:
        if step["type"] == "Replace" and (step.get("pattern"), step.get("content")) != ({"String": "▁"}, " "):
            raise InputError(
                f"tokenizer.json: a decoder that replaces {step.get('pattern')!s:.40} is not supported"
            )
    indented = any(s["type"] == "Strip" for s in steps) or any(
        s["type"] == "Metaspace" and s.get("prepend_scheme", "always") != "never" for s in steps
    )

    def spelt(token: str) -> bytes:
        if "ByteFallback" in kinds and len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            try:
                return bytes.fromhex(token[3:5])
            except ValueError:
                pass
        return token.replace("▁", " ").encode()

    return spelt, indented


def _bos(marked: Any, settings: Mapping[str, Any], names: Mapping[str, str]) -> int | None:
    """Return the token that the tokenizer puts before a text."""
    wanted = settings.get("add_bos_token")
    if isinstance(wanted, bool):
        name = names.get("bos_token") if wanted else None
        return None if name is None else marked.token_to_id(name)
    with library("tokenizer.json"):
        bare, whole = (marked.encode("a", add_special_tokens=added).ids for added in (False, True))
    before = whole[: len(whole) - len(bare)]
    if before + bare != whole or len(before) > 1:
        raise InputError("tokenizer.json puts more than one token around a text, which is not supported")
    return before[0] if before else None


def _ends(
    folder: Path, config: Mapping, names: Mapping[str, str], vocabulary: Mapping[str, int]
) -> tuple[int, ...]:
    found = {vocabulary[names["eos_token"]]} if names.get("eos_token") in vocabulary else set()
    for said in (config, _optional(folder / "generation_config.json")):
        ids = said.get("eos_token_id")
        ids = ids if isinstance(ids, list) else [] if ids is None else [ids]
        if not all(type(i) is int for i in ids):
            raise InputError(f"eos_token_id={ids!s:.60}: must be whole numbers")
        found |= {i for i in ids if 0 <= i <= max(vocabulary.values())}  # configs keep their class's default
    return tuple(sorted(found))


def _template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    if (file := folder / "chat_template.jinja").is_file():
        return read_text(file, 1 << 20)
    found = settings.get("chat_template")
    if isinstance(found, list):  # several, by name
        found = next(
            (t.get("template") for t in found if isinstance(t, dict) and t.get("name") == "default"), None
        )
    if not isinstance(found, str | None):
        raise InputError(f"chat_template={found!s:.40}: must be text")
    return found


def _content(value: Any) -> str | None:
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else None


def _optional(path: Path) -> dict[str, Any]:
    return read_json(path, 1 << 24) if path.is_file() else {}
