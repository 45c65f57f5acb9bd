"""A page as one file: the head that all pages share, and a page's own template around what was found."""

from __future__ import annotations

import base64
import datetime
import hashlib
from html import escape
from pathlib import Path
from string import Template

from actlab import __version__

HERE = Path(__file__).parent


def source(*names: str) -> str:
    """Return files of this package, one after the other."""
    return "".join((HERE / name).read_text(encoding="utf-8") for name in names)


def document(
    template: str,
    title: str,
    *,
    style: str = "",
    bundle: str = "",
    code: str = "",
    connects: bool = False,
    **fields: object,
) -> str:
    """Return a page that is whole in itself: its policy allows its own style and scripts, and no network.

    Args:
        template: file of the page's body, from ``<body>`` to the last script.
        title: as text.
        style: CSS after that of all pages.
        bundle: JavaScript that the template has as ``$bundle``: a library.
        code: JavaScript that the template has as ``$code``.
        connects: whether the page may ask the server it comes from.
        fields: what the template's other names stand for, as HTML. ``version`` and ``when`` are told here.

    """
    style = source("page.css") + style
    allowed = _policy(style, *filter(None, (bundle, code))) + ("; connect-src 'self'" if connects else "")
    told = {"version": escape(__version__), "when": f"{datetime.datetime.now().astimezone():%d %B %Y, %H:%M}"}
    head = Template(source("head.html")).substitute(policy=allowed, title=escape(title), style=style)
    body = Template(source(template)).substitute(told | fields | {"bundle": bundle, "code": code})
    return f"{head}{body}</body>\n</html>\n"


def _policy(style: str, *scripts: str) -> str:
    """Return a content security policy that allows a page its own style and scripts and no network."""

    def digest(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode()}'"

    return (
        f"default-src 'none'; script-src {' '.join(map(digest, scripts))}; style-src {digest(style)}; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
