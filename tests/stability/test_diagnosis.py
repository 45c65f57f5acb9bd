"""Every disease on made-up tables: found where it is, not found where it only looks like one."""

import json
import math

import pytest
from made_tables import STEPS, table_run

from actlab.stability import diagnose, findings
from actlab.stability.rules import RULES

SIGMOID = {"activation": {"name": "sigmoid"}}
STUCK = {"train.loss": 2.3, "train.accuracy": 0.1}
BIRTH = (0,)


def names(run, least="warning"):
    """Return the names of a run's findings of a severity or worse."""
    order = ("note", "warning", "serious")
    return {
        f.name for f in findings(run) if order.index(f.severity) >= order.index(least) and f.name != "healthy"
    }


def one(run, name):
    (finding,) = (f for f in findings(run) if f.name == name)
    return finding


# -- a sound run -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["basic", "full"])
@pytest.mark.parametrize("sites", [0, 1, 2, 3, 8, 40])
def test_a_sound_run_is_healthy(level, sites):
    diagnosis = diagnose(table_run(sites=sites, level=level))
    assert [f.name for f in diagnosis.findings] == ["healthy"]
    assert diagnosis.healthy


def test_everything_can_be_judged_on_full_records():
    diagnosis = diagnose(table_run())
    assert diagnosis.unjudged == ()
    assert diagnosis.judged == tuple(rule.name for rule in RULES)
    assert diagnosis.findings[0].confidence == 1.0


def test_what_is_not_recorded_is_not_judged():
    run = table_run(level="basic")
    told = {u.name: u.override for u in diagnose(run).unjudged}
    assert told == {"rank_collapse": "stats=full"}
    nothing = {q: None for q in ("pre.mean", "post.mean", "dead_share", "gradient_norm", "head.logits.min")}
    told = {u.name: u.override for u in diagnose(table_run(nothing, level="basic")).unjudged}
    assert {name for name, override in told.items() if override == "stats=basic"} == {
        "vanishing_gradients",
        "exploding_gradients",
        "exploding_activations",
        "vanishing_signal",
        "mean_shift",
        "born_dead",
        "dying_units",
        "underflow",
        "output_misfit",
    }
    assert findings(table_run(nothing, level="basic"))[0].confidence < 0.5


# -- depth -----------------------------------------------------------------------------------------------------------


def test_vanishing_gradients_with_their_factor():
    run = table_run({"pre_gradient.rms": lambda d, t: 1e-3 * 0.25 ** (7 - d)}, config=SIGMOID)
    finding = one(run, "vanishing_gradients")
    evidence = {label: value for label, value, _ in finding.evidence}
    assert evidence["factor per layer going backward"] == pytest.approx(0.25)
    assert evidence["gradient at blocks.0.act relative to blocks.7.act"] == pytest.approx(0.25**7)
    assert finding.where == run.sites
    assert finding.steps == (0, 400)
    assert "0.25" in finding.sentence
    assert finding.confidence == 1.0
    assert finding.severity == "warning"  # it learns all the same
    stuck = table_run({"pre_gradient.rms": lambda d, t: 1e-3 * 0.25 ** (7 - d)} | STUCK)
    assert one(stuck, "vanishing_gradients").severity == "serious"


def test_basic_records_tell_the_gradient_from_the_weights():
    """Of a relu network with growing signals the weights' gradients are level, and yet early layers get less."""
    growing = {
        "post.mean": 0.0,
        "post.variance": lambda d, t: 9.0**d,
        "pre.variance": lambda d, t: 9.0**d,
    }
    run = table_run(growing, level="basic", sites=8)
    finding = one(run, "exploding_gradients")
    evidence = {label: value for label, value, _ in finding.evidence}
    assert evidence["factor per layer going backward"] == pytest.approx(3.0)
    assert "exploding_activations" in names(run, "note")  # it learns all the same
    assert finding.confidence < 1.0  # an estimate


def test_a_few_odd_layers_do_not_bend_the_line():
    def odd(d, t):
        return 1e3 if d == 3 else 1e-3 * 0.25 ** (11 - d)

    finding = one(table_run({"pre_gradient.rms": odd}, sites=12), "vanishing_gradients")
    assert finding.evidence[0][1] == pytest.approx(0.25)


def test_no_profile_of_few_sites():
    steep = {"pre_gradient.rms": lambda d, t: 1e-3 * 0.01 ** (2 - d)}
    assert names(table_run(steep | STUCK, sites=3)) == set()
    assert "vanishing_gradients" in names(table_run(steep | STUCK, sites=4))


