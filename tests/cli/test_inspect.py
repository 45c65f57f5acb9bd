"""`actlab inspect` on the command line: files of a text that a small model reads and goes on with."""

import json
import socket

import numpy as np
import pytest
from made_server import FOLDER

from actlab.inspection import Capture, Trace, load

pytestmark = pytest.mark.xdist_group("inspect")


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        ("--out x.html", "--out goes with --prompt or --text"),
        ("--swap relu", "--swap goes with --prompt or --text"),
        ("--temperature -1", "temperature=-1.0: must be a number"),
        ("--max-new-tokens 5000", "--max-new-tokens 5000: must be 0 to 960 on the page"),
        ("--port 99999", "--port 99999: must be 0 to 65535"),
        ("--prompt a --text b", "not allowed with argument"),
        ("--prompt a --port 8000", "--port and --no-browser are the server's"),
        ("--prompt a --out x.txt", "--out x.txt: must end in .html, .json, .npz"),
        ("--prompt a --out no/x.html", "--out no/x.html: there is no such folder"),
        ("--text b --chat", "--chat goes with --prompt"),
        ("--prompt a --swap relu --out x.npz", "two runs beside one another are for a page"),
        ("--prompt a --temprature 1", "unrecognized arguments: --temprature"),
        ("--prompt a --model nowhere", "'nowhere' is no model"),
        ("--text missing.txt", "missing.txt"),
        ("--text bytes.txt", "--text bytes.txt: is no UTF-8 text, at byte 0"),
        ("--prompt a --lens x", "--lens: 'x' must be integers"),
        ("--prompt a --rows 9", "rows: 9 is no block, they are 0 to 1"),
        ("--prompt a --ablate 3", "--ablate 3: write blocks.3.mlp.act:17,912"),
        ("--prompt a --temperature -1", "temperature=-1.0: must be a number"),
        ("--prompt a --max-new-tokens 1000000000", "more than the 64 positions of"),
        ("--prompt a --swap reluu", "did you mean 'relu'"),
    ],
)
def test_what_cannot_be_is_one_line(actlab, here, argv, why):
    (here / "bytes.txt").write_bytes(b"\xff\xfe")
    before = sorted(here.iterdir())
    argv = argv.split()
    # what is wrong with a change is seen before anything of it is read
    reads = "--prompt" in argv or "--text" in argv
    model = ["--model", FOLDER] if reads and "--model" not in argv else []
    code, out, err = actlab("inspect", *argv, *model)
    assert code == 2 and why in err and err.count("\n") == 1 and out == ""
    assert sorted(here.iterdir()) == before


def test_a_port_that_is_taken_is_told(actlab):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, _, err = actlab("inspect", "--no-browser", "--port", taken.getsockname()[1], "--model", FOLDER)
    assert code == 2 and "cannot be had: Address already in use" in err


@pytest.mark.slow
def test_a_page_an_npz_and_json_of_the_same_text(actlab, here):
    argv = ("inspect", "--model", FOLDER, "--prompt", "The quick", "--max-new-tokens", 6, "--rows", "1")
    code, out, err = actlab(*argv)
    assert code == 0 and err == "" and out.endswith("inspect.html\n")
    assert actlab(*argv, "--out", "x.json")[0] == 0
    told = json.loads((here / "x.json").read_text())
    capture = Capture(values=(), rows=(1,))  # the command's: nothing is compiled anew
    trace = load(FOLDER).generate("The quick", max_new_tokens=6, capture=capture)
    assert f"{trace.prompt} tokens given, 6 drawn" in out
    assert told["tokens"] == trace.tokens.tolist()
    entropy = told["arrays"]["heads.entropy"]["data"]
    np.testing.assert_allclose(entropy, trace["heads.entropy"].reshape(-1), atol=1e-5)
    assert told["arrays"]["rows.1"]["shape"] == [len(trace), 4, len(trace)]
    assert (here / "inspect.html").read_text().count('"rows.1"') == 1


@pytest.mark.slow
def test_a_given_text_is_read_and_the_whole_vectors_are_in_the_npz(actlab, here):
    (here / "notes.txt").write_text("to be", encoding="utf-8")
    code, out, _ = actlab("inspect", "--model", FOLDER, "--text", "notes.txt", "--out", "x.npz")
    assert code == 0 and "0 drawn" in out
    trace = Trace.load(here / "x.npz")
    assert (
        trace.text == "to be"
        and trace.prompt == len(trace)
        and trace.site("blocks.0.mlp.act").pre is not None
    )
