"""`check`: what cannot be trained is told before training, in one line."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab import check, make
from actlab.errors import InputError

ACTS = [
    make(name)
    for name in ("relu", "gelu", "mish", "softmax", "sin", "sign_ste", "spike_atan", "pade_a", "rrelu")
]
ACTS += [
    make("swish", learn=["beta"]),
    make("leaky_relu", learn=["negative_slope"], per="channel"),
    make("selu", learn=["alpha", "scale"], per="unit"),
    make("softmax", axis=0),
]


@pytest.mark.parametrize("act", ACTS, ids=repr)
def test_ours_pass(act):
    check(act)


@jax.custom_vjp
def reverse_only(x):
    return jnp.sin(x)


reverse_only.defvjp(lambda x: (jnp.sin(x), x), lambda x, g: (g * jnp.cos(x),))


@jax.custom_jvp
def straight_through(x):
    return jnp.round(x)


straight_through.defjvps(lambda t, y, x: t)


@jax.custom_jvp
def inconsistent(x):
    return jnp.sin(x)


inconsistent.defjvps(
    lambda t, y, x: jax.custom_derivatives.linear_call(lambda r, t: t, lambda r, c: 3 * c, (), t)
)

GOOD = [jnp.tanh, straight_through, lambda x: jnp.log(x), lambda x, *, k=2.0: k * x, lambda x: x[:, ::-1]]
BAD = [
    (np.tanh, "write it with jax.numpy"),
    (lambda x: x * math.tanh(x[0, 0]), "write it with jax.numpy"),
    (lambda x: x if x.sum() > 0 else -x, "write it with jax.numpy"),
    (lambda x: jnp.sum(x), "must keep the shape"),
    (lambda x: x[..., None], "must keep the shape"),
    (lambda x: x.astype(int), "must keep the dtype"),
    (lambda x: x.astype("float16"), "must keep the dtype"),
    (lambda x: (x, x), "must return one array"),
    (lambda x: None, "must return one array"),
    (jnp.sign, "derivative 0 everywhere"),
    (jnp.round, "derivative 0 everywhere"),
    (lambda x: x * jnp.nan, "finite values"),
    (lambda x: jnp.sqrt(x * 0) * x, "NaN or infinite derivative"),
    (lambda x: x.no_such_method(), "AttributeError"),
    (lambda x: x @ x, "TypeError"),
    (reverse_only, "cannot be differentiated by jax.jvp"),
    (inconsistent, "disagree"),
]


@pytest.mark.parametrize("fn", GOOD)
def test_a_users_good_function_passes(fn):
    check(make(fn))


@pytest.mark.parametrize(("fn", "expected"), BAD)
def test_a_users_bad_function_is_refused_in_one_line(fn, expected):
    with pytest.raises(InputError) as caught:
        check(make(fn))
    message = str(caught.value)
    assert expected in message
    assert "\n" not in message
    assert len(message) < 400


def test_learnt_parameters_must_accept_arrays():
    def branches(x, *, k=1.0):
        return k * x if k > 0 else x

    check(make(branches))
    with pytest.raises(InputError, match=r"jax\.numpy"):
        check(make(branches, learn=["k"]))


def test_a_missing_axis_is_told():
    with pytest.raises(InputError, match="axis 2 does not exist"):
        check(make("softmax", axis=2))