def test_confidence_falls_with_thin_evidence():
    steep = {"pre_gradient.rms": lambda d, t: 1e-3 * 0.03**d}
    few, many = (one(table_run(steep | STUCK, sites=n), "exploding_gradients") for n in (4, 8))
    assert few.confidence < many.confidence
    mild = {"pre_gradient.rms": lambda d, t: 1e-3 * 0.5 ** (7 - d)}
    assert one(table_run(mild), "vanishing_gradients").confidence < many.confidence


def test_what_soon_passes_is_a_note():
    def early(d, t):
        return 1e-3 * (0.25 ** (7 - d) if t < 0.1 else 1)

    assert one(table_run({"pre_gradient.rms": early}), "vanishing_gradients").severity == "note"

    def late(d, t):
        return 1e-3 * (0.25 ** (7 - d) if t > 0.8 else 1)

    assert names(table_run({"pre_gradient.rms": late}), "note") == set()


def test_exploding_gradients():
    run = table_run({"pre_gradient.rms": lambda d, t: 1e-3 * 5.0 ** (7 - d)} | STUCK)
    finding = one(run, "exploding_gradients")
    assert finding.severity == "serious"
    assert finding.evidence[0][1] == pytest.approx(5.0)
    big = one(
        table_run({"gradient_norm": lambda d, t: 1e5 if d == 2 and t == 0.5 else 0.5}), "exploding_gradients"
    )
    assert (big.where, big.steps, big.severity) == (("blocks.2.linear",), (200, 200), "warning")


def test_exploding_activations():
    finding = one(table_run({"post.variance": lambda d, t: 10 ** (12 * t)}), "exploding_activations")
    assert finding.severity == "warning"
    assert one(
        table_run({"post.variance": lambda d, t: 10 ** (12 * t)} | STUCK), "exploding_activations"
    ).severity == "serious"  # fmt: skip
    overflown = table_run({"post.variance": lambda d, t: math.inf if t == 1 else 1.0} | STUCK)
    assert one(overflown, "exploding_activations").severity == "serious"
    assert names(table_run({"post.variance": lambda d, t: 900.0 * t + 0.3})) == set()  # rectifiers grow


def test_vanishing_signal():
    fading = {"post.variance": lambda d, t: 0.34 * 0.05**d, "post.mean": lambda d, t: 0.3 * 0.22**d}
    finding = one(table_run(fading | STUCK), "vanishing_signal")
    assert finding.severity == "serious"
    assert finding.evidence[0][1] == pytest.approx(0.05**0.5)
    constant = {"post.mean": 0.5, "post.variance": lambda d, t: 1e-5 if d > 4 else 0.1}
    finding = one(table_run(constant | STUCK), "vanishing_signal")
    assert finding.where == ("blocks.5.act", "blocks.6.act", "blocks.7.act")


def test_initial_gain_names_the_initialiser():
    shrinking = {"pre.variance": lambda d, t: (1 / 6) ** d if t == 0 else 1.0, "pre.mean": 0.0}
    run = table_run(shrinking, config={"model.init": "torch_default"})
    finding = one(run, "initial_gain")
    evidence = {label: value for label, value, _ in finding.evidence}
    assert evidence["variance's factor per layer"] == pytest.approx(1 / 6)
    assert evidence["gain of relu on a unit normal, 1/sqrt(E f(z)^2)"] == pytest.approx(math.sqrt(2))
    assert evidence["theory for torch_default: last over first site"] == pytest.approx(1 / 250, rel=0.05)
    assert finding.advice[0][1] == "model.init=he_normal"
    assert finding.steps == (0, 0)
    normalised = table_run(shrinking, config={"model.init": "torch_default", "model.norm": "layer"})
    assert "initial_gain" not in names(normalised, "note")


def test_initial_gain_is_not_told_from_a_late_record():
    run = table_run({"pre.variance": lambda d, t: 0.1**d}, level="basic", steps=(0, 100, 200, 300))
    assert "initial_gain" in {u.name for u in diagnose(run).unjudged}


