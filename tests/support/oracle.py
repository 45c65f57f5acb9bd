"""The truth about an activation: its formula (``spec.formula``) evaluated with hundreds of digits.

Two evaluators read the same formula. mpmath is the reference; Arb (python-flint) is a hundred times faster,
bounds its own error, and as power series gives all derivatives at once, so it can visit every bfloat16. Tests
hold the second against the first. Neither knows anything of JAX.

Error unit: |got - true| / (eps * max(|true|, |x * dtrue/dx|)): 1 is what rounding the input costs.
"""

from __future__ import annotations

import functools
import math

import flint
import mpmath as mp
import numpy as np
from flint import arb, arb_series

ORDERS = 4  # f, f', f'', f'''
# Accuracy promised for f, f', f''; f'' is measured and held to what the formulas give.
PROMISE = {
    "bfloat16": (1.0, 1.0, 1.0),
    "float16": (1.0, 1.0, 1.0),
    "float32": (4.0, 8.0, 16.0),
    "float64": (4.0, 8.0, 16.0),
}
LIMITS = {  # eps, smallest normal, largest
    "bfloat16": (2.0**-7, 2.0**-126, float.fromhex("0x1.fep127")),
    "float16": (2.0**-10, 2.0**-14, 65504.0),
    "float32": (2.0**-23, 2.0**-126, float(np.finfo(np.float32).max)),
    "float64": (2.0**-52, 2.0**-1022, float(np.finfo(np.float64).max)),
}


TINIEST = arb(2) ** -1200


class Jet:
    """A truncated power series with ball coefficients; compares by its constant term."""

    __slots__ = ("s",)

    def __init__(self, s):
        self.s = s

    @staticmethod
    def of(value):
        return (
            value
            if isinstance(value, Jet)
            else Jet(arb_series([value if isinstance(value, arb) else arb(value)]))
        )

    @property
    def head(self):
        return self.s[0]

    def __add__(self, other):
        return Jet(self.s + Jet.of(other).s)

    def __mul__(self, other):
        return Jet(self.s * Jet.of(other).s)

    def __sub__(self, other):
        return Jet(self.s - Jet.of(other).s)

    def __rsub__(self, other):
        return Jet(Jet.of(other).s - self.s)

    def __neg__(self):
        return Jet(-self.s)

    def __truediv__(self, other):
        return Jet(self.s / Jet.of(other).s)

    def __rtruediv__(self, other):
        return Jet(Jet.of(other).s / self.s)

    def __pow__(self, power):
        if isinstance(power, int):
            if power < 0:
                return 1 / self ** (-power)
            out = Jet.of(1)
            for _ in range(power):
                out = out * self
            return out
        return (self.log() * power).exp()

    __radd__, __rmul__ = __add__, __mul__

    def __lt__(self, other):
        return self.head < Jet.of(other).head

    def __le__(self, other):
        return self.head <= Jet.of(other).head

    def __gt__(self, other):
        return self.head > Jet.of(other).head

    def __ge__(self, other):
        return self.head >= Jet.of(other).head

    def __abs__(self):
        return -self if self.head < 0 else self

    def exp(self):
        return Jet(self.s.exp())

    def log(self):
        return Jet(self.s.log())

    def __getattr__(self, name):  # sqrt, sin, cos, atan, erf, erfc
        function = getattr(self.s, name)
        return lambda: Jet(function())


def _jet_function(name):
    return lambda x: getattr(Jet.of(x), name)()


def _where(condition, yes, no):
    return yes if condition else no


