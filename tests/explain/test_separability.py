import numpy as np
import pytest
from small_runs import small_run

from actlab.data import Dataset, digits, rings
from actlab.errors import InputError
from actlab.explain.separability import separability
from actlab.models import MLP, ConvNet
from actlab.report.separability import explanation
from actlab.stats import StatsConfig
from actlab.values import Bound


def trained(**fields):
    one = small_run(
        act="relu", eval_every=100, checkpoint_every=100, stats=StatsConfig(level="none"), **fields
    )
    state = one.program.init(one.numbers)
    data = one.setup.data
    for _ in range(one.setup.steps // 100):
        state, _, _ = one.program.chunk(state, data.x_train, data.y_train, length=100, every=100)
    return one, state


@pytest.mark.slow
def test_rings_become_linear_with_depth():
    depth = separability(*trained(data=rings(), model=Bound.of(MLP, depth=2, width=16), steps=400))
    assert depth.names == (
        "input", "blocks.0.act.pre", "blocks.0.act.post", "blocks.1.act.pre", "blocks.1.act.post", "logits",
    )  # fmt: skip
    test = dict(zip(depth.names, (p.test for p in depth.probes), strict=True))
    # A linear map adds nothing; the bend after it does.
    assert test["input"] < 0.7 and test["blocks.0.act.pre"] == pytest.approx(test["input"], abs=0.05)
    assert test["blocks.0.act.post"] > test["input"] + 0.2 and test["logits"] > 0.95 < depth.network
    assert depth.features == (2, 16, 16, 16, 16, 2) and not any(depth.averaged)
    page = explanation(depth, "rings")
    assert page.table[-1][0] == "network itself" and "Averaged" not in page.lead


@pytest.mark.slow
def test_wide_maps_are_averaged_over_positions():
    model = Bound.of(ConvNet, depth=1, width=20, stride=1)
    depth = separability(*trained(data=digits(), model=model, steps=100), samples=300)
    assert depth.features == (64, 20, 20, 10) and depth.averaged == (False, True, True, False)
    assert "Averaged over positions" in explanation(depth, "digits").lead
    assert depth.drawn == (300, 300) and depth.there == (1437, 360)
    assert depth.probes[0].test > 0.85  # digits are nearly linear, whatever is drawn


@pytest.mark.slow
def test_a_file_in_order_of_its_classes_is_drawn_from_all_over():
    x = np.random.default_rng(0).normal(size=(600, 3)).astype(np.float32)
    y = np.repeat([0, 1, 2], 200)
    data = Dataset("sorted", x, y, x, y, num_classes=3)
    depth = separability(*trained(data=data, model=Bound.of(MLP, depth=1, width=4), steps=100), samples=300)
    assert (
        depth.probes[0].train < 0.6
    )  # three classes that nothing tells apart; the first 300 samples hold two


@pytest.mark.slow
def test_an_input_too_wide_is_left_out_and_said_to_be():
    x = np.random.default_rng(0).normal(size=(60, 70, 70)).astype(np.float32)
    data = Dataset("wide", x, np.arange(60) % 2, x, np.arange(60) % 2, num_classes=2)
    one = small_run(
        act="relu", model=Bound.of(MLP, depth=1, width=4), data=data, eval_every=100, checkpoint_every=100
    )
    depth = separability(one, one.program.init(one.numbers))
    assert depth.left_out == ("input",) and depth.names[0] == "blocks.0.act.pre"
    assert "Left out, having more than 4,096 features: input." in explanation(depth, "wide").lead


def test_too_few_samples():
    one = small_run(act="relu", model=Bound.of(MLP, depth=1, width=4), eval_every=100, checkpoint_every=100)
    with pytest.raises(InputError, match="^samples=1: must be an integer >= 2"):
        separability(one, one.program.init(one.numbers), samples=1)
