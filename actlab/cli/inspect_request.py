"""What a request to the server of ``actlab inspect`` asks for, checked field by field; nothing in it names a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from actlab.errors import InputError, suggest

BODY = 64 << 10  # bytes of a request: some ten times what a text of the longest length takes
LONGEST = 960  # tokens of a text, given and drawn: with the room for a step it is 1024 positions
_NUMBERS = ("temperature", "top_k", "top_p", "min_p", "seed")


@dataclass(frozen=True)
class Ask:
    """A text to be read and gone on with.

    Args:
        prompt: a text, or a chat as messages of role and content.
        max_new_tokens: so many at most.
        sampling: of `actlab.inspection.Sampling`, which checks them.
        ablate: units by site.
        swap: name of the activation in all blocks, None for the model's own.
        lens: whether the head is applied after every block.

    """

    prompt: str | list[dict[str, str]]
    max_new_tokens: int
    sampling: Mapping[str, Any]
    ablate: Mapping[str, list[int]] = field(default_factory=dict)
    swap: str | None = None
    lens: bool = False


@dataclass(frozen=True)
class AskRows:
    """A text that was read, whose rows of one head's attention are asked for."""

    tokens: list[int]
    layer: int
    head: int
    ablate: Mapping[str, list[int]] = field(default_factory=dict)
    swap: str | None = None


def read_json(body: bytes) -> dict[str, Any]:
    """Return the object in a request's body.

    Raises:
        InputError: it is no JSON object, has a field twice, or holds NaN or infinity.

    """
    try:
        value = json.loads(body, parse_constant=_constant, object_pairs_hook=_once)
    except InputError:
        raise
    except (ValueError, RecursionError) as error:  # a UnicodeDecodeError is a ValueError
        raise InputError(f"the body is no JSON: {' '.join(str(error).split())[:100]}") from None
    if not isinstance(value, dict):
        raise InputError("the body must be a JSON object")
    return value


def ask(value: dict[str, Any], swaps: frozenset[str]) -> Ask:
    """Return what a request to generate asks for; ``swaps`` are the activations there are.

    Raises:
        InputError: an unknown field, or one that cannot be.

    """
    _fields(value, ("prompt", "messages", "max_new_tokens", "ablate", "swap", "lens", *_NUMBERS))
    if ("prompt" in value) == ("messages" in value):
        raise InputError("give either prompt or messages")
    prompt = _messages(value["messages"]) if "messages" in value else value["prompt"]
    if not isinstance(prompt, (str, list)):
        raise InputError(f"prompt: must be a text, not {_kind(prompt)}")
    if not prompt:
        raise InputError("the prompt is empty: there is nothing to read")
    new = _whole(value.get("max_new_tokens", 32), "max_new_tokens", LONGEST)
    lens = value.get("lens", False)
    if not isinstance(lens, bool):
        raise InputError(f"lens: must be true or false, not {_kind(lens)}")
    sampling = {name: value[name] for name in _NUMBERS if name in value}
    return Ask(prompt, new, sampling, *_changes(value, swaps), lens)


def ask_rows(value: dict[str, Any], swaps: frozenset[str]) -> AskRows:
    """Return what a request for rows asks for; raise InputError as `ask` does."""
    _fields(value, ("tokens", "layer", "head", "ablate", "swap"))
    for name in ("tokens", "layer", "head"):
        if name not in value:
            raise InputError(f"{name} is missing")
    tokens = value["tokens"]
    if not isinstance(tokens, list) or not 0 < len(tokens) <= LONGEST:
        raise InputError(f"tokens: must be 1 to {LONGEST} integers")
    for i in tokens:
        _whole(i, "tokens", 2**31 - 1)
    layer, head = (_whole(value[name], name, 2**31 - 1) for name in ("layer", "head"))
    return AskRows(tokens, layer, head, *_changes(value, swaps))


def _changes(value: dict[str, Any], swaps: frozenset[str]) -> tuple[dict[str, list[int]], str | None]:
    ablate, swap = value.get("ablate", {}), value.get("swap")
    if not isinstance(ablate, dict):
        raise InputError(f"ablate: must be units by site, not {_kind(ablate)}")
    for site, units in ablate.items():
        if not isinstance(units, list):
            raise InputError(f"ablate: {site[:80]} takes a list of units, not {_kind(units)}")
        for unit in units:
            _whole(unit, f"ablate: {site[:80]}", 2**31 - 1)
    if swap is not None and not isinstance(swap, str):
        raise InputError(f"swap: must be an activation's name, not {_kind(swap)}")
    if swap is not None and swap not in swaps:
        raise InputError(f"swap: {swap[:80]!r} is no activation{suggest(swap[:80], swaps)}")
    return ablate, swap


def _messages(value: Any) -> list[dict[str, str]]:
    if not isinstance(value, list) or not value:
        raise InputError("messages: must be a list of objects with role and content")
    for message in value:
        if not isinstance(message, dict):
            raise InputError(f"messages: must be objects with role and content, not {_kind(message)}")
        _fields(message, ("role", "content"), "messages: ")
        if message.get("role") not in ("system", "user", "assistant"):
            raise InputError("messages: role must be system, user or assistant")
        if not isinstance(message.get("content"), str) or not message["content"]:
            raise InputError("messages: content must be a text that is not empty")
    return value


def _fields(value: Mapping[str, Any], known: tuple[str, ...], where: str = "") -> None:
    for name in value:
        if name not in known:
            raise InputError(f"{where}{name[:60]!r} is no field{suggest(name[:60], known)}")


def _whole(value: Any, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
        shown = value if isinstance(value, (int, float)) and abs(value) < 1e15 else _kind(value)
        raise InputError(f"{name}: must be an integer from 0 to {most:,}, not {shown}")
    return value


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return kinds.get(type(value), "such a number")


def _constant(name: str) -> Any:
    raise InputError(f"{name} is no number in JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise InputError("a field is given twice")
    return found
