import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.explain.canvas import IMAGENET_COLOURS, Canvas, colour_root, mean_magnitude, normalised

SHAPES = {"colour": ((8, 12, 3), 2), "grey": ((9, 8), 2), "signal": ((40,), 1), "vector": ((5,), 0)}


@pytest.mark.slow
@pytest.mark.parametrize("kind", SHAPES)
def test_drawings_have_the_shape_and_stay_within_the_bounds(kind):
    shape, space = SHAPES[kind]
    canvas = Canvas(shape, space, -1.0, 3.0)
    numbers = canvas.start(jax.random.key(0), 4)
    x = canvas.draw(jax.tree.map(lambda a: 300 * a, numbers))
    assert x.shape == (4, *shape) and x.dtype == jnp.float32
    assert x.min() >= -1 and x.max() <= 3 and x.max() - x.min() > 3.5
    faint = canvas.draw(numbers)
    assert abs(faint - 1).max() < 0.7


@pytest.mark.slow
def test_equal_steps_of_all_coefficients_fall_with_frequency():
    canvas = Canvas((64,), 1, -1.0, 1.0)

    def z(real):
        return jnp.arctanh(canvas.draw({"real": real, "imaginary": jnp.zeros_like(real)}))[0] * 2

    start = jnp.zeros((1, 33, 1))
    sizes = [float(jnp.std(z(start.at[0, f, 0].set(0.1)))) for f in (2, 4, 8, 16)]
    np.testing.assert_allclose(np.array(sizes[:-1]) / sizes[1:], 2, rtol=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["colour", "grey", "signal"])
def test_with_its_own_phases_a_real_input_is_drawn_as_it_is(kind, rng):
    shape, space = SHAPES[kind]
    x = rng.uniform(0.1, 0.9, size=(1, *shape)).astype(np.float32)
    colours = normalised(IMAGENET_COLOURS) if kind == "colour" else None
    plain = Canvas(shape, space, 0.0, 1.0, colours)
    canvas = Canvas(shape, space, 0.0, 1.0, colours, mean_magnitude(plain, x))
    z = np.log(x / (1 - x)).reshape(1, *shape[:space], -1)
    z = z if colours is None else z @ np.linalg.inv(colours).T
    phase = np.angle(np.fft.rfftn(z, axes=tuple(range(1, 1 + space)))).astype(np.float32)
    np.testing.assert_allclose(canvas.draw({"phase": jnp.asarray(phase)}), x, atol=2e-5)


@pytest.mark.slow
def test_in_a_ball_no_input_is_farther_from_its_centre_than_the_radius(rng):
    centre = rng.normal(size=40).astype(np.float32)
    canvas = Canvas((40,), 1, -9.0, 9.0, centre=centre, radius=3.0)
    numbers = canvas.start(jax.random.key(0), 4)
    far = np.linalg.norm(canvas.draw(jax.tree.map(lambda a: 1e4 * a, numbers)) - centre, axis=1)
    np.testing.assert_allclose(far, 3, rtol=1e-3)
    x = centre + np.linspace(-0.3, 0.3, 40)
    z = canvas.unbounded(x[None])
    np.testing.assert_allclose(centre + 3 * z / np.sqrt(1 + (z**2).sum()), x[None], rtol=1e-6)
    assert canvas.middle == pytest.approx(centre.mean())


def test_colours_have_the_covariance_of_the_data(rng):
    root = np.array([[0.5, 0.3, 0.1], [0.3, 0.6, 0.2], [0.1, 0.2, 0.4]])
    x = rng.normal(size=(40_000, 3)) @ root
    np.testing.assert_allclose(colour_root(x), normalised(root), atol=0.02)
