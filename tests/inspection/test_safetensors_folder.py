import json
import random
import shutil
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy_decoder
import pytest
from safetensors.numpy import load_file, save_file

from actlab.errors import InputError
from actlab.inspection.safetensors_folder import read_folder

MODELS = Path(__file__).parent / "models"
FAMILIES = ("gpt2", "llama", "llama31", "mistral", "qwen2", "qwen3")


@pytest.mark.parametrize("family", FAMILIES)
def test_it_says_what_transformers_says(family):
    found = read_folder(MODELS / family)
    expected = np.load(MODELS / family / "expected.npz")
    logits = numpy_decoder.logits(found.architecture, found.weights, expected["ids"])
    np.testing.assert_allclose(logits, expected["logits"], atol=3e-5)
    assert (found.name, found.source) == (family, str(MODELS / family))
    assert (found.tokenizer is not None) == (family == "llama")


@pytest.fixture
def folder(tmp_path):
    """A copy of a folder that may be spoilt."""
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(MODELS / "llama" / name, tmp_path / name)
    return tmp_path


def change(folder, **keys):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | keys))


def rewrite(folder, edit):
    tensors = load_file(folder / "model.safetensors")
    edit(tensors)
    save_file(tensors, folder / "model.safetensors")


def in_parts(folder):
    """Write the weights as two files and an index, as those of large models are."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    where = {}
    for i in (1, 2):
        part = {n: t for k, (n, t) in enumerate(sorted(tensors.items())) if k % 2 == i - 1}
        name = f"model-0000{i}-of-00002.safetensors"
        save_file(part, folder / name)
        where |= dict.fromkeys(part, name)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def same(one, two):
    return all(np.array_equal(two.weights[name], w) for name, w in one.weights.items())


def test_in_parts(folder):
    whole = read_folder(folder)
    in_parts(folder)
    assert same(whole, read_folder(folder))


def test_what_files_have_beside_the_weights(folder):
    whole = read_folder(folder)

    def older(tensors):
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(4, np.float32)
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].copy()  # tied all the same

    rewrite(folder, older)
    assert same(whole, read_folder(folder))


def test_without_the_prefix_and_in_float64(folder):
    whole = read_folder(folder)

    def bare(tensors):
        for name in list(tensors):
            tensors[name.removeprefix("model.")] = tensors.pop(name).astype(np.float64)

    rewrite(folder, bare)
    assert same(whole, read_folder(folder))


def test_a_name_that_the_config_has(folder):
    change(folder, _name_or_path="org/mo\x1b[31mdel")
    assert read_folder(folder).name == "org/mo[31mdel"


def renamed(old, new):
    return lambda t: t.__setitem__(new, t.pop(old))


ONE = "model.layers.1.mlp.up_proj.weight"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda f: (f / "config.json").unlink(), "config.json cannot be read: No such file"),
        (lambda f: (f / "config.json").write_text("{'a': 1}"), "config.json is no JSON"),
        (
            lambda f: (f / "model.safetensors").unlink(),
            "has no model.safetensors and no model.safetensors.index.json",
        ),
        (
            lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
            "weights are in pytorch_model.bin, a pickle, which could run anything; save them as model.safetensors",
        ),
        (lambda f: rewrite(f, lambda t: t.pop(ONE)), f"tensor '{ONE}' is missing"),
        (lambda f: rewrite(f, renamed(ONE, "model.other")), f"tensor '{ONE}' is missing"),
        (
            lambda f: rewrite(f, lambda t: t.update(more=np.ones(1))),
            "tensor 'more' has no place in a llama model",
        ),
        (
            lambda f: rewrite(f, lambda t: t.update({ONE: t[ONE].T.copy()})),
            rf"tensor '{ONE}' has shape \(32, 40\), the model's sizes make it \(40, 32\)",
        ),
        (
            lambda f: rewrite(f, lambda t: t.update({ONE: t[ONE].astype(np.int8)})),
            f"tensor '{ONE}' is of type I8, which is not supported; known: F64, F32, F16, BF16",
        ),
        (lambda f: change(f, tie_word_embeddings=False), "tensor 'lm_head.weight' is missing"),
        (lambda f: change(f, vocab_size=2**40), "as float32 it takes 131,072 GiB, this machine has"),
        (lambda f: change(f, vocab_size=301), r"has shape \(300, 32\), the model's sizes make it \(301, 32"),
        (
            lambda f: change(f, num_hidden_layers=3),
            "tensor 'model.layers.2.input_layernorm.weight' is missing",
        ),
        (lambda f: change(f, num_hidden_layers=1), "tensor 'model.layers.1.* has no place"),
        (lambda f: change(f, model_type="bert"), "model_type 'bert' is not supported"),
    ],
)
def test_what_cannot_be_read(folder, spoil, said):
    spoil(folder)
    with pytest.raises(InputError, match=said) as told:
        read_folder(folder)
    assert str(told.value).startswith(f"{folder}: ") and "\n" not in str(told.value)


def test_parts_that_cannot_be_read(folder):
    in_parts(folder)
    index = folder / "model.safetensors.index.json"
    kept = index.read_text()
    for text, said in (
        ("{}", "has no weight_map"),
        ('{"weight_map": {"a": 1}}', "has no weight_map"),
        (
            '{"weight_map": {"a": "../secret.safetensors"}}',
            "names '../secret.safetensors', which is no .safetensors",
        ),
        ('{"weight_map": {"a": "/etc/passwd"}}', "names '/etc/passwd'"),
        ('{"weight_map": {"a": "x.bin"}}', "names 'x.bin'"),
        (kept.replace("00002-of", "00003-of"), "one of 2 files of weights, is missing"),
    ):
        index.write_text(text)
        with pytest.raises(InputError, match=said):
            read_folder(folder)
    index.write_text(kept)
    shutil.copy(folder / "model-00001-of-00002.safetensors", folder / "model-00002-of-00002.safetensors")
    with pytest.raises(InputError, match="tensor .* is in two files"):
        read_folder(folder)


def test_headers_that_lie(folder):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    first = next(name for name in header if name != "__metadata__")

    def with_header(edit):
        changed = json.loads(json.dumps(header))
        edit(changed)
        text = json.dumps(changed).encode()
        return struct.pack("<Q", len(text)) + text + whole[8 + size :]

    for content, said in (
        (b"", "cut short or no safetensors file"),
        (whole[:5], "cut short or no safetensors file"),
        (struct.pack("<Q", 2**63) + whole[8:], "a header of 9,223,372,036,854,775,808 bytes in"),
        (
            struct.pack("<Q", 2**26) + bytes(2**26 + 9),
            "has a header of 67,108,864 bytes, 33,554,432 at most are read",
        ),
        (whole[: len(whole) // 2], "model.safetensors is damaged"),
        (whole[:8] + b"\xff" * size + whole[8 + size :], "model.safetensors is damaged"),
        (with_header(lambda h: h[first].update(shape=[2**60, 2**60])), "model.safetensors is damaged"),
        (with_header(lambda h: h[first].update(data_offsets=[0, 2**62])), "model.safetensors is damaged"),
        (with_header(lambda h: h[first].update(dtype="F128")), "model.safetensors is damaged"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=said) as told:
            read_folder(folder)
        assert "\n" not in str(told.value)


def test_damaged_anywhere(folder):
    path = folder / "model.safetensors"
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    rng = random.Random(0)
    refused = 0
    for n in range(120):
        content = bytearray(whole)
        if n % 4 == 0:
            content = content[: rng.randrange(len(content))]
        else:
            content[rng.randrange(8 + size)] = rng.randrange(256)
        path.write_bytes(content)
        try:
            read_folder(folder)
        except InputError as e:
            refused += 1
            assert "\n" not in str(e) and len(str(e)) < 400
    assert refused > 60


def test_a_checkpoint_is_whole(folder):
    found = read_folder(folder)
    with pytest.raises(InputError, match="weight 'norm.scale' is missing"):
        replace(found, weights={n: w for n, w in found.weights.items() if n != "norm.scale"})
    with pytest.raises(InputError, match="weight 'more' belongs to no part"):
        replace(found, weights=found.weights | {"more": np.ones(1, np.float32)})
    with pytest.raises(InputError, match=r"weight 'norm.scale' is float64 \(32,\), not float32 \(32,\)"):
        replace(found, weights=found.weights | {"norm.scale": np.ones(32)})
