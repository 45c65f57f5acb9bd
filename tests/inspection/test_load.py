from pathlib import Path

import numpy as np
import pytest
from made_gguf import small_llama, write_gguf

from actlab.errors import InputError
from actlab.inspection.load import read_checkpoint

MODELS = Path(__file__).parent / "models"


def test_by_what_it_is(tmp_path):
    a, weights = small_llama()
    file = write_gguf(tmp_path / "x.gguf", a, weights, "llama")
    assert read_checkpoint(file).source == str(file)
    assert read_checkpoint(str(MODELS / "gpt2")).architecture.norm == "layer"
    np.testing.assert_array_equal(read_checkpoint(file).weights["tokens"], weights["tokens"])


def test_what_is_none(tmp_path):
    with pytest.raises(InputError, match="'smollm' is no model; known: smollm2, a .gguf file, a folder with"):
        read_checkpoint("smollm")
    with pytest.raises(InputError, match="config.json cannot be read: No such file"):
        read_checkpoint(tmp_path)
    (tmp_path / "x.pt").write_bytes(b"\x80\x02.")
    with pytest.raises(InputError, match="x.pt: not a GGUF file: it does not begin with 'GGUF'"):
        read_checkpoint(tmp_path / "x.pt")
    with pytest.raises(InputError, match="is no model"):
        read_checkpoint("x\0y")
