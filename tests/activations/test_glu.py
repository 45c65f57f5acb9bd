"""Gated functions against their formulas in mpmath, over all magnitudes of both operands."""

import contextlib

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import actlab
from actlab.activations.glu import split_gate
from actlab.errors import InputError

GATED = [actlab.make(name) for name in actlab.names() if actlab.make(name).spec.kind == "gated"]
CASES = [*GATED, actlab.make("swiglu", beta=-1.5), actlab.make("swiglu_oai", alpha=0.5, limit=2.0)]
CASES += [actlab.make("situ_glu", beta=0.3, linear_beta=2.0)]
each = pytest.mark.parametrize("act", GATED, ids=lambda act: act.name)
DTYPES = ["float16", "bfloat16", "float32", "float64"]
UNITS = (4.0, 8.0, 8.0)


def with_dtype(dtype):
    return jax.enable_x64(True) if dtype == "float64" else contextlib.nullcontext()


def pairs(dtype, few=False):
    info = jnp.finfo(dtype)
    sizes = [float(info.tiny), 1e-4, 0.3, 1.2, 4.3, 11.7, 33.0, 87.5, 300.0, float(info.max)]
    sizes += [1e-30, 1e5, 1e20] if float(info.max) > 1e30 else []
    gates = np.array([0.0, *sizes, *(-np.array(sizes))])
    ups = np.array([0.0, -0.0, *sizes[::2], *(-np.array(sizes[1::2]))])[:: 2 if few else 1]
    gate, up = (v.ravel() for v in np.meshgrid(gates, ups))
    return jnp.asarray(gate, dtype), jnp.asarray(up, dtype)


def erfc(x):
    """mpmath's own stumbles over arguments beyond float64's range of squares."""
    return mp.erfc(x) if abs(x) < 1e9 else mp.mpf(0 if x > 0 else 2)


NAMES = {name: getattr(mp, name) for name in ("exp", "sqrt", "tanh")} | {
    "erfc": erfc,
    "sigmoid": lambda x: 1 / (1 + mp.exp(-x)),
    "clip": lambda x, low, high: min(max(x, low), high),
    "max": max,
    "min": min,
    "pi": mp.pi,
}


def truth(act, gate, up):
    """f, its two partial derivatives, and for each the change that one relative step of an operand makes."""
    code = compile(act.spec.formula, act.name, "eval")
    params = {name: mp.mpf(value) for name, value in act.params}
    g, u = mp.mpf(float(gate)), mp.mpf(float(up))
    kinked = act.name in ("reglu", "drelu_glu")  # else the steps must not fade beside the constants
    h, k = (mp.mpf("1e-25") * (abs(v) if kinked and v else max(1, abs(v))) for v in (g, u))

    def f(i, j):
        return eval(code, {"__builtins__": {}}, {**NAMES, **params, "gate": g + i * h, "up": u + j * k})

    c, left, right, below, above = f(0, 0), f(-1, 0), f(1, 0), f(0, -1), f(0, 1)
    fg, fu = (right - left) / (2 * h), (above - below) / (2 * k)
    fgg, fuu = (right - 2 * c + left) / h**2, (above - 2 * c + below) / k**2
    fgu = (f(1, 1) - f(1, -1) - f(-1, 1) + f(-1, -1)) / (4 * h * k)
    return [(c, g * fg, u * fu), (fg, g * fgg, u * fgu), (fu, g * fgu, u * fuu)]


def all_values(act):
    slopes = jax.grad(act, argnums=(0, 1))
    return jax.jit(jax.vmap(lambda gate, up: (act(gate, up), *slopes(gate, up))))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("act", CASES, ids=repr)
def test_values_and_derivatives(act, dtype):
    with with_dtype(dtype), mp.workdps(320):
        info = jnp.finfo(dtype)
        eps, tiny, top = float(info.eps), float(info.tiny), float(info.max)
        gates, ups = pairs(dtype, few=dtype == "float64")
        got = [np.asarray(v, np.float64) for v in all_values(act)(gates, ups)]
        for i, (gate, up) in enumerate(zip(np.asarray(gates), np.asarray(ups), strict=True)):
            if (gate == 0 and act.name in ("reglu", "drelu_glu")) or (up == 0 and act.name == "drelu_glu"):
                continue  # kinks, tested below
            for order, (true, *moves) in enumerate(truth(act, gate, up)):
                value = float(got[order][i])
                assert not np.isnan(value), (order, gate, up)
                if abs(true) > 0.999 * top:
                    assert abs(value) >= 0.998 * top and (value > 0) == (true > 0), (order, gate, up)
                    continue
                # A closed gate: its factor, or its slope, is flushed before it meets up.
                error = abs(value - true) - 8 * mp.mpf(tiny) * max(1, abs(mp.mpf(float(up))))
                scale = max(abs(true), *map(abs, moves))
                assert error <= UNITS[order] * eps * scale, (order, gate, up, value, float(true))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@each
