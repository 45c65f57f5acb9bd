import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from model_building import abstract, build, count

from actlab.activations import make
from actlab.errors import InputError
from actlab.models import Recurrent
from actlab.nn import sites
from actlab.stats import VALUE, watch

TANH = make("tanh")


def test_the_papers_gru_has_the_papers_size():
    assert count(Recurrent, TANH, (40,), 10, width=6, bidirectional=True, pool="none") == 5_134


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def gru(cell, h, x):
    """The cell written out, gate by gate."""
    w, b = np.split(np.asarray(cell.input.kernel[...]), 3, 1), np.split(np.asarray(cell.input.bias[...]), 3)
    u, c = (
        np.split(np.asarray(cell.recurrent.kernel[...]), 3, 1),
        np.split(np.asarray(cell.recurrent.bias[...]), 3),
    )
    r = sigmoid(x @ w[0] + b[0] + h[0] @ u[0] + c[0])
    z = sigmoid(x @ w[1] + b[1] + h[0] @ u[1] + c[1])
    pre = x @ w[2] + b[2] + r * (h[0] @ u[2] + c[2])
    return ((1 - z) * np.tanh(pre) + z * h[0],), pre


def lstm(cell, state, x):
    h, c = state
    gates = x @ np.asarray(cell.input.kernel[...]) + np.asarray(cell.input.bias[...])
    gates = gates + h @ np.asarray(cell.recurrent.kernel[...]) + np.asarray(cell.recurrent.bias[...])
    i, f, o, pre = np.split(gates, 4, 1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(pre)
    return (sigmoid(o) * np.tanh(c), c), pre


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "step"), [("gru", gru), ("lstm", lstm)])
def test_both_directions_are_the_formula_and_the_sites_see_every_position(kind, step):
    model = build(Recurrent, TANH, (5, 2), 3, cell=kind, width=4, bidirectional=True)
    x = jax.random.normal(jax.random.key(1), (7, 5, 2))
    out, seen = watch(lambda x: model(x), reading=VALUE)(x)
    last = []
    for direction, order in (("forward", range(5)), ("backward", range(4, -1, -1))):
        cell = getattr(model.blocks[0], direction)
        state = (np.zeros((7, 4)),) * (1 if kind == "gru" else 2)
        for t in order:
            state, pre = step(cell, state, np.asarray(x)[:, t])
            np.testing.assert_allclose(seen[f"blocks.0.{direction}.act.pre"][t], pre, atol=1e-5)
        last.append(state[0])
    head = np.asarray(model.head.kernel[...]), np.asarray(model.head.bias[...])
    np.testing.assert_allclose(out, np.concatenate(last, 1) @ head[0] + head[1], atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "pool"), [("gru", "none"), ("lstm", "mean")])
def test_gradients_reach_every_parameter(kind, pool):
    act = make("swish", learn=["beta"])
    model = build(Recurrent, act, (6,), 3, cell=kind, width=4, depth=2, pool=pool, dropout=0.2)
    ends = ("act",) if kind == "gru" else ("act", "cell_act")
    assert list(sites(model)) == [f"blocks.{i}.forward.{end}" for i in (0, 1) for end in ends]
    graphdef, params, rest = nnx.split(model, nnx.Param, ...)
    x = jax.random.normal(jax.random.key(0), (5, 6))

    def loss(params):
        out = nnx.merge(graphdef, params, rest)(x, train=True, key=jax.random.key(2))
        assert out.shape == (5, 3)
        return jnp.square(out).sum()

    for path, g in jax.tree.leaves_with_path(jax.jit(jax.grad(loss))(params)):
        assert jnp.isfinite(g).all(), path
        assert jnp.any(g != 0), path


@pytest.mark.slow
def test_a_stochastic_activation_draws_anew_at_every_position():
    model = build(Recurrent, make("rrelu"), (6,), 3, width=4)
    x = jax.random.normal(jax.random.key(0), (5, 6))
    _, seen = watch(lambda x: model(x, train=True, key=jax.random.key(0)), reading=VALUE)(x)
    pre, post = seen["blocks.0.forward.act.pre"], seen["blocks.0.forward.act.post"]
    slopes = np.asarray(post / pre)[np.asarray(pre) < 0]
    assert len(np.unique(slopes.round(5))) > len(slopes) / 2


@pytest.mark.parametrize(
    ("shape", "wrong", "message"),
    [
        ((8,), {"cell": "gruu"}, "cell='gruu' is unknown; did you mean 'gru'?"),
        ((8,), {"pool": "first"}, "pool='first' is unknown"),
        ((8,), {"width": 0}, "width=0: must be an integer >= 1"),
        ((8, 8, 3), {}, "recurrent needs samples (T,) or (T, D), this data has shape (8, 8, 3)"),
    ],
)
def test_what_cannot_be_is_told(shape, wrong, message):
    with pytest.raises(InputError) as e:
        abstract(Recurrent, TANH, shape, 3, **wrong)
    assert message in str(e.value)
