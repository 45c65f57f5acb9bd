"""Units over many texts, concepts and swapped activations, on a small random Llama."""

from functools import cache
from pathlib import Path

import jax
import numpy as np
import pytest

import actlab
from actlab.errors import InputError
from actlab.inspection import load
from actlab.inspection.concepts import _auroc, _ranks, concept
from actlab.inspection.neurons import BEFORE, Neurons, neurons
from actlab.inspection.swap import swap
from actlab.inspection.windows import units_of, windows

TINY = Path(__file__).parent / "models" / "llama"
TEXTS = [
    "the quick brown fox jumps over it",
    "",
    "x",
    "a lazy dog sleeps",
    "then nothing else was said by them",
]
SHAPE = {"window": 16, "batch": 2}


@cache
def lm():
    return load(TINY)


@cache
def found():
    return neurons(lm(), TEXTS, **SHAPE, examples=3, sample=20)


@cache
def whole():
    """Return every unit's pre-activation and output on every token that counts, (N, L, F), with the token's id."""
    pre, value, ids = [], [], []
    for part in windows(lm(), TEXTS, **SHAPE):
        units = jax.device_get(units_of(lm().graph, lm().weights, part.tokens, {}))
        counted = part.valid.copy()
        counted[:, 0] = False
        pre.append(np.moveaxis(units.pre, 1, 2)[counted])
        value.append(np.moveaxis(units.value, 1, 2)[counted])
        ids.append(part.tokens[counted])
    return np.concatenate(pre), np.concatenate(value).astype(np.float64), np.concatenate(ids)


@pytest.mark.slow
def test_figures_are_those_of_all_tokens():
    n, (pre, value, _) = found(), whole()
    assert n.tokens == len(value) > 40
    for name, x in {
        "mean": value.mean(0),
        "sd": value.std(0),
        "min": value.min(0),
        "max": value.max(0),
        "zero_share": (value == 0).mean(0),
    }.items():
        np.testing.assert_allclose(n.figures[name], x, rtol=1e-4, atol=1e-7, err_msg=name)
    centred = value - value.mean(0)
    kurtosis = (centred**4).mean(0) / (centred**2).mean(0) ** 2 - 3
    np.testing.assert_allclose(n.figures["kurtosis"], kurtosis, rtol=1e-3, atol=1e-3)
    median = np.quantile(value, 0.5, axis=0)
    assert (
        np.abs(n.figures["q50"] - median) <= 0.3 * np.abs(median) + 1e-3 * value.std(0).max()
    ).mean() > 0.95
    sigmoid = 1 / (1 + np.exp(-pre.astype(np.float64)))
    slope = sigmoid * (1 + pre * (1 - sigmoid))
    np.testing.assert_allclose(n.figures["active_share"], (np.abs(slope) >= 0.01 * 1.0998).mean(0), atol=1e-6)


def test_examples_are_the_largest_and_smallest_with_their_tokens():
    n, (_, value, ids) = found(), whole()
    order = np.sort(value, 0)
    np.testing.assert_allclose(n.high, np.moveaxis(order[::-1][:3], 0, -1), rtol=1e-5)
    np.testing.assert_allclose(n.low, np.moveaxis(order[:3], 0, -1), rtol=1e-5)
    best = value.argmax(0)
    np.testing.assert_array_equal(n.high_context[..., 0, BEFORE], ids[best])


@pytest.mark.slow
def test_contexts_are_of_the_texts():
    n = found()
    for block, unit in ((0, 0), (1, 5)):
        for ids in n.high_context[block, unit]:
            said = "".join(n.context(ids))
            assert any(said in text for text in TEXTS)


def test_a_sample_is_of_what_was_read():
    n, (_, value, _) = found(), whole()
    rows = {tuple(row) for row in value[:, 0].round(5).tolist()}
    assert len(n.sample) == 20 and all(
        tuple(row) in rows for row in n.sample[:, 0].astype(np.float64).round(5).tolist()
    )
    bands = n.bands(1, 3)
    values = [v for band in bands.values() for v, _ in band]
    assert values == sorted(values, reverse=True) and len(values) >= 8


def test_reading_stops_and_says_where():
    seen = []
    n = neurons(lm(), TEXTS, **SHAPE, tokens=10, examples=3, sample=20, told=seen.append)
    assert seen == [n.tokens] and 10 <= n.tokens < found().tokens


