"""Call another library's activation by the text in ``spec.peers``, and measure where it differs."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
import importlib.util
import math
import types
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import oracle

import actlab

PACKAGES = ("jax", "torch", "keras", "timm", "entmax")
UNITS = {"value": 16, "slope": 64}  # of error, as the oracle counts them, beyond which a peer disagrees
EPS, TINY, TOP = oracle.LIMITS["float32"]


RANDOM = {("gumbel_softmax", "torch")}  # noise in every call: there are no values to compare


def pairs():
    """All (activation, package) with a peer in one of the packages."""
    return [
        (name, package)
        for name in actlab.names()
        for package, _ in actlab.registry()[name].spec.peers
        if package in PACKAGES and (name, package) not in RANDOM
    ]


@functools.cache
def installed(package):
    return importlib.util.find_spec(package) is not None


def version(package):
    return importlib.metadata.version(package)


@functools.cache
def roots(package):
    """The modules that texts for this package start from."""
    if package == "timm":  # importing the whole package takes torchvision; this file of it takes torch alone
        folder = importlib.util.find_spec("timm").submodule_search_locations[0]
        spec = importlib.util.spec_from_file_location(
            "timm_activations", Path(folder) / "layers" / "activations.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return {"timm": types.SimpleNamespace(layers=module)}
    modules = {package: importlib.import_module(package)}
    if package == "jax":
        importlib.import_module("jax.scipy.special")
    if package == "entmax":
        modules["torch"] = importlib.import_module("torch")
    return modules


def operands(name):
    return ("gate", "up") if actlab.registry()[name].spec.kind == "gated" else ("x",)


def peer(name, package):
    """The peer as a function of its own arrays; a text without a call is called with the operands."""
    text = dict(actlab.registry()[name].spec.peers)[package]
    if "(" not in text:
        text = f"{text}({', '.join(operands(name))})"
    code = compile(text, text, "eval")
    return lambda *given: eval(code, {**roots(package), **dict(zip(operands(name), given, strict=True))})


def call(f, package, given, cotangent=None):
    """Values and pulled-back cotangent (ones if not given) of a peer at numpy arrays, all as float64 arrays.

    None in place of the latter if autograd has no derivative.
    """
    if package in ("jax", "keras"):
        with jax.numpy_dtype_promotion("standard"), jax.default_device(jax.devices("cpu")[0]):
            y, pull = jax.vjp(lambda *v: jnp.asarray(f(*v)), *map(jnp.asarray, given))
            slopes = pull(jnp.ones_like(y) if cotangent is None else jnp.asarray(cotangent, y.dtype))
            return wide(y), [wide(s) for s in slopes]
    import torch

    given = [torch.tensor(v, requires_grad=True) for v in given]
    y = f(*given)
    try:
        y.backward(torch.ones_like(y) if cotangent is None else torch.tensor(cotangent, dtype=y.dtype))
    except RuntimeError as error:
        if "derivative" not in str(error):
            raise
        return wide(y.detach()), None
    return wide(y.detach()), [wide(v.grad) for v in given]


def wide(v):
    return np.asarray(v, np.float64)


def differences(name, package):
    """Where a peer differs: ``{aspect: what was found}``."""
    if actlab.registry()[name].spec.elementwise:
        return pointwise(name, package)
    return rowwise(name, package)


# Functions of one number: against the formula, at kinks, jumps, infinities and NaN. -----------------------------

XS = np.concatenate(
    [
        np.linspace(-30, 30, 481) + 0.0131,
        *(sign * np.geomspace(1e-4, 1, 40) for sign in (-1, 1)),
        *(sign * np.geomspace(1e-30, 1e-5, 6) for sign in (-1, 1)),
        *(sign * np.array([1e2, 1e3, 1e4, 1e8, 1e15, 1e20, 1e30, 3e38]) for sign in (-1, 1)),
    ]
).astype(np.float32)
REGIONS = {
    "": np.abs(XS) < 4,
    ", left tail": (XS <= -4) & (XS > -31),
    ", right tail": (XS >= 4) & (XS < 31),
    ", huge": np.abs(XS) > 31,
}


@functools.cache
def truth(name):
    """f, f', f'' of the formula at XS (f' is the surrogate's slope where there is one)."""
    spec = actlab.registry()[name].spec
    return np.array([[float(v.mid()) for v in oracle.derivatives(spec, x)[:3]] for x in XS]).T


def units(got, true, change):
    """Errors in what rounding the input once costs; ``change`` is the derivative of ``true``."""
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(true), np.abs(np.where(np.abs(XS) > 1e10, 0, XS * change)))
        error = np.abs(got - true) / (EPS * size)
        fine = np.abs(got - true) <= 16 * TINY  # flushed, here or on the way
        fine |= (np.abs(true) >= TOP * (1 - 8 * EPS)) & (np.abs(got) >= TOP) & (got * true > 0)
    return np.where(fine, 0, np.where(np.isnan(error), np.inf, error))


