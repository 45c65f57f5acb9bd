"""One program serves every setup that differs in numbers alone."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab import models
from actlab.activations import make
from actlab.errors import InputError
from actlab.stats import StatsConfig
from actlab.train import adam, adamw, draws, sgd
from actlab.train.numbers import candidates
from actlab.train.step import Program
from actlab.values import Bound


def mlp(**keys):
    return Bound.of(models.MLP, depth=2, width=8, **keys)


WARM = {"learning_rate": 0.02, "warmup_steps": 5, "clip_norm": 0.3, "schedule": "cosine"}
A = {
    "model": mlp(dropout=0.1, gain=1.0),
    "act": make("leaky_relu", negative_slope=0.2),
    "optimizer": adamw(**WARM),
    "label_noise": 0.1,
}
B = {
    "model": mlp(dropout=0.4, gain=1.5),
    "act": make("leaky_relu", negative_slope=0.4),
    "optimizer": adamw(
        learning_rate=0.01, warmup_steps=9, clip_norm=0.2, schedule="cosine", b1=0.8, b2=0.99, eps=1e-6,
        weight_decay=0.3,
    ),
    "label_noise": 0.3,
    "seed": 7,
}  # fmt: skip


def trained(program, setup, steps=20):
    data = setup.data
    x, y = jnp.asarray(data.x_train), jnp.asarray(data.y_train)
    state, table, _ = program.chunk(program.init(program.numbers_of(setup)), x, y, length=steps, every=10)
    return jax.device_get((state, table))


@pytest.mark.slow
@pytest.mark.parametrize("level", ["basic", "full"])
def test_one_program_serves_both(small_run, level):
    stats = StatsConfig(level, every=10)
    a, b = (small_run(**fields, stats=stats).setup for fields in (A, B))
    program, own = Program(a), Program(b)
    assert program.key_of(a) == program.key_of(b) == own.key_of(a)
    got, wanted = trained(program, b), trained(own, b)
    jax.tree.map(np.testing.assert_array_equal, got, wanted)
    first = trained(program, a)
    assert not np.array_equal(first[1], got[1])


CHANGES = {
    "optimizer.learning_rate": {"optimizer": dataclasses.replace(A["optimizer"], learning_rate=0.3)},
    "optimizer.warmup_steps": {"optimizer": dataclasses.replace(A["optimizer"], warmup_steps=15)},
    "optimizer.clip_norm": {"optimizer": dataclasses.replace(A["optimizer"], clip_norm=1e-3)},
    "optimizer.weight_decay": {"optimizer": dataclasses.replace(A["optimizer"], weight_decay=0.9)},
    "optimizer.b1": {"optimizer": adamw(**WARM, b1=0.1)},
    "optimizer.b2": {"optimizer": adamw(**WARM, b2=0.1)},
    "optimizer.eps": {"optimizer": adamw(**WARM, eps=1.0)},
    "model.dropout": {"model": mlp(dropout=0.5, gain=1.0)},
    "model.gain": {"model": mlp(dropout=0.1, gain=3.0)},
    "activation.negative_slope": {"act": make("leaky_relu", negative_slope=0.9)},
    "threshold": {"act": make("leaky_relu", negative_slope=0.9)},
    "label_noise": {"label_noise": 0.9},
    "seed": {"seed": 5},
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_every_number_reaches_the_program(small_run, name):
    """Changed alone in the program's input, it changes what is trained, or counted."""
    setup = small_run(**A).setup
    changed = small_run(**(A | CHANGES[name])).setup
    program = shared(setup)
    before, after = program.numbers_of(setup), program.numbers_of(changed)
    if name == "threshold":  # a slope of 0.2 counts as active up to a threshold of 0.2
        after = before | {"threshold": np.float32(0.3)}
    assert before.keys() == after.keys() and before[name] != after[name]
    x, y = jnp.asarray(setup.data.x_train), jnp.asarray(setup.data.y_train)
    tables = [program.chunk(program.init(n), x, y, length=20, every=10)[1] for n in (before, after)]
    assert not np.array_equal(*map(np.asarray, tables))


_SHARED = {}


