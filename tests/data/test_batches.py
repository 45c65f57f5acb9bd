import jax
import numpy as np
import pytest

from actlab.data import batch_indices
from actlab.data.batches import BatchOrder, permutation

KEY = jax.random.key(3)


def indices(start, length, order="shuffled", size=20, batch=6):
    return np.asarray(batch_indices(KEY, start, length=length, size=size, batch=batch, order=order))


@pytest.mark.slow
@pytest.mark.parametrize("order", ["shuffled", "sequential"])
@pytest.mark.parametrize(("size", "batch"), [(20, 6), (20, 20), (20, 1), (7, 4)])
def test_any_chunking_gives_the_same_batches(order, size, batch):
    whole = indices(0, 24, order, size, batch)
    pieces = [indices(s, n, order, size, batch) for s, n in [(0, 1), (1, 5), (6, 2), (8, 16)]]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))


@pytest.mark.slow
def test_an_epoch_holds_each_sample_at_most_once_and_epochs_differ():
    drawn = indices(0, 6).reshape(2, 3 * 6)
    for epoch in drawn:
        assert len(set(epoch.tolist())) == 18
        assert epoch.min() >= 0
        assert epoch.max() < 20
    assert drawn[0].tolist() != drawn[1].tolist()


def test_sequential_leaves_out_the_incomplete_batch():
    np.testing.assert_array_equal(indices(2, 2, "sequential"), [range(12, 18), range(6)])


@pytest.mark.slow
@pytest.mark.parametrize("size", [1, 2, 4000, 4096, 4097, 2**16, 2**16 + 1])
def test_permutation_is_one(size):
    np.testing.assert_array_equal(np.sort(permutation(KEY, size)), np.arange(size))


@pytest.mark.slow
def test_permutation_is_uniform():
    """Each of 5 positions gets each of 5 values equally often: chi-square over 20,000 draws, 16 degrees."""
    keys = jax.random.split(KEY, 20_000)
    drawn = np.asarray(jax.vmap(lambda k: permutation(k, 5))(keys))
    counts = np.stack([(drawn == value).sum(0) for value in range(5)])
    assert ((counts - 4000) ** 2 / 4000).sum() < 45  # p = 1e-4


def test_batch_larger_than_the_data_is_refused():
    with pytest.raises(ValueError, match=r"batch=21: must be in \[1, 20\]"):
        indices(0, 1, batch=21)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["shuffled", "sequential"])
def test_outside_of_compiled_code_the_batches_are_the_same(order):
    whole = indices(0, 9, order)
    drawn = BatchOrder(KEY, size=20, batch=6, order=order)
    for step in (0, 4, 8, 2, 3, 7):  # in any order, over three epochs
        np.testing.assert_array_equal(drawn(step), whole[step])
        assert drawn(step).dtype == np.int32
