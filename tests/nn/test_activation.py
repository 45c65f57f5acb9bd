import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.activations import make
from actlab.errors import InputError
from actlab.nn import Activation


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
    class Edge:
        """An act whose parameter starts at the end of its domain."""

        spec = type(
            "S",
            (),
            {
                "parameters": (
                    type("P", (), {"name": "p", "domain": type("D", (), {"low": 0.0, "high": 1.0})})(),
                )
            },
        )
        params, learn, per = (("p", 0.0),), ("p",), "tensor"

    with pytest.raises(InputError, match=r"p=0.0 cannot be learnt: start inside \(0.0, 1.0\)"):
        Activation(Edge(), (4,), site="a")
