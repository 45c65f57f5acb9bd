"""What the backward pass keeps, by the real TPU compiler: needs libtpu and no TPU; run with ``-m tpu``."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.tpu,
    pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="libtpu is not installed"),
]
BENCHMARK = Path(__file__).resolve().parents[2] / "experiments" / "benchmarks" / "activation_memory.py"
SMOOTH = ("gelu", "gelu_tanh", "mish")


@pytest.fixture(scope="module")
def mebibytes(tmp_path_factory):
    path = tmp_path_factory.mktemp("memory") / "figures.json"
    subprocess.run(
        [sys.executable, BENCHMARK, "--json", path, "relu", *SMOOTH], check=True, capture_output=True
    )
    return json.loads(path.read_text())


def test_input_keeps_one_tensor_more_and_output_none(mebibytes):
    for name in SMOOTH:
        assert mebibytes[f"ours {name}"] <= 1.6 * mebibytes["identity"] < mebibytes[f"jax.nn {name}"]
    assert mebibytes["ours relu"] <= 1.02 * mebibytes["identity"] < mebibytes["jax.nn relu"]


def test_lean_keeps_the_output_and_bits(mebibytes):
    for name in SMOOTH:
        assert mebibytes[f"lean {name}"] <= 1.05 * mebibytes["identity"]


def test_the_gated_block_keeps_gate_and_up(mebibytes):
    for name in ("swiglu", "geglu"):
        assert mebibytes[f"nn.gated_projection({name})"] <= 640
