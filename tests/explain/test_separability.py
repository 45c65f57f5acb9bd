import numpy as np
import pytest
from small_runs import small_run

from actlab.data import digits, rings
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


def test_wide_maps_are_averaged_over_positions():
    model = Bound.of(ConvNet, depth=1, width=20, stride=1)
    depth = separability(*trained(data=digits(), model=model, steps=100), samples=300)
    assert depth.features == (64, 20, 20, 10) and depth.averaged == (False, True, True, False)
    assert "Averaged over positions" in explanation(depth, "digits").lead
    assert np.all([p.train >= p.test - 0.05 for p in depth.probes])


def test_too_few_samples():
    one = small_run(act="relu", model=Bound.of(MLP, depth=1, width=4), eval_every=100, checkpoint_every=100)
    with pytest.raises(InputError, match="^samples=1: must be an integer >= 2"):
        separability(one, one.program.init(one.numbers), samples=1)
