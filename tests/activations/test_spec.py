"""The facts a `Spec` states are tested as data against the function it is attached to."""

import importlib
import inspect
import math
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab import activations
from actlab.activations.spec import NONNEGATIVE, POSITIVE, REALS, Interval, Spec, activation
from actlab.errors import InputError

CASES = [(name, {}) for name in actlab.names() if actlab.make(name).elementwise]
CASES += [
    ("leaky_relu", {"negative_slope": 0.0}),
    ("leaky_relu", {"negative_slope": -0.5}),
    ("leaky_relu", {"negative_slope": 1.0}),
    ("leaky_relu", {"negative_slope": 3.0}),
    ("softplus", {"beta": 4.0}),
    ("elu", {"alpha": 0.5}),
    ("elu", {"alpha": 2.0}),
    ("selu", {"alpha": 1.0, "scale": 2.0}),
    ("swish", {"beta": 0.0}),
    ("swish", {"beta": -1.5}),
    ("swish", {"beta": 3.0}),
]
cases = pytest.mark.parametrize(("name", "params"), CASES, ids=str)
GRID = np.unique(np.concatenate([np.linspace(-30, 30, 6001), np.linspace(-4, 4, 8001)])).astype(np.float32)


def family_modules():
    for found in pkgutil.iter_modules(activations.__path__):
        yield importlib.import_module(f"actlab.activations.{found.name}")


def test_registry_forgets_no_function_of_the_family_files():
    for module in family_modules():
        for name, value in vars(module).items():
            if isinstance(getattr(value, "spec", None), Spec):
                assert activations.registry().get(name) is value, f"{module.__name__}.{name} is not listed"


def test_names_and_aliases():
    aliases = set(activations.registry()) - set(actlab.names())
    assert aliases == {alias for name in actlab.names() for alias in getattr(actlab, name).spec.aliases}
    for name in actlab.names():
        fn = getattr(actlab, name)
        assert fn.spec.name == fn.__name__ == name
        assert all(getattr(actlab, alias) is fn for alias in fn.spec.aliases)


@pytest.mark.parametrize("name", actlab.names())
def test_spec_is_complete(name):
    fn = getattr(actlab, name)
    spec = fn.spec
    assert spec.family
    assert spec.formula
    assert spec.reference
    assert inspect.getdoc(fn).count(">>>") >= 1
    signature = inspect.signature(fn).parameters
    assert list(signature) == ["x", *(p.name for p in spec.parameters)]
    for parameter in spec.parameters:
        assert parameter.default == signature[parameter.name].default
        assert parameter.default in parameter.domain
        assert parameter.doc
        assert f"{parameter.name}:" in fn.__doc__
    resolved = spec.at()
    assert not any(callable(getattr(resolved, field)) for field in ("range", "kinks", "limits", "turning"))
    assert hash(spec) == hash(fn.spec)


@cases
def test_range_monotonicity_lipschitz_limits(name, params):
    f, spec = getattr(actlab, name), getattr(actlab, name).spec.at(**params)
    values, slopes = jax.jit(jax.vmap(jax.value_and_grad(lambda x: f(x, **params))))(GRID)
    values, slopes = np.asarray(values, np.float64), np.asarray(slopes, np.float64)
    slack = 1e-6 * (1 + np.abs(values))
    assert (values >= spec.range.low - slack).all()
    assert (values <= spec.range.high + slack).all()
    # The range is not only an outer bound: its finite ends are reached or approached.
    if math.isfinite(spec.range.low):
        assert values.min() < spec.range.low + 1e-3
    if math.isfinite(spec.range.high):
        assert values.max() > spec.range.high - 1e-3
    assert (slopes >= -1e-6).all() == spec.monotonic
    assert np.abs(slopes).max() == pytest.approx(spec.lipschitz, rel=1e-4)
    ends = [f(jnp.float32(sign * math.inf), **params) for sign in (-1, 1)]
    np.testing.assert_allclose(ends, spec.limits, rtol=1e-6)


@cases
def test_kinks_turning_points_and_smoothness(name, params):
    f, spec = getattr(actlab, name), getattr(actlab, name).spec.at(**params)
    slope = jax.jit(jax.grad(lambda x: f(x, **params)))
    for kink in spec.kinks:
        assert kink.left != kink.right
        assert slope(kink.at) == pytest.approx(kink.chosen, rel=1e-6)
        assert slope(kink.at - 1e-6) == pytest.approx(kink.left, rel=1e-5)
        assert slope(kink.at + 1e-6) == pytest.approx(kink.right, rel=1e-5)
    assert (spec.smoothness == "C0") == bool(spec.kinks)
    for x in spec.turning:
        assert slope(x - 1e-2) * slope(x + 1e-2) < 0
        assert spec.kinks or abs(slope(x)) < 1e-6
    assert not (spec.turning and spec.monotonic)
    # No other jump: neighbouring slopes differ by no more than the curvature of these functions allows.
    values = np.asarray(jax.vmap(slope)(GRID), np.float64)
    across = np.any([(GRID[:-1] <= kink.at) & (kink.at <= GRID[1:]) for kink in spec.kinks], axis=0)
    jumps = np.where(across, 0.0, np.abs(np.diff(values)))
    assert jumps.max() < 0.02 * (1 + spec.lipschitz)


def test_interval():
    assert repr(REALS) == "(-inf, inf)"
    assert repr(Interval(0.0, 1.0, open_high=True)) == "[0, 1)"
    assert 0.0 in NONNEGATIVE
    assert 0.0 not in POSITIVE
    assert math.inf not in REALS
    assert math.nan not in REALS


def test_at_resolves_and_checks():
    assert actlab.swish.spec.at(beta=2.0).range.low == pytest.approx(-0.1392322714)
    assert actlab.elu.spec.at().smoothness == "C1"
    with pytest.raises(InputError, match="alpha must be in"):
        actlab.elu.spec.at(alpha=-1.0)
    with pytest.raises(InputError, match="did you mean 'alpha'"):
        actlab.elu.spec.at(alfa=1.0)


def test_decorator_wants_every_parameter_described():
    facts = {"family": "f", "formula": "x", "range": REALS, "monotonic": True, "smoothness": "Cinf"}
    facts |= {"lipschitz": 1.0, "limits": (0.0, 1.0), "reference": "r"}
    with pytest.raises(TypeError, match="signature has"):

        @activation(**facts)
        def f(x, *, p=1.0):
            return x
