import random

import numpy as np
import pytest

from actlab.data import mnist1d


def test_mnist1d_is_the_published_set():
    state = random.getstate(), np.random.get_state()[1].copy()
    data = mnist1d()
    assert data.x_train.shape == (4000, 40)
    assert data.x_test.shape == (1000, 40)
    assert data.x_train.dtype == np.float32
    np.testing.assert_allclose(data.x_train[0, :3], [-0.33200567, -0.47191037, -0.77869708], rtol=1e-6)
    assert np.bincount(data.y_train).tolist() == [398, 396, 411, 394, 394, 402, 401, 404, 402, 398]
    everything = np.concatenate([data.x_train, data.x_test])
    assert abs(everything.mean()) < 1e-6
    assert everything.std() == pytest.approx(1, abs=1e-6)
    assert random.getstate() == state[0], "the generator's seeding leaks"
    np.testing.assert_array_equal(np.random.get_state()[1], state[1])