def test_half_precision_is_float32_rounded_once(act, dtype):
    gates, ups = pairs(dtype)
    narrow = all_values(act)(gates, ups)
    wide = all_values(act)(gates.astype("float32"), ups.astype("float32"))
    for ours, exact in zip(narrow, wide, strict=True):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(np.asarray(ours, "float32"), exact.astype(dtype).astype("float32"))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES)
@each
def test_no_nan_up_to_the_second_derivative(act, dtype):
    with with_dtype(dtype):
        gates, ups = pairs(dtype)
        bends = jax.jit(jax.vmap(jax.hessian(act, argnums=(0, 1))))(gates, ups)
        if dtype == "float32":
            forward = jax.jacfwd(jax.jacfwd(act, argnums=(0, 1)), argnums=(0, 1))
            bends = bends, jax.jit(jax.vmap(forward))(gates, ups)
        for leaf in jax.tree.leaves(bends):
            assert leaf.dtype == dtype
            assert not jnp.isnan(leaf).any()
        nan = jnp.asarray(jnp.nan, dtype)
        for operands in ((nan, nan.at[()].set(1.0)), (nan.at[()].set(1.0), nan)):
            assert jnp.isnan(act(*operands))


@each
def test_transforms_agree(act):
    rng = np.random.default_rng(0)
    gate, up, v = (jnp.asarray(rng.normal(size=(4, 6)) * 3, "float32") for _ in range(3))

    def loss(gate, up, f=act):
        return jnp.vdot(v, f(gate, up))

    def scanned(gate, up):
        f = jax.checkpoint(act)
        return jnp.vdot(v, jax.lax.scan(lambda c, _: (f(c, up), None), gate, None, length=1)[0])

    def by_rows(gate, up):
        return jax.vmap(jax.grad(lambda g, u, v: jnp.vdot(v, act(g, u)), (0, 1)))(gate, up, v)

    plain = jax.grad(loss, (0, 1))(gate, up)
    for other in (jax.jit(jax.grad(scanned, (0, 1))), jax.jit(by_rows)):
        for a, b in zip(other(gate, up), plain, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5)
    along = jax.jvp(loss, (gate, up), (v, gate))[1]
    np.testing.assert_allclose(along, jnp.vdot(plain[0], v) + jnp.vdot(plain[1], gate), rtol=1e-4, atol=1e-3)


@each
def test_keeps_exactly_the_two_operands(act):
    x = jax.ShapeDtypeStruct((8, 128), "bfloat16")
    kept = jax.tree.leaves(jax.eval_shape(lambda g, u: jax.vjp(act, g, u)[1], x, x))
    assert sorted(leaf.dtype for leaf in kept if leaf.size > 1) == ["bfloat16"] * 2


@pytest.mark.slow
@each
def test_operands_broadcast_and_promote(act):
    gate, up = jnp.linspace(-2, 2, 6).reshape(2, 3), jnp.asarray([0.5, -1.0, 2.0])
    full = act(gate, jnp.broadcast_to(up, (2, 3)))
    np.testing.assert_array_equal(act(gate, up), full)
    slope = jax.grad(lambda u: jnp.sum(act(gate, u)))(up)
    each_row = jax.grad(lambda u: jnp.sum(act(gate, u)))(jnp.broadcast_to(up, (2, 3)))
    np.testing.assert_allclose(slope, each_row.sum(0), rtol=1e-6)
    assert act(gate.astype("bfloat16"), 2.0).dtype == jnp.bfloat16
    assert act(1, 2).dtype == jnp.float32
    assert act(1.0, 2.0).aval.weak_type
    with jax.numpy_dtype_promotion("standard"):
        assert act(gate.astype("bfloat16"), up).dtype == jnp.float32
    with pytest.raises(InputError, match="do not broadcast"):
        act(gate, jnp.ones(4))
    with pytest.raises(InputError, match="real"):
        act(gate, jnp.ones(3, complex))


