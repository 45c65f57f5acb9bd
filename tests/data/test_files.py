import numpy as np
import polars as pl
import pytest

from actlab.data import Stream, from_file
from actlab.errors import InputError

X = np.arange(40.0).reshape(20, 2)
Y = np.arange(20) % 4


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("one.npz", x=X, y=Y)
    np.savez("both.npz", x_train=X[:15], y_train=Y[:15], x_test=X[15:], y_test=Y[15:])
    np.savez("objects.npz", x=np.array([{}], object), y=Y)
    frame = pl.DataFrame(
        {"a": X[:, 0], "y": [f"class {i}" for i in Y], "b": np.arange(20) > 3, "note": ["-"] * 20}
    )
    frame.write_parquet("table.parquet")
    frame.with_columns(a=pl.when(pl.col("a") > 6).then("a")).write_parquet("gaps.parquet")
    pl.DataFrame({"signal": X.tolist(), "y": X[:, 0]}).write_parquet("signals.parquet")
    pl.DataFrame({"signal": [[1.0]] * 19 + [[1.0, 2.0]], "y": Y}).write_parquet("uneven.parquet")
    np.savez("scalar.npz", x=3.0, y=Y)
    lists = {
        "full": [[1.0]] * 20,
        "empty": [[]] * 20,
        "gaps": [[[1]]] * 19 + [[[None]]],
        "words": [["a"]] * 20,
    }
    kinds = {"empty": pl.List(pl.Float32)}
    pl.DataFrame(lists | {"y": Y}, schema_overrides=kinds).write_parquet("lists.parquet")
    pl.DataFrame({"a": [1.0], "y": [0]}).clear().write_parquet("norows.parquet")
    (tmp_path / "broken.npz").write_bytes(b"PK nonsense")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nonsense")
    (tmp_path / "notes.txt").write_text("")
    np.savez_compressed("packed.npz", x=X, y=Y)
    (tmp_path / "folder").mkdir()
    for name, array in (("x", (X * 5).astype(np.uint8)), ("y", Y)):
        np.save(tmp_path / "folder" / name, array)
    np.savez("tokens.npz", x=Y.reshape(5, 4), y=np.roll(Y, -1).reshape(5, 4))


def test_npz_with_one_and_with_two_splits():
    one, both = from_file("one.npz", test_share=0.25), from_file("both.npz")
    assert (len(one.x_train), len(one.x_test), one.num_classes) == (15, 5, 4)
    np.testing.assert_array_equal(both.x_train, X[:15])
    np.testing.assert_array_equal(both.y_test, Y[15:])
    apart = from_file("one.npz", test_path="one.npz")
    np.testing.assert_array_equal(apart.x_test, X)


def test_parquet_columns_in_the_order_asked_for():
    data = from_file("table.parquet", features=["b", "a"], test_path="table.parquet")
    np.testing.assert_array_equal(data.x_train, np.stack([np.arange(20) > 3, X[:, 0]], 1))
    np.testing.assert_array_equal(data.y_train, Y)


def test_parquet_lists_and_real_numbers():
    data = from_file("signals.parquet", task="regression", test_path="signals.parquet")
    np.testing.assert_array_equal(data.x_train, X)
    np.testing.assert_array_equal(data.y_train, X[:, :1])


@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("one.npz", {}),
        ("one.npz", {"task": "regression", "test_share": 0.5, "split_seed": 3}),
        ("both.npz", {}),
        ("folder", {}),
        ("tokens.npz", {"task": "tokens", "test_share": 0.4}),
    ],
)
def test_what_stays_in_the_file_is_what_is_read_whole(path, options):
    whole, left = from_file(path, **options), from_file(path, loader="grain", budget_mb=1.0, **options)
    assert left.stream == Stream(1.0)
    assert isinstance(left.x_train.source.base, np.memmap)
    assert (left.num_classes, left.vocabulary, left.task) == (whole.num_classes, whole.vocabulary, whole.task)
    for name in ("x_train", "y_train", "x_test", "y_test"):
        one, other = getattr(whole, name), getattr(left, name)
        assert (other.shape, other.dtype) == (one.shape, one.dtype)
        np.testing.assert_array_equal(other[:], one)
    np.testing.assert_array_equal(left.first(2).x_train, whole.x_train[:2])


