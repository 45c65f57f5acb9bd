"""The one exception that means: what you asked for cannot be, and this line says why."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input, told in one line: what is wrong, where, and what would be right.

    The command line prints it and exits with 2; library callers may catch it as a ``ValueError``.
    """


def suggest(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for close names, else the list of what is known.

    >>> suggest("gleu", ["gelu", "tanh"])
    "; did you mean 'gelu'?"
    """
    known = sorted(known)
    plain = name.lower().replace("_", "")
    same = [k for k in known if k.lower().replace("_", "") == plain]  # GELU, LeakyReLU, hardswish
    close = same or difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.5)
    if close:
        return f"; did you mean {' or '.join(map(repr, close))}?"
    if not known:
        return "; there are none"
    shown = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
    return f"; known: {shown}"
