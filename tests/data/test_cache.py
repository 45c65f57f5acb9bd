import logging

import numpy as np
import pytest

from actlab.data.cache import cache_dir, cached_arrays


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Build:
    calls = 0

    def __call__(self):
        self.calls += 1
        return {"x": np.arange(1000.0)}


def test_built_once(own_cache):
    build = Build()
    for _ in range(2):
        np.testing.assert_array_equal(cached_arrays("a", build)["x"], np.arange(1000.0))
    assert build.calls == 1


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty"])
def test_damage_is_told_and_repaired(own_cache, caplog, damage):
    build = Build()
    cached_arrays("a", build)
    path = own_cache / "a.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes({"flip": content, "truncate": content[:100], "empty": b""}[damage])
    with caplog.at_level(logging.WARNING):
        np.testing.assert_array_equal(cached_arrays("a", build)["x"], np.arange(1000.0))
    assert "is damaged" in caplog.text
    assert build.calls == 2
    cached_arrays("a", build)
    assert build.calls == 2


def test_a_cache_that_cannot_be_written_costs_only_time(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("ACTLAB_CACHE", str(tmp_path / "file" / "cache"))
    build = Build()
    assert len(cached_arrays("a", build)["x"]) == 1000
    assert "cannot keep" in caplog.text


def test_where_the_cache_is(monkeypatch):
    monkeypatch.delenv("ACTLAB_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/some/where")
    assert str(cache_dir()) == "/some/where/actlab"
