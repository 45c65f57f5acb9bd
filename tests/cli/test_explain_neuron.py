"""``actlab explain neuron`` on a small run, and what it says of bad input."""

import re
import shutil

import numpy as np
import pytest

from actlab.cli import run

from .conftest import SMALL


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a small run on MNIST-1D."""
    folder = tmp_path_factory.mktemp("explained") / "run"
    assert run(["train", *SMALL, "steps=20", "stats=none", f"hydra.run.dir={folder}"]) == 0
    return folder


def contents(folder):
    return {p.relative_to(folder): p.stat().st_mtime_ns for p in folder.rglob("*")}


@pytest.mark.slow
def test_sites(actlab, trained):
    code, out, err = actlab("explain", "neuron", trained, "--list")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()] == [
        ["site", "channels", "positions"],
        ["blocks.0.act", "8", "-"],
        ["blocks.1.act", "8", "-"],
        ["logits", "10", "-"],
    ]


@pytest.mark.slow
def test_a_run_is_explained_and_left_as_it_was(actlab, trained, here):
    before = contents(trained)
    argv = ["explain", "neuron", trained, "--site", "blocks.1.act", "--channels", "0-2,5", "--steps", "60"]
    code, out, err = actlab(*argv, "--examples", "3", "--out", "out")
    assert (code, err) == (0, "")
    assert contents(trained) == before
    assert sorted(p.name for p in (here / "out").iterdir()) == ["atlas.png", "index.html", "neurons.npz"]
    arrays = np.load(here / "out" / "neurons.npz")
    assert arrays["labels"].tolist() == [f"channel {i}" for i in (0, 1, 2, 5)]
    assert arrays["inputs"].shape == (4, 1, 40) and arrays["example_scores"].shape == (4, 3)
    assert (arrays["scores"] > arrays["start"]).all()
    text = (here / "out" / "index.html").read_text()
    assert f"actlab explain neuron {trained} --site blocks.1.act" in text
    assert "4,000 training samples of mnist1d" in text and text.count("<polyline") == 4 * (1 + 3 + 1)
    assert "channel 5" in out and "start" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ("", "name a run folder, or a model with --model"),
        ("RUN --model efficientnet-lite0", "one of the two"),
        ("--model efficientnet-lite9", "did you mean 'efficientnet-lite0'"),
        ("nowhere --site a", "nowhere does not exist"),
        (". --site a", ". holds no run"),
        ("RUN", "name one of 3 sites with --site, like blocks.0.act"),
        ("RUN --site blocks.1.atc", "no site 'blocks.1.atc'; did you mean 'blocks.1.act'"),
        ("RUN --site blocks.1.act --channels 8", "no channel 8: it has 8, 0 to 7"),
        ("RUN --site blocks.1.act --channels 3-1", "--channels=3-1: must be numbers and ranges"),
        ("RUN --site blocks.1.act --channels 0-9999", "at most 4,096"),
        ("RUN --site blocks.1.act --neurons 0", "has no positions: its neurons are its channels"),
        ("RUN --site blocks.1.act --channels 1 --neurons 1", "--channels and --neurons exclude each other"),
        (
            "RUN --site blocks.1.act --directions words.npy",
            "--directions=words.npy is no .npy file of numbers: name a .npy file with a row of 8 numbers",
        ),
        (
            "RUN --site blocks.1.act --directions gone.txt",
            "--directions=gone.txt: No such file or directory; name a .npy file with a row of 8 numbers",
        ),
        ("RUN --site blocks.1.act --directions .", "--directions=.: Is a directory; name a .npy file"),
        ("RUN --classes 1 --out words.npy", "--out=words.npy: words.npy is a file; name a folder"),
        ("nowhere --classes 1 --out words.npy/in", "--out=words.npy/in: words.npy is a file; name a folder"),
        ("RUN --site blocks.1.act --at 1", "--at is the position of --neurons"),
        ("RUN --site blocks.1.act --classes 1", "--classes are logits"),
        ("RUN --classes 10", "class 10: there are 10, from 0 to 9"),
        ("RUN --classes 1 --steps 0", "steps=0: must be an integer >= 1"),
        ("RUN --classes 1 --size 64", "--size=64: this run's model takes 40 and no other"),
        ("RUN --classes 1 --images .", "--images is for --model"),
        ("RUN --classes 1 --examples 0", "--examples=0"),
        ("RUN --classes 1 --seed -1", "--seed=-1"),
        ("--model efficientnet-lite0 --classes 1 --images .", "holds no images"),
        ("--model efficientnet-lite0 --classes 1 --weights words.npy", "words.npy is not a torch checkpoint"),
        ("--model efficientnet-lite0 --classes 1 --size 20", "at least 32 x 32"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(actlab, trained, here, argv, message):
    pytest.importorskip("PIL", reason="needs the extra vision: Pillow")
    (here / "words.npy").write_text("not numbers")
    code, _, err = actlab("explain", "neuron", *argv.replace("RUN", str(trained)).split())
    assert (code, err.count("\n")) == (2, 1), err
    assert message in err and err.startswith("actlab: ")
    assert [p.name for p in here.iterdir()] == ["words.npy"]


def test_a_kind_that_is_none_is_told(actlab):
    assert "did you mean 'neuron'" in actlab("explain", "nueron")[2]
    assert "usage: actlab explain" in actlab("explain")[1]


def test_a_run_without_a_checkpoint_or_with_a_broken_config_is_told(actlab, trained, tmp_path):
    bare = tmp_path / "bare"
    shutil.copytree(trained, bare, ignore=shutil.ignore_patterns("checkpoints"))
    assert "bare has no checkpoint that can be read" in actlab("explain", "neuron", bare, "--classes", "1")[2]
    (bare / ".hydra" / "config.yaml").write_text("model: [")
    assert "its config cannot be read" in actlab("explain", "neuron", bare, "--classes", "1")[2]


@pytest.mark.parametrize("content", ["- model", "words", "", "{data: {}}"])
@pytest.mark.parametrize("kind", ["neuron", "probe"])
def test_a_config_that_is_no_runs_is_told(actlab, here, kind, content):
    (here / "run" / ".hydra").mkdir(parents=True)
    (here / "run" / "run.json").write_text("{}")
    (here / "run" / ".hydra" / "config.yaml").write_text(content)
    code, out, err = actlab("explain", kind, "run")
    assert (code, out, err) == (
        2,
        "",
        "actlab: run: .hydra/config.yaml is no run's: it must have keys (model, data and others)\n",
    )


@pytest.mark.parametrize("content", ["[]", "{"])
def test_a_run_json_that_is_damaged_is_told(actlab, trained, here, content):
    shutil.copytree(trained, here / "run")
    (here / "run" / "run.json").write_text(content)
    code, _, err = actlab("explain", "neuron", "run", "--list")
    assert (code, err.count("\n")) == (2, 1) and "run.json is damaged" in err


@pytest.mark.slow
def test_outputs_and_units_of_a_regression_are_explained(actlab, here):
    tiny = ["model.width=8", "model.depth=1", "data.size=8", "batch_size=64", "steps=20", "stats=none"]
    every = ["eval_every=20", "checkpoint_every=20", "hydra.run.dir=run"]
    assert actlab("train", "+experiment=picture_siren", *tiny, *every)[0] == 0
    code, out, err = actlab("explain", "neuron", "run", "--list")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["blocks.0.act", "8", "-"],
        ["logits", "3", "-"],
    ]
    code, out, err = actlab("explain", "neuron", "run", "--classes", "0,2", "--steps", "5", "--out", "out")
    assert (code, err) == (0, "")
    arrays = np.load(here / "out" / "neurons.npz")
    assert arrays["labels"].tolist() == ["0", "2"]
    assert arrays["inputs"].shape == (2, 1, 2) and np.isfinite(arrays["scores"]).all()
    assert "there are 3, from 0 to 2" in actlab("explain", "neuron", "run", "--classes", "3")[2]


@pytest.mark.slow
def test_a_run_that_diverged_is_told_and_not_drawn(actlab, here):
    large = ["optimizer=sgd", "optimizer.learning_rate=1e30", "data=digits", "hydra.run.dir=run"]
    assert actlab("train", *SMALL, *large, "steps=20", "stats=none")[0] == 0
    told = "run diverged at step 2: the pre-activation at blocks.1.act was the first non-finite value; "
    told += "its last finite parameters are looked at, after 1 step\n"
    code, out, err = actlab("explain", "neuron", "run", "--classes", "0")
    assert (code, out) == (2, told)
    assert re.search(
        r"logits of run is not finite for [\d,]+ of 1,437 examples", err
    )  # how many, jax's sums decide
    code, out, err = actlab("explain", "probe", "run", "--samples", "50")
    assert (code, out) == (2, told) and re.search(r"(blocks\.1\.act\.\w+|logits) is not finite", err)


@pytest.mark.slow
def test_units_of_a_model_of_texts_are_explained_by_passages(actlab, here):
    (here / "story.txt").write_text("the cat sat on the mat, and the rat sat on the cat. " * 20)
    text = ["data=text", "data.path=story.txt", "data.context=16", "model=recurrent", "model.pool=each"]
    tiny = [
        "activation=tanh",
        "model.width=8",
        "batch_size=8",
        "steps=20",
        "eval_every=20",
        "checkpoint_every=20",
    ]
    assert actlab("train", *text, *tiny, "stats=none", "hydra.run.dir=run")[0] == 0
    code, out, err = actlab("explain", "neuron", "run", "--list")
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["blocks.0.forward.act", "8", "16"],
        ["logits", "14", "16"],
    ]
    argv = [
        "explain",
        "neuron",
        "run",
        "--site",
        "blocks.0.forward.act",
        "--channels",
        "0,3",
        "--examples",
        "3",
    ]
    code, out, err = actlab(*argv, "--out", "out")
    assert (code, err) == (0, "") and "58 of 58 texts of 16 tokens" in out
    assert sorted(p.name for p in (here / "out").iterdir()) == ["index.html", "passages.npz", "passages.png"]
    assert actlab("explain", "neuron", "run", "--classes", "c,4", "--out", "out")[0] == 0
    for wrong, said in (
        (
            ["--site", "blocks.0.forward.act", "--neurons", "1"],
            "of a text every token is looked at: take --channels",
        ),
        (["--classes", "c", "--maco"], "--maco is for optima, and no text can be walked to"),
        (["--classes", "Q"], "no class is called 'Q'"),
    ):
        code, out, err = actlab("explain", "neuron", "run", *wrong)
        assert (code, err.count("\n")) == (2, 1) and said in err
