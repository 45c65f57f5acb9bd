"""Every pair of `actlab.equivalences` agrees in values and first derivatives, in float32 and float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import dtypes

import actlab
from actlab.activations.equivalences import Same, equivalences

UNITS = (8, 16)  # of value and slope: what two functions may be off that keep the promise of 4 and 8
STEP = 2.0**-7  # of the larger of x and the shift, to see how fast the slope changes


def points(same):
    """Numbers on both sides and of every size, off the edges of either function."""
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [rng.uniform(-12, 12, 200), 10.0 ** rng.uniform(-6, 1.7, 80) * rng.choice([-1, 1], 80)]
    )
    edges = []
    for name, params, scale, shift in (
        (same.left, same.left_params, 1.0, 0.0),
        (same.right, same.right_params, same.input_scale, same.input_shift),
    ):
        spec = actlab.registry()[name].spec.at(**params)
        edges += [(e.at - shift) / scale for e in (*spec.kinks, *spec.jumps)]
    for e in edges:  # replaced, not left out: for one shape every operation is compiled once
        x = np.where(np.abs(x - e) < 1e-6 * max(1e-3, abs(e)), x + 1e-3, x)
    return x


def reach(same, x):
    """What rounding the input of the right side is relative to."""
    return np.abs(x) + abs(same.input_shift / same.input_scale)


def operands(same, dtype):
    kind = actlab.registry()[same.left].spec.kind
    x = points(same)
    if kind in ("elementwise", "complex"):
        return (jnp.asarray(np.concatenate([x, x + STEP * reach(same, x)]), dtype),)
    x = jnp.asarray(x[:240].reshape(24, 10), dtype)
    return (x, jnp.asarray(np.cos(np.arange(240.0)).reshape(24, 10), dtype))[: 2 if kind == "gated" else 1]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "same", equivalences, ids=lambda s: f"{s.left}{s.left_params}={s.right}{s.right_params}"
)
def test_both_sides_agree(same, dtype):
    # Op by op: the operations are compiled once for all pairs.
    with jax.enable_x64(dtype == "float64"), jax.disable_jit():
        args = operands(same, dtype)
        along = jnp.cos(3.0 * args[0]) if args[0].ndim > 1 else jnp.ones_like(args[0])
        tangents = (along, *map(jnp.zeros_like, args[1:]))
        found, expected = (
            [np.asarray(v, np.float64) for v in jax.jvp(side, args, tangents)] for side in same.sides()
        )
    eps = float(dtypes.finfo(dtype).eps)
    x = np.asarray(args[0], np.float64)
    if x.ndim > 1:  # entries of a row depend on one another
        sizes = [np.abs(v).max(axis=-1, keepdims=True) * (1 + np.abs(x).max()) for v in expected]
    else:
        half = x.size // 2
        change = np.abs(expected[1][half:] - expected[1][:half]) / STEP
        sizes = [
            np.maximum(np.abs(expected[0]), reach(same, x) * np.abs(expected[1])) + abs(same.output_shift),
            np.maximum(np.abs(expected[1]), np.tile(change, 2)),
        ]
    for order, size in enumerate(sizes):
        off = np.abs(found[order] - expected[order]) / (eps * np.maximum(size, 1e-30))
        at = np.unravel_index(np.argmax(off), off.shape)
        assert off[at] <= UNITS[order], f"derivative {order}: {off[at]:.3g} units at {x[at]!r}"


def test_records():
    assert actlab.equivalences is equivalences
    assert len(set(equivalences)) == len(equivalences)
    names = set(actlab.registry())
    assert {side for same in equivalences for side in (same.left, same.right)} <= names
    # A pair of aliases says that one function was found twice; only such pairs are plainly one.
    for same in equivalences:
        fns = [actlab.registry()[name] for name in (same.left, same.right)]
        assert (
            fns[0] is not fns[1]
            or same.note
            or (same.left, same.left_params) != (same.right, same.right_params)
        )


def test_scales_and_shifts():
    left, right = Same("sigmoid", {}, "tanh", {}, 0.5, 0.5, output_shift=0.5).sides()
    assert left(1.0) == pytest.approx(float(right(1.0)))
    assert Same("relu", {}, "relu6").sides()[1](7.0) == 6
