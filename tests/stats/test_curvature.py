"""Hessians against NumPy in float64, on matrices that are known and on networks that are not."""

from functools import partial

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.activations import make
from actlab.errors import InputError
from actlab.stats.curvature import directional, distance, hvp, top_eigenvalue

KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 5)).astype(np.float32)
Y = RNG.normal(size=(30, 2)).astype(np.float32)
PARAMS = {
    "a": {"kernel": jnp.float32(RNG.normal(size=(5, 6)) / 2), "bias": jnp.float32(RNG.normal(size=6) / 4)},
    "b": {"kernel": jnp.float32(RNG.normal(size=(6, 2)) / 2)},
}


def network(act):
    def loss(p):
        x, y = (jnp.asarray(v, p["a"]["kernel"].dtype) for v in (X, Y))
        return jnp.square(act(x @ p["a"]["kernel"] + p["a"]["bias"]) @ p["b"]["kernel"] - y).mean()

    return loss


def flat(tree):
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)])


def dense(loss, params):
    """The Hessian of a tree of parameters as a float64 matrix."""
    with jax.enable_x64(True):
        params = jax.tree.map(lambda p: jnp.asarray(np.asarray(p), jnp.float64), params)
        vector, restore = jax.flatten_util.ravel_pytree(params)
        return np.asarray(jax.jit(jax.hessian(lambda v: loss(restore(v))))(vector))


@pytest.fixture(scope="module")
def hessian():
    return dense(network(make("gelu")), PARAMS)


@partial(jax.jit, static_argnames=("iterations", "tolerance"))
def top_of(matrix, iterations=60, tolerance=0.0):
    """Of the loss whose Hessian is ``matrix``."""
    return top_eigenvalue(
        lambda p: 0.5 * p @ matrix @ p,
        jnp.zeros(len(matrix)),
        KEY,
        iterations=iterations,
        tolerance=tolerance,
    )


def with_spectrum(values, size=60):
    """A symmetric matrix with these eigenvalues, the last one repeated."""
    values = np.concatenate([values, np.full(size - len(values), values[-1])])
    q, _ = np.linalg.qr(RNG.normal(size=(size, size)))
    return (q * values @ q.T).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gelu", "relu", "softplus"])
def test_hvp(name):
    loss = network(make(name))
    v = jax.tree.map(lambda p: jnp.cos(7 * p), PARAMS)
    got = flat(jax.jit(lambda p, v: hvp(loss, p, v))(PARAMS, v))
    expected = dense(loss, PARAMS) @ flat(v)
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


@pytest.mark.slow
def test_top_eigenvalue_of_a_network(hessian):
    got = jax.jit(lambda p: top_eigenvalue(network(make("gelu")), p, KEY, iterations=40, tolerance=1e-4))(
        PARAMS
    )
    values, vectors = np.linalg.eigh(hessian)
    assert float(got.value) == pytest.approx(values[-1], rel=1e-5)
    v = flat(got.vector)
    assert np.linalg.norm(v) == pytest.approx(1, rel=1e-5)
    assert abs(v @ vectors[:, -1]) == pytest.approx(1, abs=1e-5)
    assert int(got.iterations) < 40
    assert float(got.residual) <= 1e-4 * float(got.value)


@pytest.mark.slow
def test_preconditioned(hessian):
    scale = jax.tree.map(lambda p: jnp.exp(2 * jnp.sin(9 * p)), PARAMS)
    loss = network(make("gelu"))
    got = jax.jit(lambda d: top_eigenvalue(loss, PARAMS, KEY, iterations=60, tolerance=1e-4, scale=d))(scale)
    root = 1 / np.sqrt(flat(scale))
    assert float(got.value) == pytest.approx(np.linalg.eigvalsh(root[:, None] * hessian * root)[-1], rel=1e-5)


@pytest.mark.slow
def test_the_residual_is_the_true_one():
    matrix = with_spectrum(np.linspace(-3, 2, 60))
    got = top_of(matrix, iterations=8)
    v = flat(got.vector)
    true = np.linalg.norm(matrix.astype(np.float64) @ v - float(got.value) * v)
    assert int(got.iterations) == 8
    assert float(got.residual) == pytest.approx(true, rel=1e-3)
    assert true > 1e-2  # not yet converged: there is something to compare
    assert 2 - true < float(got.value) <= 2


@pytest.mark.slow
def test_the_largest_not_the_one_of_largest_modulus():
    assert float(top_of(with_spectrum([1.0, 4.0, -20.0, -50.0])).value) == pytest.approx(4, rel=1e-5)
    assert float(top_of(with_spectrum([-0.5, -5.0, -2.0])).value) == pytest.approx(-0.5, rel=1e-4)