def test_sigmoid_in_depth():
    steep = {"pre_gradient.rms": lambda d, t: 1e-3 * 0.25 ** (7 - d), "saturated_share": 0.0}
    stuck = one(table_run(steep | STUCK, config=SIGMOID), "sigmoid_in_depth")
    assert stuck.severity == "serious"
    assert "sigmoid" in stuck.sentence
    for fine in (
        table_run(steep | STUCK, sites=3, config=SIGMOID),  # shallow
        table_run(steep | STUCK, config=SIGMOID | {"model.norm": "layer"}),
        table_run(steep | STUCK),  # relu
        table_run(
            {"saturated_share": 0.0}, config={"activation": {"name": "tanh"}}
        ),  # passes its gradient on
    ):
        assert "sigmoid_in_depth" not in names(fine, "note")


def test_rank_collapse():
    alike = {"cosine": lambda d, t: 1 - 0.5 * 0.3**d, "effective_rank": 1.3} | STUCK
    run = table_run(alike | {"pre_cosine": lambda d, t: 1 - 0.9 * 0.3**d})
    finding = one(run, "rank_collapse")
    assert finding.severity == "serious"
    assert "effective rank 1.3" in finding.sentence
    # A large mean makes outputs parallel; that their inputs differ shows that they can be told apart
    assert "rank_collapse" not in names(table_run(alike | {"pre_cosine": 0.5}), "note")
    assert "rank_collapse" in names(table_run(alike | {"pre_cosine": None}))
    # All samples alike from the first site on: the data are, or the activation's mean is large
    assert "rank_collapse" not in names(table_run({"cosine": 0.99}), "note")


def test_mean_shift():
    run = table_run({"post.mean": lambda d, t: 0.4 * 1.6**d} | STUCK)
    finding = one(run, "mean_shift")
    assert finding.severity == "warning"
    assert finding.where[-1] == "blocks.7.act"
    assert "mean_shift" not in names(table_run({"post.mean": 3.0}), "note")  # not growing
    assert "mean_shift" not in names(
        table_run({"post.mean": lambda d, t: 0.4 + 0.05 * d}), "note"
    )  # relu's own


# -- units -----------------------------------------------------------------------------------------------------------


def test_dying_units():
    run = table_run(
        {"dead_share": lambda d, t: 0.7 * t if d == 2 else 0.0, "dataset_dead_share": lambda d, t: 0.66 * t}
    )
    finding = one(run, "dying_units")
    assert (finding.severity, finding.where) == ("warning", ("blocks.2.act",))
    assert finding.steps[0] == 120  # 0.7 t passes 0.2
    assert "66%" in finding.sentence
    assert finding.confidence == pytest.approx(0.5 + 0.5 * math.log(0.66 / 0.2) / math.log(4), abs=1e-3)


def test_units_that_wake_up_on_the_test_set_are_not_dead():
    run = table_run({"dead_share": lambda d, t: 0.7 * t, "dataset_dead_share": 0.05})
    assert "dying_units" not in names(run, "note")


def test_skips_carry_the_signal_past_dead_units():
    run = table_run(
        {"dead_share": lambda d, t: 0.7 * t, "dataset_dead_share": None}, config={"model.residual": True}
    )
    assert one(run, "dying_units").severity == "note"


def test_functions_of_two_flat_ends_saturate_and_do_not_die():
    run = table_run(
        {"dead_share": lambda d, t: 0.9 * t, "dataset_dead_share": None, "saturated_share": lambda d, t: t}
        | STUCK,
        config={"activation": {"name": "tanh"}},
    )
    assert names(run) == {"saturation"}
    assert one(run, "saturation").severity == "serious"


def test_half_of_relu_is_off():
    assert names(table_run({"saturated_share": 0.9, "post.zero_share": 0.9}), "note") == set()


def test_functions_with_a_surrogate_gradient_do_not_saturate():
    run = table_run({"saturated_share": 0.95} | STUCK, config={"activation": {"name": "sign_ste"}})
    assert "saturation" not in names(run, "note")


def test_born_dead_and_what_follows_from_it():
    dead = {
        "dead_share": lambda d, t: 1.0 if d >= 4 else 0.3,
        "dataset_dead_share": lambda d, t: 1.0 if d >= 4 else 0.3,
        "post.variance": lambda d, t: 0.0 if d >= 4 else 0.3,
        "post.mean": lambda d, t: 0.0 if d >= 4 else 0.4,
        "pre_gradient.rms": 0.0,
        "gradient_norm": 0.0,
        "cosine": lambda d, t: math.nan if d >= 4 else 0.5,
    } | STUCK
    run = table_run(dead, config={"model.width": 2})
    assert names(run, "serious") == {"born_dead"}
    finding = one(run, "born_dead")
    assert finding.where == tuple(f"blocks.{i}.act" for i in range(4, 8))
    assert ("chance that one of 8 layers of 2 is born dead", 1 - 0.75**8, "upper bound") in finding.evidence
    follows = one(run, "vanishing_signal")
    assert follows.severity == "note"
    assert follows.advice == ()
    assert "follows from: born dead" in follows.sentence


