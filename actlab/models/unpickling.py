"""Plain values out of a pickle without loading it.

A pickle is a program: it may name any function for whoever loads it to call, and set attributes of what it gets.
So none is loaded here. Its instructions are taken apart, those of protocol 2 that make numbers, strings and
containers are followed, and any other ends the reading. Only strings are hashed, so that deep nesting does no harm;
an instruction makes one value at most, so that memory grows no faster than the file.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, BinaryIO

from actlab.errors import InputError

NOTHING = "and only arrays are read: nothing was executed"
_VALUES = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE"}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def follow(
    file: BinaryIO,
    names: Mapping[str, Any],
    *,
    call: Callable[[Any, Any], Any],
    refer: Callable[[Any], Any],
    left_out: Sequence[str] = (),
) -> Any:
    """Return what the next pickle of a file describes; the file is left after it.

    Args:
        file: of bytes; a read of more than there is must not make room for it first (``io.BytesIO``).
        names: what names, as in ``"collections OrderedDict"``, stand for.
        call: ``(what a name stands for, arguments) -> value``; both are anything that the file says.
        refer: ``persistent id -> value``; the id is anything that the file says.
        left_out: attributes that may be set of a dict, and are not.

    Raises:
        InputError: the pickle is cut short, or has other instructions or names.
        Exception: it is damaged; of any class.

    >>> import io, pickle
    >>> follow(io.BytesIO(pickle.dumps({"a": [1, (True, None)]}, protocol=2)), {}, call=None, refer=None)
    {'a': [1, (True, None)]}
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        items = stack[start:]
        del stack[start:]
        return items

    for instruction, argument, _ in pickletools.genops(file):
        match instruction.name:
            case "PROTO":
                pass
            case name if name in _VALUES:
                stack.append(argument)
            case name if name in _CONSTANTS:
                stack.append(_CONSTANTS[name])
            case "EMPTY_DICT" | "EMPTY_LIST" as name:
                stack.append({} if name == "EMPTY_DICT" else [])
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(since_mark()))
            case name if name in _TUPLES:
                stack.append(tuple(stack.pop() for _ in range(_TUPLES[name]))[::-1])
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "APPEND" | "APPENDS" as name:
                _append(since_mark() if name == "APPENDS" else [stack.pop()], stack[-1])
            case "SETITEM" | "SETITEMS" as name:
                _set(since_mark() if name == "SETITEMS" else [stack.pop(), stack.pop()][::-1], stack[-1])
            case "GLOBAL":
                stack.append(_named(argument, names))
            case "BINPERSID":
                stack.append(refer(stack.pop()))
            case "REDUCE":
                arguments = stack.pop()
                stack.append(call(stack.pop(), arguments))
            case "BUILD":
                _leave_out(stack.pop(), stack[-1], left_out)
            case "STOP":
                return stack.pop()
            case name:
                raise InputError(f"it has the instruction {name}, {NOTHING}")
    raise InputError("the file is cut short")


def _append(items: list[Any], target: Any) -> None:
    if type(target) is not list:
        raise InputError("it appends to what is no list")
    target.extend(items)


def _set(items: list[Any], target: Any) -> None:
    """Put names and values, one after the other, into a dict."""
    if type(target) is not dict or not all(type(name) is str for name in items[::2]):
        raise InputError("it puts items into what is no dict, or names one by what is no string")
    target.update(zip(items[::2], items[1::2], strict=True))


def _named(words: str, names: Mapping[str, Any]) -> Any:
    if words in names:
        return names[words]
    name = ".".join(words.split(" ", 1))
    shown = name if name.isprintable() else ascii(name)
    raise InputError(f"the file names {shown:.80}, {NOTHING}")


def _leave_out(state: Any, target: Any, left_out: Sequence[str]) -> None:
    if type(target) is not dict or type(state) is not dict or not all(name in left_out for name in state):
        raise InputError(f"it sets attributes, {NOTHING}")