def test_no_vectors_are_made_of_rounding():
    # Five distinct eigenvalues: after five vectors nothing is left. To go on would be to normalise noise.
    for _ in range(10):
        got = top_of(with_spectrum([4.0, -20.0, 1.0, -50.0, -3.0]))
        assert float(got.value) == pytest.approx(4, rel=1e-5)
        assert int(got.iterations) < 20


@pytest.mark.slow
@pytest.mark.parametrize("value", [3.0, 3e-12, 3e12])
def test_a_multiple_of_identity_ends_after_one_product_whatever_its_size(value):
    got = top_of(np.float32(value * np.eye(60)), tolerance=1e-3)
    assert float(got.value) == pytest.approx(value, rel=1e-5)
    assert int(got.iterations) == 1


def test_no_curvature_at_all():
    got = top_of(np.zeros((60, 60), np.float32))
    assert (float(got.value), float(got.residual), int(got.iterations)) == (0, 0, 1)
    assert np.linalg.norm(got.vector) == pytest.approx(1)


@pytest.mark.slow
def test_one_parameter_and_more_iterations_than_parameters():
    assert float(top_of(np.full((1, 1), 5, np.float32), iterations=1).value) == pytest.approx(5)
    assert float(top_of(with_spectrum([1.0, 3.0, 2.0], 3), iterations=30).value) == pytest.approx(3, rel=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_hessian_that_is_not_finite_ends_the_loop_with_nan(bad):
    matrix = with_spectrum([3.0, 1.0])
    matrix[4, 4] = bad
    got = top_of(matrix)
    assert np.isnan(float(got.value))
    assert np.isnan(float(got.residual))
    assert np.isnan(np.asarray(got.vector)).all()
    assert int(got.iterations) == 1


@pytest.mark.slow
def test_under_vmap():
    matrices = np.stack([c * with_spectrum([2.0, 0.5, 0.1]) for c in (1, 5, 2)])
    np.testing.assert_allclose(jax.vmap(top_of)(matrices).value, [2, 10, 4], rtol=1e-5)


@pytest.mark.slow
def test_in_low_precision():
    low = top_eigenvalue(lambda p: (p**2).astype(jnp.float32).sum(), jnp.ones(3, jnp.bfloat16), KEY)
    assert low.value.dtype == jnp.float32
    assert float(low.value) == pytest.approx(2, rel=1e-2)


@pytest.mark.parametrize(
    ("keywords", "message"), [({"iterations": 0}, "iterations=0"), ({"tolerance": -1.0}, "tolerance=-1.0")]
)
def test_what_cannot_be(keywords, message):
    with pytest.raises(InputError, match=message):
        top_eigenvalue(lambda p: p.sum(), jnp.ones(2), KEY, **keywords)


@jax.jit
def along(u):
    return directional(network(make("gelu")), PARAMS, u)


@pytest.mark.parametrize("length", [1.0, 1e-25, 1e20])
def test_directional(hessian, length):
    u = jax.tree.map(lambda p: length * jnp.sin(11 * p), PARAMS)
    v = flat(u)
    got = float(along(u))
    assert got == pytest.approx(v @ hessian @ v / (v @ v), rel=1e-5)


@pytest.mark.slow
def test_no_direction_is_nan():
    assert np.isnan(float(directional(lambda p: (p**2).sum(), jnp.ones(3), jnp.zeros(3))))


@pytest.mark.slow
def test_distance():
    other = jax.tree.map(jnp.cos, PARAMS)
    assert float(distance(PARAMS, other)) == pytest.approx(
        np.linalg.norm(flat(PARAMS) - flat(other)), rel=1e-6
    )
    assert float(distance(PARAMS, PARAMS)) == 0


@pytest.mark.slow
def test_sharded_parameters_and_samples_give_the_same():
    mesh = jax.make_mesh((2,), ("d",), axis_types=(jax.sharding.AxisType.Auto,))

    def on(tree, *spec):
        return jax.device_put(tree, jax.NamedSharding(mesh, jax.P(*spec)))

    def loss(p, x, y):
        return jnp.square(jnp.tanh(x @ p["a"]["kernel"] + p["a"]["bias"]) @ p["b"]["kernel"] - y).mean()

    top = jax.jit(lambda p, x, y: top_eigenvalue(lambda p: loss(p, x, y), p, KEY, iterations=30))
    spread = {
        "a": {"kernel": on(PARAMS["a"]["kernel"], None, "d"), "bias": on(PARAMS["a"]["bias"], "d")},
        "b": {"kernel": on(PARAMS["b"]["kernel"], "d")},
    }
    got, expected = top(spread, on(X, "d"), on(Y, "d")), top(PARAMS, X, Y)
    assert float(got.value) == pytest.approx(float(expected.value), rel=1e-5)
    assert len(got.vector["a"]["kernel"].sharding.device_set) == 2
