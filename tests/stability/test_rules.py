"""The rules as data: complete, consistent, and each advice a command that can be given."""

import re
import string

import pytest
from made_tables import table_run

from actlab.cli import composing
from actlab.stability.diagnosis import JUDGES, diagnose
from actlab.stability.finding import Limit, softer
from actlab.stability.judging import advice
from actlab.stability.reading import Reading
from actlab.stability.rules import RULES

NAMES = [rule.name for rule in RULES]
FILLED = {
    "lower_rate": "1e-4", "higher_rate": "1e-2", "warm_up": "10", "shallower": "4", "wider": "64", "found": "softmax",
    "activation": "relu", "initialiser": "he_normal", "ranged": "bfloat16",
}  # fmt: skip
ELSEWHERE = ("model.qk_norm",)  # keys of models with attention
OVERRIDES = sorted(
    {
        override.format_map(FILLED)
        for rule in RULES
        for _, override in rule.advice
        if override and not override.startswith(ELSEWHERE)
    }
)


def test_names_are_unique_and_judged():
    assert len(set(NAMES)) == len(NAMES) == len(JUDGES)
    assert set(JUDGES) == set(NAMES)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_a_rule_is_complete(rule):
    assert re.fullmatch(r"[a-z][a-z_]+", rule.name)
    assert rule.title[0].isupper()
    assert rule.means
    assert rule.advice
    assert re.search(r"\b(19|20)\d\d\b", rule.source), "a source names its year"
    for arxiv in re.findall(r"arXiv:(\S+?)(?:[;,]|$)", rule.source):
        assert re.fullmatch(r"\d{4}\.\d{4,5}", arxiv)
    assert set(rule.follows_from) <= set(NAMES) - {rule.name}
    for limit in rule.limits.values():
        assert limit.at != limit.sure
        assert min(limit.at, limit.sure) > 0, "strengths are logarithmic"
        if limit.warning is not None and limit.serious is not None:
            assert limit.passed(limit.serious, limit.warning)
    for text, override in rule.advice:
        fields = {name for _, name, _, _ in string.Formatter().parse(text + override) if name}
        assert fields <= FILLED.keys()


def test_causes_do_not_go_round():
    causes = {rule.name: set(rule.follows_from) for rule in RULES}
    while causes:
        free = [name for name, of in causes.items() if not of & causes.keys()]
        assert free, f"each follows from another: {sorted(causes)}"
        for name in free:
            del causes[name]


@pytest.mark.parametrize("override", OVERRIDES)
def test_every_override_composes(override):
    if override.startswith("loss="):
        pytest.importorskip("actlab.train.losses")
    composing.compose(override.split())


def test_a_limit_counts_up_or_down():
    up, down = Limit(at=10, sure=1000, serious=500), Limit(at=1e-2, sure=1e-4, serious=1e-4)
    assert [up.strength(v) for v in (9, 10, 100, 1000, 1e9)] == [0, 0.5, 0.75, 1, 1]
    assert [round(down.strength(v), 6) for v in (0.011, 1e-2, 1e-3, 1e-4, 1e-30)] == [0, 0.5, 0.75, 1, 1]
    assert [up.severity(v) for v in (10, 500)] == ["warning", "serious"]
    assert [down.severity(v) for v in (1e-2, 1e-5)] == ["warning", "serious"]
    assert not up.passed(float("nan"))
    assert not down.passed(float("nan"))
    assert [softer(s) for s in ("serious", "warning", "note")] == ["warning", "note", "note"]


def test_advice_is_what_the_run_does_not_do_yet():
    rule = next(r for r in RULES if r.name == "vanishing_gradients")

    def overrides(**config):
        reading = Reading(table_run(config=config))
        return [override for _, override in advice(reading, rule, {})]

    sigmoid = {"activation": {"name": "sigmoid"}}
    assert overrides(**sigmoid) == [
        "activation=relu model.init=he_normal",
        "model.norm=layer",
        "model.residual=true",
        "model.depth=4",
    ]
    # relu, and the initialiser that fits it, are followed already
    assert overrides() == ["model.norm=layer", "model.residual=true", "model.depth=4"]
    assert "model.init=he_normal" in overrides(**{"model.init": "torch_default"})
    assert "model.norm=layer" not in overrides(**{"model.norm": "layer"})


def test_advice_for_a_model_without_the_key_has_no_override():
    run = table_run(config={"model": {"_target_": "mine.Model"}, "activation": {"name": "sigmoid"}})
    rule = next(r for r in RULES if r.name == "vanishing_gradients")
    told = dict(advice(Reading(run), rule, {}))
    assert told["normalise before the activation"] == ""
    assert told["an activation whose slope does not shrink"] == ""
    assert "fewer layers" not in told  # the config tells no depth


def test_an_empty_set_of_rules_finds_nothing_and_says_so():
    (finding,) = diagnose(table_run(), rules=()).findings
    assert (finding.name, finding.confidence) == ("healthy", 0.0)
