import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

from actlab.activations import make
from actlab.errors import InputError
from actlab.nn import Activation, decay_mask


@pytest.mark.parametrize(("per", "shape"), [("tensor", ()), ("channel", (4,)), ("unit", (3, 4))])
def test_learnt_parameters_have_the_size_asked_for(per, shape):
    site = Activation(make("swish", learn=["beta"], per=per, beta=1.5), (3, 4), site="a")
    assert site.beta[...].shape == shape
    np.testing.assert_allclose(site.learnt()["beta"], np.full(shape, 1.5), rtol=1e-6)
    x = jnp.linspace(-3, 3, 24).reshape(2, 3, 4)
    np.testing.assert_allclose(site(x), x * jax.nn.sigmoid(1.5 * x), rtol=1e-5, atol=1e-6)


def test_sites_do_not_share_parameters():
    act = make("swish", learn=["beta"])
    one, two = Activation(act, (4,), site="a"), Activation(act, (4,), site="b")
    one.beta[...] = jnp.float32(3)
    assert float(two.beta[...]) == 1


def test_a_bounded_parameter_stays_inside_whatever_is_trained():
    site = Activation(make("softplus", learn=["beta"]), (4,), site="a")
    for raw in (-50.0, 0.0, 50.0):
        site.beta[...] = jnp.float32(raw)
        assert float(site.learnt()["beta"]) > 0


def test_slope_is_the_derivative_under_the_learnt_parameters():
    site = Activation(make("leaky_relu", learn=["negative_slope"], negative_slope=0.3), (4,), site="a")
    np.testing.assert_allclose(site.slope(jnp.array([-2.0, 2.0])), [0.3, 1.0], rtol=1e-6)


def test_learning_from_the_edge_of_a_domain_is_refused():
    with pytest.raises(InputError, match=r"alpha=0.0 cannot be learnt: start inside \(0.0, inf\)"):
        Activation(make("isru", learn=["alpha"], alpha=0.0), (4,), site="a")


@pytest.mark.parametrize("name", ["swiglu", "crelu"])
def test_what_does_not_fit_a_site_is_refused(name):
    with pytest.raises(InputError, match="cannot stand at a site"):
        Activation(make(name), (4,), site="a")


@pytest.mark.slow
def test_a_vector_of_coefficients_is_learnt_along_the_first_axis():
    for per, shape in (("tensor", (6,)), ("channel", (6, 4)), ("unit", (6, 3, 4))):
        site = Activation(make("pade_a", learn=["numerator"], per=per), (3, 4), site="a")
        assert site.numerator.shape == shape
        x = jnp.linspace(-2.0, 2.0, 24).reshape(2, 3, 4)
        np.testing.assert_allclose(site(x), make("pade_a")(x), rtol=1e-6)
        gradient = nnx.grad(lambda site, x=x: site(x).sum())(site)
        assert gradient["numerator"][...].shape == shape
        assert jnp.isfinite(gradient["numerator"][...]).all()


def test_a_stochastic_site_draws_with_a_key_only():
    site = Activation(make("rrelu"), (4,), site="a")
    x = -jnp.ones((2, 4))
    np.testing.assert_array_equal(site(x), site(x))
    one, other = (site(x, jax.random.key(i)) for i in range(2))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, site(x, jax.random.key(0)))


@pytest.mark.slow
def test_weight_decay_leaves_learnt_parameters_alone():
    class Net(nnx.Module):
        def __init__(self, rngs):
            self.linear = nnx.Linear(3, 3, rngs=rngs)
            act = make("swish", learn=["beta"], per="channel")
            self.acts = nnx.List([Activation(act, (3,), site=f"{i}.act") for i in range(2)])

    net = Net(nnx.Rngs(0))
    before = np.asarray(net.linear.kernel[...])
    optimizer = nnx.Optimizer(net, optax.adamw(0.1, weight_decay=1.0, mask=decay_mask(net)), wrt=nnx.Param)
    with jax.numpy_dtype_promotion("standard"):  # optax multiplies floats and integers
        optimizer.update(net, jax.tree.map(jnp.zeros_like, nnx.state(net, nnx.Param)))
    np.testing.assert_allclose(net.linear.kernel[...], 0.9 * before, rtol=1e-6)
    for act in net.acts:
        np.testing.assert_array_equal(act.beta[...], 1.0)
