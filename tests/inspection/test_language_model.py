"""Generation with records, on a small random Llama."""

import dataclasses
import json
import tempfile
from functools import cache
from pathlib import Path

import gguf
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_gguf import small_bpe, small_llama, write_gguf

import actlab
from actlab.errors import InputError
from actlab.inspection import PLAIN, Capture, Sampling, Trace, join, load
from actlab.inspection.gguf_file import read_gguf
from actlab.inspection.language_model import LanguageModel
from actlab.inspection.observing import _saturated
from actlab.inspection.sampling import draw, filtered

TINY = Path(__file__).parent / "models" / "llama"
TEXT = "the quick brown fox"
DRAWN = {"temperature": 0.9, "top_p": 0.9, "seed": 3, "stop_at_end": False}


@cache
def lm():
    return load(TINY)


@cache
def trace():
    return lm().generate(TEXT, max_new_tokens=20, capture=Capture(values=("*",)), **DRAWN)


@pytest.mark.slow
def test_a_text_is_the_prompt_and_what_was_drawn():
    t = trace()
    ids = lm().encode(TEXT)
    assert t.tokens[: t.prompt].tolist() == ids and len(t) == len(ids) + 20
    whole = lm().tokenizer.decode(t.tokens.tolist())
    assert whole in (t.text, t.text + "\ufffd")  # a stream may end within a character
    assert (t["next.token"][:-1] == t.tokens[1:]).all()


@pytest.mark.slow
def test_the_same_tokens_with_and_without_records():
    plain = lm().generate(TEXT, max_new_tokens=20, capture=PLAIN, **DRAWN)
    assert (plain.tokens == trace().tokens).all()
    assert not any(name.startswith(("site", "heads", "units", "value")) for name in plain.arrays)


@pytest.mark.slow
def test_a_text_given_has_the_records_of_one_written():
    t = trace()
    again = lm().run(t.tokens.tolist(), capture=Capture(values=("*",)), **DRAWN)
    assert again.prompt == len(t) and again.arrays.keys() == t.arrays.keys()
    for name, x in t.arrays.items():
        if name.endswith(("candidates", "index", "near_zero")) or name == "next.token":
            continue  # near ties, and a share of a handful
        scale = np.nanmax(np.abs(np.where(np.isfinite(x), x, 0))) + 1e-9
        np.testing.assert_allclose(again[name][:-1] / scale, x[:-1] / scale, atol=3e-4, err_msg=name)


@cache
def quantised():
    """A model whose file has numbers of four bits and a table of eight."""
    a, weights = small_llama()
    weights = {name: 0.2 * w for name, w in weights.items()}
    table = gguf.quants.quantize(weights["tokens"], gguf.GGMLQuantizationType.Q8_0)
    with tempfile.TemporaryDirectory() as folder:
        raw = {"token_embd.weight": (table, "Q8_0")}
        path = write_gguf(Path(folder, "x.gguf"), a, weights, "llama", kind="Q4_1", raw=raw, tokens=small_bpe)
        return LanguageModel.of(read_gguf(path))


@pytest.mark.slow
@pytest.mark.parametrize("changed", [{}, {"swap": {"act": "relu"}}])
def test_narrow_weights_write_what_wide_ones_do(changed):
    narrow = quantised()
    assert narrow.packed is not None
    wide = dataclasses.replace(narrow, packed=None)
    one, other = (
        m.generate("ab", max_new_tokens=9, capture=Capture(values=("*",)), stop_at_end=False, **changed)
        for m in (narrow, wide)
    )
    assert (one.tokens == other.tokens).all() and one.arrays.keys() == other.arrays.keys()
    different = 0
    for name, x in other.arrays.items():
        if name.startswith(("value", "next.entropy", "heads.entropy")):
            np.testing.assert_allclose(one[name], x, rtol=1e-4, atol=1e-5, err_msg=name)
            different += (one[name] != x).any()
    assert different  # they were not the same program


