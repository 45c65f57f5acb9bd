from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import numpy_decoder
import pytest
from made_gguf import small_bpe, small_llama, write_gguf

from actlab import make
from actlab.errors import InputError
from actlab.inspection.gguf_file import read_gguf
from actlab.inspection.safetensors_folder import read_folder

MODELS = Path(__file__).parent / "models"
Q = gguf.GGMLQuantizationType


@pytest.mark.parametrize("family", ["llama", "gpt2", "qwen2", "qwen3"])
def test_every_family_is_what_its_folder_is(family, tmp_path):
    folder = read_folder(MODELS / family)
    path = write_gguf(tmp_path / "x.gguf", folder.architecture, folder.weights, family)
    found = read_gguf(path)
    assert found.weights.keys() == folder.weights.keys()
    for name, w in folder.weights.items():
        np.testing.assert_array_equal(found.weights[name], w)
    assert found.architecture.epsilon == pytest.approx(folder.architecture.epsilon, rel=1e-6)  # float32 there
    assert replace(found.architecture, epsilon=folder.architecture.epsilon) == folder.architecture
    assert (found.name, found.source, found.tokenizer) == ("x", str(path), None)


@pytest.mark.parametrize(("untied", "bias"), [(True, False), (False, True)])
def test_a_head_and_biases_of_its_own(tmp_path, untied, bias):
    a, weights = small_llama()
    rng = np.random.default_rng(1)
    if untied:
        a = replace(a, tied=False)
        weights["head"] = rng.normal(size=(a.vocabulary, a.width)).astype(np.float32)
    if bias:  # turned with their rows
        weights |= {
            n: rng.normal(size=w.shape).astype(np.float32) for n, w in weights.items() if n.endswith(".bias")
        }
    found = read_gguf(write_gguf(tmp_path / "x.gguf", a, weights, "llama"))
    assert found.architecture.tied != untied
    for name, w in weights.items():
        np.testing.assert_array_equal(found.weights[name], w)


