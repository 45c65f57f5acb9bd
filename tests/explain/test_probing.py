import numpy as np
import pytest
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

from actlab.errors import InputError
from actlab.explain.probing import _fit, linear_probe, linear_probes


@pytest.fixture(scope="module")
def wine():
    x, y = load_wine(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    x, y = x[order], y[order]
    return x[:120], y[:120], x[120:], y[120:]


@pytest.mark.parametrize("penalty", [1e-3, 1e-1])
def test_the_optimum_is_that_of_scikit_learn(wine, penalty):
    x, y, x_test, y_test = wine
    middle, spread = x.mean(0), x.std(0)
    x, x_test = (x - middle) / spread, (x_test - middle) / spread
    theirs = LogisticRegression(C=1 / (len(x) * penalty), max_iter=5000, tol=1e-10).fit(x, y)
    ours = linear_probe(x, y, x_test, y_test, num_classes=3, penalty=penalty)
    assert ours.train == pytest.approx(theirs.score(x, y))
    assert ours.test == pytest.approx(theirs.score(x_test, y_test))


@pytest.mark.slow
def test_the_weights_are_those_of_scikit_learn(wine):
    import jax
    import jax.numpy as jnp

    from actlab.explain.probing import _descend

    x, y, _, _ = wine
    x = (x - x.mean(0)) / x.std(0)
    theirs = LogisticRegression(C=1 / (len(x) * 0.01), max_iter=5000, tol=1e-10).fit(x, y)
    weights, bias = _descend(jnp.asarray(x, jnp.float32), jax.nn.one_hot(y, 3), jnp.float32(0.01))
    np.testing.assert_allclose(weights, theirs.coef_.T, atol=1e-3)
    np.testing.assert_allclose(bias, theirs.intercept_, atol=1e-3)


def test_many_at_once_are_as_each_alone_and_scale_does_not_matter(wine):
    x, y, x_test, y_test = wine
    scaled = [x * 1e-3 + 7, x, np.zeros_like(x)]
    tested = [x_test * 1e-3 + 7, x_test, np.ones_like(x_test)]
    probes = linear_probes(np.stack(scaled), y, np.stack(tested), y_test, num_classes=3)
    assert probes[1] == linear_probe(x, y, x_test, y_test, num_classes=3)
    assert probes[0].test == pytest.approx(probes[1].test, abs=0.03)
    assert probes[2].train == pytest.approx(
        np.bincount(y).max() / len(y)
    )  # nothing to go by: the commonest class


@pytest.mark.slow
def test_what_no_line_separates():
    x = np.random.default_rng(0).uniform(-1, 1, (400, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    assert linear_probe(x, y, x, y, num_classes=2).test < 0.65
    product = np.stack([x[:, 0] * x[:, 1]], 1)
    assert linear_probe(product, y, product, y, num_classes=2).test > 0.97


def test_bad_features():
    x = np.ones((4, 2))
    with pytest.raises(InputError, match=r"^probe: training features of shape \(4, 2\) with 3 labels"):
        linear_probe(x, np.zeros(3, int), x, np.zeros(4, int), num_classes=2)
    with pytest.raises(InputError, match="^probe: test features must be finite"):
        linear_probe(x, np.zeros(4, int), x * np.nan, np.zeros(4, int), num_classes=2)


def test_one_program_serves_all_penalties(wine):
    x, y, x_test, y_test = wine
    linear_probe(x, y, x_test, y_test, num_classes=3)
    before = _fit._cache_size()
    linear_probe(x, y, x_test, y_test, num_classes=3, penalty=0.5)
    assert _fit._cache_size() == before