def pointwise(name, package):
    fn = actlab.registry()[name]
    spec = fn.spec.at()
    fixed = [k.at for k in spec.kinks] + [j.at for j in spec.jumps]
    special = np.array([-np.inf, np.inf, np.nan, *fixed], np.float32)
    y, slopes = call(peer(name, package), package, [np.concatenate([XS, special])])
    with jax.default_device(jax.devices("cpu")[0]):
        ours, pull = jax.vjp(fn, jnp.asarray(special))
        our_slope = wide(pull(jnp.ones_like(ours))[0])
    f, df, ddf = truth(name)
    checks = [("value", y, f, df, wide(ours))]
    found = {}
    if slopes is None:
        found["slope"] = "there is none"
    elif not spec.surrogate:
        checks.append(("slope", slopes[0], df, ddf, our_slope))
    for what, got, true, change, here in checks:
        errors = np.where(np.isin(XS, np.float32(fixed)), 0, units(got[: len(XS)], true, change))
        for region, inside in REGIONS.items():
            worst = int(np.argmax(np.where(inside, errors, -1)))
            if errors[worst] > UNITS[what]:
                found[what + region] = (
                    f"{got[worst]:.7g} for {true[worst]:.7g} at x = {XS[worst]:.6g} ({errors[worst]:.2g} units)"
                )
        for x, there, value in zip(special, got[len(XS) :], here, strict=True):
            if not np.allclose(there, value, rtol=1e-5, atol=1e-6, equal_nan=True):
                found[f"{what} at {x:g}"] = f"{there:g} for {value:g}"
    return found


# Functions of rows and of two operands: against the function here in float64. -----------------------------------

INF = math.inf
ORDINARY = np.random.default_rng(3).normal(size=(6, 4)) * np.array([[0.1], [0.5], [1], [3], [10], [50]])
ROWS = {
    "ordinary": ORDINARY,
    "equal entries": [[1, 1, 1, 0], [0, 0, 0, 0], [2, 2, -1, -1], [0, 0, -1, 1]],
    "entries -inf": [[0, 1, -INF, 2], [-INF, -INF, -INF, 3]],
    "huge": [[1e4, 0, -1e4, 1e4], [3e38, 1, -3e38, 2e38], [-3e38, -2e38, -1e38, -3e38]],
    "all -inf": [[-INF] * 4],
    "entry +inf": [[0, 1, INF, 2]],
    "entry nan": [[0, 1, math.nan, 2]],
}
GATES = {
    "ordinary": (ORDINARY, ORDINARY[::-1]),
    "huge": ([[100, -100, 1e10, -1e10]], [[1, 2, -3, 1e20]]),
    "gate +inf": ([[INF, INF]], [[1, -2]]),
    "gate -inf": ([[-INF, -INF]], [[1, -2]]),
    "up inf": ([[1, -2]], [[INF, -INF]]),
}


def rowwise(name, package):
    fn = actlab.registry()[name]
    found = {}
    for case, given in (GATES if fn.spec.kind == "gated" else ROWS).items():
        # All of one shape, so that a case compiles nothing of its own.
        given = [
            np.resize(v, (6, 4)).astype(np.float32) for v in (given if fn.spec.kind == "gated" else (given,))
        ]
        with jax.enable_x64(True), np.errstate(over="ignore"):
            true, pull = jax.vjp(fn, *(jnp.asarray(v, jnp.float64) for v in given))
            cotangent = np.random.default_rng(5).normal(size=true.shape).astype(np.float32)
            # What is beyond float32 is inf there.
            true_slopes = [wide(np.float32(s)) for s in pull(jnp.asarray(cotangent, jnp.float64))]
            true = wide(np.float32(true))
        try:
            y, slopes = call(peer(name, package), package, given, cotangent)
        except RuntimeError as error:
            found[f"value, {case}"] = f"raises {str(error).splitlines()[0]}"
            continue
        for what, got, expected in [
            ("value", y, true),
            ("gradient", np.stack(slopes, -2), np.stack(true_slopes, -2)),
        ]:
            size = np.abs(expected[np.isfinite(expected)]).max(initial=1)
            close = np.isclose(got, expected, rtol=2e-5, atol=2e-6 * size, equal_nan=True)
            if not close.all():
                row = np.argwhere(~close)[0][0]
                found[f"{what}, {case}"] = f"[{short(got[row])}] for [{short(expected[row])}]"
    return found


def short(row):
    return " ".join(f"{v:.4g}" for v in np.ravel(row))
