import fnmatch
import importlib
import sys
from pathlib import Path

import pytest

from actlab.errors import InputError
from actlab.inspection.hub import FILES, from_hub
from actlab.inspection.load import read_checkpoint

MODELS = Path(__file__).parent / "models"


@pytest.fixture
def hub():
    found = pytest.importorskip("huggingface_hub", reason="needs the extra hub: huggingface_hub")
    for part in ("constants", "errors"):  # modules that it imports when it needs them
        importlib.import_module(f"huggingface_hub.{part}")
    return found


def test_what_is_asked_for(hub, monkeypatch):
    asked = []

    def download(*args, **keywords):
        asked.append((args, keywords))
        return str(MODELS / "qwen3")

    monkeypatch.setattr(hub, "snapshot_download", download)
    found = read_checkpoint("hf:org/na.me@v1.0")
    assert (found.name, found.source) == ("org/na.me@v1.0", "hf:org/na.me@v1.0")
    assert asked == [(("org/na.me",), {"revision": "v1.0", "allow_patterns": FILES})]
    from_hub("org/name")
    assert asked[1] == (("org/name",), {"revision": None, "allow_patterns": FILES})


def test_no_pickle_and_no_code_is_fetched():
    for name in ("pytorch_model.bin", "model.pt", "modeling_x.py", "onnx/model.onnx", "model.safetensors.py"):
        assert not any(fnmatch.fnmatch(name, pattern) for pattern in FILES)
    assert any(fnmatch.fnmatch("model-00001-of-00002.safetensors", pattern) for pattern in FILES)


@pytest.mark.parametrize(
    "name", ["", "name", "../x", "a/../b", "a/b/c", "a/b@", "a/b@../x", "-a/b", "a/b c", "a/b@c d"]
)
def test_names_that_are_none(name):
    with pytest.raises(InputError, match="must be hf:organisation/name or hf:organisation/name@revision"):
        from_hub(name)


def test_without_a_network(hub, monkeypatch, tmp_path):
    monkeypatch.setattr(hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="hf:a/b cannot be fetched and is not in the hub's cache") as told:
        from_hub("a/b")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("GatedRepoError", "hf:a/b@c wants its licence agreed to"),
        ("RevisionNotFoundError", "a/b has no revision 'c'"),
        ("RepositoryNotFoundError", "there is no such model, or it is not for everyone to see"),
    ],
)
def test_what_the_hub_says_no_to(hub, monkeypatch, error, said):
    made = getattr(hub.errors, error)

    def download(*_, **__):
        raise made.__new__(made)

    monkeypatch.setattr(hub, "snapshot_download", download)
    with pytest.raises(InputError, match=said):
        from_hub("a/b@c")


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"hf:a/b needs huggingface_hub: pip install 'actlab\[hub\]'"):
        from_hub("a/b")
