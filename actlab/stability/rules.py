"""The rules of diagnosis as data: what each says, its limits, what to try, and who described it.

How a rule is judged stands in `actlab.stability.judges`; a number that decides stands here. Limits were set so that
every sick run of ``experiments/04_stability/diseases.py`` shows its disease and no healthy one a warning.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from actlab.stability.finding import Limit


@dataclass(frozen=True)
class Rule:
    """One named disease.

    Attributes:
        name: what findings, tests and tables call it.
        title: the same for people.
        means: why it matters, one sentence.
        limits: measures by name, each with its `Limit`.
        advice: (what to try, override); ``{words}`` in braces are filled in by whoever judges, and an advice whose
            words are not known, whose key the config lacks or which the run follows already is left out.
        source: author, year, arXiv number.
        follows_from: rules of which this is a consequence: where one of those is found with at least this one's
            severity, this is told as a note.
    """

    name: str
    title: str
    means: str
    limits: Mapping[str, Limit]
    advice: tuple[tuple[str, str], ...]
    source: str
    follows_from: tuple[str, ...] = ()


MIN_DEPTH = 4
"""Sites (or layers) in a row from which a factor per layer can be told at all; with fewer there is no depth."""

LOW_RATE = ("lower the learning rate to a tenth", "optimizer.learning_rate={lower_rate}")
CLIP = ("clip the gradient's norm", "optimizer.clip_norm=1.0")
WARM_UP = ("warm the learning rate up", "optimizer.warmup_steps={warm_up}")
NORMALISE = ("normalise before the activation", "model.norm=layer")
SKIP = ("add skip connections", "model.residual=true")
INIT = (
    "start with the weights that keep signal and gradient of {activation} nearest to constant",
    "model.init={initialiser}",
)

RULES = (
    Rule(
        "divergence",
        "Divergence",
        "a value stopped being finite, nothing after it means anything",
        {},
        (LOW_RATE, CLIP, WARM_UP, NORMALISE),
        "Wortsman et al. 2023, arXiv:2309.14322",
    ),
    Rule(
        "output_misfit",
        "Output activation does not fit the loss",
        "the loss applies softmax or sigmoid itself: applied twice the gradient is squeezed, and a bounded output "
        "cannot reach what is asked of it",
        {
            # |sum over classes - 1|; logits that nobody normalised miss 1 by about their own size.
            "row_sum_error": Limit(at=1e-3, sure=1e-5, serious=1e-3),
            # Outputs within [0, 1] or [-1, 1] whose largest comes this close to the bound.
            "bound": Limit(at=0.9, sure=0.99, serious=0.999),
        },
        (
            ("let the model return plain logits, without {found} on its output", ""),
            ("for one class of many: softmax, which this loss applies itself", "loss=cross_entropy"),
        ),
        "Bridle 1990; Goodfellow, Bengio & Courville 2016, section 6.2.2",
    ),
    Rule(
        "born_dead",
        "Born dead",
        "a layer gives nothing for any sample from the start, so no gradient ever passes it",
        # Share of a layer's units that are dead in the first record and ever after.
        {"dead": Limit(at=0.95, sure=1.0, serious=0.95)},
        (
            ("widen the layers: a layer of N dies with probability 2^-N", "model.width={wider}"),
            ("an activation that does not go flat", "activation=leaky_relu"),
            NORMALISE,
            SKIP,
            ("fewer layers", "model.depth={shallower}"),
        ),
        "Lu, Shin, Su & Karniadakis 2019, arXiv:1903.06733",
    ),
    Rule(
        "learning_rate_too_high",
        "Learning rate too high",
        "steps overshoot: the loss ends above where it began, or jumps, or the weights are replaced at every step",
        {
            # Loss at the end relative to the loss before the first step, the model no longer at its best.
            "loss": Limit(at=1.05, sure=2.0, serious=1.05),
            # |update| / |weights| of the median layer over the second half of the run; about 1e-3 is usual, Adam at
            # 1e-2 on a small network has 1e-2.
            "update_ratio": Limit(at=0.1, sure=0.5),
            # Sharpness over the step's stability limit. Hovering at 1 is the edge of stability and normal; up to 4
            # a network can still escape to flatter ground.
            "sharpness": Limit(at=2.0, sure=8.0, serious=8.0),
            # Largest window over the running median of those before it, while the loss is not yet small.
            "spikes": Limit(at=3.0, sure=30.0, serious=300.0),
        },
        (LOW_RATE, WARM_UP, CLIP),
        "Lewkowycz et al. 2020, arXiv:2003.02218; Cohen et al. 2021, arXiv:2103.00065",
    ),
    Rule(
        "exploding_activations",
        "Exploding activations",
        "values grow until float32 can no longer hold the differences between samples",
        {
            # Root mean square at any site; trained rectifier networks reach some tens.
            "rms": Limit(at=1e3, sure=1e5, serious=1e5),
            # Last over first site, from the fitted line.
            "growth": Limit(at=1e2, sure=1e4, serious=1e4),
        },
        (INIT, NORMALISE, LOW_RATE),
        "He et al. 2015, arXiv:1502.01852; Hanin & Rolnick 2018, arXiv:1803.01719",
    ),
    Rule(
        "vanishing_signal",
        "Vanishing signal",
        "what one sample differs from another fades with depth, the last layers see a constant",
        {
            # Standard deviation of the last over that of the first site, from the fitted line.
            "fade": Limit(at=1e-2, sure=1e-4, serious=1e-4),
            # Variance relative to the squared mean, at the worst site: below it the output is a constant.
            "flat": Limit(at=1e-3, sure=1e-6, serious=1e-6),
        },
        (INIT, NORMALISE, SKIP),
        "Glorot & Bengio 2010; Schoenholz et al. 2017, arXiv:1611.01232",
        follows_from=("born_dead", "dying_units"),
    ),
    Rule(
        "vanishing_gradients",
        "Vanishing gradients with depth",
        "early layers learn far more slowly than late ones, or not at all",
        # Gradient at the first over that at the last site, from the fitted line.
        {"ratio": Limit(at=1e-2, sure=1e-4, serious=1e-4)},
        (
            ("an activation whose slope does not shrink", "activation=relu model.init=he_normal"),
            INIT,
            NORMALISE,
            SKIP,
            ("fewer layers", "model.depth={shallower}"),
        ),
        "Hochreiter 1991; Bengio, Simard & Frasconi 1994; Glorot & Bengio 2010",
        follows_from=("born_dead", "dying_units"),
    ),
    Rule(
        "exploding_gradients",
        "Exploding gradients with depth",
        "early layers are moved far more than late ones: one learning rate cannot suit both",
        {
            "ratio": Limit(at=1e2, sure=1e4, serious=1e4),
            # Largest gradient norm of any layer, a run that learns has below 100.
            "norm": Limit(at=1e4, sure=1e6, serious=1e6),
        },
        (CLIP, INIT, NORMALISE, LOW_RATE),
        "Pascanu, Mikolov & Bengio 2013, arXiv:1211.5063; Hanin & Rolnick 2018, arXiv:1803.01719",
    ),
    Rule(
        "initial_gain",
        "Initial weights do not suit the activation",
        "each layer multiplies the signal's variance by the same factor, which depth makes a power",
        # Variance (second moment) at the last over the first site at step 0, as a factor away from 1.
        {"drift": Limit(at=30.0, sure=1e3, serious=1e6)},
        (INIT, NORMALISE),
        "Glorot & Bengio 2010; He et al. 2015, arXiv:1502.01852",
    ),
    Rule(
        "sigmoid_in_depth",
        "Saturating activation in deep hidden layers",
        "its slope is below 1 nearly everywhere, so each layer passes on less gradient than it got",
        {
            "sites": Limit(at=4, sure=8),
            # Gradient factor per layer going backward, measured.
            "factor": Limit(at=0.6, sure=0.3),
        },
        (
            ("a rectifier or a gate with its own initialiser", "activation=relu model.init=he_normal"),
            ("if it has to be bounded", "activation=tanh model.init=lecun_normal"),
            NORMALISE,
            SKIP,
        ),
        "LeCun et al. 1998; Glorot & Bengio 2010",
    ),
    Rule(
        "dying_units",
        "Dying units",
        "units fall silent for every sample while training, and with no gradient none comes back",
        # Share of a site's units that are dead at the end and were not at the start. The published MNIST-1D network
        # loses 40 % and is well: a note.
        {"dead": Limit(at=0.2, sure=0.8, warning=0.5, serious=0.9)},
        (
            LOW_RATE,
            ("keep a small slope on the dead side", "activation=leaky_relu"),
            WARM_UP,
            NORMALISE,
        ),
        "Lu, Shin, Su & Karniadakis 2019, arXiv:1903.06733; Trottier et al. 2016, arXiv:1605.09332",
        follows_from=("born_dead",),
    ),
    Rule(
        "saturation",
        "Saturation",
        "most inputs lie on the flat ends, where next to no gradient passes",
        # Share of a site's values with |f'| < 0.01 max|f'|.
        {"share": Limit(at=0.4, sure=0.8, warning=0.6, serious=0.9)},
        (LOW_RATE, NORMALISE, ("weight decay", "optimizer.weight_decay=1e-3")),
        "Glorot & Bengio 2010",
    ),
    Rule(
        "rank_collapse",
        "Rank collapse",
        "the samples' representations become parallel: the last layers cannot tell them apart",
        {
            # Mean cosine between samples at the worst site; a relu network at initialisation has 0.9 at depth 12.
            "cosine": Limit(at=0.97, sure=0.995, serious=0.995),
            # The same before the activation, at the same site.
            "before": Limit(at=0.9, sure=0.99),
            # How it grew from the first site: 1 - cosine there over 1 - cosine here.
            "growth": Limit(at=3.0, sure=10.0),
        },
        (NORMALISE, SKIP, ("fewer layers", "model.depth={shallower}")),
        "Daneshmand et al. 2020, arXiv:2003.01652; Dong, Cordonnier & Loukas 2021, arXiv:2103.03404",
        follows_from=("born_dead", "dying_units", "vanishing_signal", "sigmoid_in_depth"),
    ),
    Rule(
        "mean_shift",
        "Mean shift",
        "the next layer's covariance is dominated by a constant direction, which makes the loss ill-conditioned",
        {
            # |mean| / standard deviation of the output at the worst site. Relu on a unit normal has 0.68,
            # sigmoid 2.4; trained rectifiers lie below 1.4.
            "ratio": Limit(at=4.0, sure=10.0, serious=30.0),
            "growth": Limit(at=1.5, sure=3.0),  # worst over first site
        },
        (
            ("an activation with outputs on both sides of 0", "activation=elu"),
            NORMALISE,
            ("self-normalising units", "activation=selu model.init=lecun_normal"),
        ),
        "Clevert, Unterthiner & Hochreiter 2015, arXiv:1511.07289; Brock, De & Smith 2021, arXiv:2101.08692",
        follows_from=("born_dead", "dying_units"),
    ),
    Rule(
        "batch_norm_small_batch",
        "Batch normalisation with a tiny batch",
        "the statistics of a few samples are noise, and differ from the averages used at evaluation",
        # Values a channel's mean is taken over in the first normalised layer that has fewest: samples in an MLP.
        {"batch": Limit(at=8, sure=2, serious=3)},
        (
            ("a normalisation that does not look at the batch", "model.norm=layer"),
            ("a larger batch", "batch_size=64"),
        ),
        "Ioffe 2017, arXiv:1702.03275; Wu & He 2018, arXiv:1803.08494",
    ),
    Rule(
        "underflow",
        "Underflow",
        "gradients or updates are rounded to nothing",
        {
            # Largest part of a gradient over the smallest normal number of its dtype.
            "gradient": Limit(at=16.0, sure=1.0, serious=1.0),
            # Share of exact zeros among gradients at a site's output, which no activation makes zero.
            "zeros": Limit(at=0.5, sure=0.95, serious=0.95),
            # |update| / |weights| over half the weights' rounding step: below 1 the sum is the old weight.
            "update": Limit(at=1.0, sure=0.1),
        },
        (
            ("compute in float32", "dtype=float32"),
            ("bfloat16, which has float32's range", "dtype={ranged}"),
            NORMALISE,
            ("a higher learning rate", "optimizer.learning_rate={higher_rate}"),
        ),
        "Micikevicius et al. 2018, arXiv:1710.03740",
        follows_from=("born_dead", "dying_units", "vanishing_gradients", "saturation"),
    ),
    Rule(
        "attention_entropy_collapse",
        "Attention entropy collapse",
        "heads look at one key whatever the query: their softmax is saturated and passes no gradient",
        {
            # Entropy over the entropy of looking everywhere, mean over heads; and how it fell since the first record.
            "entropy": Limit(at=0.1, sure=0.01, serious=0.02),
            "fall": Limit(at=0.5, sure=0.1),
            "logit": Limit(at=50.0, sure=500.0),  # largest attention score
        },
        (
            ("normalise queries and keys", "model.qk_norm=true"),
            LOW_RATE,
            WARM_UP,
        ),
        "Zhai et al. 2023, arXiv:2303.06296; Dehghani et al. 2023, arXiv:2302.05442",
    ),
)