@pytest.mark.parametrize("kind", ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0"])
def test_every_type_is_read_as_its_numbers(kind, tmp_path):
    a, weights = small_llama(vocabulary=64)
    found = read_gguf(write_gguf(tmp_path / "x.gguf", a, weights, "llama", kind=kind)).weights
    for name in ("tokens", "blocks.0.down.kernel", "blocks.0.value.kernel"):
        w = weights[name]
        want = gguf.quants.dequantize(gguf.quants.quantize(w, Q[kind]), Q[kind]).astype(np.float32)
        np.testing.assert_array_equal(found[name], want)
        bits = {"F32": 24, "F16": 11, "BF16": 8}.get(kind) or int(kind[1])
        assert abs(found[name] - w).max() <= abs(w).max() * 2.0 ** (1 - bits)
    np.testing.assert_array_equal(found["norm.scale"], weights["norm.scale"])


def q4_k(block):
    """Return the 256 numbers of a block of 144 bytes, as ggml-common.h describes it."""
    d, least = (float(block[i : i + 2].view(np.float16)[0]) for i in (0, 2))
    q, nibbles = [int(b) for b in block[4:16]], block[16:]
    out = []
    for part in range(8):
        if part < 4:
            scale, low = q[part] & 63, q[part + 4] & 63
        else:
            scale = q[part + 4] & 15 | q[part - 4] >> 6 << 4
            low = q[part + 4] >> 4 | q[part] >> 6 << 4
        half = nibbles[part // 2 * 32 :][:32]
        out += [d * scale * (int(b) >> 4 * (part % 2) & 15) - least * low for b in half]
    return out


def q6_k(block):
    """Return the 256 numbers of a block of 210 bytes."""
    low, high = ([int(b) for b in x] for x in (block[:128], block[128:192]))
    scales, d = block[192:208].view(np.int8), float(block[208:].view(np.float16)[0])
    out = [0.0] * 256
    for i in range(256):
        half, j = divmod(i, 128)
        nibble = low[half * 64 + j % 64] >> 4 * (j // 64) & 15
        q = (nibble | (high[half * 32 + j % 32] >> 2 * (j // 32) & 3) << 4) - 32
        out[i] = d * int(scales[i // 16]) * q
    return out


@pytest.mark.parametrize(("kind", "size", "numbers"), [("Q4_K", 144, q4_k), ("Q6_K", 210, q6_k)])
def test_blocks_with_scales_of_their_own(kind, size, numbers, tmp_path):
    a, weights = small_llama(vocabulary=2)
    a = replace(a, width=256, hidden=32, head_width=2)
    rng = np.random.default_rng(0)
    weights = {n: rng.normal(size=s).astype(np.float32) for n, s in a.shapes()}
    data = rng.integers(256, size=(2, size)).astype(np.uint8)
    for at in (0, 2) if kind == "Q4_K" else (208,):
        data[:, at : at + 2] = rng.normal(size=(2, 1)).astype(np.float16).view(np.uint8)
    path = write_gguf(tmp_path / "x.gguf", a, weights, "llama", raw={"token_embd.weight": (data, kind)})
    want = [numbers(block) for block in data]
    np.testing.assert_allclose(read_gguf(path).weights["tokens"], want, rtol=1e-6, atol=1e-6)


def test_positions_that_are_stretched(tmp_path):
    a, weights = small_llama()
    by_pair = np.array([1.0, 1.5, 4.0, 8.0], np.float32)
    more = [("rope_freqs.weight", by_pair)]
    found = read_gguf(write_gguf(tmp_path / "x.gguf", a, weights, "llama", more=more))
    assert found.architecture.rope_factors == tuple(by_pair.tolist())
    linear = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 4.0}
    found = read_gguf(write_gguf(tmp_path / "x.gguf", a, weights, "llama", metadata=linear))
    assert found.architecture.rope_factors == (4.0,) * 4


def test_an_order_of_rows_that_is_not_undone_changes_what_it_says(tmp_path):
    folder = read_folder(MODELS / "llama")
    path = write_gguf(tmp_path / "x.gguf", folder.architecture, folder.weights, "llama")
    expected = np.load(MODELS / "llama" / "expected.npz")
    found = read_gguf(path)
    logits = numpy_decoder.logits(found.architecture, found.weights, expected["ids"])
    np.testing.assert_allclose(logits, expected["logits"], atol=3e-5)
    raw = {t.name: t.data for t in gguf.GGUFReader(path).tensors}
    as_stored = found.weights | {
        f"blocks.{i}.{part}.kernel": np.array(raw[f"blk.{i}.attn_{part[0]}.weight"])
        for i in range(2)
        for part in ("query", "key")
    }
    logits = numpy_decoder.logits(found.architecture, as_stored, expected["ids"])
    assert abs(logits - expected["logits"]).max() > 0.1


NO_WEIGHT = np.ones((3, 3), np.float32)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"family": "phi3"}, "architecture 'phi3' is not supported; known: gpt2, llama, qwen2, qwen3"),
        ({"metadata": {"llama.expert_count": 8}}, "llama.expert_count=8 is not supported"),
        ({"metadata": {"llama.expert_count": [0, 0]}}, "llama.expert_count=.0 0. is not supported"),
        (
            {"metadata": {"llama.rope.scaling.type": "yarn"}},
            "llama.rope.scaling.type='yarn' is not supported",
        ),
        ({"metadata": {"llama.rope.dimension_count": 4}}, "rope turns 4 of 8 numbers of a head"),
        ({"metadata": {"llama.attention.key_length": 2**31}}, "key_length=2,147,483,648: must be in"),
        ({"metadata": {"llama.attention.value_length": 4}}, "keys and values of different widths"),
        (
            {"more": [("blk.0.attn_sinks.weight", NO_WEIGHT)]},
            "tensor 'blk.0.attn_sinks.weight' has no place in",
        ),
        ({"more": [("rope_freqs.weight", NO_WEIGHT)]}, r"'rope_freqs.weight' has shape \(3, 3\), not \(4,\)"),
        (
            {"raw": {"token_embd.weight": (np.zeros((262, 18), np.uint8), "IQ4_NL")}},
            "is of type IQ4_NL, which is",
        ),
        (
            {"sizes": {"depth": 9}},
            "llama.block_count=9, but the file has 11 tensors|'blk.1.attn_norm.weight' is",
        ),
        ({"sizes": {"depth": 10**9}}, "llama.block_count=1,000,000,000, but the file has 11 tensors"),
        (
            {"sizes": {"hidden": 65}},
            r"'blk.0.ffn_up.weight' has shape \(64, 32\), the model's sizes make it \(65, ",
        ),
        ({"sizes": {"kv_heads": 8}}, "kv_heads=8: must be a divisor of heads=4"),
        ({"without": "blocks.0.gate.kernel"}, "tensor 'blk.0.ffn_gate.weight' is missing"),
        ({"without": "tokens"}, "tensor 'token_embd.weight' is missing"),
        ({"sizes": {"vocabulary": 200}, "tokens": small_bpe}, "262 tokens for a table of 200 rows"),
    ],
)
def test_what_is_not_supported(options, said, tmp_path):
    a, weights = small_llama(options.get("sizes", {}).get("vocabulary", 262))
    weights.pop(options.pop("without", None), None)
    path = tmp_path / "x.gguf"
    sizes, family = options.pop("sizes", {}), options.pop("family", "llama")
    stated = type("Stated", (), {**vars(a), **sizes})
    write_gguf(path, stated, weights, family, **options)
    with pytest.raises(InputError, match=said) as told:
        read_gguf(path)
    assert str(told.value).startswith(f"{path}: ")
    assert "\n" not in str(told.value)


def test_a_package_that_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(InputError, match=r"GGUF files need gguf: pip install 'actlab\[lm\]'"):
        read_gguf(tmp_path / "x.gguf")


def test_acts(tmp_path):
    folder = read_folder(MODELS / "gpt2")
    path = write_gguf(tmp_path / "x.gguf", folder.architecture, folder.weights, "gpt2")
    assert read_gguf(path).architecture.act == (make("gelu_tanh"),) * 2
