"""The page of a language model's activations: one self-contained file to step through a text, token by token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template

from actlab.errors import InputError
from actlab.files import write_file
from actlab.inspection.trace import Trace
from actlab.report.document import document, source
from actlab.report.inspect_payload import embedded, run_of
from actlab.report.theme import VIRIDIS

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
    return write_file(path, text(traces, command=command))


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
    served = live is not None
    names = [*CODE, "live"] if served else CODE
    code = "\n".join(source(f"inspect_{name}.js") for name in names)
    form = Template(source("inspect_form.html") if served else "")
    filled = {name: str(value) for name, value in (FORM | dict(live or {})).items()}
    return document(
        "inspect.html",
        "Model activations",
        style=source("inspect.css"),
        code="(() => {\n'use strict';\n" + code + "\n})();",
        connects=served,
        form=form.substitute(filled),
        colours=embedded(VIRIDIS),
        runs="[]" if served else MARK,
        how=f"<p>Made by <code>{escape(command)}</code></p>" if command else "",
    )
