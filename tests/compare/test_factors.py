import pytest
from made_sweeps import config

from actlab.compare.factors import design
from actlab.errors import InputError


def flat(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict) and value:
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", str(value) if isinstance(value, (list, dict)) else value


def planned(configs, **options):
    return design([dict(flat(c)) for c in configs], **options)


def test_what_differs_is_found_and_given_its_part():
    plan = planned(
        config(a, s, r, model__depth=d, eval_every=100 + s, stats__every=10 + s)
        for a in ("relu", "gelu") for s in (0, 1) for r in (1e-3, 1e-2) for d in (2, 3)
    )  # fmt: skip
    assert plan.levels == ["relu", "gelu"]
    assert plan.tuned == ("optimizer.learning_rate",)
    assert plan.fixed == ("model.depth",)
    assert set(plan.condition) == {"learning_rate 0.001", "learning_rate 0.01"}
    assert set(plan.setting) == {"depth 2", "depth 3"}
    assert set(plan.seed) == {0, 1}
    assert plan.confounded == {}


def test_parameters_of_an_activation_make_levels_where_they_differ_under_one_name():
    acts = [{"name": "swish", "beta": 1.0}, {"name": "swish", "beta": 2.0}, {"name": "elu", "alpha": 1.0}]
    assert planned(config(a) for a in acts).levels == ["swish beta=1", "swish beta=2", "elu"]
    plan = planned((config(a) for a in acts), by=("activation.name",))
    assert plan.levels == ["swish", "elu"]
    assert plan.tuned == ("activation.beta",)


def test_by_any_key_with_the_activation_as_one_setting():
    acts = [{"name": "swish", "beta": 1.0}, {"name": "relu"}]
    plan = planned((config(a, 0, r) for a in acts for r in (0.1, 1)), by=("optimizer.learning_rate",))
    assert plan.levels == ["learning_rate 0.1", "learning_rate 1"]
    assert plan.fixed == ("activation",)
    assert set(plan.setting) == {"activation swish", "activation relu"}
    both = planned(
        (config(a, 0, r) for a in acts for r in (0.1, 1)), by=("activation", "optimizer.learning_rate")
    )
    assert both.levels == [f"{a} · learning_rate {r}" for a in ("swish", "relu") for r in ("0.1", "1")]


def test_a_group_stands_for_its_name_and_leaves_its_rates_to_be_tuned():
    plan = planned(
        (
            config("relu", 0, r, optimizer___target_=f"actlab.train.{o}")
            for o in ("adam", "sgd")
            for r in (0.1, 1)
        ),
        by=("optimizer",),
    )
    assert plan.levels == ["adam", "sgd"]
    assert plan.tuned == ("optimizer.learning_rate",)


def test_a_key_that_goes_with_the_level_is_told_not_hidden():
    plan = planned([config("relu", 0, 0.1), config("relu", 1, 0.1), config("gelu", 0, 0.2)])
    assert plan.tuned == ()
    assert plan.confounded == {"optimizer.learning_rate": {"relu": "0.1", "gelu": "0.2"}}


def test_tune_says_which_keys_are_tuned():
    configs = [config("relu", 0, r, model__depth=d) for r in (0.1, 1) for d in (2, 3)]
    assert planned(configs, tune=()).fixed == ("model.depth", "optimizer.learning_rate")
    assert planned(configs, tune=("model",)).tuned == ("model.depth",)


@pytest.mark.parametrize(
    "options", [{"by": ("optimizer.lerning_rate",)}, {"tune": ("optimizer.lerning_rate",)}]
)
def test_an_unknown_key_is_told(options):
    with pytest.raises(InputError, match="did you mean 'optimizer.learning_rate'"):
        planned([config(rate=0.1), config(rate=0.2)], **options)
