"""``actlab explain`` through the command line: what it writes, and what it says of bad input."""

import re

import pytest
from made_sweeps import write_sweep


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["explain", "boundry"], r"explain what\? 'boundry' is unknown; did you mean 'boundary'"),
        (["explain", "boundary", "relu"], "relu: write overrides as key=value"),
        (["explain", "boundary", "data=moon"], "moon"),
        (["explain", "boundary", "data=mnist1d", "activation=relu"], r"mnist1d has shape \(40,\)"),
        (["explain", "boundary", "seed=range(9)"], "27 combinations of these overrides: 8 at most"),
        (["explain", "network", "--seeds", "1"], "seeds=1, trained=1: at least 2 seeds"),
        (["explain", "probe", "nowhere"], "nowhere does not exist"),
        (["explain", "choose", "--rates", "fast"], "--rates fast: write numbers"),
        (["explain", "choose", "--seeds", "0"], "--seeds 0: must be an integer >= 1"),
        (["explain", "choose", "--seeds", "x"], "explain choose: argument --seeds: invalid int value"),
        (["explain", "choose", "seed=7"], "seed=7: choose varies seed itself, say which by --seeds"),
        (["explain", "choose", "--activations", "relu,relu"], "write different names"),
        (["explain", "boundary", "activation=relu,relu"], "'relu' stands twice"),
        (
            ["explain", "boundary", "activation=glob(*)"],
            r"activation=glob\(\*\): cannot be read; write values out",
        ),
        (["explain", "network", "--out", "conftest", "steps=10"], "--out conftest: is a file"),
    ],
)
def test_bad_input_is_one_line(actlab, here, argv, said):
    (here / "conftest").touch()
    code, _, err = actlab(*argv)
    assert code == 2 and len(err.strip().splitlines()) == 1
    assert re.search(said, err), err


def test_kinds_are_told(actlab):
    code, out, _ = actlab("explain")
    assert code == 0 and all(kind in out for kind in ("boundary", "neuron", "network", "probe", "choose"))


@pytest.mark.slow
def test_boundary_writes_a_page_and_a_picture(actlab, here):
    code, out, err = actlab(
        "explain",
        "boundary",
        "data=rings",
        "activation=relu,sin",
        "steps=200",
        "--out",
        "shown",
        "--frames",
        "5",
    )
    assert (code, err) == (0, "")
    assert [line.partition(":")[0] for line in out.splitlines()[:2]] == ["relu", "sin"]
    assert out.splitlines()[-2:] == ["shown/boundary.html", "shown/boundary.png"]
    page = (here / "shown" / "boundary.html").read_text()
    assert page.count('class="card film"') == 2 and "actlab explain boundary data=rings" in page
    assert (here / "shown" / "boundary.png").read_bytes()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_a_runs_layers_are_probed(actlab, here):
    code, _, err = actlab(
        "train",
        "data=digits",
        "model.depth=1",
        "model.width=16",
        "steps=100",
        "stats=none",
        "hydra.run.dir=run",
    )
    assert code == 0, err
    code, out, err = actlab("explain", "probe", "run", "--samples", "200")
    assert (code, err) == (0, "")
    assert "blocks.0.act.pre" in out and "network itself" in out
    assert (here / "run" / "probe.html").is_file() and (here / "run" / "probe.png").is_file()


@pytest.mark.slow
def test_choose_tells_what_a_sweep_says(here, capsys):
    from actlab.cli.composing import compose
    from actlab.cli.explain_choose import tell

    sweep = write_sweep(here / "sweep", {"relu": 0.6, "tanh": 0.4}, rates={1e-3: 0.0, 1e-2: -0.1})
    assert tell(sweep, here, "actlab explain choose", compose([]), False) == 0
    out = capsys.readouterr().out
    assert "At learning rate 0.001 relu has the best mean" in out and "better than every other" in out
    assert "Which activation: MLP on mnist1d" in (here / "choose.html").read_text()
