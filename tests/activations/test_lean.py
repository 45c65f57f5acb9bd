"""Lean: the same values, first derivatives within the stated error, exact second ones, and nothing but y kept."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.activations.lean import fit, table
from actlab.errors import InputError
from actlab.gradients import fit_lean
from actlab.gradients.fitting import PROMISE

NAMED = ["gelu", "gelu_tanh", "quick_gelu", "silu", "mish", "tanhexp", "softplus", "tanh", "sigmoid", "elu"]
IMPOSSIBLE = {"sin": "turns", "snake": "settle|no limit", "gaussian": "off by", "square": "no bound"}
LEAN = {name: actlab.lean(name) for name in NAMED}
each = pytest.mark.parametrize("name", NAMED)


def slopes(f, x):
    return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]


@each
def test_values_are_those_of_the_plain_function(name):
    for dtype in ("bfloat16", "float16", "float32"):
        x = jnp.linspace(-30, 30, 1001).astype(dtype)
        np.testing.assert_array_equal(
            np.asarray(LEAN[name](x), np.float32), np.asarray(getattr(actlab, name)(x), np.float32)
        )


@each
def test_first_derivative_within_the_stated_error(name):
    """Every bfloat16 number; in float32 both tails and the neighbourhood of the turning point."""
    plain, steepest = getattr(actlab, name), getattr(actlab, name).spec.at().lipschitz
    bits = jnp.arange(2**16, dtype=jnp.uint16)
    x = jax.lax.bitcast_convert_type(bits, jnp.bfloat16)
    x = x[jnp.isfinite(x)]
    exact = np.asarray(slopes(plain, x.astype(jnp.float32)))
    error = np.abs(np.asarray(slopes(LEAN[name], x), np.float32) - exact).max()
    ulp = 2.0 ** (np.floor(np.log2(steepest)) - 7)
    assert error <= (2 + 0.5) * ulp  # the result is rounded to bfloat16 besides: half an ulp
    x = jnp.concatenate([jnp.linspace(-40, 40, 100001), jnp.linspace(-1.5, -0.5, 20001)])
    error = np.abs(np.asarray(slopes(LEAN[name], x)) - np.asarray(slopes(plain, x))).max()
    assert error <= 5e-4 * steepest


@each
def test_second_derivatives_are_exact(name):
    x, plain, lean = jnp.linspace(-6, 6, 201), getattr(actlab, name), LEAN[name]

    def ways(f):
        v = jnp.ones_like(x)
        return {
            "jvp of jvp": slopes(functools.partial(slopes, f), x),
            "forward over reverse": jax.jvp(jax.grad(lambda x: f(x).sum()), (x,), (v,))[1],
            "reverse over reverse": jax.grad(lambda x: jax.grad(lambda x: f(x).sum())(x).sum())(x),
            "reverse over forward": jax.grad(lambda x: jax.jvp(f, (x,), (v,))[1].sum())(x),
        }

    ours, theirs = jax.jit(lambda: (ways(lean), ways(plain)))()
    for way in ours:
        np.testing.assert_allclose(ours[way], theirs[way], rtol=1e-5, atol=1e-6, err_msg=way)
    assert not np.isnan(ours[way]).any()


@pytest.mark.slow
@each
def test_transforms_and_shapes(name):
    f = LEAN[name]
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 5)) * 2, "float32")  # 5: no whole byte
    v = jnp.asarray(np.random.default_rng(1).normal(size=(3, 5)), "float32")
    plain = jax.grad(lambda x: jnp.vdot(v, f(x)))(x)

    def scanned(x, f=f):
        return jnp.vdot(v, jax.lax.scan(lambda c, _: (f(c), None), x, None, length=1)[0])

    remat = jax.checkpoint(f, policy=jax.checkpoint_policies.nothing_saveable)
    summed = jax.jit(jax.grad(lambda x: f(x).sum()))

    @functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})  # there sooner
    def all_ways(x):
        gradients = (
            jax.grad(scanned)(x),
            jax.grad(functools.partial(scanned, f=remat))(x),
            jax.vmap(jax.grad(lambda x, v: jnp.vdot(v, f(x))))(x, v),
            jax.vmap(jax.vmap(jax.grad(f)))(x) * v,
        )
        return gradients, slopes(f, x)

    gradients, along = all_ways(x)
    for other in gradients:
        np.testing.assert_allclose(other, plain, rtol=1e-5, atol=1e-6)
    # jvp and vjp are the same linear map
    np.testing.assert_allclose(jnp.vdot(v, along * v), jnp.vdot(plain, v), rtol=1e-5)
    for empty in ((0,), (3, 0), (0, 3)):
        assert summed(jnp.zeros(empty)).shape == empty
    assert f(0.5).shape == ()
    assert jax.eval_shape(jax.grad(f), 0.5).shape == jax.eval_shape(jax.hessian(f), 0.5).shape == ()
    specials = jnp.asarray([jnp.nan, jnp.inf, -jnp.inf, 3e38, -3e38, 0.0])
    gradient = summed(specials)
    assert jnp.isnan(gradient[0])
    assert jnp.isfinite(gradient[1:]).all()


@functools.cache
def scan_memory(f):
    """Temporary bytes of the gradient of scanned residual blocks."""

    def loss(weights, x):
        return jnp.sum(jax.lax.scan(lambda x, w: (x + f(x @ w[0]) @ w[1], None), x, weights)[0])

    up = jax.ShapeDtypeStruct((8, 32, 128), "float32")
    down = jax.ShapeDtypeStruct((8, 128, 32), "float32")
    x = jax.ShapeDtypeStruct((512, 32), "float32")
    return jax.jit(jax.grad(loss)).lower((up, down), x).compile().memory_analysis().temp_size_in_bytes


@each
def test_memory_of_a_scanned_network(name):
    """No more than without an activation, but for the bits (1/32 of a tensor)."""
    assert scan_memory(LEAN[name]) <= 1.05 * scan_memory(actlab.identity)


@pytest.mark.parametrize(("name", "why"), IMPOSSIBLE.items())
def test_what_cannot_be_is_told(name, why):
    with pytest.raises(InputError, match=f"{name} cannot be lean: .*({why})"):
        actlab.lean(name)


def test_learnt_parameters_and_axes_cannot_be():
    with pytest.raises(InputError, match="cannot be lean and learn beta"):
        actlab.make("swish", learn=["beta"], lean=True)
    with pytest.raises(InputError, match="not elementwise"):
        actlab.lean("softmax")
    with pytest.raises(InputError, match="lean must be true or false"):
        actlab.make("gelu", lean=1)


def test_kinks_are_refused_since_the_bit_cannot_keep_the_chosen_derivative():
    for name in ("abs", "prelu"):
        act = actlab.make(name) if name == "abs" else actlab.make(name, negative_slope=-0.5)
        with pytest.raises(InputError, match=f"{name} cannot be lean: it has a kink at 0"):
            actlab.lean(act)


@pytest.mark.slow
def test_a_fixed_parameter_and_a_users_function():
    x = jnp.linspace(-5, 5, 101)
    swish = actlab.lean("swish", beta=2.0)
    assert swish == actlab.make("swish", beta=2.0, lean=True)
    np.testing.assert_allclose(slopes(swish, x), slopes(lambda x: actlab.swish(x, beta=2.0), x), atol=6e-4)
    own = actlab.lean(jax.nn.silu)
    np.testing.assert_allclose(slopes(own, x), slopes(jax.nn.silu, x), atol=6e-4)


@pytest.mark.parametrize(
    ("f", "told"),
    [
        (lambda x: np.tanh(x), "write it with jax.numpy"),
        (lambda x: 1.0, "must keep the shape"),
        (lambda x: [].pop(), "IndexError"),
        (lambda x: x[:, ::-1], "not elementwise"),
    ],
)
def test_a_users_bad_function_is_told_in_one_line(f, told):
    with pytest.raises(InputError, match=told) as caught:
        actlab.make(f, lean=True)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_a_users_function_is_fitted_inside_a_trace():
    def own(x):
        return x * jax.nn.sigmoid(1.3 * x)

    x = jnp.linspace(-3.0, 3.0, 16)
    inside = jax.jit(jax.grad(lambda x: actlab.lean(own)(x).sum()))(x)
    np.testing.assert_allclose(inside, jax.grad(lambda x: own(x).sum())(x), atol=6e-4)


def test_parameters_are_fixed():
    with pytest.raises(InputError, match="has beta fixed"):
        actlab.lean("swish")(1.0, beta=2.0)


def test_what_keeps_its_output_already_stays_as_it_is():
    relu = actlab.lean(actlab.relu)
    x = jnp.asarray([-1.0, 0.0, 2.0])
    np.testing.assert_array_equal(slopes(relu, x), [0.0, 0.0, 1.0])


@pytest.mark.parametrize("name", ["gelu", "tanhexp", "softplus", "tanh"])
def test_the_table_is_what_the_fit_gives(name):
    """If this fails, run python experiments/fits/lean.py."""
    fresh, known = fit_lean(actlab.make(name)), table()[name]
    assert fit(actlab.make(name)) is known
    assert known.turning == pytest.approx(fresh.turning, abs=1e-9)
    for (dtype, error), (_, promised) in zip(fresh.errors, known.errors, strict=True):
        assert error == pytest.approx(promised, rel=0.2, abs=1e-5), dtype


def test_the_table_keeps_the_promise_and_knows_its_names():
    assert set(NAMED) <= set(table())
    for name, known in table().items():
        assert actlab.registry()[name].spec.elementwise
        assert all(error <= PROMISE[dtype] for dtype, error in known.errors)
        turning = actlab.registry()[name].spec.at().turning
        assert (known.turning is None) == (not turning)
        assert not turning or known.turning == pytest.approx(turning[0], abs=1e-6)
