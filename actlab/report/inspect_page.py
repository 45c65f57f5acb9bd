"""The page of a language model's activations: one self-contained file to step through a text, token by token."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

import actlab
from actlab.errors import InputError
from actlab.files import write_atomic
from actlab.inspection.trace import Trace
from actlab.report.inspect_payload import embedded, run_of
from actlab.report.page import policy
from actlab.report.theme import VIRIDIS

HERE = Path(__file__).parent
CODE = ("data", "export", "draw", "tokens", "panels", "attention", "neurons", "compare", "steps")
FORM = {"max_new_tokens": 32, "temperature": 0, "top_k": 0, "top_p": 1, "min_p": 0, "seed": 0}
MARK = "@@runs@@"  # where a page without runs takes them


def write_inspection(path: Path, traces: Sequence[tuple[str, Trace]], *, command: str = "") -> Path:
    """Write a page of one trace, or of some to be laid side by side; return its path.

    Args:
        path: the file, written whole or not at all.
        traces: by label; the first two are shown beside one another.
        command: what made them.

    Raises:
        InputError: there is no trace, they are too large for a page, or the file cannot be written.

    """
    path = Path(path)
    whole = text(traces, command=command)
    try:
        write_atomic(path, whole)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror or error}") from error
    return path


def text(traces: Sequence[tuple[str, Trace]], *, command: str = "") -> str:
    """Return the page of some traces."""
    if not traces:
        raise InputError("there is no trace to show")
    runs = embedded([run_of(trace, label) for label, trace in traces])
    return shell(command=command).replace(MARK, runs)


def shell(*, command: str = "", live: Mapping[str, float] | None = None) -> str:
    """Return the page without runs, `MARK` in their place.

    Args:
        command: what made it.
        live: what stands in the form that asks a server for more at first, of `FORM`; None for a page without a form.

    """
    style = "".join((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "inspect.css"))
    served = live is not None
    names = [*CODE, "live"] if served else CODE
    parts = ((HERE / f"inspect_{name}.js").read_text(encoding="utf-8") for name in names)
    code = "(() => {\n'use strict';\n" + "\n".join(parts) + "\n})();"
    form = Template((HERE / "inspect_form.html").read_text(encoding="utf-8")) if served else Template("")
    filled = {name: str(value) for name, value in (FORM | dict(live or {})).items()}
    allowed = policy(style, code) + ("; connect-src 'self'" if served else "")
    return Template((HERE / "inspect.html").read_text(encoding="utf-8")).substitute(
        policy=allowed,
        style=style,
        code=code,
        form=form.substitute(filled),
        colours=embedded(VIRIDIS),
        runs="[]" if served else MARK,
        how=f"<p>Made by <code>{escape(command)}</code></p>" if command else "",
        version=escape(actlab.__version__),
        when=f"{datetime.datetime.now().astimezone():%d %B %Y}",
    )
