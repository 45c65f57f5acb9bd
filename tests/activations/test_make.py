"""`make`: from a name in a config to a value, and one clear line for everything that cannot be."""

import functools
import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab import Act, make
from actlab.errors import InputError

USER_MODULE = """
import functools
import jax.numpy as jnp

CONSTANT = 3.0

def steep(x, *, steepness=1.0, offset=0, mode="plain", extra=None):
    return jnp.tanh(steepness * x) + offset

def needs(x, scale):
    return scale * x

def two_arrays(x, y, /):
    return x + y

def only_keywords(*, x=1.0):
    return x

def anything(x, **kwargs):
    return x

class Holder:
    @staticmethod
    def inner(x):
        return x
"""


@pytest.fixture
def user_module(tmp_path, monkeypatch):
    (tmp_path / "my_functions.py").write_text(USER_MODULE)
    (tmp_path / "broken.py").write_text("raise RuntimeError('first line\\nsecond line')")
    monkeypatch.syspath_prepend(tmp_path)
    yield "my_functions"
    for name in ("my_functions", "broken"):
        sys.modules.pop(name, None)


def error(*args, **kwargs):
    with pytest.raises(InputError) as caught:
        make(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("name", actlab.names())
def test_every_name_makes_an_act_that_calls_the_function(name):
    act, fn = make(name), getattr(actlab, name)
    if fn.spec.kind == "elementwise":
        x = jnp.linspace(-2.0, 2.0, 5)
        np.testing.assert_array_equal(act(x), fn(x))
    assert act == make(fn)
    assert hash(act) == hash(make(fn))
    assert act.name == name
    assert act.spec is fn.spec
    assert dict(act.params) == fn.spec.defaults
    assert pickle.loads(pickle.dumps(act)) == act


def test_act_is_a_value():
    act = make("leaky_relu", negative_slope=0.2)
    assert repr(act) == "leaky_relu(negative_slope=0.2)"
    assert (
        repr(make("swish", learn=["beta"], per="channel")) == "swish(beta=1.0, learn=['beta'], per='channel')"
    )
    assert act != make("leaky_relu")
    assert act(-1.0) == pytest.approx(-0.2)
    assert act(-1.0, negative_slope=0.5) == -0.5
    assert make("linear") == make("identity")
    assert make("selu", scale=2, alpha=1) == make("selu", alpha=1.0, scale=np.float64(2))
    assert make("selu", learn=["scale", "alpha"]) == make("selu", learn=("alpha", "scale"))
    assert jax.tree.leaves(act) == []
    assert not make("softmax").elementwise
    with pytest.raises(AttributeError):
        act.name = "other"


def test_equal_acts_do_not_retrace():
    traces = []

    @functools.partial(jax.jit, static_argnums=0)
    def apply(act, x):
        traces.append(act)
        return act(x)

    for slope in (0.2, 0.2, np.float64(0.2), 0.3):
        apply(make("leaky_relu", negative_slope=slope), 1.0)
    assert len(traces) == 2


@pytest.mark.parametrize(
    ("name", "meant"), [("GELU", "gelu"), ("LeakyReLU", "leaky_relu"), ("hardtanh", "hard_tanh")]
)
def test_names_as_others_write_them(name, meant):
    assert f"did you mean '{meant}'?" in error(name)


def test_unknown_names():
    assert "or 'gelu'?" in error("gleu")
    assert "'module:function'" in error("my_module.my_fn")
    assert "no activation is called ''" in error("")
    assert "a name or a function, got 3" in error(3)
    assert "a name or a function, got None" in error(None)
    assert "made already" in error(make("relu"))
    assert "no activation" in error("make")


def test_parameters():
    assert "did you mean 'negative_slope'" in error("leaky_relu", negative_slop=0.1)
    assert "relu has no parameter 'alpha'; there are none" in error("relu", alpha=1.0)
    for bad in (True, "0.1", None, [0.1], 1j, jnp.ones(2)):
        assert "negative_slope must be a number" in error("leaky_relu", negative_slope=bad)
    for bad in (float("nan"), float("inf"), -np.inf):
        assert "negative_slope must be finite" in error("leaky_relu", negative_slope=bad)
    assert "softplus: beta must be in (0, inf), got 0.0" in error("softplus", beta=0)
    assert "axis must be an integer" in error("softmax", axis=1.0)
    assert type(dict(make("elu", alpha=2).params)["alpha"]) is float
    assert type(dict(make("softmax", axis=np.int64(0)).params)["axis"]) is int


def test_learn_and_per():
    act = make("leaky_relu", learn=["negative_slope"], per="unit", negative_slope=0.25)
    assert act.learn == ("negative_slope",)
    assert act.per == "unit"
    assert "cannot learn 'beta'" in error("leaky_relu", learn=["beta"])
    assert "cannot learn 'axis'" in error("softmax", learn=["axis"])
    assert "cannot learn 3" in error("swish", learn=[3])
    assert "learn=['beta']" in error("swish", learn="beta")
    assert "learn takes a list" in error("swish", learn=1)
    assert "per must be one of 'tensor', 'channel', 'unit'" in error("swish", per="layer")
    assert "per must be one of" in error("swish", per=["tensor"])


class TestYourOwn:
    def test_by_name(self, user_module):
        act = make("my_functions:steep", steepness=2)
        assert act(1.0) == pytest.approx(np.tanh(2.0))
        assert act.spec is None
        assert act.elementwise
        assert act.params == (("steepness", 2), ("offset", 0))
        assert act == make("my_functions:steep", steepness=2)
        assert repr(act) == "my_functions:steep(steepness=2, offset=0)"
        assert make("my_functions:Holder.inner")(1.0) == 1.0
        assert make("my_functions:needs", scale=2.0)(3.0) == 6.0
        assert dict(make("my_functions:anything", b=1, a=2).params) == {"a": 2, "b": 1}
        assert dict(make("my_functions:steep", mode="fast").params)["mode"] == "fast"

    def test_learnt_parameters(self, user_module):
        act = make("my_functions:steep", learn=["steepness"], steepness=2)
        assert act.learn == ("steepness",)
        assert dict(act.params)["steepness"] == 2.0
        assert "must be a number" in error("my_functions:steep", learn=["steepness"], steepness="x")
        assert "mode must be a number" in error("my_functions:steep", learn=["mode"])
        assert "did you mean 'steepness'" in error("my_functions:steep", learn=["stepness"])

    def test_callable(self):
        act = make(jnp.tanh)
        assert act(0.0) == 0.0
        assert act.name.endswith(":tanh")
        assert make(lambda x, *, k=2.0: k * x, k=3.0)(1.0) == 3.0

    def test_module_errors(self, user_module):
        message = error("no_such_package.module:fn")
        assert "cannot import no_such_package.module: ModuleNotFoundError" in message
        assert "PYTHONPATH" in message
        assert "RuntimeError: first line" in error("broken:fn")
        assert "did you mean 'steep'" in error("my_functions:steap")
        assert "not a function" in error("my_functions:CONSTANT")
        for malformed in (":fn", "module:", ".relative:fn"):
            assert "package.module:function" in error(malformed)

    def test_signature_errors(self, user_module):
        assert "did you mean 'steepness'" in error("my_functions:steep", stepness=2.0)
        assert "needs a value for 'scale': give scale=..." in error("my_functions:needs")
        assert "it must be a keyword parameter" in error("my_functions:two_arrays")
        assert "must take one array" in error("my_functions:only_keywords")
        assert "has no parameter 'x'" in error("my_functions:steep", x=1.0)
        assert "hashable" in error("my_functions:steep", extra=[1, 2])
        assert "must be finite" in error("my_functions:steep", steepness=float("nan"))


def test_act_type_is_public():
    assert isinstance(make("relu"), Act)
