import dataclasses
from pathlib import Path

import pytest

from actlab.cli.inspect_desk import Desk
from actlab.inspection import load

TINY = Path(__file__).parents[1] / "inspection" / "models" / "llama"


@pytest.mark.slow
def test_a_desk_whose_narrow_weights_fail_writes_on_with_wide_ones(caplog):
    desk = Desk(lambda: dataclasses.replace(load(TINY), packed=("no graph", "no weights")))
    desk._open()
    assert (desk.state, desk.model.packed) == ("ready", None)
    assert "not all of its programs" in caplog.text
    assert desk.facts()["model"]["depth"] == 2
