"""What the sparse softmaxes alone have to show; against their definitions they stand in test_normalizing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import actlab


@pytest.mark.slow
def test_entmax_at_huge_alpha_shares_among_the_largest():
    x = jnp.asarray([[2.0, 2.0, 1.0], [5.0, 4.999, 0.0]])
    for alpha in (10.0, 1e3, 1e6):
        y = actlab.entmax(x, alpha=alpha)
        np.testing.assert_allclose(y, [[0.5, 0.5, 0.0], y[1]], rtol=1e-6)
        np.testing.assert_allclose(y.sum(-1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(actlab.entmax(x, alpha=1e6)[1], [1.0, 0.0, 0.0])


ENTMAX_PACKAGE = {  # what entmax 1.3 gives in float64 for one row, by alpha; at 2 the threshold is 0.45
    2.0: [0.75, 0.25, 0.0, 0.0, 0.0],
    1.5: [0.5926249734155666, 0.27021427811873333, 0.13676786094063334, 0.00039288752506669517, 0.0],
    1.25: [0.50926155112229, 0.26838587703931, 0.17282326367223635, 0.0486987330817222, 0.000830575084439],
    1.75: [0.6681154550037313, 0.2598879508443382, 0.07199659415193052, 0.0, 0.0],
    3.0: [1.0, 0.0, 0.0, 0.0, 0.0],
}


class TestEntmaxPackage:
    x = (1.2, 0.7, 0.4, -0.3, -1.5)

    @pytest.mark.parametrize("alpha", ENTMAX_PACKAGE)
    def test_weights(self, alpha):
        with jax.enable_x64(True):
            x = jnp.asarray(self.x)
            for given in (alpha, jnp.asarray(alpha)):  # sorted, and by Newton's method
                np.testing.assert_allclose(actlab.entmax(x, alpha=given), ENTMAX_PACKAGE[alpha], atol=1e-12)

    def test_threshold_of_entmax15(self):
        with jax.enable_x64(True):
            y = actlab.entmax15(jnp.asarray(self.x))
            np.testing.assert_allclose(0.6 - jnp.sqrt(y[0]), -0.1698, atol=1e-4)

    @pytest.mark.slow
    def test_gradient_of_entmax15(self):
        want = [-0.23829754434455613, 0.3589111296034958, -0.11447789097753959, -0.006135694281400105, 0.0]
        with jax.enable_x64(True):
            got = jax.grad(lambda x: actlab.entmax15(x)[1])(jnp.asarray(self.x))
            np.testing.assert_allclose(got, want, atol=1e-12)
