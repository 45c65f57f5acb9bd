import numpy as np
import pytest

from actlab.data import from_arrays, from_iterable
from actlab.data.splits import standardised
from actlab.errors import InputError

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 4


def rows(n=20, **more):
    return [{"image": np.full((3, 3), i, np.uint8), "label": i % 4} | more for i in range(n)]


def test_a_share_is_held_out_the_same_way_each_time():
    data, again = from_arrays("mine", X, Y, test_share=0.25), from_arrays("mine", X, Y, test_share=0.25)
    assert (len(data.x_train), len(data.x_test), data.num_classes) == (15, 5, 4)
    np.testing.assert_array_equal(data.x_test, again.x_test)
    everything = np.concatenate([data.x_train, data.x_test])
    labels = np.concatenate([data.y_train, data.y_test])
    order = np.argsort(everything[:, 0])
    np.testing.assert_array_equal(everything[order], X)
    np.testing.assert_array_equal(labels[order], Y)
    assert not np.array_equal(from_arrays("mine", X, Y, test_share=0.25, split_seed=1).x_test, data.x_test)


def test_standardised_by_the_training_split_alone():
    data = from_arrays("mine", X[:10], Y[:10], X[10:], Y[10:], standardise=True)
    np.testing.assert_allclose(data.x_train.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(data.x_train.std(0), 1, rtol=1e-6)
    assert data.x_test.min() > 1  # the test split lies beyond


@pytest.mark.parametrize("samples", [30, 100, 5000])
def test_a_constant_feature_becomes_0_though_its_float32_mean_is_not_it(samples):
    """0.1 is no float32: sums of it are rounded, so that a deviation taken in float32 is not 0."""
    constant, small = np.full(samples, 0.1, np.float32), 1e-8 * np.arange(samples, dtype=np.float32)
    train, test = standardised(np.stack([constant, small], 1), np.float32([[0.2, 0.0]]))
    assert not train[:, 0].any() and test[0, 0] == 0
    assert train[:, 1].std() == pytest.approx(1, rel=1e-5)  # small, yet no constant


def test_bytes_are_shares_and_classes_are_numbered_in_order():
    data = from_arrays("mine", np.full((20, 2, 2), 255, np.uint8), [["cow", "ant"][i % 2] for i in range(20)])
    assert data.x_train.max() == 1.0
    assert data.x_train.dtype == np.float32
    kept = from_arrays("mine", X, Y * 10 + 3, X, Y * 10 + 3)
    np.testing.assert_array_equal(kept.y_train, Y)
    words = from_arrays("mine", X[:2], ["cow", "ant"], X[:2], ["ant", "cow"])
    assert (words.y_train.tolist(), words.y_test.tolist()) == ([1, 0], [0, 1])


def test_real_numbers_to_hit():
    data = from_arrays("line", X, X[:, 0] * 2, X, X[:, 0] * 2, task="regression")
    assert data.task == "regression"
    np.testing.assert_array_equal(data.y_train, X[:, :1] * 2)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((X, Y[:5]), {}, "mine: 20 samples with 5 labels"),
        ((X, Y, X), {}, "mine: the test split needs both x_test and y_test"),
        ((X, Y), {"task": "regresion"}, "task='regresion' is unknown; did you mean 'regression'?"),
        ((X, Y), {"test_share": 0.0}, "data.test_share=0.0: must be a number above 0 and below 1"),
        ((np.array([["a"]] * 20), Y), {}, "must be numbers"),
        ((X * 1j, Y), {}, "must be real numbers"),
        (
            (np.where(X == 7, np.nan, X), Y),
            {},
            "x has 1 values that are no finite float32, the first at [3, 1]",
        ),
        ((X, Y + 0.5), {}, "mine: y is of real numbers: set data.task=regression, or give classes"),
        ((X, Y + 1e300), {}, "mine: y is of real numbers: set data.task=regression, or give classes"),
        ((X, np.where(Y == 1, np.inf, Y)), {}, "mine: y has 5 labels that are NaN or infinite"),
        ((X, np.stack([Y, Y], 1)), {}, "mine: y has shape (20, 2): of classes it must be (N,)"),
        ((X, Y, X, Y + 1), {}, "mine: class 4 is in the test split only"),
        (
            (X, np.arange(20)),
            {},
            "has 1 sample, all in the test split: another data.split_seed, or data.task=reg",
        ),
        ((X, [*"abcdefghijklmnopqrst"]), {}, "another data.split_seed, or more samples of it"),
        ((X, Y * 0), {}, "mine has one class: there is nothing to tell apart"),
        ((X, Y, X, Y.astype(str)), {}, "mine: y is int64, y_test str672: must both name classes alike"),
        ((X * 1e300, Y), {}, "mine: x has 39 values that are no finite float32, the first at [0, 1]"),
        (
            (X, X[:, 0] * 1e300, X, Y),
            {"task": "regression"},
            "mine: y has 19 values that are no finite float32",
        ),
        ((X.astype(np.uint8), Y, X, Y), {}, "mine: x is uint8, x_test float64: must both be uint8"),
        (
            (X, Y, X[:, :1], Y),
            {"standardise": True},
            "mine: a sample of x is (2,), one of x_test (1,): must be the same",
        ),
        ((3.0, Y), {}, "mine: x is a single value: must be an array (N, ...)"),
        ((X, 3), {}, "mine: y is a single value"),
        ((X[:0], Y[:0]), {}, "mine: x has no samples"),
        ((X[:, :0], Y), {}, "mine: x has samples of shape (0,), in which there is nothing"),
        ((X, Y), {"test_share": np.nan}, "data.test_share=nan: must be a number above 0 and below 1"),
        ((X, Y), {"test_share": np.inf}, "data.test_share=inf: must be a number above 0 and below 1"),
        ((X, Y), {"test_share": 0.99}, "data.test_share=0.99 of 20 samples leaves a split empty"),
        ((X, Y), {"split_seed": -1}, "data.split_seed=-1: must be an integer >= 0"),
    ],
)
def test_what_arrays_cannot_be(arguments, options, message):
    with pytest.raises(InputError) as e:
        from_arrays("mine", *arguments, **options)
    assert message in str(e.value)


