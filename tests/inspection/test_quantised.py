import gguf
import numpy as np
import pytest
from made_gguf import SIZES, blocks

from actlab.inspection.quantised import quantised


@pytest.mark.parametrize("kind", SIZES)
def test_apart_they_are_the_numbers_that_gguf_reads(kind):
    data, wide = blocks(kind, rows=3, several=2)
    q = quantised(data, kind)
    assert q.numbers.shape == (3, wide) and q.numbers.dtype == np.uint8
    assert q.scale.shape == q.offset.shape and q.scale.dtype == q.offset.dtype == np.float32
    per = wide // q.scale.shape[1]
    got = np.repeat(q.scale, per, 1) * q.numbers.astype(np.float32) + np.repeat(q.offset, per, 1)
    want = gguf.quants.dequantize(data, gguf.GGMLQuantizationType[kind])
    np.testing.assert_array_equal(got, want)


def test_other_types_are_left_to_gguf():
    assert quantised(np.zeros((1, 22), np.uint8), "Q5_0") is None


def test_rows_are_chosen_of_all_three():
    data, _ = blocks("Q4_1", rows=4, several=1)
    q = quantised(data, "Q4_1")
    turned = q.by_rows(lambda x: x[::-1])
    for one, other in zip(q, turned, strict=True):
        np.testing.assert_array_equal(one[::-1], other)
