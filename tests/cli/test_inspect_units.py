"""``actlab inspect neurons``, ``concept`` and ``swap`` on a small random Llama."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from actlab.cli import run
from actlab.cli.inspect_texts import LONGEST, texts_of
from actlab.errors import InputError
from actlab.inspection.neurons import Neurons

MODEL = str(Path(__file__).parents[1] / "inspection" / "models" / "llama")
SMALL = ["--model", MODEL, "--window", "16"]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    (folder / "letters.txt").write_text("\n\n".join(f"so {c} is {c}{c} or <b>{c}</b>" for c in "abcdef"))
    (folder / "digits.txt").write_text("\n\n".join(f"{i} {i * 7} {i + 3}\n{i * i}" for i in range(6)))
    return folder


@pytest.mark.slow
def test_neurons_writes_a_page_and_every_number(texts, tmp_path, capsys):
    common = ["inspect", "neurons", *SMALL, "--text", str(texts), "--examples", "2", "--sample", "16"]
    out = tmp_path / "units.html"
    assert run([*common, "--units", "1:3,5", "--out", str(out)]) == 0
    page = out.read_text()
    assert re.findall(r"blocks\.\d\.mlp unit \d+", page) == ["blocks.1.mlp unit 3", "blocks.1.mlp unit 5"]
    assert "<b>a</b>" not in page  # what texts hold is not markup
    assert "<script" not in page and "://" not in page
    assert run([*common, "--out", str(tmp_path / "units.npz")]) == 0
    found = Neurons.load(tmp_path / "units.npz")
    for b, u in ((1, 3), (1, 5)):
        assert f"<b>{found.high[b, u, 0]:.3g}</b>" in page
    assert run([*common, "--out", str(tmp_path / "units.csv")]) == 0
    assert pl.read_csv(tmp_path / "units.csv").height == found.dead.size
    assert f"{found.tokens:,} tokens" in capsys.readouterr().out


@pytest.mark.slow
def test_concept_tells_kinds_apart(texts, tmp_path, capsys):
    out = tmp_path / "c.json"
    kinds = ["--first", str(texts / "letters.txt"), "--second", str(texts / "digits.txt")]
    assert (
        run(["inspect", "concept", *SMALL, *kinds, "--units", "2", "--shuffles", "20", "--out", str(out)])
        == 0
    )
    told = json.loads(out.read_text())
    assert len(told["best"]) == 2 and 0 < told["chance"] <= 0.5
    said = capsys.readouterr().out
    assert f"{told['best'][0]['auroc']:.3f}" in said and f"{told['ablated']['first_ablated']:.4f}" in said


@pytest.mark.slow
def test_swap_writes_page_and_picture(texts, tmp_path, capsys):
    arguments = ["inspect", "swap", *SMALL, "--text", str(texts / "letters.txt"), "--act", "relu"]
    assert run([*arguments, "--out", str(tmp_path)]) == 0
    assert (tmp_path / "swap.png").read_bytes()[:4] == b"\x89PNG"
    assert "relu instead of silu" in (tmp_path / "swap.html").read_text()
    assert "with relu in all blocks" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["neuron"], "did you mean 'neurons'"),
        (["neurons"], "--text"),
        (["neurons", "--text", "gone.txt", *SMALL], "gone.txt"),
        (["neurons", "--text", "x", "--out", "x.pdf"], "must end in"),
        (["neurons", "--text", "x", "--out", "no/where.html"], "no such folder"),
        (["neurons", "--text", "x", "--units", "9:1", *SMALL], "blocks 0 to 1"),
        (["neurons", "--text", "x", "--units", "one", *SMALL], "BLOCK:UNITS"),
        (["concept", "--first", "gone.txt", "--second", "gone.txt"], "gone.txt"),
        (["swap", "--text", "gone.txt", "--act", "geluu"], "gone.txt"),
        (["swap", "--text", str(Path(__file__)), *SMALL], "name another activation"),
        (["swap", "--text", str(Path(__file__)), "--lean", *SMALL], "--lean goes with --act"),
    ],
)
def test_bad_input_is_one_line(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(["inspect", *arguments]) == 2
    told = capsys.readouterr().err.strip()
    assert said in told and "\n" not in told
    assert not list(tmp_path.iterdir())


class TestTexts:
    def test_paragraphs_of_files_and_folders(self, tmp_path):
        (tmp_path / "a.txt").write_text("one\nstill one\n\n\ntwo\n")
        (tmp_path / "b.md").write_text("three")
        assert list(texts_of([str(tmp_path)])) == ["one\nstill one", "two", "three"]

    def test_a_column(self, tmp_path):
        pl.DataFrame({"text": ["x", None, "y"], "n": [1, 2, 3]}).write_parquet(tmp_path / "t.parquet")
        assert list(texts_of([f"{tmp_path / 't.parquet'}:text"])) == ["x", "y"]
        with pytest.raises(InputError, match="did you mean 'text'"):
            list(texts_of([f"{tmp_path / 't.parquet'}:txt"]))
        with pytest.raises(InputError, match="column of texts 'n'"):
            list(texts_of([f"{tmp_path / 't.parquet'}:n"]))

    def test_a_long_text_without_a_gap_is_cut(self, tmp_path):
        for line, count in (("x" * 999 + "\n", 200), ("x" * 300_000, 1)):
            (tmp_path / "a.txt").write_text(line * count)
            parts = list(texts_of([str(tmp_path / "a.txt")]))
            assert len(parts) > 1 and sum(part.count("x") for part in parts) == line.count("x") * count
            assert max(map(len, parts)) < LONGEST + len("x" * 1000)

    def test_other_encodings_are_told(self, tmp_path):
        (tmp_path / "a.txt").write_bytes("ä".encode("latin-1"))
        with pytest.raises(InputError, match=r"a\.txt is not UTF-8"):
            list(texts_of([str(tmp_path / "a.txt")]))
