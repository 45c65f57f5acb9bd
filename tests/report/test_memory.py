"""What is kept between the passes, against what is known of each function."""

import jax
import jax.numpy as jnp
import pytest

import actlab
from actlab.report.memory import Kept, kept


@pytest.mark.parametrize(
    ("f", "operands", "found"),
    [
        (actlab.gelu, 1, Kept(2.0, "input")),
        (actlab.relu, 1, Kept(2.0, "output")),
        (actlab.softmax, 1, Kept(2.0, "output")),
        (actlab.identity, 1, Kept(0.0, "nothing")),
        (actlab.swiglu, 2, Kept(4.0, "input")),
        (actlab.slaf, 1, Kept(2.0, "input")),  # coefficients do not count
        (jax.nn.relu, 1, Kept(1.0, "other")),  # a mask
        (lambda x: jnp.sin(jnp.sin(x)), 1, Kept(4.0, "other")),
        (lambda x: 2 * x, 1, Kept(0.0, "nothing")),
    ],
)
def test_kept(f, operands, found):
    assert kept(f, operands) == found


def test_in_another_dtype():
    assert kept(actlab.gelu, dtype="float32") == Kept(4.0, "input")
