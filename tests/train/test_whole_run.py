"""Limits against the optimisers themselves, run on quadratics; the figures against what they are made of."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from actlab.errors import InputError
from actlab.stats.curvature import directional, distance
from actlab.train import Optimizer, adam, adamw, sgd
from actlab.train.whole_run import adam_scale, stability_limit, whole_run
from actlab.values import Bound

SGD = {
    "plain": sgd(learning_rate=0.1),
    "heavy": sgd(learning_rate=0.1, momentum=0.9),
    "light": sgd(learning_rate=0.1, momentum=0.3),
    "nesterov": sgd(learning_rate=0.1, momentum=0.9, nesterov=True),
}
EXPECTED = {"plain": 20.0, "heavy": 38.0, "light": 26.0, "nesterov": 38 / 2.8}


def grows(optimizer, curvature):
    """Whether x runs away on curvature x^2 / 2 within 2,000 steps of the optimiser, optax's own arithmetic."""
    tx = optimizer.transformation(10_000)

    def step(carry, _):
        x, state = carry
        update, state = tx.update(curvature * x, state, x)
        return (x + update, state), jnp.abs(x)

    with jax.numpy_dtype_promotion("standard"):
        x = jnp.float32(1e-10)
        size = jax.lax.scan(step, (x, tx.init(x)), length=2_000)[1]
    return not float(size[-50:].max()) <= float(size[:200].max())  # not finite: it has run away


@pytest.mark.parametrize("name", SGD)
def test_the_limit_is_where_the_optimiser_turns_unstable(name):
    limit = float(stability_limit(SGD[name]))
    assert limit == pytest.approx(EXPECTED[name], rel=1e-6)
    assert not grows(SGD[name], 0.99 * limit)
    assert grows(SGD[name], 1.01 * limit)


def frozen_adam(b1):
    """Adam with its denominator held at 1: momentum by moving average, as in adam, and nothing else."""
    return Optimizer(Bound.of(optax.ema, decay=b1, debias=False), 0.1)


@pytest.mark.parametrize("b1", [0.9, 0.5])
def test_the_limit_of_adam(b1):
    limit = float(stability_limit(adam(learning_rate=0.1, b1=b1)))
    assert limit == pytest.approx((2 + 2 * b1) / ((1 - b1) * 0.1), rel=1e-6)
    assert not grows(frozen_adam(b1), 0.99 * limit)
    assert grows(frozen_adam(b1), 1.01 * limit)


def test_limits_follow_the_schedule():
    assert float(stability_limit(adamw(learning_rate=1.0), learning_rate=jnp.float32(1e-3))) == pytest.approx(
        38_000
    )


@pytest.mark.slow
def test_a_rule_without_a_known_limit():
    lion = Optimizer(Bound.of(optax.scale_by_lion), 1e-3)
    with pytest.raises(InputError, match="scale_by_lion has no known limit; sgd, adam and adamw have one"):
        stability_limit(lion)
    params = jnp.ones(2)
    row = whole_run(
        lambda p: (p**2).sum(), params, params, (), optimizer=lion, learning_rate=1e-3, key=jax.random.key(0)
    )
    assert set(row) == {("run", "distance"), ("run", "sharpness")}


def descended(optimizer, steps):
    """Parameters, the last update and the state after some steps on a quartic."""
    params = {"a": {"kernel": jnp.array([1.0, -2.0])}, "b": {"bias": jnp.array([0.5])}}
    tx = optimizer.transformation(100)
    state, updates = tx.init(params), None
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(steps):
            updates, state = tx.update(jax.grad(quartic)(params), state, params)
            params = optax.apply_updates(params, updates)
    return params, updates, state


def quartic(p):
    return (p["a"]["kernel"] ** 4).sum() + 3 * (p["b"]["bias"] ** 2).sum()


@pytest.mark.slow
def test_adam_scale():
    optimizer = adam(learning_rate=0.01, weight_decay=0.1, clip_norm=100.0, eps=1e-3)
    params, _, state = descended(optimizer, 3)
    nu = optax.tree.get(state, "nu")
    got = jax.jit(lambda s: adam_scale(optimizer, s))(state)
    assert jax.tree.structure(got) == jax.tree.structure(params)
    for d, v in zip(jax.tree.leaves(got), jax.tree.leaves(nu), strict=True):
        expected = (1 - 0.9**3) * (np.sqrt(np.asarray(v, np.float64) / (1 - 0.999**3)) + 1e-3)
        np.testing.assert_allclose(d, expected, rtol=1e-5)
    fresh = adam_scale(optimizer, optimizer.transformation(10).init(params))
    assert np.isnan(jax.tree.leaves(fresh)[0]).all()
    assert adam_scale(SGD["plain"], ()) is None
    with pytest.raises(InputError, match="0 states of Adam"):
        adam_scale(optimizer, ())


@pytest.mark.slow
def test_whole_run_with_adam():
    optimizer = adam(learning_rate=0.01)
    params, update, state = descended(optimizer, 5)
    start = jax.tree.map(jnp.ones_like, params)
    batches = jnp.float32(np.random.default_rng(0).normal(size=(4, 8)))

    def noisy(p, x):
        return quartic(p) + (p["a"]["kernel"] * x.mean()).sum() + (p["b"]["bias"] * (x**2).mean()).sum()

    row = jax.jit(
        lambda: whole_run(
            quartic,
            params,
            start,
            state,
            optimizer=optimizer,
            learning_rate=0.005,
            key=jax.random.key(0),
            update=update,
            noise_loss=noisy,
            microbatches=batches,
            samples=8,
        )
    )()
    got = {q: float(v) for (site, q), v in row.items() if site == "run"}
    h = np.concatenate([12 * np.asarray(params["a"]["kernel"], np.float64) ** 2, [6.0]])
    d = np.concatenate(jax.tree.leaves(adam_scale(optimizer, state)))
    assert got.pop("sharpness") == pytest.approx(h.max(), rel=1e-4)
    assert got.pop("sharpness_preconditioned") == pytest.approx((h / d).max(), rel=1e-4)
    assert got.pop("sharpness_preconditioned_limit") == pytest.approx(38 / 0.005, rel=1e-5)
    assert got.pop("step_curvature") == pytest.approx(float(directional(quartic, params, update)), rel=1e-6)
    assert got.pop("distance") == pytest.approx(float(distance(params, start)), rel=1e-6)
    assert got.pop("noise_scale") > 0
    assert got.pop("gradient_snr") > 0
    assert not got
    assert {site for site, q in row if q == "gradient_snr"} == {"run", "a", "b"}


@pytest.mark.slow
def test_whole_run_with_sgd_and_without_curvature():
    params, update, state = descended(SGD["heavy"], 1)
    common = {"optimizer": SGD["heavy"], "learning_rate": 0.1, "key": jax.random.key(0)}
    row = whole_run(quartic, params, params, state, **common)
    assert {q for _, q in row} == {"distance", "sharpness", "sharpness_limit"}
    assert float(row["run", "sharpness_limit"]) == pytest.approx(38)
    row = whole_run(quartic, params, params, state, curvature=False, update=update, **common)
    assert set(row) == {("run", "distance")}
    with pytest.raises(InputError, match="needs microbatches and samples"):
        whole_run(quartic, params, params, state, noise_loss=lambda p, m: quartic(p), **common)