def test_saved_is_the_same(tmp_path):
    n = found()
    again = Neurons.load(n.save(tmp_path / "n.npz"))
    assert again.labels == n.labels and again.tokens == n.tokens
    np.testing.assert_array_equal(again.high_context, n.high_context)
    assert again.to_polars().equals(n.to_polars())
    (tmp_path / "bad.npz").write_bytes(b"no")
    with pytest.raises(InputError, match=r"bad\.npz"):
        Neurons.load(tmp_path / "bad.npz")


def test_ranks_and_areas_by_counting_pairs():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 4, (12, 3)).astype(np.float32)  # many ties
    kinds = np.arange(12) % 3 == 0
    pairs = x[kinds][:, None] - x[~kinds][None]
    expected = ((pairs > 0) + 0.5 * (pairs == 0)).mean((0, 1))
    np.testing.assert_allclose(_auroc(_ranks(x), kinds), expected, atol=1e-6)


@pytest.mark.slow
def test_units_that_tell_digits_from_letters():
    first, second = (
        [f"{i} {i * 7} {i + 3} {i * i}" for i in range(8)],
        [f"so {c} is {c}{c} or" for c in "abcdefgh"],
    )
    c = concept(lm(), first, second, window=16, batch=4, units=3, controls=2, shuffles=20)
    block, unit = c.best[0]
    assert abs(c.auroc[block, unit] - 0.5) == np.abs(c.auroc - 0.5).max() > c.chance
    assert c.ablated.units == c.best and len(c.controls) == 2
    assert c.ablated.first != c.ablated.first_ablated
    assert {b for b, _ in c.controls[0].units} <= {b for b, _ in c.best}
    shuffled = concept(
        lm(), first[::2] + second[::2], first[1::2] + second[1::2], window=16, batch=4, shuffles=20
    )
    assert np.abs(shuffled.auroc - 0.5).max() <= shuffled.chance + 0.1  # kinds without a difference


class TestSwap:
    @pytest.mark.slow
    def test_the_own_activation_changes_nothing(self):
        s = swap(lm(), TEXTS, "silu", **SHAPE)
        assert s.loss == s.swapped_loss and (s.block_loss == s.loss).all()

    @pytest.mark.slow
    def test_relu_makes_zeros_and_another_loss(self):
        s = swap(lm(), TEXTS, actlab.relu, **SHAPE)
        assert s.new == "relu" and s.old == ("silu", "silu")
        assert not s.before["zeros"].any() and (s.after["zeros"] > 0.2).all()
        given = lm().run(TEXTS[0][:16], swap={"act": "relu"})
        one = swap(lm(), [TEXTS[0][:16]], "relu", **SHAPE)
        np.testing.assert_allclose(one.swapped_loss, given.loss, rtol=1e-5)
        np.testing.assert_allclose(one.loss, lm().run(TEXTS[0][:16]).loss, rtol=1e-5)
        alone = lm().run(TEXTS[0][:16], swap={"blocks.1.mlp.act": "relu"})
        np.testing.assert_allclose(one.block_loss[1], alone.loss, rtol=1e-5)

    @pytest.mark.slow
    def test_narrow_is_near(self):
        s = swap(lm(), TEXTS, precision="bfloat16", **SHAPE)
        assert s.new == "its own in bfloat16" and 0 < abs(s.swapped_loss - s.loss) < 0.01

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [({}, "name another"), ({"precision": "int4"}, "precision"), ({"act": "swiglu"}, "two operands")],
    )
    def test_what_cannot_be_is_told(self, wrong, said):
        with pytest.raises(InputError, match=said):
            swap(lm(), TEXTS, **wrong)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"window": 1}, "window"),
        ({"window": 10**6}, "window"),
        ({"window": 8.5}, "window"),
        ({"window": 16, "batch": 1.5}, "batch"),
        ({"examples": 0}, "examples"),
        ({"tokens": 0}, "tokens"),
    ],
)
def test_numbers_that_cannot_be(wrong, said):
    with pytest.raises(InputError, match=said):
        neurons(lm(), TEXTS, **wrong)


def test_nothing_to_read():
    with pytest.raises(InputError, match="no text"):
        neurons(lm(), ["", "x"][:1], **SHAPE)
    with pytest.raises(InputError, match=r"several, like \[text\]"):
        neurons(lm(), TEXTS[0], **SHAPE)
