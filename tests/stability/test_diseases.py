"""Real runs: those of experiments/04_stability that need no minutes, and what diagnosis finds in each."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

import pytest

from actlab.stability import diagnose
from actlab.stability.rules import RULES

HERE = Path(__file__).parents[2] / "experiments" / "04_stability"


def _load():
    spec = importlib.util.spec_from_file_location("diseases", HERE / "diseases.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["diseases"] = module  # dataclasses look there
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


diseases = _load()

CASES = {case.name: case for case in (*diseases.SICK, *diseases.HEALTHY)}
# Fewer steps, fewer layers, cheaper records than in the experiment, where the disease shows all the same.
SHORT = "steps=200 eval_every=100 checkpoint_every=200"
TRIED = {
    "sigmoid, small weights": "model.depth=5 stats=full",
    "2 units wide, 20 layers": "model.depth=12",
    "Adam at 0.3": "",
    "leaky_relu, SGD at 1000": "",
    "softmax before cross-entropy": "",
    "batch norm, 2 samples": "",
    "the default run": "stats=full",
    "experiment mnist1d_linear": "",
    "experiment mnist1d_mlp": "",
    "experiment mnist1d_conv": "",
    "tanh": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TRIED)
def test_the_finding_is_there_and_no_wrong_one(name, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(HERE)  # where sick.py lies
    case, more = CASES[name], TRIED[name].split()
    if not any(override.startswith("stats=") for override in more):
        more = ["stats=basic", *more]
    replaced = {override.partition("=")[0] for override in (*SHORT.split(), *more)}
    kept = [o for o in case.arguments if o.partition("=")[0] not in replaced]
    short = dataclasses.replace(case, overrides=" ".join([*kept, *SHORT.split(), *more]))
    diagnosis = diagnose(diseases.train(short, tmp_path / "run"))
    assert diseases.verdict(short, diagnosis) == "", [
        (f.name, f.severity, f.sentence) for f in diagnosis.findings
    ]
    for finding in diagnosis.findings:
        if finding.name in case.has:
            assert finding.confidence >= 0.5
            assert finding.advice or "It follows from" in finding.sentence
        steps = diagnosis.findings[0].steps
        assert 0 <= steps[0] <= steps[1] <= 200


def test_every_rule_has_a_run_that_is_sick_of_it():
    assert {name for case in diseases.SICK for name in case.has} == {rule.name for rule in RULES}