@pytest.mark.slow
def test_bfloat16_writes_nearly_what_float32_does():
    jax.config.update(
        "jax_disable_most_optimizations", False
    )  # XLA's unoptimised CPU code has no such products
    narrow = load(TINY, dtype="bfloat16").generate(TEXT, max_new_tokens=8, stop_at_end=False)
    wide = lm().generate(TEXT, max_new_tokens=8, stop_at_end=False)
    assert (narrow.tokens == wide.tokens).all()
    assert 0 < np.abs(narrow["next.entropy"] - wide["next.entropy"]).max() < 0.1


def test_a_text_is_read_in_passes_of_two_sizes():
    ids = (lm().encode(TEXT) * 8)[:37]  # 32 in a pass and 5 in a smaller one
    whole = lm().run(ids)
    assert len(whole) == 37 and (whole.tokens == ids).all()
    drawn = lm().generate(ids[:33], max_new_tokens=4, stop_at_end=False)
    for name in ("heads.entropy", "heads.entropy_rest", "site.mlp.post.l2", "next.entropy"):
        np.testing.assert_allclose(whole[name][:33], drawn[name][:33], rtol=1e-5, err_msg=name)
    assert (whole["next.token"][:36] == ids[1:]).all()
    assert whole["heads.entropy"].shape == (37, 2, lm().architecture.heads)


def test_a_stream_is_the_whole_in_parts():
    parts = list(lm().stream(TEXT, max_new_tokens=20, capture=Capture(values=("*",)), **DRAWN))
    assert len(parts) == 4  # the prompt, then 8, 8 and 4 tokens
    whole = join(parts)
    assert whole.pieces == trace().pieces and whole.prompt == trace().prompt
    for name, x in trace().arrays.items():
        np.testing.assert_array_equal(whole[name], x, err_msg=name)


@pytest.mark.slow
def test_texts_side_by_side_are_written_as_if_alone():
    prompts = ["a", TEXT * 3]
    both = lm().generate(prompts, max_new_tokens=10, **DRAWN)
    for prompt, t in zip(prompts, both, strict=True):
        alone = lm().generate(prompt, max_new_tokens=10, **DRAWN)
        assert (t.tokens == alone.tokens).all()
        np.testing.assert_allclose(t.entropy, alone.entropy, atol=1e-4)
        np.testing.assert_allclose(t["site.resid_post.l2"], alone["site.resid_post.l2"], rtol=1e-4)


def test_measures_are_those_of_the_vectors():
    t = trace()
    for block in range(2):
        for name in ("resid_pre", "attn_out", "mlp.post", "mlp_out"):
            site = t.site(f"blocks.{block}.{name}")
            x = site.post.astype(np.float64)
            m = site.measures
            c = x - x.mean(1, keepdims=True)
            for key, value in {
                "l2": np.sqrt((x**2).sum(1)),
                "rms": np.sqrt((x**2).mean(1)),
                "mean": x.mean(1),
                "variance": c.var(1),
                "skew": (c**3).mean(1) / (c**2).mean(1) ** 1.5,
                "kurtosis": (c**4).mean(1) / (c**2).mean(1) ** 2 - 3,
                "negative": (x < 0).mean(1),
                "participation": (x**2).sum(1) ** 2 / (x.shape[1] * (x**4).sum(1)),
                "largest": np.abs(x).max(1),
            }.items():
                np.testing.assert_allclose(m[key], value, rtol=2e-4, atol=1e-5, err_msg=f"{name}.{key}")


def test_an_activations_two_sides():
    site = trace().site("blocks.1.mlp.act")
    x = site.pre.astype(np.float64)
    np.testing.assert_allclose(site.post, x / (1 + np.exp(-x)), atol=1e-6)
    sigmoid = 1 / (1 + np.exp(-x))
    slope = sigmoid * (1 + x * (1 - sigmoid))
    np.testing.assert_allclose(
        site.measures["pre.saturated"], (np.abs(slope) < 0.01 * 1.0998).mean(1), atol=1e-6
    )


