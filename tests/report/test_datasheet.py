"""Facts in words: each where it applies, none where it does not."""

import math
import re

import pytest

from actlab.activations import Interval, make, names
from actlab.report import datasheet
from actlab.report.datasheet import interval, lean, rows


def told(name, **params):
    return {row.name: row.lines for row in rows(make(name, **params))}


@pytest.mark.parametrize("name", names())
def test_every_activation_has_words_without_gaps(name):
    for row in rows(make(name)):
        for line in row.lines:
            assert line.strip(), row
            if row.name not in ("parameters", "differs", "elsewhere"):  # other people's sentences
                assert not re.search(r"\b(nan|inf|None)\b", line), row


def test_facts_of_a_kinked_function():
    found = told("leaky_relu", negative_slope=0.25)
    assert found["parameters"][0].startswith("negative_slope = 0.25 (default 0.01), in (-∞, ∞), learnable: ")
    assert found["kinks"] == ("at 0: f′ is 0.25 on the left, 1 on the right; taken 1",)
    assert found["limits"] == ("-∞ at -∞, ∞ at ∞",)
    assert found["unit normal in"][0].startswith("mean 0.299207, second moment 0.53125, gain 1.37199")
    assert "measured" not in " ".join(found["accuracy"])  # that is for the defaults


def test_what_does_not_apply_is_left_out():
    assert not {"monotonic", "kinks", "limits", "at 0", "accuracy"} & told("softmax").keys()
    assert "kinks" not in told("gelu")
    assert told("sin")["limits"] == ("none at -∞, none at ∞",)
    assert told("round_ste")["jumps"][-1].startswith("and ")
    assert "surrogate" in told("spike_atan")["autodiff's f′"][0]
    assert told("rrelu")["random"]


def test_lean_says_why_not():
    assert lean(make("sin")) == ("no", "not possible: f turns more than once, y and one bit do not tell f′")
    assert lean(make("softmax"))[0] == "needless"  # keeps its output anyway
    assert lean(make("relu"))[0] == "needless"
    assert lean(make("spike_atan"))[1] == "not possible: its derivative is a surrogate, which needs the input"
    assert lean(make("gelu"))[0] == "yes"


def test_numbers():
    assert interval(Interval(0.0, 1.0, open_low=True)) == "(0, 1]"
    assert datasheet.number(math.nan) == "none"


def test_the_measured_errors_are_within_promise_and_exceptions():
    """Also: the file has today's elementwise functions, or less; it is written by the benchmark."""
    functions = datasheet.measured()["functions"]
    assert set(functions) <= set(names())
    promise = {"float32": (4.0, 8.0), "bfloat16": (1.0, 1.0)}
    for name, by_dtype in functions.items():
        for dtype, whose in by_dtype.items():
            for order, units in enumerate(whose["actlab"][:2]):
                stated = [e.units for e in make(name).spec.inexact if (e.dtype, e.order) == (dtype, order)]
                assert units is not None, (name, dtype, order)
                assert units <= max([promise[dtype][order], *stated]), (name, dtype, order)
