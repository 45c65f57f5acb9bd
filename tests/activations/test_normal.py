"""The pieces of the normal distribution, and what the battery does not see of the functions made of them."""

import contextlib

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import actlab
from actlab.activations import special


def normal_cdf(x):
    return mp.erfc(-x / mp.sqrt(2)) / 2


def normal_density(x):
    return mp.exp(-x * x / 2) / mp.sqrt(2 * mp.pi)


@pytest.mark.parametrize(
    ("coefficients", "end", "bits"), [(special._SINGLE, 15, 27.1), (special._DOUBLE, 40, 54.0)]
)
def test_the_fitted_mills_ratio(coefficients, end, bits):
    above, below = coefficients
    assert min(above + below) > 0
    with mp.workdps(40):
        for t in mp.linspace(0, end, 300):
            p, q = (mp.fsum(c * t**k for k, c in enumerate(each)) for each in (above, below))
            assert abs(p / q * mp.exp(-t * t / 2) / normal_cdf(-t) - 1) < mp.mpf(2) ** -(bits - 1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pieces_of_the_normal_distribution(dtype):
    with jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext():
        end = 12.8 if dtype == "float32" else 37.0
        x = jnp.asarray(np.linspace(-end, end, 403), dtype)
        cdf, density = jax.jit(special.normal_pair)(x)
        slopes = jax.jvp(special.normal_pair, (x,), (jnp.ones_like(x),))[1]
        y = x / special.SQRT_2
        erfc = jax.jit(special.erfc)(y)
        assert cdf.dtype == density.dtype == erfc.dtype == dtype
        eps = float(jnp.finfo(dtype).eps)
        np.testing.assert_allclose(slopes[0], density, rtol=4 * eps)
        np.testing.assert_allclose(cdf, special.normal_cdf(x), rtol=4 * eps)
        with mp.workdps(40):
            for i, z in enumerate(map(mp.mpf, map(float, x))):
                room = 4 * eps * max(1, z * z)  # rounding x costs x^2 in the tail
                assert abs(float(cdf[i]) / normal_cdf(z) - 1) < room
                assert abs(float(density[i]) / normal_density(z) - 1) < room
                assert abs(float(slopes[1][i]) + z * normal_density(z)) <= room * abs(z) * normal_density(z)
                assert abs(float(erfc[i]) / mp.erfc(mp.mpf(float(y[i]))) - 1) < room


def test_gelu_is_exact_down_to_the_smallest_normal_numbers():
    x = np.linspace(-13.3, -12.5, 81).astype(np.float32)
    derivatives = [actlab.gelu, jax.grad(actlab.gelu), jax.grad(jax.grad(actlab.gelu))]
    got = [np.asarray(jax.jit(jax.vmap(f))(x)) for f in derivatives]
    with mp.workdps(60):
        for i, z in enumerate(map(mp.mpf, map(float, x))):
            phi = normal_density(z)
            true = (z * normal_cdf(z), normal_cdf(z) + z * phi, (2 - z * z) * phi)
            for values, exact in zip(got, true, strict=True):
                if abs(exact) > 2.0**-126:
                    assert abs(float(values[i]) / exact - 1) < 2 * 2.0**-23 * z * z


@pytest.mark.parametrize("name", ["gelu", "gelu_tanh", "normal_cdf", "erf", "serf", "phish"])
def test_a_scan_gets_no_constant_arrays(name):
    f = actlab.make(name)

    def loss(x, weights):
        return jax.lax.scan(lambda x, w: (f(x @ w), None), x, weights)[0].sum()

    x, weights = jnp.ones((64, 32)), jnp.ones((3, 32, 32))
    # Of full size a scan gets x or the cotangent, the residuals stacked over its steps, and the weights' own.
    scans = [e for e in jax.make_jaxpr(jax.grad(loss))(x, weights).eqns if e.primitive.name == "scan"]
    assert len(scans) == 2
    for scan in scans:
        assert sum(v.aval.shape == x.shape for v in scan.invars) <= 1


def test_expanded_gelu_is_its_own_mirror():
    x = jnp.linspace(-6.0, 6.0, 101)
    for alpha in (0.0, 0.25, -0.25):
        mirrored = -actlab.expanded_gelu(-x, alpha=-1.0 - alpha)
        np.testing.assert_allclose(actlab.expanded_gelu(x, alpha=alpha), mirrored, atol=1e-6)


def test_gelu_sine_has_no_limit_on_the_left():
    assert jnp.isnan(actlab.gelu_sine(-jnp.inf))
    assert actlab.gelu_sine(-jnp.inf, amp=0.0) == 0.0
    assert actlab.gelu_sine(jnp.inf) == jnp.inf


@pytest.mark.parametrize("alpha", [0.0, 0.075, 0.25, 0.625, 1.0, 2.0, 9.0])
@pytest.mark.parametrize("mu", [0.3, 1e6])
def test_corner_of_the_smooth_maximum(alpha, mu):
    spec = actlab.smu.spec.at(alpha=alpha, mu=mu)
    x = jnp.asarray(np.linspace(-6, 6, 4001) / mu / max(abs(1 - alpha), 0.1), "float32")
    slopes = np.asarray(jax.vmap(jax.grad(lambda x: actlab.smu(x, alpha=alpha, mu=mu)))(x))
    assert np.abs(slopes).max() == pytest.approx(spec.lipschitz, rel=1e-5)
    assert spec.monotonic == (slopes >= 0).all()
    if alpha > 0:  # at 0 the tail is too flat for a sign
        signs = np.sign(slopes)
        np.testing.assert_allclose(x[1:][signs[1:] != signs[:-1]], spec.turning, atol=0.01 / mu)


def test_smooth_maxima_meet_their_relatives():
    x = jnp.linspace(-6.0, 6.0, 101)
    leaky = actlab.leaky_relu(x, negative_slope=0.25)
    np.testing.assert_allclose(actlab.smu(x), leaky, atol=1e-6)
    np.testing.assert_allclose(actlab.smu_1(x), leaky, atol=1e-6)
    np.testing.assert_allclose(actlab.smu(x, alpha=0.0, mu=0.5**0.5), actlab.gelu(x), atol=1e-6)
