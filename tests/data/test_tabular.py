import numpy as np
import pytest

from actlab import data

SIZES = {"wine": (142, 36, 13, 3), "breast_cancer": (455, 114, 30, 2), "iris": (120, 30, 4, 3)}


@pytest.mark.parametrize("name", SIZES)
def test_tables(name):
    pytest.importorskip("sklearn", reason="tables come from scikit-learn (extra: data)")
    table = getattr(data, name)()
    assert (len(table.x_train), len(table.x_test), *table.in_shape, table.num_classes) == SIZES[name]
    np.testing.assert_allclose(table.x_train.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(table.x_train.std(0), 1, rtol=1e-5)
    assert set(table.y_test.tolist()) == set(range(table.num_classes))