def shared(setup):
    """One program for all cases: setups of one session share their data set."""
    return _SHARED.setdefault("program", Program(setup))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            {"act": make("leaky_relu")},
            {"act": make("leaky_relu", negative_slope=0.3)},
        ),  # a default is structure
        ({"optimizer": adam()}, {"optimizer": adam(weight_decay=0.1)}),
        ({"optimizer": sgd()}, {"optimizer": sgd(momentum=0.9)}),
        ({"optimizer": adam()}, {"optimizer": adamw()}),
        ({"model": mlp()}, {"model": mlp(dropout=0.1)}),
        ({"steps": 80}, {"steps": 100}),
        ({"label_noise": 0.0}, {"label_noise": 0.1}),
        ({"act": make("relu")}, {"act": make("gelu")}),
    ],
)
def test_structure_is_not_shared(small_run, one, other):
    one, other = small_run(**one).setup, small_run(**other).setup
    program = Program(one)
    assert program.key_of(one) != program.key_of(other)


def test_a_model_that_asks_for_nothing_keeps_its_numbers(small_run):
    """Its dropout and its activation's parameter are then part of the program, and of the key."""

    def plain(act, in_shape, num_classes, *, dropout, dtype, rngs):
        model = models.MLP(make("relu"), in_shape, num_classes, depth=1, width=4, dtype=dtype, rngs=rngs)
        model.rate, model.other = dropout, act
        return model

    one, other = (small_run(model=Bound.of(plain, dropout=p), act=A["act"]).setup for p in (0.1, 0.2))
    program = Program(one)
    assert set(program.own_numbers) == {"seed", "optimizer.learning_rate", "optimizer.b1", "optimizer.b2",
                                        "optimizer.eps"}  # fmt: skip
    assert program.key_of(one) != program.key_of(other)
    third = small_run(model=Bound.of(plain, dropout=0.1), act=B["act"]).setup
    assert program.key_of(one) != program.key_of(third)


def test_a_learnt_parameter_starts_at_its_number(small_run):
    acts = [make("swish", beta=b, learn=["beta"], per="channel") for b in (0.5, 2.5)]
    one, other = (small_run(model=mlp(), act=a).setup for a in acts)
    program = Program(one)
    assert program.key_of(one) == program.key_of(other)
    state = program.init(program.numbers_of(other))
    for site in program.bound(state).values():
        np.testing.assert_allclose(site["beta"], 2.5, rtol=1e-6)


def test_numbers_are_what_the_config_says(small_run):
    found = candidates(small_run(**B).setup)
    assert found["optimizer.b1"] == np.float32(0.8) and found["model.gain"] == np.float32(1.5)
    assert found["threshold"] == np.float32(0.01) and found["seed"] == 7
    assert candidates(small_run(model=mlp(), optimizer=sgd(momentum=0.9)).setup).keys() == {
        "seed", "optimizer.learning_rate", "optimizer.momentum"
    }  # fmt: skip


@pytest.mark.slow
def test_label_noise_draws_that_share_of_labels_once(small_run):
    setup = small_run(label_noise=0.5).setup
    program = Program(setup)
    state, y = program.init(program.own_numbers), jnp.asarray(setup.data.y_train)
    noisy = draws.noisy(program.setup, state, y)
    assert 0.25 < float((noisy != y).mean()) < 0.5  # a class drawn is the right one in a quarter of cases
    np.testing.assert_array_equal(noisy, draws.noisy(program.setup, state._replace(step=state.step + 9), y))
    with pytest.raises(InputError, match=r"label_noise=1.5: must be in \[0, 1\]"):
        small_run(label_noise=1.5)


@pytest.mark.slow
def test_what_initialisers_have_from_the_activation_is_each_runs_own(small_run):
    model = mlp(init="he_exact")
    one, other = (small_run(model=model, act=make("leaky_relu", negative_slope=s)).setup for s in (0.2, 0.9))
    program = Program(one)
    assert program.key_of(one) == program.key_of(other)
    got, wanted = program.init(program.numbers_of(other)), Program(other).init(program.numbers_of(other))
    jax.tree.map(np.testing.assert_array_equal, got.params, wanted.params)
    before = program.init(program.numbers_of(one)).params["blocks"][1]["linear"]["kernel"]
    ratio = got.params["blocks"][1]["linear"]["kernel"] / before
    np.testing.assert_allclose(ratio, (1.04 / 1.81) ** 0.5, rtol=1e-5)


@pytest.mark.slow
def test_lsuv_sees_the_training_samples(small_run):
    setup = small_run(model=mlp(init="lsuv"), act=make("tanh")).setup
    program = Program(setup)
    kernel = program.init(program.numbers_of(setup)).params["blocks"][0]["linear"]["kernel"]
    assert float((jnp.asarray(setup.data.x_train) @ kernel).std()) == pytest.approx(1.0, rel=1e-5)
