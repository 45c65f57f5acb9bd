import math

import pytest

from actlab.report.verdict import DEAD, VANISHING, VERDICTS, verdict

HEALTHY = {
    "pre.variance": 1.0,
    "post.mean": 0.4,
    "post.variance": 0.35,
    "post.zero_share": 0.0,
    "dead_share": 0.0,
    "saturated_share": 0.02,
    "gradient_norm": 0.1,
    "gradient_share": 0.5,
}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({}, "healthy"),
        ({"saturated_share": 0.5, "post.zero_share": 0.5}, "healthy"),  # relu
        ({"saturated_share": 0.9, "post.zero_share": 0.9, "dead_share": 0.05}, "healthy"),  # sparse relu
        ({"saturated_share": 0.4}, "healthy"),  # gelu with wide inputs
        ({"saturated_share": None, "post.mean": 0.01, "post.variance": 1e-5}, "healthy"),  # softmax
        ({"gradient_norm": 1e-7}, "healthy"),  # a network that has learnt everything
        ({"dead_share": DEAD, "saturated_share": 1.0}, "dead units"),
        ({"saturated_share": 0.9}, "saturated"),  # tanh against its ends
        ({"saturated_share": 0.99, "post.zero_share": 0.99}, "saturated"),
        ({"post.mean": 0.5, "post.variance": 1e-6}, "constant"),
        ({"post.mean": 0.0, "post.variance": 0.0}, "constant"),
        ({"post.variance": 1e9}, "exploding"),
        ({"gradient_norm": 1e6}, "exploding"),
        ({"gradient_share": VANISHING / 2}, "vanishing"),
        ({"pre.variance": math.nan}, "not finite"),
        ({"gradient_norm": math.inf}, "not finite"),
    ],
)
def test_verdict_names_the_first_cause(change, word):
    assert verdict(HEALTHY | change) == word


def test_no_data_is_not_judged():
    assert verdict({}) == "no data"
    assert verdict({"post.variance": None}) == "no data"


def test_every_word_has_a_meaning():
    assert all(VERDICTS.values())
    assert {"healthy", "no data", "not finite"} <= set(VERDICTS)