def test_dead_later_is_not_born_dead():
    run = table_run({"dead_share": lambda d, t: float(t > 0.1), "dataset_dead_share": 1.0} | STUCK)
    assert "born_dead" not in names(run, "note")
    assert one(run, "dying_units").severity == "serious"


def test_where_the_slope_has_no_maximum_only_zeros_are_dead():
    """Of exp every unit counts as inactive: its slope is below a hundredth of what it is far out."""
    silent = {"dead_share": 1.0, "dataset_dead_share": 1.0, "post.zero_share": 0.0}
    assert names(table_run(silent, config={"activation": {"name": "exponential"}})) == set()
    dead = silent | {"post.zero_share": 1.0}
    assert "born_dead" in names(table_run(dead, config={"activation": {"name": "relu_squared"}}))
    dying = {"dead_share": lambda d, t: t, "dataset_dead_share": 1.0, "post.zero_share": 0.5}
    assert names(table_run(dying, config={"activation": {"name": "relu_squared"}})) == set()
    dying["post.zero_share"] = 1.0
    assert names(table_run(dying, config={"activation": {"name": "relu_squared"}})) == {"dying_units"}


def attention(share, logit=10.0):
    rows = []
    for step in STEPS:
        t = step / 400
        rows += [
            (step, "blocks.0.attn", "entropy_share.mean", share(t)),
            (step, "blocks.0.attn", "logit_max", logit),
        ]
    return rows


def test_attention_entropy_collapse():
    run = table_run(STUCK, more=attention(lambda t: 0.9 * math.exp(-5 * t), 200.0))
    finding = one(run, "attention_entropy_collapse")
    assert finding.severity == "serious"
    assert finding.where == ("blocks.0.attn",)
    assert "attention_entropy_collapse" not in names(table_run(more=attention(lambda t: 0.4)), "note")
    # A head that looked at one key from the start, with small scores, has not collapsed
    assert "attention_entropy_collapse" not in names(table_run(more=attention(lambda t: 0.08)), "note")


# -- the run ---------------------------------------------------------------------------------------------------------


def test_divergence_says_where():
    broken = {
        "step": 230,
        "site": "blocks.3.act",
        "value": "pre",
        "message": "diverged at step 230: the pre-activation at blocks.3.act was the first non-finite value",
    }
    run = table_run(state="diverged", divergence=broken)
    finding = one(run, "divergence")
    assert (finding.severity, finding.confidence) == ("serious", 1.0)
    assert (finding.where, finding.steps) == (("blocks.3.act",), (230, 230))
    assert "first non-finite value" in finding.sentence
    assert one(run, "learning_rate_too_high").severity == "serious"
    hopeless = {"post.variance": lambda d, t: 1e8}
    assert "learning_rate_too_high" not in names(
        table_run(hopeless, state="diverged", divergence=broken), "note"
    )


def test_what_is_recorded_after_divergence_is_no_evidence():
    last = {
        "gradient_norm": lambda d, t: math.nan if t == 1 else 0.5,
        "post.variance": lambda d, t: math.nan if t == 1 else 1.0,
    }
    broken = {"step": 400, "site": "head", "value": "loss", "message": "diverged at step 400: the loss"}
    assert names(table_run(last, state="diverged", divergence=broken)) == {
        "divergence",
        "learning_rate_too_high",
    }
    at_once = table_run(state="diverged", divergence=broken | {"step": 1}, steps=(20, 400))
    assert "divergence" in names(at_once)


def test_updates_that_were_skipped_are_told():
    event = (60, "nonfinite", "blocks.1.act", math.nan, None, "the gradient at blocks.1.act was not finite")
    finding = one(table_run(events=[event]), "divergence")
    assert (finding.severity, finding.steps) == ("warning", (60, 60))


