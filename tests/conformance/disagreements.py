"""Where the same function gives something else elsewhere: who is right, and why.

Found by `peers.differences` with the versions below, in float32 on the CPU, and held against it by `test_peers.py`.
``"actlab"`` is right where there is a true value; at a kink, or where nothing is defined, it is a ``"convention"``.
"""

VERSIONS = {"jax": "0.10.2", "torch": "2.13.0", "keras": "3.15.1", "timm": "1.0.31", "entmax": "1.3"}

ALL = "jax torch keras timm"
JAX = "jax keras"  # Keras on JAX calls jax.nn
TORCH = "torch timm"

# (who is right, why, {aspect: {function: packages}})
REASONS = (
    (
        "actlab",
        "the limit exists; the formula as written is inf * 0, inf - inf or inf / inf there",
        {
            "value at -inf": {
                **dict.fromkeys(("gelu", "gelu_tanh", "hard_silu", "mish", "silu"), ALL),
                "quick_gelu": "timm",
                "sinc": "jax torch",
                "softsign": "jax torch keras",
                "squareplus": JAX,
                "swish": JAX,
            },
            "value at inf": {"gelu": TORCH, "sinc": "jax torch", "softsign": "jax torch keras"},
            **{
                f"slope at {end}": {
                    **dict.fromkeys(("gelu", "gelu_tanh", "mish", "silu"), ALL),
                    "quick_gelu": "timm",
                    "sinc": "jax torch",
                    "softsign": "jax torch keras",
                    "sparse_plus": JAX,
                    "squareplus": JAX,
                    "swish": JAX,
                }
                for end in ("-inf", "inf")
            },
        },
    ),
    (
        "actlab",
        "the limit as that entry grows: it takes all",
        {
            "value, entry +inf": {
                **dict.fromkeys(("softmax", "log_softmax"), "jax torch keras"),
                "rms_norm_act": "torch",
                "entmax": "entmax",
            },
            "gradient, entry +inf": {
                **dict.fromkeys(("softmax", "log_softmax"), "jax torch keras"),
                "logsumexp": "jax torch",
                "rms_norm_act": "torch",
                "entmax": "entmax",
            },
            "value, entries -inf": {"softmin": "torch", "rms_norm_act": "torch"},
            "gradient, entries -inf": {"softmin": "torch", "rms_norm_act": "torch"},
        },
    ),
    (
        "actlab",
        "a NaN that goes in has to come out, in the gradient too: it is how a broken run is noticed",
        {
            "value at nan": {
                **dict.fromkeys(("hard_shrink", "soft_shrink", "threshold"), "keras"),
                **dict.fromkeys(("heaviside", "sign"), "torch"),
            },
            "slope at nan": {
                **dict.fromkeys(("celu", "elu", "hard_silu", "prelu", "rrelu", "selu"), "torch"),
                **dict.fromkeys(("hard_tanh", "leaky_relu", "relu", "relu6"), "jax torch keras"),
                **dict.fromkeys(("hard_shrink", "soft_shrink", "threshold"), "torch keras"),
                **dict.fromkeys(("abs", "sign"), "jax torch"),
                "hard_sigmoid": ALL,
                "heaviside": "jax",
                "sparse_sigmoid": JAX,
            },
        },
    ),
    (
        "actlab",
        "a power, a multiple or a difference of x overflows, where the result does not",
        {
            "value, huge": {
                "gelu": TORCH,
                "hard_silu": "torch",
                "rms_norm_act": "torch",
                "squareplus": JAX,
                "entmax": "entmax",
            },
            "slope, huge": {"arcsinh": "jax torch", "gelu_tanh": ALL, "sparse_plus": JAX, "squareplus": JAX},
            "gradient, huge": {"rms_norm_act": "torch", "entmax": "entmax"},
        },
    ),
    (
        "actlab",
        "two nearly equal numbers are subtracted, as in 1 + erf or x - tanh x, and leave no digits",
        {
            "value": {"gelu": TORCH, "gelu_tanh": ALL, "normal_cdf": "torch", "tanh_shrink": "torch keras"},
            "value, left tail": {"gelu": TORCH, "gelu_tanh": ALL, "normal_cdf": "torch", "squareplus": JAX},
            "slope": {"gelu_tanh": ALL, "sinc": "jax torch", "tanh_shrink": "torch keras"},
            "slope, left tail": {"gelu": TORCH, "gelu_tanh": ALL, "squareplus": JAX},
            "slope, huge": {"softsign": "jax torch keras"},
        },
    ),
    (
        "actlab",
        "f' is told from the rounded y, as 1 - y^2, y (1 - y), y + alpha or exp(x - y)",
        {
            "slope": {"tanh": JAX},
            "slope, left tail": {"celu": JAX, "elu": JAX, "selu": JAX, "tanh": ALL},
            "slope, right tail": {"sigmoid": ALL, "tanh": ALL},
            "gradient, huge": {"logsumexp": "torch"},
        },
    ),
    (
        "actlab",
        "the threshold is wrong: the weights do not sum to 1",
        {
            f"{what}, {case}": {"sparsemax": "keras"}
            for what in ("value", "gradient")
            for case in (
                "ordinary",
                "equal entries",
                "entries -inf",
                "huge",
                "all -inf",
                "entry +inf",
                "entry nan",
            )
            if (what, case) != ("value", "entries -inf")
        },
    ),
    (
        "actlab",
        "an error in place of a value: no entry is above a threshold of NaN",
        {
            f"value, {case}": dict.fromkeys(("sparsemax", "entmax15"), "entmax")
            for case in ("all -inf", "entry +inf", "entry nan")
        },
    ),
    (
        "convention",
        "a row of -inf has no weights of its own; equal entries share equally here, so that it cannot spread NaN",
        {
            "value, all -inf": {
                **dict.fromkeys(("softmax", "log_softmax"), "jax torch keras"),
                **dict.fromkeys(("softmin", "rms_norm_act"), "torch"),
                "entmax": "entmax",
            },
            "gradient, all -inf": {
                **dict.fromkeys(("softmax", "log_softmax"), "jax torch keras"),
                **dict.fromkeys(("softmin", "rms_norm_act"), "torch"),
                "logsumexp": "jax torch",
                "entmax": "entmax",
            },
        },
    ),
    (
        "convention",
        "at a kink: the derivative on the right here and in jax.nn, on the left in torch",
        {"slope at 0": dict.fromkeys(("leaky_relu", "prelu", "rrelu"), "torch")},
    ),
    (
        "convention",
        "at a kink: outside the derivative is 0, which is taken here and in torch, inside it is 1, taken in jax.nn",
        {"slope at -1": {"hard_tanh": JAX}, "slope at 1": {"hard_tanh": JAX}},
    ),
    (
        "convention",
        "at a kink: 0 as in hard_tanh here; jax.nn halves the slope, as its minimum and maximum do",
        {"slope at -1": {"sparse_sigmoid": JAX}, "slope at 1": {"sparse_sigmoid": JAX}},
    ),
    (
        "convention",
        "at a kink: 0, the middle of -1 and 1, here and in torch",
        {"slope at 0": {"abs": "jax"}},
    ),
    ("convention", "f' is 0 wherever there is one; torch has none", {"slope": {"heaviside": "torch"}}),
    (
        "convention",
        "it is sin(pi x) / (pi x) there, and x / pi is rounded before the sine is taken",
        {"value, huge": {"sinc": "jax torch"}, "slope, huge": {"sinc": "jax torch"}},
    ),
)

DISAGREEMENTS: dict[tuple[str, str], dict[str, tuple[str, str]]] = {}
for who, why, aspects in REASONS:
    for aspect, functions in aspects.items():
        for function, packages in functions.items():
            for package in packages.split():
                assert aspect not in DISAGREEMENTS.setdefault((function, package), {}), (
                    function,
                    package,
                    aspect,
                )
                DISAGREEMENTS[function, package][aspect] = (who, why)
