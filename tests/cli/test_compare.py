"""``actlab compare`` over run folders made up here."""

import json

import pytest
import yaml

from actlab.cli import run as actlab
from actlab.train.folder import RunFolder

MEANS = {"relu": 0.60, "gelu": 0.70, "tanh": 0.70}


@pytest.fixture
def sweep(tmp_path):
    """Three activations, two rates, four seeds: 1e-2 is the better rate, relu the worst; gelu and tanh are equal."""
    luck = {"relu": (8, 4, -8, -4), "gelu": (4, -4, 8, -8), "tanh": (-4, 4, -8, 8)}
    number = 0
    for act, mean in MEANS.items():
        for rate in (1e-3, 1e-2):
            for seed in range(4):
                score = mean + (0.05 if rate == 1e-2 else 0.0) + luck[act][seed] / 1000
                make(tmp_path / str(number), act, rate, seed, score)
                number += 1
    return tmp_path


def make(path, act, rate, seed, score, state="finished"):
    config = {"activation": {"name": act}, "optimizer": {"learning_rate": rate}, "seed": seed, "steps": 100}
    (path / ".hydra").mkdir(parents=True)
    (path / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    with RunFolder(path) as folder:
        rows = [
            (s, "test", q, v)
            for s, f in ((0, 0.1), (100, score))
            for q, v in (("accuracy", f), ("loss", 1 - f))
        ]
        folder.write_rows(100, rows)
        folder.write(state=state, step=100, steps=100, steps_per_second=1000.0, parameters=10)


def told(capsys, *argv):
    assert actlab(["compare", *map(str, argv)]) == 0
    return capsys.readouterr().out


def test_what_can_be_told_is_and_what_cannot_is_not(sweep, capsys):
    out = told(capsys, sweep)
    assert "cannot tell it from" in out.splitlines()[0] + out.splitlines()[1] and "Holm" in out
    found = json.loads(told(capsys, sweep, "--json"))
    assert [one["level"] for one in found["levels"]][-1] == "relu"
    assert {one["level"]: list(one["at"].values()) for one in found["levels"]}["gelu"] == [
        "learning_rate 0.01"
    ]
    pairs = {frozenset((c["better"], c["worse"])): c["told"] for c in found["comparisons"]}
    assert pairs == {
        frozenset(("gelu", "tanh")): False,
        frozenset(("relu", "gelu")): True,
        frozenset(("relu", "tanh")): True,
    }


def test_other_questions(sweep, capsys):
    rates = json.loads(told(capsys, sweep, "--by", "optimizer.learning_rate", "--json"))
    assert [one["level"] for one in rates["levels"]] and len(rates["comparisons"]) == 1
    loss = json.loads(told(capsys, sweep, "--metric", "test loss", "--json"))
    assert loss["levels"][-1]["level"] == "relu" and loss["levels"][0]["score"] < 0.3
    one = json.loads(told(capsys, sweep, "--baseline", "relu", "--json"))
    assert {c["worse"] for c in one["comparisons"]} == {"relu"} and len(one["comparisons"]) == 2


def test_a_run_that_did_not_finish_is_counted_not_fatal(sweep, capsys):
    make(sweep / "90", "gelu", 1e-2, 4, 0.99, state="running")
    (sweep / "91").mkdir()
    (sweep / "91" / "run.json").write_text("{")
    found = json.loads(told(capsys, sweep, "--json"))
    assert any("91" in folder for folder in found["problems"])
    assert {one["level"]: one["seeds"] for one in found["levels"]} == dict.fromkeys(MEANS, 4)
    assert found["levels"][0]["score"] < 0.8


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["nowhere"], "nowhere is not a folder"),
        ([".", "--by", "optimizer.learning_rat"], "did you mean"),
        ([".", "--metric", "test acuracy", "--higher"], "acuracy"),
        ([".", "--metric", "accuracy"], "must be a site and a quantity"),
        ([".", "--baseline", "rellu"], "did you mean 'relu'"),
        ([".", "--alpha", "2"], "alpha=2.0: must be in"),
        ([".", "--higher", "--lower"], "exclude each other"),
    ],
)
def test_bad_input_is_one_line(sweep, capsys, monkeypatch, argv, message):
    monkeypatch.chdir(sweep)
    assert actlab(["compare", *argv]) == 2
    err = capsys.readouterr().err
    assert message in err and len(err.splitlines()) == 1


def test_at_eighty_columns_nothing_is_cut(sweep, capsys, monkeypatch):
    from rich.console import Console

    from actlab.cli import compare as module
    from actlab.compare import compare

    console = Console(width=80, record=True)
    console.print(module._table(compare([sweep]), narrow=True))
    assert "…" not in console.export_text() and "tanh" in capsys.readouterr().out
