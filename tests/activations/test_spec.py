"""The facts a `Spec` states are tested as data against the function it is attached to."""

import functools
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


def other_values(parameter):
    """Values besides the default: facts may depend on them."""
    if isinstance(parameter.default, float):
        scale = parameter.default or 1.0
        return [v for v in (2.5 * scale, -0.7 * scale) if v in parameter.domain]
    if isinstance(parameter.default, str):
        return [name for name in parameter.domain if name != parameter.default]
    return []


def has_poles(name, params):
    """Whether f jumps without listed jumps: at poles, whose facts no grid can confirm."""
    spec = actlab.registry()[name].spec.at(**params)
    return spec.smoothness == "jumps" and not spec.jumps


ELEMENTWISE = [name for name in actlab.names() if actlab.registry()[name].spec.elementwise]
CASES = [(name, {}) for name in ELEMENTWISE]
CASES += [
    (name, {p.name: value})
    for name in ELEMENTWISE
    for p in actlab.registry()[name].spec.parameters
    for value in other_values(p)
    if not has_poles(name, {p.name: value})
]
CASES += [
    ("leaky_relu", {"negative_slope": 0.0}),
    ("leaky_relu", {"negative_slope": -0.5}),
    ("leaky_relu", {"negative_slope": 1.0}),
    ("leaky_relu", {"negative_slope": 3.0}),
    ("selu", {"alpha": 1.0, "scale": 2.0}),
    ("swish", {"beta": 0.0}),
]
cases = pytest.mark.parametrize(("name", "params"), CASES, ids=str)
NEAR = np.linspace(-4, 4, 8001)
FAR = np.geomspace(4, 1e4, 400)
TINY = np.geomspace(1e-9, 1, 400)  # corners may be as narrow as 1e-6
GRID = np.concatenate([-FAR, -TINY, NEAR, TINY, FAR, np.linspace(-30, 30, 6001)])
GRID = np.unique(GRID.astype(np.float32))
BY = 1024  # points a program takes at once


@functools.cache
def compiled(name, params):
    """f, f', f'' at `BY` points: one program for both tests of a case."""
    f = functools.partial(getattr(actlab, name), **dict(params))
    return jax.jit(jax.vmap(lambda x: (f(x), *jax.value_and_grad(jax.grad(f))(x))))


