"""Every piece of every reference has an entry that agrees with it, and the entries are BibTeX."""

import re
import subprocess
import sys
import unicodedata

import pytest

import actlab
from actlab.activations.references import bibliography, resolve
from actlab.errors import InputError

REQUIRED = {
    "article": {"author", "title", "journal", "year"},
    "book": {"author", "title", "publisher", "year"},
    "incollection": {"author", "title", "booktitle", "publisher", "year"},
    "inproceedings": {"author", "title", "booktitle", "year"},
    "misc": {"author", "title"},
    "phdthesis": {"author", "title", "school", "year"},
    "techreport": {"author", "title", "institution", "year"},
    "unpublished": {"author", "title", "note"},
}
KNOWN = REQUIRED["article"] | {
    "booktitle",
    "publisher",
    "school",
    "institution",
    "series",
    "volume",
    "number",
}
KNOWN |= {"pages", "doi", "url", "eprint", "archivePrefix", "howpublished", "note"}
# The source that surveys name; no one of them was at hand to read the title from.
UNTITLED = {"hu2018"}

PIECES = sorted({piece for fn in actlab.registry().values() for piece in fn.spec.reference.split("; ")})


def parse(bibtex):
    """Return {key: (type, fields)} of BibTeX whose values are in braces; whatever else there is fails."""
    found, rest = {}, bibtex.strip()
    while rest:
        kind, key = re.match(r"@(\w+)\{([a-z0-9]+),\s*", rest).groups()
        rest, fields = rest[rest.index(",") + 1 :].lstrip(), {}
        while not rest.startswith("}"):
            name = re.match(r"(\w+) = \{", rest)[1]
            start = end = rest.index("{")
            depth = 0
            for end in range(start, len(rest)):
                depth += {"{": 1, "}": -1}.get(rest[end], 0)
                if depth == 0:
                    break
            assert depth == 0 and name not in fields and rest[end + 1] == ","
            fields[name] = rest[start + 1 : end]
            rest = rest[end + 2 :].lstrip()
        assert key not in found
        found[key] = kind, fields
        rest = rest[1:].lstrip()
    return found


ENTRIES = parse("\n\n".join(bibliography().values()))


def plain(text):
    return "".join(c for c in unicodedata.normalize("NFD", text).lower() if c.isascii() and c.isalnum())


def test_keys_are_unique_over_the_files():
    from importlib import resources

    folder = resources.files("actlab.activations") / "bibliography"
    text = "\n\n".join(file.read_text(encoding="utf-8") for file in folder.iterdir())
    assert parse(text).keys() == bibliography().keys()
    numbers = [fields[f] for _, fields in ENTRIES.values() for f in ("eprint", "doi") if f in fields]
    assert len(numbers) == len(set(numbers))


@pytest.mark.parametrize("key", ENTRIES)
def test_entries_are_complete(key):
    kind, fields = ENTRIES[key]
    assert REQUIRED[kind] - fields.keys() <= ({"title"} if key in UNTITLED else set())
    assert fields.keys() <= KNOWN
    assert all(value == value.strip() and value for value in fields.values())
    assert ("eprint" in fields) == (fields.get("archivePrefix") == "arXiv")
    if "eprint" in fields:
        year, month, number = re.fullmatch(r"(\d\d)(\d\d)\.(\d{4,5})", fields["eprint"]).groups()
        assert 1 <= int(month) <= 12 and len(number) == (5 if int(year) >= 15 else 4)
        assert 0 <= int(fields["year"]) - 2000 - int(year) <= 3  # published with or after the preprint
    for author in fields["author"].split(" and "):
        assert author == "others" or author.startswith("{") or "," in author or key in UNTITLED


@pytest.mark.parametrize("piece", PIECES)
def test_every_piece_agrees_with_its_entry(piece):
    key = resolve(piece)
    if key is None:
        return
    fields = ENTRIES[key][1]
    told = re.match(r"(.+?)( et al\.)? ([12]\d{3})[a-z]?\b", piece)
    if not told:  # software
        assert piece.split(",")[0].lower() == key
        return
    names, more, year = told.groups()
    families = [plain(author.split(",")[0]) for author in fields["author"].split(" and ")]
    named = [plain(name) for name in names.split(", ")]
    assert families[: len(named)] == named
    assert more or len(named) == len(families)
    assert year in (fields["year"], "20" + fields.get("eprint", "")[:2])
    assert re.fullmatch(f"{named[0]}{year}[a-z]?", key) or year == fields["year"]


def test_every_entry_is_used():
    assert {resolve(piece) for piece in PIECES} >= bibliography().keys()


def test_a_piece_without_an_entry_is_told():
    with pytest.raises(InputError, match="no entry for 'Nobody 2020'"):
        resolve("Nobody 2020")


def test_several_are_cited_once_and_in_order():
    text = actlab.cite("gelu", actlab.silu, actlab.make("gelu_tanh"), "swish_1", "identity")
    comments, *entries = text.split("\n\n")
    assert comments.splitlines()[0] == "% gelu: hendrycks2016"
    assert comments.splitlines()[-1] == "% identity: standard"
    assert len(comments.splitlines()) == 4  # swish_1 is silu
    assert next(iter(parse("\n\n".join(entries)))) == "hendrycks2016"
    assert text.count("{hendrycks2016,") == 1


def test_without_names_everything_is_cited():
    comments, *entries = actlab.cite().split("\n\n")
    assert [line.split()[1].rstrip(":") for line in comments.splitlines()] == list(actlab.names())
    assert parse("\n\n".join(entries)).keys() == bibliography().keys()


def test_unknown_and_own():
    with pytest.raises(InputError, match="no activation is called 'gellu'; did you mean 'gelu'"):
        actlab.cite("gellu")

    def mine(x):
        return x

    (line,) = actlab.cite(mine).splitlines()
    assert line.startswith("% ") and line.endswith("a function of your own, which names no paper")
    assert actlab.cite(actlab.make(mine)) == line


@pytest.mark.slow
def test_the_files_are_read_when_first_cited():
    code = "import actlab.activations.references as r; r.names(); print(r.bibliography.cache_info().currsize)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["0"]
