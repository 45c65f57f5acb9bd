"""Conversations as the text a model was trained on, by the Jinja template that comes with it.

A template is a program from a stranger. It runs in Jinja's sandbox, which keeps it from Python, in a process of its
own, which keeps it from time and memory: within the sandbox three lines can fill both.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from actlab.errors import InputError

SECONDS, MEMORY = 10, 1 << 30  # of a rendering: of the processor, and bytes
CLOCK = 60  # seconds that pass, on a busy machine and on one that knows no limits
LONGEST = 1 << 23  # characters that come out
CHILD = Path(__file__).with_name("chat_child.py")


def render(template: str, messages: Sequence[Mapping[str, str]], names: Mapping[str, object]) -> str:
    """Return a conversation's text.

    Dates are no template's to ask for, so that the same conversation gives the same text tomorrow; most have one to
    fall back on.

    Args:
        template: Jinja, as Hugging Face's ``apply_chat_template`` has it (blocks trimmed, ``raise_exception``,
            ``tojson``, ``break`` and ``continue``).
        messages: mappings with ``role`` and ``content``.
        names: what else the template may call by name.

    Raises:
        InputError: messages of another kind, a template that is broken or refuses them, or takes more than 10 s of
            processor time or 1 GiB, or ``jinja2`` is not installed.

    """
    for message in messages:
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise InputError(f"a message has the keys 'role' and 'content', not {message!s:.60}")
        if not all(isinstance(value, str) for value in message.values()):
            raise InputError(f"role and content of a message are texts, not {dict(message)!s:.60}")
    if not messages:
        raise InputError("a conversation has one message at least")
    given = {"messages": [dict(m) for m in messages], "tools": None, "documents": None, **names}
    job = {"template": template, "names": given, "seconds": SECONDS, "memory": MEMORY, "longest": LONGEST}
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(CHILD)],  # -P: files beside it are no modules
            input=json.dumps(job).encode(),
            capture_output=True,
            timeout=CLOCK,
            check=False,
        )
        answer = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        raise InputError(f"the chat template takes more than {SECONDS} s or {MEMORY >> 20} MiB") from None
    if "text" not in answer:
        raise InputError(f"the chat template: {' '.join(answer['error'].split()):.200}")
    return answer["text"]


def hidden(
    messages: Sequence[Mapping[str, str]], marks: Sequence[str], template: str
) -> tuple[list[dict[str, str]], re.Pattern]:
    r"""Return messages with numbers in place of the marks in them, and a pattern that tells those numbers.

    Templates cut, strip and search what a message says, so the numbers stand where the marks did.

    >>> kept, pattern = hidden([{"role": "user", "content": "a<s>b"}], ["<s>"], "")
    >>> pattern.split("user: " + kept[0]["content"])
    ['user: a', '0', 'b']
    """
    whole = template + "".join(str(value) for m in messages for value in m.values())
    fence = next(c for c in map(chr, range(0xE000, 0xF900)) if c not in whole)  # private use: no text has all
    pattern = re.compile(f"{fence}([0-9]+){fence}")
    if not marks:
        return [dict(m) for m in messages], pattern
    number = {mark: str(i) for i, mark in enumerate(marks)}
    any_mark = re.compile("|".join(map(re.escape, marks)))

    def without(value: str) -> str:
        return (
            any_mark.sub(lambda m: f"{fence}{number[m[0]]}{fence}", value)
            if isinstance(value, str)
            else value
        )

    return [{key: without(value) for key, value in m.items()} for m in messages], pattern