def test_units_are_the_largest_of_their_block():
    t = trace()
    value = t.site("blocks.0.mlp.post").post
    order = np.sort(np.abs(value), axis=1)[:, ::-1]
    np.testing.assert_allclose(np.abs(t["units.value"][:, 0]), order[:, :8], rtol=1e-6)
    np.testing.assert_array_equal(
        np.take_along_axis(t.site("blocks.0.mlp.act").pre, t["units.index"][:, 0], 1), t["units.pre"][:, 0]
    )


@pytest.mark.slow
def test_rows_of_attention_and_what_is_said_of_them():
    t = lm().generate(TEXT, max_new_tokens=6, capture=Capture(rows=(1,)), **DRAWN)
    p = t["rows.1"].astype(np.float64)
    n = len(t)
    assert p.shape == (n, lm().architecture.heads, n)
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)
    assert not np.triu(p.transpose(1, 0, 2), 1).any()
    entropy = -np.sum(p * np.log(np.where(p > 0, p, 1)), -1)
    np.testing.assert_allclose(t["heads.entropy"][:, 1], entropy, atol=1e-5)
    np.testing.assert_allclose(t["heads.effective"][:, 1], np.exp(entropy), rtol=1e-5)
    counts = np.arange(1, n + 1)[:, None]
    np.testing.assert_allclose(
        t["heads.normalized"][1:, 1], (entropy / np.log(np.maximum(counts, 2)))[1:], atol=1e-5
    )
    assert (t["heads.normalized"][0] == 0).all()  # one token to look at
    np.testing.assert_allclose(t["heads.largest"][:, 1], p.max(-1), rtol=1e-6)
    np.testing.assert_allclose(t["heads.first"][:, 1], p[..., 0], rtol=1e-6)
    back = np.arange(n)[:, None, None] - np.arange(n)
    np.testing.assert_allclose(t["heads.distance"][:, 1], (p * back).sum(-1), atol=1e-4)
    rest = p[..., 1:] / p[..., 1:].sum(-1, keepdims=True).clip(1e-300)
    entropy = -np.sum(rest * np.log(np.where(rest > 0, rest, 1)), -1)
    np.testing.assert_allclose(t["heads.entropy_rest"][1:, 1], entropy[1:], atol=1e-5)
    assert np.isnan(t["heads.entropy_rest"][0]).all()  # no other token


@pytest.mark.slow
def test_the_lens_after_the_last_block_is_the_models_output():
    t = lm().run(TEXT, capture=Capture(lens=(0, 1)))
    assert (t["lens.candidates"][:, 1, 0] == t["next.candidates"][:, 0]).all()
    np.testing.assert_allclose(t["lens.entropy"][:, 1], t["next.entropy"], atol=1e-5)
    np.testing.assert_allclose(t["lens.divergence"][:, 1], 0, atol=1e-5)
    assert (t["lens.divergence"][:, 0] > 0).all()
    np.testing.assert_allclose(t["lens.log_probability"][:, 1], t["next.log_probability"], atol=1e-5)


@pytest.mark.slow
def test_greedy_takes_the_likeliest_and_needs_no_seed():
    t = lm().generate(TEXT, max_new_tokens=8, seed=1, stop_at_end=False)
    drawn = slice(t.prompt - 1, len(t) - 1)
    assert (t["next.rank"][drawn] == 1).all() and (t["next.filtered_entropy"] == 0).all()
    again = lm().generate(TEXT, max_new_tokens=8, seed=2, stop_at_end=False)
    assert (t.tokens == again.tokens).all()


@pytest.mark.slow
def test_the_same_seed_draws_the_same_and_another_does_not():
    hot = {"temperature": 3.0, "max_new_tokens": 16, "stop_at_end": False, "capture": PLAIN}
    one, same, other = (lm().generate(TEXT, seed=s, **hot).tokens for s in (5, 5, 6))
    assert (one == same).all() and (one != other).any()