@pytest.mark.parametrize("act", [act for act in CASES if act.params], ids=repr)
def test_parameter_derivatives(act):
    with jax.enable_x64(True):
        gate, up = (
            v.ravel() for v in np.meshgrid([-9.0, -1.1, -0.01, 0.3, 2.5, 9.0], [-11.0, -0.7, 3.0, 11.0])
        )
        for name, value in act.params:

            def at(p, name=name):
                return act(jnp.asarray(gate), jnp.asarray(up), **{name: p})

            got = jax.jit(jax.jacfwd(at))(value)
            h = 1e-5 * abs(value)
            expected = (at(value + h) - at(value - h)) / (2 * h)
            np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-8)
    big = jnp.asarray([jnp.finfo("float32").max, -jnp.finfo("float32").max, 0.0])
    for name, value in act.params:
        slopes = jax.vmap(jax.grad(lambda p, g, u, n=name: act(g, u, **{n: p})), (None, 0, 0))
        for ups in (big[::-1], jnp.ones(3), jnp.zeros(3)):
            assert not jnp.isnan(slopes(value, big, ups)).any()


def test_kinks():
    by_gate, by_up = (lambda f, n=n: jax.grad(f, argnums=n) for n in (0, 1))
    assert by_gate(actlab.reglu)(0.0, 3.0) == 0
    assert by_gate(actlab.drelu_glu)(0.0, 3.0) == 0
    assert by_up(actlab.drelu_glu)(3.0, 0.0) == 0
    # The clamps: inside at both ends, outside beyond.
    for f in (actlab.swiglu_oai, actlab.swiglu_clamped):
        limit = dict(actlab.make(f.__name__).params)["limit"]
        assert by_gate(f)(limit, 3.0) > 0
        assert by_gate(f)(limit * 1.001, 3.0) == 0
        for sign in (-1, 1):
            assert by_up(f)(2.0, sign * limit) > 0
            assert by_up(f)(2.0, sign * limit * 1.001) == 0
    assert by_gate(actlab.swiglu_step)(6.9, 3.0) > 0
    assert by_gate(actlab.swiglu_step)(7.1, 3.0) == 0


@pytest.mark.parametrize("act", CASES, ids=repr)
def test_ranges_and_steepness(act):
    spec = act.spec.at(**dict(act.params))
    gate, up = np.meshgrid(np.linspace(-40, 40, 1601), np.linspace(-60, 60, 241))
    gate, up = (jnp.asarray(v.ravel(), "float32") for v in (gate, up))
    y, by_gate, by_up = all_values(act)(gate, up)
    assert float(y.min()) >= spec.range.low * (1 + 1e-6)
    assert float(y.max()) <= spec.range.high * (1 + 1e-6)
    if np.isfinite(spec.range.high):
        assert float(y.max()) > 0.98 * spec.range.high
    if np.isfinite(spec.lipschitz):
        steepest = float(jnp.max(jnp.hypot(by_gate, by_up)))
        assert 0.98 * spec.lipschitz < steepest <= spec.lipschitz * (1 + 1e-5)


class TestSplit:
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6, 2)), "float32")

    @pytest.mark.parametrize("axis", [-1, 0, 1, -2])
    def test_glu_of_jax(self, axis):
        np.testing.assert_allclose(
            actlab.glu(*split_gate(self.x, order="up_first", axis=axis)),
            jax.nn.glu(self.x, axis=axis),
            rtol=1e-6,
        )

    def test_gpt_oss(self):
        x = np.asarray(self.x) * 6
        gate, up = x[:, ::2].clip(None, 7.0), x[:, 1::2].clip(-7.0, 7.0)
        np.testing.assert_allclose(
            actlab.swiglu_oai(*split_gate(x, order="gate_first", layout="interleaved", axis=1)),
            gate / (1 + np.exp(-1.702 * gate)) * (up + 1),
            rtol=1e-5,
            atol=1e-6,
        )

    def test_orders(self):
        one, two = split_gate(self.x, order="gate_first"), split_gate(self.x, order="up_first")
        for a, b in zip(one, two[::-1], strict=True):
            np.testing.assert_array_equal(a, b)

    def test_errors(self):
        for wrong in (
            {"order": "gate"},
            {"order": "up_first", "layout": "half"},
            {"order": "up_first", "axis": 3},
        ):
            with pytest.raises(InputError, match="split_gate"):
                split_gate(self.x, **wrong)
        with pytest.raises(InputError, match="cannot be halved"):
            split_gate(jnp.ones(3), order="up_first")


def test_special_cases():
    gate, up = pairs("float32")
    np.testing.assert_array_equal(actlab.swiglu(gate, up, beta=0.0), 0.5 * gate * up)
    near = jnp.linspace(-3, 3, 31)
    np.testing.assert_allclose(
        actlab.situ_glu(near, near, beta=1e4, linear_beta=None), actlab.swiglu(near, near), rtol=1e-6
    )
    np.testing.assert_allclose(
        actlab.swiglu_clamped(near, near),
        actlab.swiglu_oai(near, near - 1, alpha=1.0, limit=10.0),
        rtol=1e-5,
        atol=1e-6,
    )
