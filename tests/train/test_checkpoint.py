import json
import logging

import jax.numpy as jnp
import numpy as np
import pytest

from actlab.train.checkpoint import Checkpoints


def state(step):
    return {
        "params": {"blocks": {0: {"kernel": jnp.full((300, 40), step, jnp.float32)}}},
        "step": jnp.int32(step),
    }


@pytest.fixture
def saved(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    for step in (10, 20, 30):
        checkpoints.save(step, state(step))
    checkpoints.close()
    return checkpoints


def test_round_trip_keeps_the_last_two(saved):
    assert saved.steps() == [20, 30]
    assert sorted(p.name for p in saved.folder.iterdir()) == ["20", "20.json", "30", "30.json"]
    got = saved.restore(state(0))
    np.testing.assert_array_equal(got["params"]["blocks"][0]["kernel"], np.full((300, 40), 30.0))
    assert got["step"].dtype == jnp.int32


def test_reading_gives_the_same_and_leaves_the_folder_as_it_is(saved, caplog):
    (saved.folder / "40").mkdir()  # what a save under way leaves
    before = sorted(saved.folder.rglob("*"))
    assert saved.read(state(0))["step"] == 30
    (saved.folder / "30.json").write_text("{")
    assert saved.read(state(0))["step"] == 20
    assert sorted(saved.folder.rglob("*")) == before
    assert Checkpoints(saved.folder / "none").read(state(0)) is None


def data_files(saved, step):
    return [p for p in (saved.folder / str(step)).rglob("*") if p.is_file()]


@pytest.mark.parametrize("damage", ["flip a bit", "truncate", "remove a file", "manifest is no JSON"])
def test_a_damaged_newest_falls_back_with_one_line(saved, caplog, damage):
    biggest = max(data_files(saved, 30), key=lambda p: p.stat().st_size)
    content = bytearray(biggest.read_bytes())
    match damage:
        case "flip a bit":
            content[len(content) // 2] ^= 1
            biggest.write_bytes(content)
        case "truncate":
            biggest.write_bytes(content[:-1])
        case "remove a file":
            biggest.unlink()
        case _:
            (saved.folder / "30.json").write_text("{")
    with caplog.at_level(logging.WARNING):
        got = saved.restore(state(0))
    assert int(got["step"]) == 20
    assert len(caplog.records) == 1
    assert "checkpoint 30 is damaged" in caplog.text
    assert saved.steps() == [20]


def test_every_single_flipped_byte_is_found(saved):
    for path in data_files(saved, 30):
        content = path.read_bytes()
        for place in range(0, len(content), max(1, len(content) // 7)):
            path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
            assert saved._damage(30), (path, place)
        path.write_bytes(content)
    assert saved._damage(30) is None


def test_what_a_kill_left_is_ignored_and_removed(saved):
    (saved.folder / "40").mkdir()  # committed, but killed before its checksums
    (saved.folder / "40" / "data").write_bytes(b"x")
    (saved.folder / "50.orbax-checkpoint-tmp").mkdir()
    (saved.folder / ".60.json.abc").write_text("{")
    assert int(saved.restore(state(0))["step"]) == 30
    assert sorted(p.name for p in saved.folder.iterdir()) == ["20", "20.json", "30", "30.json"]
    saved.save(40, state(40))
    saved.close()
    assert saved.steps() == [30, 40]


def test_nothing_to_restore(tmp_path):
    assert Checkpoints(tmp_path / "none").restore(state(0)) is None


def test_the_saved_copy_does_not_see_later_changes(tmp_path):
    """The training state's buffers are given back to XLA while orbax still writes."""
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    array = np.zeros(1_000_000, np.float32)
    checkpoints.save(1, {"a": array})
    array[:] = 7
    checkpoints.close()
    assert not checkpoints.restore({"a": array})["a"].any()


def test_the_manifest_lists_every_file(saved):
    manifest = json.loads((saved.folder / "30.json").read_text())
    assert manifest["step"] == 30
    assert set(manifest["files"]) == {str(p.relative_to(saved.folder)) for p in data_files(saved, 30)}