@pytest.mark.slow
def test_it_ends_with_the_end_mark():
    end, a = lm().tokenizer.eos[0], lm().architecture
    rows = lm().weights["tokens" if a.tied else "head"][...]
    push = 1e3 * np.asarray(rows)[end]  # what the head answers to: the end is certain
    t = lm().generate(TEXT, max_new_tokens=30, steer={f"blocks.{a.depth - 1}.resid_post": push})
    assert t.tokens[-1] == end and len(t) == t.prompt + 1


@pytest.mark.slow
def test_a_tiny_temperature_is_nearly_greedy():
    logits = jnp.array([31.0, 30.9, 31.0])
    left = filtered(logits, Sampling(temperature=2e-38, top_k=2).filters())
    np.testing.assert_array_equal(jnp.exp(left), [1, 0, 1])


@pytest.mark.parametrize("size", [5, 5000])
@pytest.mark.parametrize("broken", [np.nan, -np.nan, np.inf])
@pytest.mark.parametrize("asked", [{}, {"top_k": 3}, {"top_p": 0.5}, {"min_p": 0.1}], ids=str)
def test_what_is_no_number_is_filtered_by_none_and_drawn(asked, broken, size):
    by = Sampling(temperature=1.0, **asked).filters()
    logits = jax.random.normal(jax.random.key(0), (size,)).at[3].set(broken)
    left = filtered(logits, by)
    assert np.isnan(left[3])
    assert draw(left, by, jnp.int32(7)) == 3


@pytest.mark.slow
def test_the_share_of_what_is_no_number_is_none():
    a = lm().architecture
    pre = {0: jnp.full((1, a.hidden), jnp.nan), 1: jnp.full((1, a.hidden), -100.0)}
    np.testing.assert_array_equal(_saturated(a, (0, 1), pre), [[np.nan, 1]])


