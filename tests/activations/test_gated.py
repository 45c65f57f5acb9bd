"""Facts of the self-gated functions beyond the battery: special parameter values, mirrors, partial derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab

X = jnp.linspace(-20.0, 20.0, 401)


def close(f, y, **parameters):
    np.testing.assert_allclose(f(X, **parameters), y, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_special_values():
    silu = actlab.silu(X)
    close(actlab.expanded_silu, silu)
    close(actlab.acon_c, silu)
    close(actlab.bsilu, silu, alpha=0.0)
    close(actlab.aglu_gate, silu)
    close(actlab.aptx, silu, beta=0.5)
    close(actlab.sinlu, silu, a=0.0)
    close(actlab.softclamp_silu, silu, cap=1e6)
    close(actlab.aglu_gate, actlab.swish(X, beta=-1.5), kappa=-1.5)
    close(actlab.acon_c, 1.25 * X, p1=1.5, p2=1.0, beta=0.0)
    close(actlab.acon_c, 1.5 * X, p1=1.5, p2=1.5)
    close(actlab.expanded_silu, 0.5 * X, alpha=-0.5)
    close(actlab.expanded_atlu, actlab.cauchy_lu(X))
    close(actlab.self_scalable_tanh, jnp.tanh(X), beta=0.0)
    np.testing.assert_allclose(actlab.dsilu(X), jax.vmap(jax.grad(actlab.silu))(X), rtol=1e-6)


@pytest.mark.parametrize(
    ("f", "one", "other"),
    [
        (actlab.expanded_silu, {"alpha": 0.3}, {"alpha": -1.3}),
        (actlab.expanded_atlu, {"alpha": 0.3}, {"alpha": -1.3}),
        (actlab.aglu_gate, {"kappa": 0.7, "lam": 0.3}, {"kappa": -0.7, "lam": 0.3}),
        (actlab.self_scalable_tanh, {"beta": 0.7}, {"beta": -0.7}),
    ],
)
def test_mirrored_parameters(f, one, other):
    np.testing.assert_allclose(f(X, **one), -f(-X, **other), rtol=1e-5, atol=1e-6)
    there, mirrored = f.spec.at(**one), f.spec.at(**other)
    assert there.lipschitz == pytest.approx(mirrored.lipschitz)
    assert there.range.low == pytest.approx(-mirrored.range.high)
    assert there.turning == pytest.approx([-x for x in mirrored.turning])


def test_gate_between_logistic_and_gumbel():
    close(actlab.aglu_gate, actlab.golu(X), lam=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("f", "parameters"),
    [
        (actlab.swish, {"beta": 0.8}),
        (actlab.expanded_silu, {"alpha": 0.2}),
        (actlab.acon_c, {"p1": 1.2, "p2": -0.3, "beta": 0.8}),
        (actlab.aptx, {"alpha": 0.9, "beta": 0.7, "gamma": 0.6}),
        (actlab.bsilu, {"alpha": 1.67}),
        (actlab.softclamp_silu, {"cap": 4.0}),
        (actlab.aglu_gate, {"kappa": 0.8, "lam": 0.4}),
        (actlab.expanded_atlu, {"alpha": 0.2}),
        (actlab.soft_root_sign, {"alpha": 2.0, "beta": 3.0}),
        (actlab.self_scalable_tanh, {"beta": 0.7}),
        (actlab.sinlu, {"a": 1.2, "b": 0.7}),
        (actlab.flatten_t_swish, {"threshold": -0.2}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_partial_derivatives_are_finite_far_out(f, parameters):
    top = float(jnp.finfo("float32").max)
    ends = jnp.asarray([-top, -300.0, -0.0, 300.0, top, -jnp.inf, jnp.inf])
    partials = jax.vmap(jax.grad(lambda p, x: f(x, **p)), (None, 0))(parameters, ends)
    for name, values in partials.items():
        assert not jnp.isnan(values).any(), name


def test_one_exponential_each():
    """The compiler turns the square of an exponential into a second one, which costs half the speed."""
    for f in (actlab.silu, actlab.mish):

        def both(x, f=f):
            y, back = jax.vjp(f, x)
            return y, back(x)

        assert jax.jit(both).lower(X).compile().as_text().count(" exponential(") == 1
