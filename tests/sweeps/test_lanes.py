import math

from actlab.sweeps.lanes import leader


def test_who_leads():
    right = {0: {"test accuracy": 0.3, "test loss": 1.0}, 1: {"test accuracy": 0.9, "test loss": 2.0}}
    assert leader(right) == ("test accuracy", (1, 0.9))
    assert leader(right | {2: {"test accuracy": 0.9}, 3: {"test accuracy": math.nan}, 4: {}})[1] == (1, 0.9)
    real = {0: {"test loss": math.inf}, 1: {"test loss": 0.4}, 2: {"test loss": 0.1}, 3: {"test loss": 0.1}}
    assert leader(real) == ("test loss", (2, 0.1))
    assert leader({0: {}, 1: {"test loss": math.nan}}) == ("test accuracy", None)