class TestInterventions:
    @pytest.mark.slow
    def test_units_ablated_are_zero_and_others_are_not(self):
        t = lm().run(TEXT, ablate={"blocks.1.mlp.act": [3, 5]}, capture=Capture(values=("*",)))
        was = lm().run(TEXT, capture=Capture(values=("*",)))
        post = t.site("blocks.1.mlp.act").post
        assert not post[:, [3, 5]].any()
        np.testing.assert_allclose(post[:, 6:], was.site("blocks.1.mlp.act").post[:, 6:], rtol=1e-5)
        assert np.abs(t["next.entropy"] - was["next.entropy"]).max() > 0

    @pytest.mark.slow
    def test_a_head_ablated_adds_nothing(self):
        t = lm().run(
            TEXT, ablate={"blocks.0.attention.heads": [1]}, capture=Capture(values=("attention.heads",))
        )
        k = lm().architecture.head_width
        mixed = t.site("blocks.0.attention.heads").post.reshape(len(t), -1, k)
        assert not mixed[:, 1].any() and mixed[:, 0].any()

    @pytest.mark.slow
    def test_scaled_and_pushed(self):
        width = lm().architecture.width
        keep = Capture(values=("mlp_out",))
        was = lm().run(TEXT, capture=keep).site("blocks.1.mlp_out").post
        push = np.linspace(-1, 1, width)
        for scale, factor in (
            (2.0, np.full(width, 2.0)),
            ({4: 0.5}, np.where(np.arange(width) == 4, 0.5, 1)),
        ):
            t = lm().run(
                TEXT, scale={"blocks.1.mlp_out": scale}, steer={"blocks.1.mlp_out": push}, capture=keep
            )
            np.testing.assert_allclose(t.site("blocks.1.mlp_out").post, was * factor + push, atol=1e-5)

    @pytest.mark.slow
    def test_a_patch_of_everything_makes_the_other_texts_output(self):
        keep = Capture(values=("resid_post",))
        ids = lm().encode(TEXT)
        other = lm().run(ids[::-1], capture=keep)
        t = lm().run(ids, patch={"blocks.1.resid_post": other}, capture=keep)
        np.testing.assert_allclose(t.entropy, other.entropy, atol=1e-5)

    @pytest.mark.slow
    def test_a_patch_of_one_position_leaves_those_before(self):
        keep = Capture(values=("resid_post",))
        was = lm().run(TEXT, capture=keep)
        rows = np.full_like(was.site("blocks.0.resid_post").post, np.nan)
        rows[4] = 1.0
        t = lm().run(TEXT, patch={"blocks.0.resid_post": rows}, capture=keep)
        assert (t.site("blocks.0.resid_post").post[4] == 1).all()
        np.testing.assert_allclose(t.entropy[:4], was.entropy[:4], atol=1e-6)
        assert np.abs(t.entropy[4:] - was.entropy[4:]).max() > 1e-6

    @pytest.mark.slow
    def test_another_activation(self):
        t = lm().run(TEXT, swap={"act": actlab.relu}, capture=Capture(values=("mlp.act.*",)))
        for block in range(2):
            site = t.site(f"blocks.{block}.mlp.act")
            np.testing.assert_array_equal(site.post, np.maximum(site.pre, 0))
        one = lm().run(TEXT, swap={"blocks.1.mlp.act": "relu"})
        assert [a["name"] for a in one.about["activations"]] == ["silu", "relu"]
        assert [a["name"] for a in lm().run(TEXT).about["activations"]] == ["silu", "silu"]

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"ablate": {"blocks.9.mlp.act": [0]}}, "no site"),
            ({"ablate": {"blocks.0.mlp.act": [10**6]}}, "no unit"),
            ({"steer": {"blocks.0.mlp_out": [1.0]}}, "shape"),
            ({"steer": {"blocks.0.mlp_out": float("nan")}}, "shape"),
            ({"scale": {"blocks.0.mlp_out": float("inf")}}, "finite"),
            ({"patch": {"blocks.0.mlp_out": [1.0]}}, "vectors"),
            ({"patch": {"blocks.0.mlp_out": np.full((2, 32), np.inf)}}, "finite, or all NaN"),
            ({"patch": {"blocks.0.mlp_out": np.diag(np.full(32, np.nan))}}, "finite, or all NaN"),
            ({"patch": {"blocks.0.mlp_out": "x.npz"}}, "takes numbers"),
            ({"ablate": {"blocks.0.mlp.act": 5}}, r"several units, like \[17, 912\], not 5"),
            ({"ablate": ["blocks.0.mlp.act"]}, "mapping by site"),
            ({"ablate": {3: [5]}}, "3 is no site"),
            ({"swap": "relu"}, "activations by place"),
            (
                {
                    "patch": {
                        "blocks.0.mlp_out": Trace(
                            np.zeros(1),
                            ("",),
                            {},
                            1,
                            {},
                            {"depth": 2, "sites": {"mlp_out": 32}, "measured": {}, "model": "x"},
                        )
                    }
                },
                "recorded",
            ),
            ({"swap": {"acts": "relu"}}, "did you mean 'act'"),
            ({"swap": {"act": "swiglu"}}, "two operands"),
            ({"temprature": 1.0}, "did you mean 'temperature'"),
        ],
    )
    def test_what_cannot_be_is_told(self, wrong, said):
        with pytest.raises(InputError, match=said):
            lm().run(TEXT, **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"temperature": -1.0}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": 1e9}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"top_k": 1.5}, "top_k"),
        ({"min_p": -0.1}, "min_p"),
        ({"seed": -1}, "seed"),
        ({"stop_at_end": "no"}, "True or False"),
        ({"max_new_tokens": 10**9}, "positions"),
        ({"max_new_tokens": -1}, "max_new_tokens"),
        ({"capture": Capture(sites=("resid_pst",))}, "did you mean 'resid_post'"),
        ({"capture": Capture(rows=(7,))}, "no block"),
        ({"capture": Capture(units=10**6)}, "there are"),
    ],
)
def test_settings_that_cannot_be(wrong, said):
    with pytest.raises(InputError, match=said):
        lm().generate(TEXT, **wrong)