def _common(exp, log, sqrt, pi, jet):
    """Functions both namespaces build from their own exp, log and sqrt."""

    def tanh(x):
        u = exp(-2 * abs(x))
        y = (1 - u) / (1 + u)
        return -y if x < 0 else y

    def sigmoid(x):
        return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))

    def softplus(x):
        return x + log(1 + exp(-x)) if x > 0 else log(1 + exp(x))

    def sinc(x):
        if x == 0 if not jet else x.head == 0:
            x = jet_sinc_at_zero(x) if jet else mp.mpf(1)
            return x
        return _sin(x) / x

    def jet_sinc_at_zero(x):
        h = x.s  # no constant term
        return Jet(arb_series([arb(1)]) - h * h / 6)

    _sin = _jet_function("sin") if jet else mp.sin
    return {
        "exp": exp,
        "log": log,
        "log1p": lambda x: log(1 + x),
        "expm1": lambda x: exp(x) - 1,
        "sqrt": sqrt,
        "tanh": tanh,
        "sinh": lambda x: (exp(x) - exp(-x)) / 2,
        "cosh": lambda x: (exp(x) + exp(-x)) / 2,
        "asinh": lambda x: log(x + sqrt(x * x + 1)) if x > 0 else -log(-x + sqrt(x * x + 1)),
        "sigmoid": sigmoid,
        "softplus": softplus,
        "sinc": sinc,
        "heaviside": lambda x: 1 if x >= 0 else 0,
        "sign": lambda x: 1 if x > 0 else -1 if x < 0 else 0,
        "round": lambda x: round(x) if not jet else _round(x),
        "clip": lambda x, low, high: low if x < low else high if x > high else x,
        "max": lambda *v: functools.reduce(lambda a, b: a if a > b else b, v),
        "min": lambda *v: functools.reduce(lambda a, b: a if a < b else b, v),
        "where": _where,
        "abs": abs,
        "sum": sum,
        "len": len,
        "range": range,
        "zip": zip,
        "enumerate": enumerate,
        "pi": pi,
    }


def _round(x):
    from fractions import Fraction

    return round(Fraction(*float(Jet.of(x).head.mid()).as_integer_ratio()))


@functools.cache
def _namespace(backend):
    if backend == "mpmath":
        names = _common(mp.exp, mp.log, mp.sqrt, mp.pi, jet=False)
        return names | {"sin": mp.sin, "cos": mp.cos, "atan": mp.atan, "erf": mp.erf, "erfc": mp.erfc}
    names = _common(*map(_jet_function, ("exp", "log", "sqrt")), arb.pi(), jet=True)
    return names | {name: _jet_function(name) for name in ("sin", "cos", "atan", "erf", "erfc")}


@functools.cache
def _code(formula):
    return compile(formula.strip(), formula, "eval")


def _evaluate(spec, params, x, backend, formula=None):
    number = mp.mpf if backend == "mpmath" else arb
    values = {}
    for key, value in {**spec.defaults, **params}.items():
        if isinstance(value, (tuple, list)):
            values[key] = [v if isinstance(v, Jet) else number(v) for v in value]
        else:
            values[key] = number(value) if isinstance(value, float) else value
    # pi with as many digits as are asked for now; globals, because comprehensions see those
    pi = mp.pi if backend == "mpmath" else arb.pi()
    names = {"__builtins__": {}, **_namespace(backend), "pi": pi, **values, "x": x}
    return eval(_code(formula or spec.formula), names)


