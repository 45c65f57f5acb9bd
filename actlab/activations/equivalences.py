"""Which listed functions are the same, or the same up to scales and shifts, at which parameters."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

from jax import Array
from jax.typing import ArrayLike

from actlab.activations.act import Act, make
from actlab.activations.spec import Value


@dataclasses.dataclass(frozen=True)
class Same:
    """A pair: left(x) = output_scale * right(input_scale * x + input_shift) + output_shift, at every x.

    Derivatives are equal too, the ones autodiff gives; at kinks and jumps either side may choose its own value.
    Of a gated function x is the gate.

    Attributes:
        left: a listed name or alias.
        left_params: its parameters, the defaults for the others; their hash does not count.
        right: another one.
        right_params: likewise.
        note: why, where it is not plain from the formulas, or who says so.
    """

    left: str
    left_params: Mapping[str, Value] = dataclasses.field(hash=False)
    right: str
    right_params: Mapping[str, Value] = dataclasses.field(default_factory=dict, hash=False)
    input_scale: float = 1.0
    output_scale: float = 1.0
    input_shift: float = 0.0
    output_shift: float = 0.0
    note: str = ""

    def sides(self) -> tuple[Act, Callable[[ArrayLike], Array]]:
        """Return both sides as functions of x, the right one with its scales and shifts.

        >>> import actlab
        >>> aptx = next(same for same in actlab.equivalences if same.left == "aptx")
        >>> [f"{f(1.0):.4f}" for f in aptx.sides()]
        ['0.8808', '0.8808']
        """
        left, plain = make(self.left, **self.left_params), make(self.right, **self.right_params)
        if (self.input_scale, self.input_shift, self.output_scale, self.output_shift) == (1.0, 0.0, 1.0, 0.0):
            return left, plain

        def right(x: ArrayLike, *others: ArrayLike) -> Array:
            y = plain(self.input_scale * x + self.input_shift, *others)
            return self.output_scale * y + self.output_shift

        return left, right


_SQRT2 = math.sqrt(2.0)

equivalences = (
    # One function under two names, found twice.
    Same(
        "telu", {}, "tanhexp", note="TanhExp of 2020 (arXiv:2003.09855) is TeLU of 2024 (arXiv:2412.20269)."
    ),
    Same("golu", {}, "expexpish", note="GoLU of 2025 (arXiv:2502.03654) is ExpExpish of arXiv:2402.09092."),
    Same("acon_a", {}, "swish", note="ACON-A (arXiv:2009.04759) is swish (arXiv:1710.05941)."),
    # Saturating
    Same("sigmoid", {}, "tanh", {}, 0.5, 0.5, output_shift=0.5),
    Same("dyt", {}, "sigmoid", {}, output_scale=2.0, output_shift=-1.0, note="The bipolar sigmoid."),
    Same("dyt", {"alpha": 1.0}, "tanh"),
    Same("adaptive_slope_tanh", {}, "tanh"),
    Same("adaptive_slope_tanh", {"a": 0.1, "n": 10.0}, "tanh"),
    Same("scaled_tanh", {"a": 1.0, "b": 1.0}, "tanh"),
    Same("scaled_tanh", {"a": 2.0, "b": 0.5}, "dyt", {"alpha": 0.5, "gamma": 2.0}),
    Same("scaled_tanh", {}, "tanh", {}, 2.0 / 3.0, 1.7159, note="LeCun's tanh."),
    Same("soft_cap", {"cap": 1.0}, "tanh"),
    Same("soft_cap", {"cap": 4.0}, "scaled_tanh", {"a": 4.0, "b": 0.25}),
    Same("penalized_tanh", {"a": 1.0}, "tanh"),
    Same("self_scalable_tanh", {"beta": 0.0}, "tanh"),
    Same("kan_chebyshev", {}, "tanh"),
    Same("taaf", {}, "tanh"),
    Same("abu", {"weights": (1.0, 0.0, 0.0, 0.0, 0.0)}, "tanh"),
    Same("taaf", {"base": "sigmoid"}, "sigmoid"),
    Same("elliott", {}, "softsign", {}, output_scale=0.5, output_shift=0.5),
    Same("normal_cdf", {}, "erf", {}, 1 / _SQRT2, 0.5, output_shift=0.5),
    Same("derf", {}, "erf", {}, 0.5),
    Same("derf", {"alpha": 1.0}, "erf"),
    Same("isru", {}, "dyisru"),
    Same("isru", {"alpha": 0.25}, "dyisru", {"alpha": 4.0, "gamma": 2.0}),
    Same("isru", {"alpha": 4.0}, "isru", {}, 2.0, 0.5),
    Same("hard_sigmoid", {}, "sparse_sigmoid", {}, 1.0 / 3.0),
    Same("hard_tanh", {}, "sparse_sigmoid", {}, output_scale=2.0, output_shift=-1.0),
    Same("binary_concrete", {}, "sigmoid", {}, 1.5, note="Without a key."),
    Same("binary_concrete", {"temperature": 1.0}, "sigmoid", note="Without a key."),
    # Rectified
    Same("relu_n", {"n": 6.0}, "relu6"),
    Same("hard_tanh", {"min_val": 0.0, "max_val": 6.0}, "relu6"),
    Same("threshold", {}, "relu"),
    Same("threshold", {"theta": 1.0}, "thresholded_relu"),
    Same("thresholded_relu", {"theta": 0.0}, "relu"),
    Same(
        "thresholded_relu",
        {"theta": 0.001},
        "jump_relu",
        note="They differ in the gradient of the threshold.",
    ),
    Same("s_shaped_relu", {}, "relu"),
    Same("apl", {}, "relu"),
    Same("pwlu", {}, "relu"),
    Same("poly_relu", {"coefficients": (0.0, 1.0)}, "relu"),
    Same("poly_relu", {"coefficients": (0.0, 0.0, 1.0)}, "relu_squared"),
    Same("relu_squared", {}, "star_relu", {"scale": 1.0, "bias": 0.0}),
    Same("star_relu", {}, "relu_squared", {}, output_scale=0.8944, output_shift=-0.4472),
    Same("squareplus", {"b": 0.0}, "relu"),
    Same("mpelu", {"alpha": 0.0, "beta": 1.0}, "relu"),
    Same("complex_crelu", {}, "relu", note="For real x."),
    Same("noisy_relu", {}, "relu", note="Without a key."),
    Same("prob_act", {}, "relu", note="Without a key."),
    Same("leaky_relu", {"negative_slope": 0.0}, "relu"),
    Same("leaky_relu", {"negative_slope": 1.0}, "identity"),
    Same("leaky_relu", {"negative_slope": -1.0}, "abs"),
    Same("prelu", {}, "leaky_relu", {"negative_slope": 0.25}),
    Same("rprelu", {}, "prelu"),
    Same("rrelu", {}, "leaky_relu", {"negative_slope": 0.5 * (0.125 + 1.0 / 3.0)}, note="Without a key."),
    # Smooth
    Same("log_sigmoid", {}, "softplus", {}, -1.0, -1.0),
    Same("shifted_softplus", {}, "softplus", {}, output_shift=-math.log(2.0)),
    Same("softplus", {"beta": 2.0}, "softplus", {}, 2.0, 0.5),
    Same("smelu", {"beta": 1.0}, "sparse_plus"),
    Same("smelu", {"beta": 0.5}, "sparse_plus", {}, 2.0, 0.5),
    Same("squareplus", {"b": 1.0}, "squareplus", {}, 2.0, 0.5),
    Same("smu_1", {"alpha": 0.0, "mu": 2.0}, "squareplus", {"b": 4.0}),
    Same("celu", {}, "elu"),
    Same("celu", {"alpha": 1.5}, "pelu", {"a": 1.5, "b": 1.5}),
    Same("celu", {"alpha": 2.0}, "elu", {}, 0.5, 2.0),
    Same("mpelu", {"alpha": 1.5, "beta": 1.0}, "elu", {"alpha": 1.5}),
    Same("pelu", {}, "elu"),
    Same("selu", {"alpha": 1.0, "scale": 1.0}, "elu"),
    Same("selu", {}, "elu", {"alpha": 1.6732632423543772}, output_scale=1.0507009873554805),
    # Self-gated
    Same("aptx", {}, "silu", {}, 2.0, 0.5, note="arXiv:2209.06119 presents it as its own function."),
    Same("aptx", {"beta": 0.5}, "silu"),
    Same("aptx", {}, "swish", {"beta": 2.0}),
    Same("aptx", {"alpha": 0.0, "gamma": 1.0}, "lisht"),
    Same("swish", {}, "silu"),
    Same("swish", {"beta": 2.0}, "silu", {}, 2.0, 0.5),
    Same("quick_gelu", {}, "swish", {"beta": 1.702}),
    Same("expanded_silu", {}, "silu"),
    Same("expanded_silu", {"alpha": 0.5}, "acon_c", {"p1": 1.5, "p2": -0.5, "beta": 0.5}),
    Same("acon_c", {}, "silu"),
    Same("acon_c", {"beta": 2.0}, "swish", {"beta": 2.0}),
    Same("bsilu", {"alpha": 0.0}, "silu"),
    Same("sinlu", {"a": 0.0}, "silu"),
    Same("aglu_gate", {}, "silu"),
    Same("aglu_gate", {"kappa": 1.7}, "swish", {"beta": 1.7}),
    Same("kan_bspline", {}, "silu"),
    Same("kan_rbf", {}, "silu"),
    Same("abu", {"weights": (0.0, 0.0, 0.0, 1.0, 0.0)}, "silu"),
    Same("taaf", {"base": "silu", "beta": 2.0, "alpha": 0.5}, "swish", {"beta": 2.0}),
    Same("expanded_gelu", {}, "gelu"),
    Same("gelu_sine", {"amp": 0.0}, "gelu"),
    Same("smu", {"alpha": 0.0, "mu": 1 / _SQRT2}, "gelu"),
    Same("expanded_atlu", {}, "cauchy_lu"),
    # The identity, polynomials and rational functions
    Same("soft_shrink", {"lambd": 0.0}, "identity"),
    Same("hard_shrink", {"lambd": 0.0}, "identity"),
    Same("isru", {"alpha": 0.0}, "identity"),
    Same("smu", {"alpha": 1.0}, "identity"),
    Same("snake", {"a": 0.0}, "identity"),
    Same("n_activation", {"a": 0.0, "b": 0.0}, "identity"),
    Same("uaf", {"a": 1.0, "d": -1.0}, "identity"),
    Same("slaf", {}, "identity"),
    Same("slaf", {"coefficients": (0.0, 0.0, 1.0)}, "square"),
    Same("soft_exponential", {}, "identity"),
    Same("mod_relu", {}, "identity"),
    Same("soft_exponential", {"alpha": 1.0}, "exponential"),
    Same("pade_a", {"numerator": (0.0, 1.0), "denominator": (0.0,)}, "identity"),
    Same(
        "kan_rational",
        {},
        "pade_b",
        {
            "numerator": (0.0, 0.5, 0.249998, 0.053274, 0.005806, 0.000276),
            "denominator": (0.0, 0.106547, 0.0, 0.000551),
        },
    ),
    # Oscillatory and radial
    Same("siren_sine", {}, "sin", {"w": 30.0}),
    Same("sin", {"w": 2.0}, "sin", {}, 2.0),
    Same("cos", {}, "sin", {}, input_shift=0.5 * math.pi),
    Same("gaussian", {}, "gaussian_sigma", {"sigma": 1 / _SQRT2}),
    # Steps: equal in their surrogate slopes too
    Same("heaviside_ste", {}, "spike_straight_through"),
    Same("bernoulli_st", {}, "heaviside_ste", note="Without a key; at 0 they differ."),
    Same("bernoulli_st", {"backward": "sigmoid"}, "spike_sigmoid", {"alpha": 1.0}, note="Likewise."),
    Same("spike_gaussian", {"sigma": 0.5}, "spike_erf", {"alpha": _SQRT2}),
    Same("spike_soft_sign", {"alpha": 2.0}, "spike_fast_sigmoid", {"slope": 2.0}),
    Same("sign_ste", {}, "spike_boxcar", {"width": 2.0}, output_scale=2.0, output_shift=-1.0),
    Same("bireal_approx_sign", {}, "spike_triangular", {}, output_scale=2.0, output_shift=-1.0),
    Same("rsign", {}, "bireal_approx_sign", note="At 0 they differ."),
    # Along an axis
    Same("softmin", {}, "softmax", {}, -1.0),
    Same("softmax_temperature", {}, "softmax"),
    Same("softmax_temperature", {"temperature": 2.0}, "softmax", {}, 0.5),
    Same(
        "gumbel_softmax",
        {"temperature": 0.5},
        "softmax_temperature",
        {"temperature": 0.5},
        note="Without a key.",
    ),
    Same("gumbel_softmax", {}, "softmax", note="Without a key."),
    Same("softmax_sink", {}, "softmax_one"),
    Same("entmax", {"alpha": 1.5}, "entmax15"),
    Same("entmax", {"alpha": 2.0}, "sparsemax"),
    Same("entmax", {"alpha": 1.0}, "softmax"),
    Same("poly_norm", {"coefficients": (1.0,), "norm": "rms"}, "rms_norm_act"),
    Same(
        "max_min", {}, "group_sort", {}, -1.0, -1.0, note="One puts the larger first, the other the smaller."
    ),
    # Gated
    Same("swiglu", {"beta": 0.0}, "bilinear_glu", {}, output_scale=0.5),
)