@pytest.mark.parametrize(
    ("change", "severity"),
    [
        ({"train.loss": lambda d, t: 2.3 * (1 + 5 * t), "train.accuracy": 0.1}, "serious"),
        ({"train.loss": lambda d, t: 80.0 if t == 0.05 else 2.31, "train.accuracy": 0.1}, "warning"),
        ({"update_ratio": 0.3, **STUCK}, "warning"),
        # jumps from which it learns on
        ({"train.loss": lambda d, t: 80.0 if t == 0.05 else 2.3 * math.exp(-2 * t)}, "note"),
    ],
)
def test_learning_rate_too_high(change, severity):
    finding = one(table_run(change), "learning_rate_too_high")
    assert finding.severity == severity
    assert "0.001 is too high" in finding.sentence
    assert finding.advice[0][1] == "optimizer.learning_rate=0.0001"


def test_a_learning_rate_that_only_looks_high():
    for change in (
        {"train.loss": lambda d, t: 0.3 if t == 1 else 2.3 * math.exp(-6 * t)},  # a small loss jumps tenfold
        {"update_ratio": 0.2},  # and it learns
        {"test.loss": lambda d, t: 2.31 + 3 * t},  # overfitting
    ):
        assert "learning_rate_too_high" not in names(table_run(change), "note")


def sharpness(value, limit=20.0, name="sharpness"):
    return [(s, "run", q, v) for s in STEPS for q, v in ((name, value(s)), (f"{name}_limit", limit))]


def test_sharpness_far_above_its_limit():
    sgd = {"optimizer._target_": "actlab.train.sgd"}
    far = table_run(STUCK, config=sgd, more=sharpness(lambda s: 100.0))
    assert one(far, "learning_rate_too_high").severity == "warning"
    edge = table_run(STUCK, config=sgd, more=sharpness(lambda s: 21.0))
    assert "learning_rate_too_high" not in names(edge, "note")
    # 2 / lr says nothing of Adam's steps
    assert "learning_rate_too_high" not in names(table_run(STUCK, more=sharpness(lambda s: 1e5)), "note")
    adam = table_run(STUCK, more=sharpness(lambda s: 1e5, name="sharpness_preconditioned"))
    assert "learning_rate_too_high" in names(adam)


SOFTMAX = {"head.logits.min": 0.01, "head.logits.max": 0.9, "head.logits.row_sum_error": 2e-7}
SIGMOID_OUT = {"head.logits.min": 0.01, "head.logits.max": 0.9}
TANH = {"head.logits.min": lambda d, t: -0.5 - 0.49 * t, "head.logits.max": lambda d, t: 0.5 + 0.499 * t}
RELU = {"head.logits.min": 0.0, "head.logits.max": 5.0}


@pytest.mark.parametrize(
    ("loss", "outputs", "found", "severity"),
    [
        ("cross_entropy", SOFTMAX, "softmax", "serious"),
        ("cross_entropy", SIGMOID_OUT, "sigmoid", "serious"),
        ("cross_entropy", TANH, "tanh", "warning"),
        ("cross_entropy", RELU, "relu", "warning"),
        ("sigmoid_cross_entropy", SIGMOID_OUT, "sigmoid", "serious"),
        ("squared_error", SIGMOID_OUT, "sigmoid", "note"),  # one-hot targets are within reach
        ("squared_error", {"test.accuracy": None, **TANH}, "tanh", "warning"),
        ("squared_error", {"test.accuracy": None, **RELU}, "relu", "warning"),
    ],
)
def test_output_that_does_not_fit(loss, outputs, found, severity):
    finding = one(table_run(outputs, config={"loss": loss}), "output_misfit")
    assert finding.severity == severity
    assert found in finding.sentence
    assert found in finding.advice[0][0]


def test_small_logits_are_not_a_tanh():
    small = {"head.logits.min": -0.4, "head.logits.max": 0.5}
    assert "output_misfit" not in names(table_run(small), "note")
    assert "output_misfit" not in names(table_run(steps=BIRTH), "note")


def test_batch_norm_with_a_tiny_batch():
    def run(batch, **config):
        return table_run(config={"model.norm": "batch", "batch_size": batch, **config})

    assert one(run(2), "batch_norm_small_batch").severity == "serious"
    assert one(run(8), "batch_norm_small_batch").severity == "warning"
    assert one(run(8), "batch_norm_small_batch").confidence == 0.5
    assert (
        one(run(2, **{"model._target_": "actlab.models.ConvNet"}), "batch_norm_small_batch").severity
        == "warning"
    )
    assert names(run(9), "note") == set()
    assert names(table_run(config={"batch_size": 2}), "note") == set()