@pytest.mark.parametrize(
    "prompt", ["", [], [10**9], [-1], None, 5, b"bytes", np.array([], int), np.array([0.5]), ["a", 5]]
)
def test_prompts_that_cannot_be(prompt):
    with pytest.raises(InputError):
        lm().generate(prompt)


def test_numbers_may_be_numpys():
    assert Sampling(np.float32(0.5), np.int64(3), seed=np.uint32(7)) == Sampling(0.5, 3, seed=7)
    capture = Capture(units=np.int32(3), rows=np.array([1]), lens=(np.int64(0),))
    assert capture == Capture(units=3, rows=(1,), lens=(0,))
    t = lm().generate(TEXT, max_new_tokens=np.int64(1), temperature=np.float32(0.9), top_p=np.float64(0.9))
    assert json.loads(json.dumps(t.about["sampling"]))["top_p"] == 0.9
    for wrong in (np.float32("nan"), np.bool_(True), np.array([1.0])):
        with pytest.raises(InputError, match="temperature"):
            Sampling(temperature=wrong)


@pytest.mark.parametrize("wrong", [5, None, ("next.entropy",), "next.entropi"])
def test_a_record_that_is_not_there_is_told(wrong):
    with pytest.raises(InputError, match="was not recorded"):
        trace()[wrong]


def test_tokens_may_be_an_array():
    assert lm().encode(np.array([5, 6])) == lm().encode((5, 6)) == [5, 6]


def test_a_trace_saved_is_the_same(tmp_path):
    t = trace()
    again = Trace.load(t.save(tmp_path / "t.npz"))
    assert again.pieces == t.pieces and again.labels == t.labels and again.prompt == t.prompt
    for name, x in t.arrays.items():
        np.testing.assert_array_equal(again[name], x)
    assert again.site("blocks.0.mlp.act").pre.shape == t.site("blocks.0.mlp.act").pre.shape


def test_what_is_no_trace_is_told(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"nothing")
    np.savez(tmp_path / "y.npz", x=np.ones(2))
    (tmp_path / "empty.npz").touch()
    whole = trace().save(tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bad.npz").write_bytes(whole[:1000] + bytes(64) + whole[1064:])  # within what is compressed
    dataclasses.replace(trace(), pieces=("a",)).save(tmp_path / "short.npz")
    for name in ("x.npz", "y.npz", "z.npz", "empty.npz", "half.npz", "bad.npz", "short.npz"):
        with pytest.raises(InputError, match=name):
            Trace.load(tmp_path / name)


def test_tables_hold_the_records():
    t = trace()
    tokens = t.to_polars()
    assert tokens["token"].to_list() == t.tokens.tolist()
    np.testing.assert_allclose(tokens["surprisal"][1:], -t["next.log_probability"][:-1], rtol=1e-6)
    assert np.isnan(tokens["surprisal"][0])  # nothing foretold the first
    sites = t.to_polars("sites").filter(site="mlp_out", block=1)
    np.testing.assert_array_equal(sites["l2"], t["site.mlp_out.l2"][:, 1])
    heads = t.to_polars("heads").filter(block=1, head=2)
    np.testing.assert_array_equal(heads["entropy"], t["heads.entropy"][:, 1, 2])
    assert t.to_polars("candidates").height == len(t) * 10
    with pytest.raises(InputError, match="did you mean 'sites'"):
        t.to_polars("site")
    with pytest.raises(InputError, match=r"did you mean 'blocks\.1\.mlp\.act'"):
        t.site("blocks.1.mlp.actt")
    for wrong in ("blocks.1.mlp.act.", "blocks.01.mlp.act", "blocks", ""):
        with pytest.raises(InputError, match="no site"):
            t.site(wrong)