def mpmath_derivatives(spec, x, orders=3, digits=100, **params):
    """f, f', ... at one number by mpmath and central differences, error far below float64."""
    with mp.workdps(digits):
        h = mp.mpf(10) ** (-digits // 6) * max(1, abs(mp.mpf(float(x))))
        a, b, c, d, e = (
            mp.mpf(_evaluate(spec, params, mp.mpf(float(x)) + k * h, "mpmath")) for k in (-2, -1, 0, 1, 2)
        )
        return [c, (8 * (d - b) - (e - a)) / (12 * h), (-e + 16 * d - 30 * c + 16 * b - a) / (12 * h * h)][
            :orders
        ]


def value(spec, x, **params):
    """f at a number, in the precision mpmath works in."""
    return mp.mpf(_evaluate(spec, params, mp.mpf(x), "mpmath"))


def derivatives(spec, x, **params):
    """f, f', f'', f''' at one number, as balls with at least 80 correct bits where they are not 0."""
    return _expand(spec, lambda: _evaluate(spec, params, variable(x), "arb"), x)


def surrogate(spec, x, **params):
    """The slope autodiff returns where it is not f's, from ``spec.surrogate``, and its derivatives, as balls."""
    return _expand(spec, lambda: _evaluate(spec, params, variable(x), "arb", spec.surrogate), x)


def by_parameter(spec, x, parameter, index=None, **params):
    """f, df/dp, d2f/dp2, ... by a parameter, or by the ``index``-th of its coefficients, as balls."""
    value = {**spec.defaults, **params}[parameter]

    def moved():
        if index is None:
            changed = variable(value)
        else:
            changed = [variable(v) if i == index else v for i, v in enumerate(value)]
        return _evaluate(spec, {**params, parameter: changed}, Jet.of(arb(float(x))), "arb")

    return _expand(spec, moved, x)


def variable(x):
    """The identity near ``x`` as a power series."""
    return Jet(arb_series([arb(float(x)), arb(1)]))


def _expand(spec, evaluate, x):
    flint.ctx.cap = ORDERS
    for precision in (400, 1600, 6400):
        with flint.ctx.workprec(precision):
            try:
                jet = Jet.of(evaluate())
            except ValueError:  # exp(1e300) needs more bits than 400 to be told from infinity
                continue
            found = [jet.s[k] * math.factorial(k) for k in range(ORDERS)]
            if all(v.rad() < 1e-30 * abs(v.mid()) or abs(v) < TINIEST for v in found[:3]):
                return found
    raise ArithmeticError(f"{spec.name} at {x!r}: no digits left; write the formula without cancellation")


def worst(spec, dtype, xs, got, skip=(), **params):
    """The largest error of each order in units, and where: ``[(units, x), ...]``.

    ``got`` holds f, f', ... as arrays. Points in ``skip`` (kinks, jumps) count for no order. A NaN is an error of
    inf; so is inf where the true value is finite and far from overflow. A true value below the smallest normal
    number may be flushed.
    """
    eps, tiny, top = LIMITS[dtype]
    xs = np.asarray(xs, np.float64)
    got = [np.asarray(g, np.float64) for g in got]
    found = [(0.0, None)] * len(got)
    for i, x in enumerate(xs):
        if x in skip:
            continue
        true = derivatives(spec, x, **params)
        for order, values in enumerate(got):
            value, exact = float(values[i]), true[order]
            if not math.isfinite(value):
                beyond = abs(exact) >= top * (1 - 8 * eps) and not math.isnan(value)
                units = 0.0 if beyond and (value > 0) == (exact > 0) else math.inf
            else:
                error = float(abs(arb(value) - exact).mid())
                scale = max(float(abs(exact).mid()), float(abs(exact.mid() * 0 + x * true[order + 1]).mid()))
                if (error <= tiny and not abs(exact) > tiny) or (abs(value) == top and abs(exact) >= top):
                    units = 0.0
                else:
                    units = error / (eps * scale) if scale else math.inf
            if not units <= found[order][0]:
                found[order] = (units, float(x))
    return found


def points(dtype, count, reach=None, seed=0):
    """Numbers to test at: the middle, both tails as far as ``reach``, every magnitude, both signs."""
    rng = np.random.default_rng(seed)
    _, tiny, top = LIMITS[dtype]
    reach = reach or {"bfloat16": 130.0, "float16": 20.0, "float32": 130.0, "float64": 800.0}[dtype]
    quarter = max(count // 4, 4)
    sign = rng.choice([-1.0, 1.0], quarter)
    magnitude = np.exp(rng.uniform(math.log(tiny), math.log(top) - 1, quarter)) * sign
    small = 10.0 ** rng.uniform(-5, 0, quarter) * rng.choice([-1.0, 1.0], quarter)
    return np.concatenate(
        [rng.uniform(-reach, reach, quarter), rng.uniform(-12, 12, quarter), small, magnitude]
    )


def every(dtype):
    """All finite numbers of a 16-bit dtype, subnormal ones left out."""
    import jax.numpy as jnp

    bits = np.arange(2**16, dtype=np.uint16)
    with np.errstate(invalid="ignore"):
        wide = bits.view(jnp.dtype(dtype)).astype(np.float64)
    return wide[np.isfinite(wide) & (np.abs(wide) >= LIMITS[dtype][1])]
