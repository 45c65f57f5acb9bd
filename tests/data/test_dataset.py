import numpy as np
import pytest

from actlab.data import Dataset
from actlab.errors import InputError

REAL = np.linspace(0, 1, 12, dtype=np.float64).reshape(6, 2)
TOKENS = np.arange(24).reshape(6, 4) % 5
CLASSES = np.arange(6) % 3


def dataset(x, y, **fields):
    return Dataset("made", x[:4], y[:4], x[4:], y[4:], **fields)


@pytest.mark.parametrize(
    ("x", "y", "fields", "task", "outputs", "positions", "vocabulary"),
    [
        (REAL, CLASSES, {"num_classes": 3}, "classes", 3, 1, None),
        (TOKENS, CLASSES, {"num_classes": 3, "vocabulary": 7}, "classes", 3, 1, 7),
        (TOKENS, TOKENS, {"num_classes": 5}, "tokens", 5, 4, 5),
        (REAL, REAL[:, :1], {}, "regression", 1, 1, None),
        (REAL, np.stack([REAL, REAL], 1), {}, "regression", 2, 1, None),
    ],
)
def test_what_is_to_be_learnt_follows_from_the_arrays(x, y, fields, task, outputs, positions, vocabulary):
    data = dataset(x, y, **fields)
    assert (data.task, data.outputs, data.positions, data.vocabulary) == (
        task,
        outputs,
        positions,
        vocabulary,
    )
    assert {a.dtype for a in (data.x_train, data.y_test)} <= {np.dtype(np.float32), np.dtype(np.int32)}
    x, y = data.abstract(9)
    assert (x.shape, y.shape) == ((9, *data.x_train.shape[1:]), (9, *data.y_train.shape[1:]))
    assert (x.dtype, y.dtype) == (data.x_train.dtype, data.y_train.dtype)


def test_arrays_that_are_right_are_not_copied():
    x, y = REAL.astype(np.float32), CLASSES.astype(np.int32)
    assert Dataset("made", x, y, x, y, num_classes=3).x_train is x


@pytest.mark.parametrize(
    ("x", "y", "fields", "said"),
    [
        (REAL, CLASSES, {}, "num_classes is missing"),
        (REAL, CLASSES, {"num_classes": 2}, r"labels must be in \[0, 2\)"),
        (REAL, CLASSES[:5], {"num_classes": 3}, "made: 2 test samples with 1 labels"),
        (REAL, CLASSES, {"num_classes": 3, "vocabulary": 4}, "vocabulary=4 must be None"),
        (REAL, REAL[:, 0], {}, "targets must be"),
        (REAL, REAL, {"num_classes": 2}, "num_classes=2 must be None"),
        (TOKENS, CLASSES, {"num_classes": 3}, "make them float32, or give the vocabulary"),
        (TOKENS, TOKENS[:, :3], {"num_classes": 5}, "one token for every position"),
        (TOKENS, TOKENS, {"num_classes": 5, "vocabulary": 4}, r"tokens must be in \[0, 4\)"),
        (REAL, CLASSES, {"num_classes": 3.0}, "made: num_classes=3.0: must be an integer >= 1"),
        (TOKENS, CLASSES, {"num_classes": 3, "vocabulary": 0}, "made: vocabulary=0: must be an integer >= 1"),
        (
            TOKENS + 2**40,
            TOKENS,
            {"num_classes": 5},
            "made: x_train has 1099511627776: whole numbers must fit",
        ),
        (REAL * 1e300, REAL, {}, "made: x_train has 7 values that are too large for float32"),
        (REAL[:, :0], CLASSES, {"num_classes": 3}, r"made: x_train has shape \(4, 0\): must be \(N, ...\)"),
        (REAL.astype(complex), CLASSES, {"num_classes": 3}, "x_train is complex128"),
    ],
)
def test_what_does_not_fit_together(x, y, fields, said):
    with pytest.raises(InputError, match=said):
        dataset(x, y, **fields)


def test_splits_of_different_kinds():
    with pytest.raises(InputError, match=r"y_train holds int32 \(\), y_test float32"):
        Dataset("made", REAL, CLASSES, REAL, REAL, num_classes=3)


def test_a_sample_that_is_no_number_is_the_runs_to_diverge_on():
    x = np.where(REAL > 0.8, np.nan, REAL)
    data = Dataset("made", x, CLASSES, x, CLASSES, num_classes=3)
    assert np.isnan(data.x_train).sum() == np.isnan(x).sum() > 0