def test_underflow():
    tiny = {"pre_gradient.rms": lambda d, t: 1e-7 * 0.5 ** (7 - d), "post_gradient.zero_share": 0.97} | STUCK
    finding = one(table_run(tiny, config={"dtype": "float16"}), "underflow")
    assert "float16" in finding.sentence
    assert [o for _, o in finding.advice][:2] == ["dtype=float32", "dtype=bfloat16"]
    # bfloat16 has float32's range: what is 0 there is not for want of it, and small numbers are no harm
    small = {"pre_gradient.rms": lambda d, t: 1e-7 * 0.5 ** (7 - d)} | STUCK
    assert "underflow" not in names(table_run(small, config={"dtype": "bfloat16"}), "note")
    lost = one(table_run({"update_ratio": 1e-9} | STUCK), "underflow")
    assert [o for _, o in lost.advice] == ["model.norm=layer", "optimizer.learning_rate=0.01"]
    dead = {"pre_gradient.rms": 0.0, "update_ratio": 0.0} | STUCK
    assert "underflow" not in names(table_run(dead), "note")  # nothing was rounded away


# -- before training, and what comes out -----------------------------------------------------------------------------


def test_before_training():
    assert names(table_run(steps=BIRTH), "note") == set()
    born = {
        "pre_gradient.rms": lambda d, t: 1e-3 * 0.2 ** (7 - d),
        "pre.variance": lambda d, t: 0.1**d,
        "saturated_share": 0.0,
    }
    run = table_run(born, steps=BIRTH, config=SIGMOID)
    assert {"vanishing_gradients", "sigmoid_in_depth", "initial_gain"} <= names(run)
    assert one(run, "vanishing_gradients").steps == (0, 0)
    assert "at step 0" in one(run, "vanishing_gradients").sentence


def test_findings_come_worst_first_and_are_plain():
    run = table_run(
        {"pre_gradient.rms": lambda d, t: 1e-3 * 0.25 ** (7 - d), "dead_share": lambda d, t: 0.3 * t,
         "dataset_dead_share": None},
        config={"model.norm": "batch", "batch_size": 2},
    )  # fmt: skip
    found = findings(run)
    assert [f.severity for f in found] == ["serious", "warning", "note"]
    as_json = json.loads(json.dumps(diagnose(run).as_dict(), allow_nan=False))
    assert as_json["findings"][0]["name"] == "batch_norm_small_batch"
    assert as_json["findings"][0]["evidence"][0] == {
        "label": "batch size",
        "value": 2.0,
        "note": "8 or fewer",
    }
    for finding in found:
        assert 0 <= finding.confidence <= 1
        assert finding.sentence.endswith(".")
        assert all(isinstance(value, float) for _, value, _ in finding.evidence)


POISONED = (
    *(
        "pre.mean",
        "pre.variance",
        "post.variance",
        "dead_share",
        "saturated_share",
        "gradient_norm",
        "update_ratio",
    ),
    *("cosine", "pre_gradient.rms", "post_gradient.zero_share", "train.loss", "head.logits.max"),
)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("since", [0.0, 1.0])
def test_values_that_are_not_finite_stop_no_rule(value, since):
    def poison(d, t):
        return value if d in (0, 2) and t >= since else 0.5

    for quantities in (POISONED, *((q,) for q in POISONED)):
        diagnosis = diagnose(table_run(dict.fromkeys(quantities, poison), config=SIGMOID))
        json.dumps(diagnosis.as_dict(), allow_nan=False)


def test_a_users_own_function_is_judged_by_its_values(monkeypatch, tmp_path):
    (tmp_path / "own_functions.py").write_text(
        "import jax.numpy as jnp\ndef squash(x):\n    return 1 / (1 + jnp.exp(-x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    own = {"activation": {"name": "own_functions:squash"}}
    steep = {"pre_gradient.rms": lambda d, t: 1e-3 * 0.25 ** (7 - d)} | STUCK
    assert "sigmoid_in_depth" in names(table_run(steep, config=own))
    absent = {"activation": {"name": "nowhere_to_be_found:f"}}
    assert "vanishing_gradients" in names(table_run(steep, config=absent))


def test_a_run_folder_of_before_these_records(runs):
    from actlab.runs import read_run

    for kind in ("healthy", "relu", "diverged", "begun", "running", "long", "learnt", "softmax", "nans"):
        diagnosis = diagnose(read_run(runs(kind)))
        assert ("divergence" in {f.name for f in diagnosis.findings}) == (kind == "diverged")