@pytest.mark.parametrize(
    ("path", "options", "message"),
    [
        ("onee.npz", {}, "onee.npz does not exist; did you mean 'one.npz' or"),
        ("no/one.npz", {}, "no/one.npz does not exist, nor does the folder no"),
        ("notes.txt", {}, "notes.txt: must be a file .npz or .parquet"),
        ("one.npz", {"x": "z"}, "one.npz has no array 'z'; "),
        (
            "one.npz",
            {"features": ["a"]},
            "data.features=['a']: are the columns of a table, and one.npz has none",
        ),
        ("both.npz", {"test_path": "one.npz"}, "both.npz has a test split itself: leave data.test_path out"),
        ("one.npz", {"test_path": "both.npz"}, "both.npz has both splits itself: leave data.test_path out"),
        ("objects.npz", {}, "objects.npz holds Python objects, which are not read: save arrays of numbers"),
        ("broken.npz", {}, "broken.npz is no whole .npz file"),
        ("broken.parquet", {}, "broken.parquet is no whole Parquet file"),
        (
            "table.parquet",
            {},
            "column 'note' holds String, no numbers: choose others with data.features=[...]",
        ),
        (".", {}, "data.path=. is a folder without .npy files: must be one with, or a file .npz or .parquet"),
        ("one.npz", {"test_path": "."}, "data.test_path=. is a folder without .npy files"),
        ("one.npz", {"loader": "grian"}, "data.loader='grian' is unknown; did you mean 'grain'?"),
        (
            "table.parquet",
            {"loader": "grain"},
            "table.parquet: a Parquet table is read whole; data.loader=grain takes",
        ),
        (
            "packed.npz",
            {"loader": "grain"},
            "packed.npz is compressed: what is read as training goes must be saved by",
        ),
        ("objects.npz", {"loader": "grain"}, "objects.npz holds Python objects, which are not read"),
        ("broken.npz", {"loader": "grain"}, "broken.npz is no whole .npz file"),
        (
            "one.npz",
            {"loader": "grain", "standardise": True},
            "data.standardise=true wants all samples at once",
        ),
        ("one.npz", {"loader": "grain", "budget_mb": 0.0}, "budget_mb=0.0: must be a number > 0"),
        ("one.npz", {"task": "tokens"}, "one: x is float64: tokens must be whole numbers"),
        ("scalar.npz", {}, "scalar: x is a single value: must be an array (N, ...)"),
        (
            "table.parquet",
            {"features": ["a", "y"]},
            "data.features=['a', 'y'] has the labels, data.y=y, in it",
        ),
        ("norows.parquet", {}, "norows.parquet has no rows"),
        (
            "lists.parquet",
            {},
            "column 'full' holds lists, and there are 4 columns: choose it alone with data.feat",
        ),
        ("lists.parquet", {"features": ["empty"]}, "lists.parquet: the lists in column 'empty' are empty"),
        ("lists.parquet", {"features": ["gaps"]}, "1 of the 20 lists in column 'gaps' lack values (null)"),
        ("lists.parquet", {"features": ["words"]}, "column 'words' holds List(String), no numbers"),
        ("table.parquet", {"y": "Y"}, "table.parquet has no column 'Y'; did you mean 'y'?"),
        ("gaps.parquet", {"features": ["a"]}, "gaps.parquet: column 'a' lacks 4 of 20 values"),
        ("uneven.parquet", {}, "uneven.parquet: the lists in column 'signal' differ in length"),
    ],
)
def test_what_a_file_cannot_be(path, options, message):
    with pytest.raises(InputError) as e:
        from_file(path, **options)
    assert message in str(e.value)
    assert "\n" not in str(e.value)
