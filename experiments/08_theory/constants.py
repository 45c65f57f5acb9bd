"""Published constants of signal propagation, what the library computes, and the difference.

python experiments/08_theory/constants.py > constants.txt
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

from actlab.activations import make
from actlab.theory import born_dead, critical, edge, maps, moments, transform
from actlab.theory.levels import levels

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from dks_golden import FIELDS, GOLDEN, RESNET

SPREAD = {  # Brock, De, Smith 2021, arXiv:2101.08692, as timm has them: 1 / standard deviation, by sampling
    "relu": 1.7139588594436646, "gelu": 1.7015043497085571, "silu": 1.7881293296813965, "tanh": 1.5939117670059204,
    "sigmoid": 4.803835391998291, "softplus": 1.9203323125839233, "elu": 1.2716004848480225,
    "selu": 1.0008515119552612, "softsign": 2.338853120803833,
}  # fmt: skip
EXACT = {  # the same by integration, to nine digits
    "relu": 1.712858550, "gelu": 1.700926243, "silu": 1.787187222, "tanh": 1.592537420, "sigmoid": 4.801313372,
    "softplus": 1.919125980, "elu": 1.270843418, "selu": 1.0, "softsign": 2.337533363,
}  # fmt: skip
DEPTHS = {  # tanh, sigma_b^2 = 0.05; sigma_w^2: c*, chi_1, xi_c, xi_q (Schoenholz et al. 2017, arXiv:1611.01232)
    1.0: (1.0, 0.75903165, 3.62698, 1.74763), 1.3: (1.0, 0.88016351, 7.83407, 1.78524),
    2.0: (0.74408242, 1.04766600, 25.21341, 1.38798), 2.5: (0.44680423, 1.13351570, 11.79560, 1.17987),
    4.0: (0.16506496, 1.34240241, 6.98027, 0.87329),
}  # fmt: skip
EDGES = {  # at q* = 1: sigma_w, sigma_b^2 (Hayou, Doucet, Rousseau 2019, arXiv:1902.06853, figure 3)
    "silu": (1.623320, 0.062472), "gelu": (1.481114, 0.067192), "elu": (1.223429, 0.034660),
    "tanh": (1.467413592, 0.150964629), "erf": (1.325218, 0.184140), "softplus": (None, -2.14),
    "sigmoid": (None, -5.54),
}  # fmt: skip
MOMENTS = {  # E f, E f^2
    "gelu": (0.282094792, 0.425221483), "gelu_tanh": (0.282038588, 0.425193711), "silu": (0.206620964, 0.355775520),
    "mish": (0.240403888, 0.452342192), "elu": (0.160520572, 0.644945418), "softplus": (0.806059183, 0.921245909),
    "sigmoid": (0.5, 0.293379036), "erf": (0.0, 0.464559054),
}  # fmt: skip


def row(what: str, published: float, ours: float) -> None:
    """Print a line."""
    print(f"{what:58}{published:>22.15g}{ours:>22.15g}{ours - published:>12.1e}")


def main() -> None:
    """Print the table."""
    print(f"{'':58}{'published':>22}{'ours':>22}{'difference':>12}")
    row(
        "tanh, critical sigma_w^2 at sigma_b^2 = 0.05", 1.7609546396, critical("tanh", 0.05**0.5).sigma_w ** 2
    )
    row("tanh, critical sigma_w at sigma_b = 0", 1.0, critical("tanh").sigma_w)
    row("relu, critical sigma_w", 2**0.5, critical("relu").sigma_w)
    at = critical("tanh", 0.2)
    row("tanh, critical sigma_w at sigma_b = 0.2", 1.304145840, at.sigma_w)
    row("tanh, q* there", 0.512078504, at.q)
    near = maps("tanh", 1.05, 2.01e-5)
    row("tanh, q* at (1.05, 2.01e-5)", 0.0532505, near.fixed_q())
    row("tanh, chi_1 there", 1.0028756, near.chi(near.fixed_q()))
    for square, values in DEPTHS.items():
        net = maps("tanh", square**0.5, 0.05**0.5)
        q = net.fixed_q()
        ours = (net.fixed_c(q), net.chi(q), net.xi_c, net.xi_q)
        for name, value, own in zip(("c*", "chi_1", "xi_c", "xi_q"), values, ours, strict=True):
            row(f"tanh, sigma_w^2 = {square}, sigma_b^2 = 0.05: {name}", value, own)
    for name, (sigma_w, square) in EDGES.items():
        ours = edge(name, 1.0)
        if sigma_w is not None:
            row(f"{name}, sigma_w on the edge at q* = 1", sigma_w, ours[0])
        row(f"{name}, sigma_b^2 there", square, ours[1])
    relu = maps("relu", 2**0.5)
    deep = relu.depth(100, c=0.0).c
    row("relu, C(0) = 1/pi", 1 / math.pi, relu.c(0.0, 1.0))
    row("relu, C'(0)", 0.5, relu.c_slope(0.0, 1.0))
    for layers, value in ((2, 0.4937310902), (10, 0.8715355160), (100, 0.9964231467)):
        row(f"relu, C applied {layers} times to 0", value, deep[layers])
    selu = levels(make("selu"), 1.0)
    row("selu, mean of a unit normal", 0.0, moments("selu").mean)
    row("selu, its second moment", 1.0, moments("selu").second_moment)
    row("selu, d mean / d variance at (0, 1)", 0.08883476, 0.5 * selu.value_by_sd)
    row("selu, d second moment / d variance", 0.78264788, selu.half_square_by_sd)
    for name, (mean, second) in MOMENTS.items():
        found = moments(name)
        row(f"{name}, E f", mean, found.mean)
        row(f"{name}, E f^2", second, found.second_moment)
    for name, value in SPREAD.items():
        found = moments(name)
        ours = (found.second_moment - found.mean**2) ** -0.5
        row(f"{name}, 1/sd, NFNet's (sampled: up to 9e-4 high)", value, ours)
        row(f"{name}, 1/sd, integrated", EXACT[name], ours)
    leaky = transform("leaky_relu", "tat", RESNET, eta=0.75)
    row("TAT leaky_relu, negative slope", 0.6291800290346146, dict(leaky.of.params)["negative_slope"])
    row("TAT leaky_relu, output scale", 1.196996549778802, leaky.output_scale)
    for (name, method), values in GOLDEN.items():
        found = transform(name, method, RESNET, zeta=1.2, tau=0.2)
        for field, value in zip(FIELDS, values, strict=True):
            row(f"{method.upper()} {name}, {field.replace('_', ' ')}", value, getattr(found, field))
    for width, depth, bound in ((2, 2, 0.4375), (3, 9, 1 - (7 / 8) ** 9), (8, 49, 1 - (1 - 2**-8) ** 49)):
        row(
            f"born-dead probability, width {width}, {depth} layers", bound, born_dead("relu", [width] * depth)
        )


if __name__ == "__main__":
    main()
