import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.train.losses import Loss

LOGITS = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3, 5)), jnp.float32)
LABELS = jnp.array([[0, 4, 2], [1, 1, 3]])


@pytest.mark.slow
def test_a_text_is_the_mean_over_its_positions():
    p = jax.nn.softmax(LOGITS)
    by_hand = -np.log([[p[b, t, LABELS[b, t]] for t in range(3)] for b in range(2)]).mean(-1)
    np.testing.assert_allclose(Loss()(LOGITS, LABELS), by_hand, rtol=1e-5)
    for name in ("squared_error", "sigmoid_cross_entropy"):
        each = [Loss(name)(LOGITS[:, t], LABELS[:, t]) for t in range(3)]
        np.testing.assert_allclose(Loss(name)(LOGITS, LABELS), np.mean(each, 0), rtol=1e-6)


def test_real_targets():
    targets = jnp.zeros((2, 3, 5))
    np.testing.assert_allclose(
        Loss("squared_error")(LOGITS, targets), (np.asarray(LOGITS) ** 2).mean((1, 2)), rtol=1e-6
    )
    with pytest.raises(InputError, match=r"gives \(2, 3, 5\), the targets are \(2, 3, 1\): must be the same"):
        Loss("squared_error")(LOGITS, targets[..., :1])


@pytest.mark.slow
def test_z_holds_the_normaliser():
    z = jax.nn.logsumexp(LOGITS, axis=-1)
    extra = Loss(z=0.5)(LOGITS, LABELS) - Loss()(LOGITS, LABELS)
    np.testing.assert_allclose(extra, 0.5 * np.square(z).mean(-1), rtol=1e-4)
    for bad in (-1.0, float("nan")):
        with pytest.raises(InputError, match="z_loss"):
            Loss(z=bad)
    with pytest.raises(InputError, match="goes with loss=cross_entropy"):
        Loss("squared_error", z=1e-4)


def test_outputs_that_do_not_answer_the_labels():
    with pytest.raises(InputError, match=r"the model gives \(2, 5\), there is a label for each of \(2, 3\)"):
        Loss()(LOGITS[:, 0], LABELS)
