import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from actlab.errors import InputError
from actlab.train import adam, adamw, sgd

PARAMS = {"linear": {"kernel": jnp.array([1.0, -2.0]), "bias": jnp.array([3.0])}}
GRADS = {"linear": {"kernel": jnp.array([0.5, 4.0]), "bias": jnp.array([-1.0])}}


@pytest.fixture(autouse=True)
def as_optax_needs():
    with jax.numpy_dtype_promotion("standard"):
        yield


def updates(tx, steps=3):
    state, seen = tx.init(PARAMS), []
    for _ in range(steps):
        u, state = tx.update(GRADS, state, PARAMS)
        seen.append(u)
    return seen


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (sgd(learning_rate=0.1), optax.sgd(0.1)),
        (sgd(learning_rate=0.1, momentum=0.9, nesterov=True), optax.sgd(0.1, 0.9, True)),
        (adam(learning_rate=0.01), optax.adam(0.01)),
        (adamw(learning_rate=0.01, weight_decay=0.0), optax.adamw(0.01, weight_decay=0.0)),
        (
            adam(learning_rate=0.01, clip_norm=1.0),
            optax.chain(optax.clip_by_global_norm(1.0), optax.adam(0.01)),
        ),
    ],
)
def test_the_same_as_optax(ours, theirs):
    for a, b in zip(updates(ours.transformation(10)), updates(theirs), strict=True):
        jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-6), a, b)


def test_decay_touches_kernels_only_and_is_decoupled_in_adamw():
    plain = updates(adamw(learning_rate=0.01, weight_decay=0.0).transformation(10))[0]["linear"]
    decayed = updates(adamw(learning_rate=0.01, weight_decay=0.1).transformation(10))[0]["linear"]
    np.testing.assert_allclose(
        decayed["kernel"], plain["kernel"] - 0.01 * 0.1 * PARAMS["linear"]["kernel"], rtol=1e-5
    )
    np.testing.assert_array_equal(decayed["bias"], plain["bias"])
    l2 = updates(sgd(learning_rate=1.0, weight_decay=0.1).transformation(10))[0]["linear"]
    np.testing.assert_allclose(l2["kernel"], -(GRADS["linear"]["kernel"] + 0.1 * PARAMS["linear"]["kernel"]))


def test_schedule():
    rate = adam(learning_rate=0.2, schedule="cosine", warmup_steps=10).rate(110)
    assert [float(rate(s)) for s in (0, 4, 9, 10, 60, 110)] == pytest.approx(
        [0.02, 0.1, 0.2, 0.2, 0.1, 0], abs=1e-7
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: adam(learning_rate=-1), "learning_rate=-1: must be a number > 0"),
        (lambda: adam(learning_rate=float("nan")), "learning_rate=nan"),
        (lambda: adam(schedule="cosin"), "did you mean 'cosine'"),
        (lambda: sgd(momentum=1.0), "momentum=1.0: must be in"),
        (lambda: adam(b2=-0.1), "b2=-0.1"),
        (lambda: adam(weight_decay=-1), "weight_decay=-1: must be a number >= 0"),
        (lambda: adam(clip_norm=0.0), "clip_norm=0.0"),
        (lambda: adam(warmup_steps=10).rate(10), "warmup_steps=10: must be fewer than steps=10"),
    ],
)
def test_what_cannot_be_is_told(make, message):
    with pytest.raises(InputError, match=message):
        make()
