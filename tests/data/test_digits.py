import numpy as np
import pytest

from actlab.data import digits


def test_digits():
    pytest.importorskip("sklearn", reason="digits come from scikit-learn (extra: data)")
    data = digits()
    assert data.x_train.shape == (1437, 8, 8)
    assert data.x_test.shape == (360, 8, 8)
    assert data.x_train.mean() == pytest.approx(0, abs=1e-5)
    assert data.x_train.std() == pytest.approx(1, abs=1e-5)
    assert set(data.y_test.tolist()) == set(range(10))
    np.testing.assert_array_equal(digits().x_test, data.x_test)
