import gguf
import jax
import numpy as np
import pytest
from flax import nnx
from made_gguf import SIZES, blocks

from actlab.inspection.packed import PackedRows
from actlab.inspection.quantised import quantised


def packed(kind, rows=5, several=3, seed=0):
    data, wide = blocks(kind, rows, several, seed)
    weights = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind]).astype(np.float64)
    return PackedRows(quantised(data, kind)), weights.reshape(rows, wide)


def rows_of(x, *modules):
    """Return what modules make of x, compiled within a loop, as the decoder runs them."""
    graph, state = nnx.split(nnx.List(modules))

    @jax.jit
    def run(state, x):
        def step(_, x):
            return None, [f(x) for f in nnx.merge(graph, state)]

        return jax.lax.scan(step, None, x[None])[1]

    return [np.asarray(y[0], np.float64) for y in run(state, x)]


@pytest.mark.parametrize("tokens", [1, 3])
@pytest.mark.parametrize("kind", SIZES)
def test_products_are_those_of_the_numbers_of_the_file(kind, tokens):
    module, weights = packed(kind)
    x = np.random.default_rng(1).normal(size=(tokens, weights.shape[1])).astype(np.float32)
    (got,) = rows_of(x, module)
    # as much as float32 rounds of a sum's terms: numbers and offset, which are larger than the weights
    room = 4e-7 * np.abs(x).astype(np.float64) @ (np.abs(weights) + np.abs(weights).max()).T
    assert got.shape == (tokens, 5) and (np.abs(got - x.astype(np.float64) @ weights.T) < room).all()


@pytest.mark.parametrize("kind", SIZES)
def test_joined_they_are_one_after_the_other(kind):
    (one, a), (other, _) = packed(kind), packed(kind, rows=2, seed=1)
    x = np.random.default_rng(1).normal(size=(1, a.shape[1])).astype(np.float32)
    assert one.alike(other)
    whole, *parts = rows_of(x, PackedRows.joined([one, other]), one, other)
    np.testing.assert_allclose(whole, np.concatenate(parts, 1), rtol=1e-5, atol=1e-5)


def test_of_other_blocks_or_bits_they_are_not_alike():
    four, six, eight = (packed(kind, several=n)[0] for kind, n in (("Q4_0", 8), ("Q6_K", 1), ("Q8_0", 8)))
    assert not four.alike(six) and not four.alike(eight) and not six.alike(eight)


@pytest.mark.parametrize("make", [lambda: packed("Q4_1"), lambda: packed("Q8_0")])
def test_what_is_no_number_stays_so(make):
    module, weights = make()
    x = np.ones((1, weights.shape[1]), np.float32)
    x[0, 3] = np.nan
    (got,) = rows_of(x, module)
    assert np.isnan(got).all()


def test_a_damaged_scale_is_of_its_row_alone():
    data, _ = blocks("Q4_1", rows=3, several=1)
    data[1, :2] = np.array([np.nan], np.float16).view(np.uint8)
    (got,) = rows_of(np.ones((1, 32), np.float32), PackedRows(quantised(data, "Q4_1")))
    assert np.isnan(got[0]).tolist() == [False, True, False]
