import json
import struct

import pytest

from actlab.errors import InputError
from actlab.report import write_png
from actlab.report.depth import depth_views
from actlab.report.picture import picture
from actlab.runs import read_run

from .test_findings import finding


@pytest.mark.slow
def test_a_picture_of_the_key_charts(runs, tmp_path):
    path = write_png(runs("learnt"), tmp_path / "page.png", scale=1)
    data = path.read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", data[16:24])
    assert 900 < width < 1400
    assert height > width


def test_the_picture_holds_its_data_and_names(runs):
    spec = picture(read_run(runs("deep")))
    titles = [panel["title"] for panel in spec["concat"]]
    assert titles[:4] == ["Loss", "Accuracy", "Variance against depth", "Gradient against depth"]
    assert titles[-2:] == ["blocks.0.act", "blocks.59.act"]
    assert '{"name":' not in json.dumps(spec["concat"])


def test_a_picture_that_cannot_be_written_is_told(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("vl_convert.vegalite_to_png", lambda *_, **__: b"png")
    with pytest.raises(InputError, match="cannot be written"):
        write_png(runs("begun"), tmp_path)


def test_the_picture_names_the_findings_and_its_filters_the_last_step(runs):
    run = read_run(runs("sick"))
    spec = picture(run, found=[finding(title="Too warm", severity="serious", confidence=0.93)])
    assert spec["title"]["subtitle"][1] == "Too warm (serious, 93 % sure)"
    depth = json.dumps(spec["concat"][2])
    last = len(depth_views(run)[1]) - 1
    assert "chosen" not in depth
    assert f"datum.at === {last}" in depth
