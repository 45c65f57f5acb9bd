"""The JavaScript that draws the charts: vl-convert's bundle of Vega, kept on disk."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import altair as alt
import vl_convert

from actlab.files import write_atomic


def vegalite_version() -> str:
    """Return the Vega-Lite version that the installed Altair writes, as vl-convert names it."""
    return ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])


def javascript(cache: Path | None = None) -> str:
    """Return the bundle that defines ``vegaEmbed``, from ``cache`` where it is there and whole.

    A cache folder that cannot be written to costs time, never the page.
    """
    if cache is None:
        from actlab.data.cache import cache_dir

        cache = cache_dir()
    file = cache / f"vega-{vl_convert.__version__}-{vegalite_version()}.js"
    with contextlib.suppress(OSError, ValueError):
        checksum, _, text = file.read_text(encoding="utf-8").partition("\n")
        if checksum == _checksum(text):
            return text
    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=vegalite_version())
    # Only these two can end or change a script element; in JavaScript strings the backslash changes nothing.
    text = text.replace("</script", "<\\/script").replace("<!--", "<\\!--")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(file, f"{_checksum(text)}\n{text}")
    return text


def _checksum(text: str) -> str:
    return f"// sha256 {hashlib.sha256(text.encode()).hexdigest()}"
