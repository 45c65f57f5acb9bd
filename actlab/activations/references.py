"""`cite`: the papers that activations rest on, as BibTeX.

`Spec.reference` lists pieces separated by ``"; "``; the entries are the ``.bib`` files of ``bibliography``, by
year of the key. A piece belongs to the entry with its arXiv number, or else its DOI, or else the key made of
the first name and the year in it: ``"Nair, Hinton 2010"`` is ``nair2010``, ``"PyTorch, nn.Softmin"`` is ``pytorch``.
A piece that begins with "standard" has no paper. The ``year`` of an entry is that of its publication, the
year in its key the one that the piece names, which may be that of the preprint.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable
from importlib import resources

from actlab.activations import custom
from actlab.activations.act import Act, make, names
from actlab.activations.spec import spec_of
from actlab.errors import InputError

_ARXIV = re.compile(r"arXiv:(\d{4}\.\d{4,5})")
_DOI = re.compile(r"doi:(\S+)")
_YEAR = re.compile(r"\b[12]\d{3}[a-z]?\b")
_AFTER_NAME = re.compile(r",| et al\.| \(| (?=[12]\d{3})")


def cite(*acts: str | Callable | Act) -> str:
    """Return the BibTeX of what activations rest on, every paper once.

    A comment for each activation names its entries; the entries follow in the same order.

    Args:
        acts: names, functions or made activations; all that are listed if there are none.

    Raises:
        InputError: one line if no activation has that name.

    >>> print(cite("gelu"))
    % gelu: hendrycks2016
    <BLANKLINE>
    @misc{hendrycks2016,
      author = {Hendrycks, Dan and Gimpel, Kevin},
      title = {Gaussian error linear units ({GELUs})},
      year = {2016},
      eprint = {1606.08415},
      archivePrefix = {arXiv},
    }
    """
    comments, entries = {}, {}
    for act in acts or names():
        fn = act.fn if isinstance(act, Act) else act if callable(act) else make(act).fn
        spec = spec_of(fn)
        if spec is None:
            name = act.name if isinstance(act, Act) else custom.label(fn)
            comments[name] = "a function of your own, which names no paper"
            continue
        told = []
        for piece in spec.reference.split("; "):
            key = resolve(piece)
            told.append(key or piece)
            if key:
                entries[key] = bibliography()[key]
        comments[spec.name] = ", ".join(told)
    head = "\n".join(f"% {name}: {told}" for name, told in comments.items())
    return "\n\n".join([head, *entries.values()])


@functools.cache
def bibliography() -> dict[str, str]:
    """Return every entry's BibTeX by its key."""
    files = sorted((resources.files(__package__) / "bibliography").iterdir(), key=lambda file: file.name)
    entries = [e for file in files for e in file.read_text(encoding="utf-8").strip().split("\n\n")]
    return {entry[entry.index("{") + 1 : entry.index(",")]: entry for entry in entries}


def resolve(piece: str) -> str | None:
    """Return the key of the entry that a piece of `Spec.reference` stands for, None if it is a standard function.

    >>> resolve("Maas, Hannun, Ng 2013")
    'maas2013'
    >>> resolve("standard: the Gauss error function")
    """
    if piece.lower().startswith("standard"):
        return None
    for field, pattern in (("eprint", _ARXIV), ("doi", _DOI)):
        if found := pattern.search(piece):
            key = _keys_by(field).get(found[1])
            break
    else:
        key = _key(piece)
    if key not in bibliography():
        raise InputError(f"the bibliography has no entry for {piece!r}")
    return key


@functools.cache
def _keys_by(field: str) -> dict[str, str]:
    """Return the keys of the entries that have ``field`` by its value."""
    found = {
        key: re.search(rf"^  {field} = {{(.*)}},$", entry, re.M) for key, entry in bibliography().items()
    }
    return {match[1]: key for key, match in found.items() if match}


def _key(piece: str) -> str:
    """Return the first name and the year in ``piece``, without accents, spaces and capitals."""
    year = _YEAR.search(piece)
    told = _AFTER_NAME.split(piece)[0] + (year[0] if year else "")
    plain = unicodedata.normalize("NFD", told).lower()
    return "".join(c for c in plain if c.isascii() and c.isalnum())
