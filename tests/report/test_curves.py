import numpy as np

from actlab.report.curves import curves
from actlab.report.histograms import histogram_ranges
from actlab.runs import Run, read_run


def test_the_curve_is_the_activation_with_its_learnt_parameter(runs):
    run = read_run(runs("learnt"))
    drawn, sentence = curves(run, histogram_ranges(run))
    assert sentence == ""
    assert set(drawn) == set(run.sites)
    x, f, df = drawn["blocks.3.act"]
    beta = run.last("blocks.3.act", "param.beta.mean")
    assert beta > 1.5
    gate = 1 / (1 + np.exp(-beta * x))
    np.testing.assert_allclose(f, x * gate, atol=1e-5)
    np.testing.assert_allclose(df, gate + beta * x * gate * (1 - gate), atol=1e-5)


def test_what_has_no_curve_says_so(runs):
    run = read_run(runs("softmax"))
    drawn, sentence = curves(run, histogram_ranges(run))
    assert drawn == {}
    assert "whole vectors" in sentence


def test_a_function_that_is_gone_is_told_not_raised(runs):
    run = read_run(runs("healthy"))
    gone = Run(**{**vars(run), "config": {"activation": {"name": "no_such_module:f"}}})
    drawn, sentence = curves(gone, {"blocks.0.act": (-1.0, 1.0)})
    assert drawn == {}
    assert sentence.startswith("The curve of no_such_module:f could not be drawn")
    assert curves(Run(**{**vars(run), "config": {}}), {"a": (-1.0, 1.0)})[0] == {}