def test_iterables_of_mappings_and_of_pairs():
    mappings = from_iterable("mine", rows(), rows(4))
    pairs = from_iterable(
        "mine", ((r["image"], r["label"]) for r in rows()), ((r["image"], r["label"]) for r in rows(4))
    )
    np.testing.assert_array_equal(mappings.x_train, pairs.x_train)
    np.testing.assert_array_equal(mappings.y_test, pairs.y_test)
    assert mappings.in_shape == (3, 3)
    assert mappings.x_train[19, 0, 0] == np.float32(19 / 255)


def test_several_names_become_one_vector_and_an_endless_iterable_is_cut():
    def endless():
        i = 0
        while True:
            yield {"height": i, "weight": 2.0 * i, "kind": "ab"[i % 2]}
            i += 1

    data = from_iterable("mine", endless(), endless(), x=["weight", "height"], y="kind", at_most=6)
    np.testing.assert_array_equal(data.x_train[3], [6.0, 3.0])
    assert len(data.x_test) == 6


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "mine: train has no samples"),
        ([*rows(3), {"image": 1}], "mine: train sample 3 has no 'label'; known: image"),
        ([{"images": 1, "label": 0}], "mine: train sample 0 has no 'image'; did you mean 'images'?"),
        (
            [*rows(2), {"image": np.ones((2, 3)), "label": 0}],
            "train sample 2: x has shape (2, 3), sample 0 (3, 3)",
        ),
        ([{"image": [[1, 2], [3]], "label": 0}], "train sample 0 is no array: its rows differ in length"),
        ([3], "mine: train sample 0 is int: must be a mapping or a pair (x, y)"),
    ],
)
def test_what_samples_cannot_be(samples, message):
    with pytest.raises(InputError) as e:
        from_iterable("mine", samples)
    assert message in str(e.value)


def test_hugging_face_datasets():
    datasets = pytest.importorskip("datasets", reason="Hugging Face's datasets are not installed")
    from PIL import Image

    pictures = [Image.fromarray(r["image"]) for r in rows()]
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=list("abcd"))}
    )
    table = datasets.Dataset.from_dict({"image": pictures, "label": Y.tolist()}, features=features)
    data = from_iterable("mine", table, table)
    np.testing.assert_array_equal(data.x_train, from_iterable("mine", rows(), rows()).x_train)
    np.testing.assert_array_equal(data.y_train, Y)
    streamed = from_iterable("mine", table.to_iterable_dataset(), table, at_most=8)
    np.testing.assert_array_equal(streamed.x_train, data.x_train[:8])
