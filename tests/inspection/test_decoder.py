"""The decoder against what transformers makes of small random models of every family, and against itself."""

from functools import cache
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from actlab.inspection import read_checkpoint
from actlab.inspection.decoder import Decoder

MODELS = Path(__file__).parent / "models"
FAMILIES = sorted(p.name for p in MODELS.iterdir() if p.is_dir())


@cache
def decoder(family):
    checkpoint = read_checkpoint(MODELS / family)
    return Decoder(checkpoint.architecture, {k: jnp.asarray(v) for k, v in checkpoint.weights.items()})


@cache
def whole(family):
    """Return logits and every site's values by block, of a text read at once."""
    graph, state = nnx.split(decoder(family))

    @jax.jit
    def run(state, tokens):
        model, taken = nnx.merge(graph, state), {}

        def see(block, site, x):
            taken[f"{site}.{block}"] = x

        logits, _ = model(tokens, model.room(16), jnp.arange(len(tokens)), {}, see)
        return logits, taken

    return jax.device_get(run(state, expected(family)["ids"]))


@cache
def expected(family):
    with np.load(MODELS / family / "expected.npz") as file:
        return {name: file[name] for name in file.files}


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_are_those_of_transformers(family):
    logits, _ = whole(family)
    np.testing.assert_allclose(logits, expected(family)["logits"], atol=2e-6 * np.abs(logits).max() + 2e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_and_attention_are_those_of_transformers(family):
    _, taken = whole(family)
    told = expected(family)
    for block in range(2):
        hidden = told["hidden"][block]  # before each block; the last of them is after the final norm
        np.testing.assert_allclose(taken[f"resid_pre.{block}"], hidden, atol=2e-6 * np.abs(hidden).max())
        np.testing.assert_allclose(
            taken[f"attention.weights.{block}"][..., :12], told["attention"][block], atol=2e-6
        )
        assert not taken[f"attention.weights.{block}"][..., 12:].any()  # nothing looks at what is empty


@pytest.mark.parametrize("family", FAMILIES)
def test_the_stream_grows_by_what_attention_and_mlp_add(family):
    _, taken = whole(family)
    for block in range(2):
        x = {name: taken[f"{name}.{block}"].astype(np.float64) for name in
             ("resid_pre", "attn_out", "resid_mid", "mlp_out", "resid_post")}  # fmt: skip
        size = np.abs(x["resid_post"]).max()
        np.testing.assert_allclose(
            x["resid_post"] - x["resid_pre"], x["attn_out"] + x["mlp_out"], atol=1e-6 * size
        )
        np.testing.assert_allclose(x["resid_mid"], x["resid_pre"] + x["attn_out"], atol=1e-6 * size)


@pytest.mark.parametrize("family", ["gpt2", "qwen3"])
def test_one_token_after_another_is_the_same_as_all_at_once(family):
    model = decoder(family)
    ids = jnp.asarray(expected(family)["ids"])

    @jax.jit
    def step(kept, pair):
        token, at = pair
        logits, kept = model(token[None], kept, at[None], {}, lambda *_: None)
        return kept, logits[0]

    _, logits = jax.lax.scan(step, model.room(16), (ids, jnp.arange(len(ids))))
    np.testing.assert_allclose(logits, expected(family)["logits"], atol=1e-5)


def test_rows_turned_for_the_other_order_give_other_logits():
    # the trap of GGUF's llama: interleaved pairs read as halves do not crash, they are only wrong
    checkpoint = read_checkpoint(MODELS / "llama")
    a = checkpoint.architecture
    wrong = dict(checkpoint.weights)
    for name, heads in (("query", a.heads), ("key", a.kv_heads)):
        kernel = wrong[f"blocks.0.{name}.kernel"]
        turned = kernel.reshape(heads, 2, a.head_width // 2, -1).swapaxes(1, 2).reshape(kernel.shape)
        wrong[f"blocks.0.{name}.kernel"] = turned
    model = Decoder(a, {k: jnp.asarray(v) for k, v in wrong.items()})
    ids = jnp.asarray(expected("llama")["ids"])
    logits, _ = jax.jit(lambda ids: model(ids, model.room(16), jnp.arange(len(ids)), {}, lambda *_: None))(
        ids
    )
    assert np.abs(logits - expected("llama")["logits"]).max() > 1e-2
