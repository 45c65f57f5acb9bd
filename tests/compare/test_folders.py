import pytest
import yaml
from made_sweeps import config, write_run

from actlab.compare import find_runs
from actlab.compare.folders import read
from actlab.errors import InputError


def test_runs_are_found_below_in_the_order_of_their_numbers(tmp_path):
    for name in ("10", "2", "nested/1"):
        write_run(tmp_path / name, config(), 0.5)
    (tmp_path / "2" / "checkpoints" / "run.json").parent.mkdir()
    (tmp_path / "2" / "checkpoints" / "run.json").write_text("{}")  # inside a run there is no other
    found = find_runs([tmp_path, tmp_path / "2"])
    assert [str(f.relative_to(tmp_path)) for f in found] == ["2", "10", "nested/1"]


def test_what_is_no_folder_or_has_no_run_is_told(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        find_runs([tmp_path / "nowhere"])
    with pytest.raises(InputError, match=r"no run in .*: no folder there has a run\.json"):
        find_runs([tmp_path])


def test_states_and_what_is_damaged(tmp_path):
    assert read(write_run(tmp_path / "a", config(), 0.5, state="pruned")).state == "pruned"
    job = tmp_path / "b" / ".hydra"
    job.mkdir(parents=True)
    (job / "config.yaml").write_text(yaml.safe_dump(config()))
    assert find_runs([tmp_path]) == [tmp_path / "a", tmp_path / "b"]
    assert read(tmp_path / "b").state == "not begun"
    for name, content in (("run.json", '{"state": '), ("run.json", "[]"), (".hydra/config.yaml", "a: [1")):
        folder = tmp_path / f"c{len(content)}{name[0]}"
        write_run(folder, config(), 0.5)
        (folder / name).write_text(content)
        found = read(folder)
        assert found.state == "damaged"
        assert str(folder) in found.problem or "line" in found.problem


TRICKY = """\
activation:
  name: gelu
  learn:
  - beta
"seed": 3
nothing: null
words: 'two

  lines'
list:
- 1
- a: 2
empty: {}
"""


def test_blocks_parsed_alone_are_the_whole(tmp_path):
    (tmp_path / ".hydra").mkdir()
    for text in (TRICKY, "{a: 1, b: {c: x}}", yaml.safe_dump(config(more__deep="x y"), sort_keys=False)):
        (tmp_path / ".hydra" / "config.yaml").write_text(text)
        whole, found = yaml.safe_load(text), read(tmp_path).config
        for key, value in found.items():
            node = whole
            for part in key.split("."):
                node = node[part]
            assert value == node or (isinstance(node, (list, dict)) and isinstance(value, str))
        assert {key.split(".")[0] for key in found} == set(whole)
