import numpy as np
import pytest

from actlab.data import formula
from actlab.errors import InputError


def test_the_targets_are_the_formulas():
    data = formula(samples=21, low=-2.0, noise=0.5)
    assert (data.task, data.x_train.shape, data.y_test.shape) == ("regression", (11, 2), (10, 1))
    x = data.x_test.astype(np.float64)
    np.testing.assert_allclose(
        data.y_test[:, 0], np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2), rtol=1e-5
    )  # the noise is the training targets' alone
    assert -2 <= data.x_train.min() < -1 and data.x_train.max() < 1
    np.testing.assert_array_equal(formula("-x3 / 2 + e", samples=4).x_train.shape, (2, 3))
    assert (formula("x1*0 + 3", samples=4).y_train == 3).all()


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("sin(x1", "is no formula"),
        ("sni(x1)", "sni is unknown; did you mean 'sin' or"),
        ("x1 + y", "y is unknown"),
        ("sin + x1", "sin is unknown"),
        ("x0 + x1", "x0 is unknown"),
        ("sin(x1, x2)", "a function takes one argument"),
        ("x1.real", "Attribute is no part of a formula"),
        ("x1 if x1 else 2", "IfExp is no part of a formula"),
        ("'a' + x1", "'a' is no real number"),
        ("pi + 1", "has no input, x1 to x9"),
        ("log(x1)", "is not finite at"),
    ],
)
def test_what_is_no_formula_is_told(expression, message):
    with pytest.raises(InputError) as e:
        formula(expression, samples=50)
    assert message in str(e.value) and "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 3}, "samples=3: must be an integer >= 4"),
        ({"low": 1.0}, "low=1.0, high=1.0"),
        ({"noise": -1.0}, "noise=-1.0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_numbers_that_cannot_be_are_told(options, message):
    with pytest.raises(InputError, match=message):
        formula(**options)