def evaluate(name, params, x):
    """f, f', f'' at float32 numbers, as float64."""
    blocks = np.zeros((-(-len(x) // BY), BY), np.float32)
    blocks.ravel()[: len(x)] = x
    f = compiled(name, tuple(params.items()))
    return [np.concatenate(v).astype(np.float64)[: len(x)] for v in zip(*map(f, blocks), strict=True)]


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
    signature = inspect.signature(fn).parameters.values()
    keywords = [p for p in signature if p.kind is p.KEYWORD_ONLY and p.name not in ("key", "where")]
    assert [p.name for p in keywords] == [p.name for p in spec.parameters]
    assert spec.stochastic == ("key" in inspect.signature(fn).parameters)
    for parameter, given in zip(spec.parameters, keywords, strict=True):
        assert parameter.default == given.default
        assert parameter.check(parameter.default, name) == parameter.default
        assert parameter.doc
        assert f"{parameter.name}:" in fn.__doc__
    resolved = spec.at()
    facts = ("range", "kinks", "limits", "turning", "jumps", "monotonic", "smoothness", "lipschitz")
    assert not any(callable(getattr(resolved, fact)) for fact in facts)
    assert hash(spec) == hash(fn.spec)
    assert all(e.dtype in ("bfloat16", "float16", "float32", "float64") and e.why for e in spec.inexact)


@cases
def test_range_monotonicity_lipschitz_limits(name, params):
    spec = getattr(actlab, name).spec.at(**params)
    values, slopes, _ = evaluate(name, params, GRID)
    finite = np.abs(values) < 1e37
    slack = 1e-6 * (1 + np.abs(values[finite]))
    assert (values[finite] >= spec.range.low - slack).all()
    assert (values[finite] <= spec.range.high + slack).all()
    # The range is not only an outer bound: its finite ends are reached or approached.
    ends = evaluate(name, params, [-math.inf, math.inf])[0]
    reached = np.concatenate([values, np.asarray(ends)[np.isfinite(ends)]])
    if math.isfinite(spec.range.low):
        assert reached.min() < spec.range.low + 2e-3 * (1 + abs(spec.range.low))
    if math.isfinite(spec.range.high):
        assert reached.max() > spec.range.high - 2e-3 * (1 + abs(spec.range.high))
    np.testing.assert_allclose(ends, spec.limits, rtol=1e-6)
    noise = np.abs(values) + np.abs(GRID) * np.where(np.isfinite(slopes), np.abs(slopes), 0)
    tried, noise = values[finite], 1e-5 * noise[finite] + 1e-15
    # Every 40th as well: what falls by less than the noise from one to the next adds up.
    rising = all((np.diff(tried[::k]) >= -noise[::k][1:]).all() for k in (1, 40))
    assert rising == spec.monotonic
    if spec.surrogate:
        return
    if not spec.jumps:
        usual = finite & (np.abs(slopes) < 1e37)
        assert (slopes[usual] >= -1e-6 * (1 + np.abs(slopes[usual]))).all() == spec.monotonic
    steepest = np.abs(slopes).max()
    if math.isinf(spec.lipschitz):
        assert spec.jumps or steepest > min(1e3, 10 * np.abs(slopes[np.abs(GRID) < 1]).max())
    else:  # a kink's one-sided slopes may be the supremum and taken nowhere
        steepest = max([steepest, *(abs(v) for k in spec.kinks for v in (k.left, k.right))])
        assert steepest == pytest.approx(spec.lipschitz, rel=1e-3)


@cases
def test_kinks_jumps_turning_points_and_smoothness(name, params):
    f, spec = getattr(actlab, name), getattr(actlab, name).spec.at(**params)

    def slope(x):
        return evaluate(name, params, [x])[1][0]

    edges = [k.at for k in (*spec.kinks, *spec.jumps)]
    usual = getattr(actlab, name).spec.at()
    fixed = {k.at for k in (*usual.kinks, *usual.jumps)}

    def known(at):
        """Whether float32 meets the edge exactly; one computed from parameters may fall on either side."""
        return np.float32(at) == at and (not params or at in fixed)

    for jump in spec.jumps:
        step = 1e-5 * max(1.0, abs(jump.at))
        ends = evaluate(name, params, [jump.at - step, jump.at, jump.at + step])[0].tolist()
        told = [jump.left, jump.value, jump.right]
        if not known(jump.at):
            ends.pop(1), told.pop(1)
        np.testing.assert_allclose(ends, told, rtol=1e-3, atol=1e-4)
        assert jump.left != jump.right
    assert (spec.smoothness == "jumps") == bool(spec.jumps)
    if spec.surrogate:
        return
    for kink in spec.kinks:
        step = 1e-5 * max(1.0, abs(kink.at))
        assert kink.left != kink.right
        if known(kink.at):
            assert slope(kink.at) == pytest.approx(kink.chosen, rel=1e-5, abs=1e-6)
        assert slope(kink.at - step) == pytest.approx(kink.left, rel=1e-3, abs=1e-3)
        assert slope(kink.at + step) == pytest.approx(kink.right, rel=1e-3, abs=1e-3)
    assert (spec.smoothness == "C0") == bool(spec.kinks and not spec.jumps)
    for x in spec.turning or ():
        step = 1e-2 * min(1.0, abs(x)) if x else 1e-4
        assert slope(x - step) * slope(x + step) < 0 or x in edges
        assert x in edges or abs(slope(x)) < 1e-5 * (1 + min(spec.lipschitz, 1e3))
    assert not (spec.turning and spec.monotonic)
    # No other jump of the slope: neighbours differ by no more than the second derivative allows.
    near = NEAR.astype(np.float32)
    _, slopes, bends = evaluate(name, params, near)
    bends = np.abs(bends)
    across = np.any([(near[:-1] <= at) & (at <= near[1:]) for at in edges], axis=0)
    room = 2e-3 * np.maximum(bends[:-1], bends[1:]) + 5e-3 * (1 + min(spec.lipschitz, 1e2))
    for i in np.flatnonzero((np.abs(np.diff(slopes)) > room) & ~across):
        assert step_across(f, params, near[i], near[i + 1]) < room[i], near[i]


def step_across(f, params, low, high):
    """How much of the change of f' between two numbers is left between two neighbours of float64."""
    with jax.enable_x64(True):
        slope = jax.vmap(jax.grad(lambda x: f(x, **params)))
        for _ in range(12):
            inner = jnp.linspace(low, high, 17, dtype="float64")
            steps = np.abs(np.diff(np.asarray(slope(inner))))
            i = int(steps.argmax())
            low, high = inner[i], inner[i + 1]
    return steps[i]


def test_parameters_of_every_type_are_checked():
    facts = {"family": "f", "formula": "x", "range": REALS, "monotonic": True, "smoothness": "Cinf"}
    facts |= {"lipschitz": 1.0, "limits": (0.0, 1.0), "reference": "r"}
    kinds = {
        "mode": (("hard", "soft"), "m"),
        "flag": ((), "f"),
        "terms": (POSITIVE, "coefficients"),
        "count": (POSITIVE, "c"),
    }

    @activation(parameters=kinds, **facts)
    def f(x, *, mode="hard", flag=False, terms=(1.0, 2.0), count=3):
        return x

    good = {"mode": "soft", "flag": True, "terms": [3, 4.5, 1], "count": 4}
    assert f.spec.check(good) == {"mode": "soft", "flag": True, "terms": (3.0, 4.5, 1.0), "count": 4}
    for name, bad, told in [
        ("mode", "sort", "did you mean 'soft'"),
        ("flag", 1, "true or false"),
        ("terms", 3.0, "list of numbers"),
        ("terms", [], "list of numbers"),
        ("terms", [1.0, -1.0], r"terms\[1\] must be in"),
        ("count", 1.5, "integer"),
        ("count", True, "must be a number"),
    ]:
        with pytest.raises(InputError, match=told):
            f.spec.check({name: bad})


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


@pytest.mark.parametrize(
    ("name", "params", "told"),
    [
        ("hard_tanh", {"min_val": 2, "max_val": 1}, "min_val must be below max_val, got 2.0 and 1.0"),
        ("hard_tanh", {"min_val": 1.0}, "min_val must be below max_val, got 1.0 and 1.0"),
        ("pwlu", {"low": 3.0}, "low must be below high, got 3.0 and 3.0"),
        ("pwlu", {"values": [1.0]}, "values must be at least 2 numbers, got 1"),
        ("kan_bspline", {"low": 1.0}, "low must be below high, got 1.0 and 1.0"),
        ("kan_bspline", {"coefficients": [1.0] * 3}, "coefficients must be at least 4 numbers, got 3"),
        ("kan_rbf", {"high": -2.5}, "low must be below high, got -2.0 and -2.5"),
        ("kan_rbf", {"coefficients": [1.0]}, "coefficients must be at least 2 numbers, got 1"),
        ("kaf", {"coefficients": [1.0]}, "coefficients must be at least 2 numbers, got 1"),
        ("rrelu", {"upper": 0.1}, "lower must not be above upper, got 0.125 and 0.1"),
        ("apl", {"weights": [1.0]}, "there must be as many weights as hinges, got 1 and 2"),
        ("abu", {"weights": [1.0] * 4}, "weights must be five numbers, got 4"),
        ("rational_free", {"denominator": [0.0]}, "denominator must not be all 0"),
    ],
)
def test_values_that_do_not_go_together(name, params, told):
    for ask in (getattr(actlab, name).spec.at, functools.partial(actlab.make, name)):
        with pytest.raises(InputError) as caught:
            ask(**params)
        assert str(caught.value) == f"{name}: {told}"


@pytest.mark.parametrize(
    ("name", "numerator", "denominator", "lipschitz"),
    [
        ("pade_a", (0.0, 0.0, 1.0), (0.0,), math.inf),
        ("pade_a", (0.0, 0.0, 0.0, 1.0), (1.0, 0.0), math.inf),
        ("pade_a", (0.0, 2.0, 0.0), (0.0,), 2.0),
        ("pade_b", (0.0, 0.0, 1.0), (0.0, 0.0), math.inf),
        ("kan_rational", (0.0, 0.0, 0.0, 1.0, 0.0), (1.0,), math.inf),
        ("rational_free", (0.0, 0.0, 1.0), (1.0, 0.0, 0.0), math.inf),
        ("rational_free", (0.0, 0.0, 0.0, 1.0), (1.0, 0.0, 1.0), 9 / 8),
    ],
)
def test_rational_functions_that_outgrow_a_line_have_no_lipschitz_constant(
    name, numerator, denominator, lipschitz
):
    spec = getattr(actlab, name).spec.at(numerator=numerator, denominator=denominator)
    assert spec.lipschitz == pytest.approx(lipschitz, rel=1e-6)


def test_decorator_wants_every_parameter_described():
    facts = {"family": "f", "formula": "x", "range": REALS, "monotonic": True, "smoothness": "Cinf"}
    facts |= {"lipschitz": 1.0, "limits": (0.0, 1.0), "reference": "r"}
    with pytest.raises(TypeError, match="signature has"):

        @activation(**facts)
        def f(x, *, p=1.0):
            return x
