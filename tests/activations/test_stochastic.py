"""Random functions: distributions by sampling with fixed keys, reparametrised gradients, the form without a key."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab
from actlab.activations import concrete, stochastic
from actlab.activations.stochastic import straight_through
from actlab.errors import InputError

RANDOM = [actlab.make(name) for name in actlab.names() if actlab.make(name).spec.stochastic]
VARIANTS = [
    *RANDOM,
    actlab.make("bernoulli_st", backward="sigmoid"),
    actlab.make("gumbel_softmax", hard=True),
]
each = pytest.mark.parametrize("act", VARIANTS, ids=repr)
KEY = jax.random.key(7)
N = 40_000  # a share is known to 3 * sqrt(1/4 / N) = 0.0075, a mean of unit variance to 0.015


def drawn(name, x, n=N, **params):
    return np.asarray(getattr(actlab, name)(jnp.full(n, x, "float32"), key=KEY, **params), np.float64)


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
@each
def test_no_nan_and_dtype_kept(act, dtype):
    info = jnp.finfo(dtype)
    ends = [float(info.max), -float(info.max), float(info.tiny), 0.0, -0.0, 1.0, -30.0, 300.0, -300.0]
    x = jnp.tile(jnp.asarray(ends, dtype), (64, 1))
    v = jnp.asarray(np.random.default_rng(0).normal(size=x.shape), dtype)

    def product(x):
        return jnp.sum(v.astype("float32") * act(x, key=KEY).astype("float32"))

    def bend(x):
        return jnp.sum(v.astype("float32") * jax.grad(product)(x).astype("float32"))

    for values in jax.jit(lambda x: (act(x, key=KEY), jax.grad(product)(x), jax.grad(bend)(x)))(x):
        assert values.dtype == dtype
        assert values.shape == x.shape
        assert jnp.isfinite(values).all() or act.name in ("noisy_relu", "prob_act", "rrelu")
        assert not jnp.isnan(values).any()
    assert jnp.isnan(act(jnp.full((3,), jnp.nan, dtype), key=KEY)).any()


TINY, TOP = float(np.finfo(np.float32).tiny), 1 - 2.0**-24  # the ends of jax's uniform numbers in (0, 1)
LOGISTIC = [math.log(u) - math.log1p(-u) for u in (TINY, TOP)]
GUMBEL = [-math.log(-math.log(u)) for u in (TINY, TOP)]
EXTREMES = {
    "rrelu": (stochastic._rrelu_formula, (0.1, 0.3), [0.0, TOP]),
    "noisy_relu": (stochastic._noisy_relu_formula, (), [-6.0, 6.0]),
    "hard_concrete": (concrete._hard_concrete_formula, (0.1, -0.1, 1.1), LOGISTIC),
    "binary_concrete": (lambda x, noise, t: concrete._cooled(x + noise, t), (0.1,), LOGISTIC),
    "bernoulli_st": (concrete._coin(actlab.sigmoid), (), [0.0, TOP]),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_the_ends_of_the_uniform_are_harmless(name):
    formula, params, noises = EXTREMES[name]
    for noise in noises:
        f = stochastic.with_noise(lambda key, shape, dtype, n=noise: jnp.full(shape, n, dtype), formula)
        x = jnp.linspace(-90, 90, 7)
        for values in jax.value_and_grad(lambda x, *p, f=f: jnp.sum(f(KEY, x, *p)), range(1 + len(params)))(
            x, *params
        ):
            assert all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(values))


def test_the_samplers_are_finite():
    """u = 0 is never drawn where its logarithm is taken."""
    for draw, (low, high) in ((jax.random.logistic, LOGISTIC), (jax.random.gumbel, GUMBEL)):
        noise = draw(KEY, (1_000_000,))
        assert low <= noise.min()
        assert noise.max() <= high * 1.01


@each
def test_keeps_its_input_alone(act):
    x = jax.ShapeDtypeStruct((8, 128), "bfloat16")
    kept = jax.tree.leaves(jax.eval_shape(lambda x: jax.vjp(lambda x: act(x, key=KEY), x)[1], x))
    assert [leaf.dtype for leaf in kept if leaf.size > 1] in (["bfloat16"], [])


@pytest.mark.slow
@each
def test_transforms_agree(act):
    x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 6)), "float32")
    v = jnp.asarray(np.random.default_rng(1).normal(size=(4, 6)), "float32")

    def loss(x, key=KEY, f=act):
        return jnp.vdot(v, f(x, key=key))

    def scanned(x, key):
        f = jax.checkpoint(lambda x: act(x, key=key))
        return jnp.vdot(v, jax.lax.scan(lambda c, _: (f(c), None), x, None, length=1)[0])

    plain = jax.grad(loss)(x)
    np.testing.assert_allclose(jax.jit(jax.grad(loss))(x, KEY), plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jit(jax.grad(scanned))(x, KEY), plain, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(jax.jvp(loss, (x,), (v,))[1], jnp.vdot(plain, v), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jax.grad(loss)(x, jax.random.key_data(KEY)), plain)  # an old-style key
    keys = jax.random.split(KEY, 4)
    lanes = jax.vmap(lambda x, key: act(x, key=key))(x, keys)
    for i in range(4):
        np.testing.assert_allclose(lanes[i], act(x[i], key=keys[i]), rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_keys_decide():
    x = jnp.zeros((50, 3)) - 0.3
    for act in VARIANTS:
        one, again, other = (act(x, key=key) for key in (KEY, KEY, jax.random.key(8)))
        np.testing.assert_array_equal(one, again)
        assert (np.asarray(one) != np.asarray(other)).any(), act


SMOOTH = [a for a in RANDOM if a.name != "bernoulli_st"]


@pytest.mark.slow
@pytest.mark.parametrize("act", SMOOTH, ids=repr)
def test_gradients_are_those_of_the_draw_at_fixed_noise(act):
    with jax.enable_x64(True):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(7, 3)))
        v = jnp.asarray(np.random.default_rng(1).normal(size=(7, 3)))
        h = 1e-6

        def at(x, **params):
            return jnp.vdot(v, act(x, key=KEY, **params))

        along = (at(x + h * v) - at(x - h * v)) / (2 * h)
        np.testing.assert_allclose(jnp.vdot(jax.grad(at)(x), v), along, rtol=1e-6)
        for parameter in act.spec.parameters:
            if not parameter.continuous:
                continue
            name, value = parameter.name, dict(act.params)[parameter.name]
            along = (at(x, **{name: value + h}) - at(x, **{name: value - h})) / (2 * h)
            slope = jax.grad(lambda p, n=name: at(x, **{n: p}))(value)
            np.testing.assert_allclose(slope, along, rtol=1e-6, atol=1e-9)


@pytest.mark.slow
def test_parameters_of_the_noisy_form_broadcast():
    x = jnp.ones((4, 3), "bfloat16")
    assert actlab.prob_act(x, sigma=jnp.ones(3), key=KEY).dtype == jnp.bfloat16
    slope = jax.grad(lambda s: jnp.sum(actlab.prob_act(x, sigma=s, key=KEY).astype("float32")))(jnp.ones(3))
    assert slope.shape == (3,)
    with pytest.raises(InputError, match="does not fit"):
        actlab.prob_act(x, sigma=jnp.ones(4), key=KEY)


@pytest.mark.slow
def test_rrelu():
    y = drawn("rrelu", -1.0, lower=0.2, upper=0.6)
    assert -0.6 <= y.min() < -0.599
    assert -0.2 >= y.max() > -0.201
    assert y.mean() == pytest.approx(-0.4, abs=0.002)
    assert y.var() == pytest.approx(0.4**2 / 12, rel=0.03)
    np.testing.assert_array_equal(drawn("rrelu", 2.0, 100), 2.0)
    assert actlab.rrelu(-1.0, lower=0.2, upper=0.6) == pytest.approx(-0.4)
    mixed = actlab.rrelu(-jnp.ones((2, 3)), lower=jnp.asarray([0.1, 0.2, 0.3]), upper=0.5)
    np.testing.assert_allclose(mixed[0], [-0.3, -0.35, -0.4], rtol=1e-6)


@pytest.mark.slow
def test_noisy_relu():
    for x in (-2.0, 0.0, 3.0):
        y, std = drawn("noisy_relu", x), math.sqrt(sigmoid(x))
        above = 0.5 * math.erfc(-x / (std * math.sqrt(2)))
        assert (y > 0).mean() == pytest.approx(above, abs=0.0075)
        density = math.exp(-0.5 * (x / std) ** 2) / math.sqrt(2 * math.pi)
        assert y.mean() == pytest.approx(x * above + std * density, abs=0.015)
    assert drawn("noisy_relu", 20.0).std() == pytest.approx(1, rel=0.02)


def test_prob_act():
    y = drawn("prob_act", 1.5, sigma=0.5)
    assert y.mean() == pytest.approx(1.5, abs=0.0075)
    assert y.std() == pytest.approx(0.5, rel=0.02)
    assert drawn("prob_act", -3.0, sigma=0.5).mean() == pytest.approx(0, abs=0.0075)


@pytest.mark.slow
def test_concrete_gates():
    for x in (-1.0, 0.0, 2.0):
        soft = drawn("binary_concrete", x, temperature=0.3)
        assert (soft > 0.5).mean() == pytest.approx(sigmoid(x), abs=0.0075)
        # P(hard = 0) = sigmoid(beta log(-gamma / zeta) - x), the paper's eq. 12
        hard = drawn("hard_concrete", x)
        assert (hard == 0).mean() == pytest.approx(sigmoid(2 / 3 * math.log(0.1 / 1.1) - x), abs=0.0075)
        assert (hard == 1).mean() == pytest.approx(sigmoid(2 / 3 * math.log(0.1 / 1.1) + x), abs=0.0075)
    cold = drawn("binary_concrete", 0.5, temperature=1e-4)
    assert np.minimum(cold, 1 - cold).mean() < 1e-3
    ends = jnp.asarray([-30.0, 0.0, 30.0])
    np.testing.assert_array_equal(actlab.hard_concrete(ends), [0, 0.5, 1])


@pytest.mark.slow
def test_bernoulli():
    for x in (-2.0, 0.0, 1.0):
        y = drawn("bernoulli_st", x)
        assert set(y) == {0.0, 1.0}
        assert y.mean() == pytest.approx(sigmoid(x), abs=0.0075)
    assert jax.grad(lambda x: actlab.bernoulli_st(x, key=KEY))(0.7) == 1
    slope = jax.grad(lambda x: actlab.bernoulli_st(x, backward="sigmoid", key=KEY))(0.7)
    assert slope == pytest.approx(sigmoid(0.7) * sigmoid(-0.7), rel=1e-6)


class TestGumbelSoftmax:
    x = jnp.asarray([0.5, -1.0, 2.0, 0.0], "float32")
    p = np.asarray(jax.nn.softmax(x))

    @pytest.mark.slow
    @pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
    def test_the_largest_entry_follows_softmax(self, temperature):
        rows = jnp.tile(self.x, (N, 1))
        soft = actlab.gumbel_softmax(rows, temperature=temperature, key=KEY)
        np.testing.assert_allclose(soft.sum(-1), 1, rtol=1e-5)
        share = np.bincount(np.asarray(soft.argmax(-1)), minlength=4) / N
        np.testing.assert_allclose(share, self.p, atol=0.0075)

    @pytest.mark.slow
    def test_hard_is_exactly_one_hot_with_the_soft_gradient(self):
        rows = jnp.tile(self.x, (100, 1))
        hard, soft = (actlab.gumbel_softmax(rows, hard=h, key=KEY) for h in (True, False))
        assert set(np.unique(hard)) == {0.0, 1.0}
        np.testing.assert_array_equal(hard.argmax(-1), soft.argmax(-1))
        v = jnp.asarray(np.random.default_rng(0).normal(size=rows.shape), "float32")
        slopes = [
            jax.grad(lambda x, h=h: jnp.vdot(v, actlab.gumbel_softmax(x, hard=h, key=KEY)))(rows)
            for h in (True, False)
        ]
        np.testing.assert_array_equal(*slopes)

    @pytest.mark.slow
    def test_axes_and_the_form_without_noise(self):
        x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 4, 5)), "float32")
        for axis in (-1, 0, 1):
            expected = jax.nn.softmax(x / 0.7, axis=axis)
            np.testing.assert_allclose(
                actlab.gumbel_softmax(x, axis=axis, temperature=0.7), expected, rtol=2e-6
            )
            np.testing.assert_allclose(actlab.gumbel_softmax(x, axis=axis, key=KEY).sum(axis), 1.0, rtol=1e-5)
        for missing in (3, -4):
            with pytest.raises(InputError, match="does not exist"):
                actlab.gumbel_softmax(x, axis=missing)
        assert actlab.gumbel_softmax(jnp.zeros((0, 3)), key=KEY).shape == (0, 3)

    @pytest.mark.slow
    def test_masked_entries_get_nothing(self):
        x = jnp.asarray([0.0, -jnp.inf, 1.0])
        assert actlab.gumbel_softmax(x, key=KEY)[1] == 0
        assert not jnp.isnan(jax.jacrev(lambda x: actlab.gumbel_softmax(x, key=KEY))(x)).any()
        slope = jax.grad(lambda t: actlab.gumbel_softmax(x, temperature=t, key=KEY)[0])(0.01)
        assert jnp.isfinite(slope)

    @pytest.mark.slow
    @pytest.mark.parametrize("hard", [False, True])
    @pytest.mark.parametrize("key", [None, KEY])
    def test_where(self, hard, key):
        """As if the masked categories were not there; a row that is masked completely gives zeros."""
        x = jnp.asarray([[0.5, 9.0, 2.0], [-jnp.inf, 1.0, 1.0], [3.0, 1.0, 2.0], [1.0, 2.0, 3.0]])
        mask = jnp.asarray([[1, 0, 1], [1, 0, 0], [0, 0, 0], [1, 1, 1]], bool)
        v = jnp.asarray(np.random.default_rng(0).normal(size=x.shape), "float32")

        @jax.jit
        def f(x, where):
            return actlab.gumbel_softmax(x, temperature=0.7, hard=hard, key=key, where=where)

        want = f(jnp.where(mask, x, -jnp.inf), None).at[1].set(mask[1].astype("float32")).at[2].set(0.0)
        for rubbish in (x, jnp.full_like(x, jnp.nan), jnp.full_like(x, jnp.inf)):
            given = jnp.where(mask, x, rubbish)
            np.testing.assert_allclose(f(given, mask), want, rtol=1e-6)
            slope, curve = (d(lambda x: jnp.vdot(v, f(x, mask)))(given) for d in (jax.grad, jax.hessian))
            np.testing.assert_array_equal(slope[~mask], 0.0)
            assert jnp.isfinite(slope).all()
            assert jnp.isfinite(curve).all()
            assert jnp.abs(slope[0]).max() > 0
        by_temperature = jax.grad(
            lambda t: jnp.vdot(v, actlab.gumbel_softmax(x, temperature=t, hard=hard, key=key, where=mask))
        )(0.7)
        assert jnp.isfinite(by_temperature)
        for wrong in ({"where": jnp.ones(2, bool)}, {"where": v}, {"temperature": jnp.ones(3)}):
            with pytest.raises(InputError, match="^gumbel_softmax: "):
                actlab.gumbel_softmax(x, hard=hard, key=key, **wrong)


def test_straight_through_changes_no_bit():
    soft = jnp.asarray([0.1, 0.7, 0.2])
    hard = jnp.asarray([0.0, 1.0, 0.0])
    np.testing.assert_array_equal(straight_through(hard, soft), hard)
    np.testing.assert_array_equal(jax.grad(lambda s: jnp.sum(straight_through(hard, s) * soft))(soft), soft)
