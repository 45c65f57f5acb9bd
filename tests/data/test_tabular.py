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


def test_how_far_the_disease_went_is_a_number_to_hit():
    pytest.importorskip("sklearn", reason="tables come from scikit-learn (extra: data)")
    table = data.diabetes()
    assert (table.task, table.outputs, table.in_shape) == ("regression", 1, (10,))
    assert (len(table.x_train), len(table.x_test)) == (353, 89)
    np.testing.assert_allclose([table.y_train.mean(), table.y_train.std()], [0, 1], atol=1e-5)
