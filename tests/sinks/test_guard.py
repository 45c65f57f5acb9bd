"""A sink that fails, hangs or lags: training is not held up, and what is lost is counted."""

import logging
import threading
import time

import pytest

from actlab.sinks import Guarded, finish_all, guard

CONFIG = {"seed": 0}


class Memory:
    """Keeps what it gets; fails as ``failures`` says: how often in ``start``, and how often at a step."""

    def __init__(self, start=0, **at):
        self.left = {"start": start} | {int(k.removeprefix("s")): n for k, n in at.items()}
        self.steps, self.started, self.finished, self.gate = [], [], None, threading.Event()
        self.gate.set()

    def _fail(self, where):
        if self.left.get(where, 0) > 0:
            self.left[where] -= 1
            raise ConnectionError(f"no answer\nat {where}")

    def start(self, config, run_folder, identity):
        self._fail("start")
        self.started.append((config, run_folder, identity))
        return "run-1"

    def log(self, step, values, histograms):
        self.gate.wait()
        self._fail(step)
        self.steps.append((step, values))

    def finish(self, state, scores):
        self.finished = state, scores


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(guard, "PAUSES_S", (0.001, 0.002))


def rows(*steps):
    return [(step, "train", "loss", step / 10) for step in steps]


def send(sink, folder, *calls, resumed=False, wait_s=10.0):
    """Send rows, one list of steps a call; wait for each, so that failures do not meet the end."""
    guarded = Guarded("memory", sink, CONFIG)
    guarded.start(folder, resumed=resumed)
    for steps in calls:
        guarded.log(rows(*steps))
        until = time.monotonic() + wait_s
        while (guarded._queue or guarded._held) and time.monotonic() < until:
            time.sleep(0.001)
    return finish_all([guarded], "finished", {"test loss": 1.0}, wait_s)["memory"]


def test_everything_arrives_in_order(tmp_path, caplog):
    sink = Memory()
    told = send(sink, tmp_path, [0], [20, 40], [60])
    assert told == {"sent": 4, "lost": 0, "not_finite": 0, "repeated": 0, "error": None}
    assert sink.steps == [(s, {"train/loss": s / 10}) for s in (0, 20, 40, 60)]
    assert sink.started == [(CONFIG, tmp_path, None)]
    assert sink.finished == ("finished", {"test loss": 1.0})
    assert caplog.text == ""


def test_a_short_outage_loses_nothing(tmp_path, caplog):
    sink = Memory(start=5, s20=2)
    told = send(sink, tmp_path, [0], [20, 40])
    assert (told["sent"], told["lost"]) == (3, 0)
    assert told["error"] == "ConnectionError: no answer at start"
    assert [step for step, _ in sink.steps] == [0, 20, 40]
    (warning,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert "logger=memory: ConnectionError: no answer at start; training goes on" in warning.getMessage()


def test_a_step_that_it_never_takes_is_lost_alone(tmp_path, caplog):
    sink = Memory(s20=10**6)
    told = send(sink, tmp_path, [0], [20, 40])
    assert (told["sent"], told["lost"]) == (2, 1)
    assert sink.left[20] == 10**6 - guard.TRIES
    assert [step for step, _ in sink.steps] == [0, 40]
    assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 2
    assert "logger=memory lost 1 values, 2 were written" in caplog.text


def test_one_that_never_starts_loses_all_and_is_told_once(tmp_path, caplog):
    guarded = Guarded("memory", Memory(start=10**6), CONFIG)
    guarded.start(tmp_path, resumed=False)
    for step in range(50):
        guarded.log(rows(step))
    told = finish_all([guarded], "finished", {})["memory"]
    assert (told["sent"], told["lost"]) == (0, 50)
    assert "ConnectionError" in told["error"]
    assert caplog.text.count("is counted in run.json") == 1


def test_one_that_hangs_holds_up_neither_training_nor_the_end(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(guard, "HANGS_S", 0.05)
    sink = Memory()
    sink.gate.clear()
    guarded = Guarded("memory", sink, CONFIG)
    guarded.start(tmp_path, resumed=False)
    began = time.monotonic()
    guarded.log(rows(0, 20))
    time.sleep(0.1)
    guarded.log(rows(40))
    assert "logger=memory: a call has not returned for 0 s; training goes on" in caplog.text
    told = finish_all([guarded], "finished", {}, wait_s=0.1)["memory"]
    assert time.monotonic() - began < 5
    assert (told["sent"], told["lost"]) == (0, 3)
    sink.gate.set()
    guarded._thread.join(10)
    assert guarded._counts["sent"] == 0  # what comes too late is not counted twice


def test_what_waits_is_bounded_and_the_oldest_goes(tmp_path, monkeypatch):
    monkeypatch.setattr(guard, "ROOM", 3)
    sink = Memory()
    sink.gate.clear()
    guarded = Guarded("memory", sink, CONFIG)
    guarded.start(tmp_path, resumed=False)
    guarded.log(rows(0))
    while guarded._held is None:
        time.sleep(0.001)
    for step in range(1, 11):
        guarded.log(rows(step))
    sink.gate.set()
    told = finish_all([guarded], "finished", {})["memory"]
    assert [step for step, _ in sink.steps] == [0, 8, 9, 10]
    assert (told["sent"], told["lost"]) == (4, 7)


def test_a_resumed_run_goes_on_after_the_last_step_it_sent(tmp_path):
    send(Memory(), tmp_path, [0], [20, 40])
    sink = Memory()
    told = send(sink, tmp_path, [20, 40], [60], resumed=True)
    assert [step for step, _ in sink.steps] == [60]
    assert sink.started == [(CONFIG, tmp_path, "run-1")]
    assert told == {"sent": 4, "lost": 0, "not_finite": 0, "repeated": 2, "error": None}


def test_steps_never_go_back(tmp_path):
    sink = Memory()
    told = send(sink, tmp_path, [0], [20, 40], [30, 40, 60])
    assert [step for step, _ in sink.steps] == [0, 20, 40, 40, 60]
    assert told["repeated"] == 1


def test_a_lost_note_of_what_was_sent_starts_anew(tmp_path):
    send(Memory(), tmp_path, [0])
    (tmp_path / "sinks" / "memory.json").write_text("{")
    sink = Memory()
    send(sink, tmp_path, [0], resumed=True)
    assert sink.started[0][2] is None
    assert len(sink.steps) == 1


def test_not_finite_values_are_counted(tmp_path):
    guarded = Guarded("memory", Memory(), CONFIG)
    guarded.start(tmp_path, resumed=False)
    guarded.log([(0, "a", "q", float("nan")), (0, "a", "r", 1.0)])
    told = finish_all([guarded], "diverged", {})["memory"]
    assert (told["sent"], told["not_finite"]) == (1, 1)
