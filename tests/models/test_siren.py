import jax
import jax.numpy as jnp
import numpy as np
import pytest
from model_building import abstract, build

from actlab.activations import make
from actlab.errors import InputError
from actlab.models import Siren
from actlab.stats import VALUE, watch


def test_it_is_its_formula():
    model = build(Siren, make("sin"), (2,), 3, depth=2, width=5, omega_0=20.0, omega=10.0)
    x = jax.random.uniform(jax.random.key(0), (7, 2), minval=-1.0)
    h = np.asarray(x)
    for block, factor in zip(model.blocks, (20.0, 10.0), strict=True):
        linear = block.linear
        h = np.sin(factor * (h @ np.asarray(linear.kernel[...]) + np.asarray(linear.bias[...])))
    expected = h @ np.asarray(model.head.kernel[...]) + np.asarray(model.head.bias[...])
    np.testing.assert_allclose(model(x), expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("omega", [1.0, 30.0])
def test_before_training_every_layer_sees_a_unit_variance_whatever_omega(omega):
    """The paper's section 3.2, its biases left out."""
    model = build(Siren, make("sin"), (2,), 1, depth=6, width=256, omega=omega)
    for block in model.blocks:
        block.linear.bias[...] = jnp.zeros_like(block.linear.bias[...])
    x = jax.random.uniform(jax.random.key(0), (512, 2), minval=-1.0)
    _, seen = watch(lambda x: model(x), reading=VALUE)(x)
    for i in range(1, 6):
        assert float(seen[f"blocks.{i}.act.pre"].std()) == pytest.approx(1.0, abs=0.12)


def test_first_weights_are_within_one_over_the_coordinates():
    model = build(Siren, make("sin"), (2,), 1, width=256)
    first, second = (np.abs(model.blocks[i].linear.kernel[...]) for i in (0, 1))
    assert 0.49 < first.max() <= 0.5
    bound = np.sqrt(6 / 256) / 30
    assert 0.99 * bound < second.max() <= bound


@pytest.mark.parametrize(
    ("act", "shape", "wrong", "message"),
    [
        ("sin", (2,), {"omega_0": 0.0}, "omega_0=0.0: must be a number > 0"),
        ("sin", (8, 8), {}, "siren needs coordinates (D,), this data has shape (8, 8)"),
        (
            "siren_sine",
            (2,),
            {},
            "siren_sine has the factor inside, which siren applies too: take activation=sin",
        ),
    ],
)
def test_what_cannot_be_is_told(act, shape, wrong, message):
    with pytest.raises(InputError) as e:
        abstract(Siren, make(act), shape, 3, **wrong)
    assert message in str(e.value)
