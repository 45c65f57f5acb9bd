from types import SimpleNamespace

import numpy as np

from actlab.report.charts import line_view
from actlab.report.events import MARKS, counted, happenings, listing, marks
from actlab.runs import read_run


def test_a_healthy_run_without_events_has_no_marks(runs):
    run = read_run(runs("healthy"))
    found = happenings(run)
    assert found == []
    assert listing(found) == ""
    assert "events" not in line_view(run, "loss", marks(found)).tables


def test_one_event_is_marked_and_listed(runs):
    run = read_run(runs("full"))
    found = happenings(run)
    table = marks(found)
    assert table["step"] == [1200]
    assert table["kind"] == ["the loss jumped"]
    view = line_view(run, "loss", table)
    assert view.tables["events"] == table
    assert view.values["seen"] == ["the loss jumped"]
    assert "Upright lines mark" in view.caption
    assert "<b>Step 1,200</b>: the loss rose to 9.1" in listing(found)
    assert "(1.82 times its limit)" in listing(found)


def test_many_events_are_gathered_and_counted(runs):
    found = happenings(read_run(runs("sick")))
    assert len(found) == 152
    table = marks(found)
    assert 30 < len(table["step"]) <= MARKS
    stands = [
        1 + int(text.split("(and ")[1].split()[0]) if "(and " in text else 1 for text in table["message"]
    ]
    assert sum(stands) == 152
    # What is rare and grave is not lost among what is frequent.
    assert table["kind"][-1] == "training went back"
    assert counted(found) == "51 × the loss jumped, 100 × a step was left out, 1 × training went back"
    assert listing(found).count("<li>") == 20
    assert "the 20 worst" in listing(found)


def test_divergence_is_an_event_and_told_once(runs):
    run = read_run(runs("diverged"))
    (event,) = happenings(run)
    assert (event.step, event.kind, event.site) == (4000, "nonfinite", "blocks.2.act")
    recorded = run.events.clear().vstack(
        type(run.events)(
            [(4000, "nonfinite", "blocks.2.act", None, None, "NaN")], run.events.schema, orient="row"
        )
    )
    assert [e.message for e in happenings(type(run)(**{**vars(run), "events": recorded}))] == ["NaN"]


def test_what_is_detected_later_is_added_in_order(runs):
    run = read_run(runs("full"))
    event = SimpleNamespace(
        kind="plateau", step=200, end_step=900, site="", value=np.nan, limit=1.0, message="<flat>"
    )
    same = SimpleNamespace(
        kind="loss_spike", step=1190, end_step=1210, site="", value=9.0, limit=5.0, message="again"
    )
    later = SimpleNamespace(**{**vars(same), "step": 1300, "end_step": 1310})
    found = happenings(run, [event, same, later])
    assert [(e.step, e.kind) for e in found] == [(200, "plateau"), (1200, "spike"), (1300, "spike")]
    assert "<b>Step 200 to 900</b>: &lt;flat&gt;" in listing(found)
    view = line_view(run, "loss", marks(found))
    # Later kinds come after those every run may record, whose signs stay the same.
    assert view.values["kinds"][4:] == ["plateau"]
    assert view.values["kinds"][0] == "the loss jumped"
