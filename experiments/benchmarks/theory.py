"""Moments and transforms against dks' numpy core, in one process, by processor seconds.

pip install dks==0.1.2 autograd absl-py
python experiments/benchmarks/theory.py > ../08_theory/benchmark.txt

Ours: compiling apart. dks reads its quadrature's nodes from a file first, which is not counted. The error of a
transform is by how much it misses what it is made for, a plain network of 50 layers, by our moments: Q(1) = 1,
Q'(1) = 1, and a whole network's C'(1) = 1.5 (DKS) or C''(1) = 0.3 (TAT), relative.
"""

from __future__ import annotations

import argparse
import time

from dks.base import activation_transform as dks
from dks.base.activation_getter import get_activation_function

from actlab.activations import make
from actlab.theory import Plain, moments, table, transform, transforms
from actlab.theory.catalogue import theoretical
from actlab.theory.levels import levels

DEPTH, ZETA, TAU = 50, 1.5, 0.3
CASES = (
    ("tanh", "dks"),
    ("softplus", "dks"),
    ("gelu", "dks"),
    ("tanh", "tat"),
    ("softplus", "tat"),
    ("gelu", "tat"),
)
FIELDS = ("input_scale", "input_shift", "output_shift", "output_scale")
THEIRS = {"gelu": "gelu_exact"}


def clocked(call, repeats: int = 1):
    """Return what a call returns and its processor seconds, the least of so many."""
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        found = call()
        best = min(best, time.process_time() - start)
    return found, best


def error(name: str, method: str, numbers: dict[str, float]) -> float:
    """Return by how much a transform misses its targets."""
    alpha, beta, delta, gamma = (float(numbers[f]) for f in FIELDS)
    at = levels(make(name), alpha, beta)
    q = gamma**2 * (at.square + 2 * delta * at.value + delta**2)
    rise = gamma**2 * alpha * (at.half_square_by_sd + delta * at.value_by_sd)
    slope = gamma**2 * alpha**2 * at.slope_square
    if method == "dks":
        last = slope**DEPTH / ZETA - 1
    else:
        last = max(abs(slope - 1), abs(gamma**2 * alpha**4 * at.bend_square * DEPTH / TAU - 1))
    return float(max(abs(q - 1), abs(rise - 1), abs(last)))


def theirs(name: str, method: str) -> dict[str, float]:
    """Return dks' numbers."""
    known = THEIRS.get(name, name)
    options = {"dks_params": {"c_slope_1_target": ZETA}, "tat_params": {"c_curve_target": TAU}}
    found = dks._get_activations_params((known,), method.upper(), **options, subnet_max_func=Plain(DEPTH))
    return found[known]


def of_moments() -> None:
    """Print what the moments of the whole catalogue take."""
    f = get_activation_function("tanh")
    dks._estimate_gaussian_mean(f)  # reads the nodes
    names = theoretical()
    _, compiling = clocked(table)
    found, ours = clocked(table, 3)
    worst = max(
        (abs(found.second_moment[0, i] - (m := moments(n).second_moment)) / m, n) for i, n in enumerate(names)
    )
    _, rival = clocked(lambda: [dks._estimate_gaussian_mean(g) for g in (f, lambda x: f(x) ** 2)], 3)
    print(f"moments (E f, E f^2, E f'^2) of {len(names)} activations, one call mapped over q: {ours:.3f} s "
          f"(compiling {compiling:.0f} s)")  # fmt: skip
    print(f"  largest relative difference of E f^2 from the adaptive integral: {worst[0]:.1e}, {worst[1]}")
    print(
        f"  dks, E f and E f^2 of tanh alone: {rival:.3f} s, {rival / (ours / len(names)):.0f} times one of ours"
    )


def of_transforms() -> None:
    """Print what transforms take, and how well they are solved."""
    dks._estimate_gaussian_mean(get_activation_function("tanh"))  # reads the nodes
    many = range(20, 84)
    print(
        f"\n{'':16}{'dks s':>9}{'error':>9}{'ours s':>9}{'error':>9}{'ratio':>8}{'64 depths s':>13}{'each':>9}"
    )
    for name, method in CASES:
        transform(name, method, 40, zeta=ZETA, tau=TAU)  # compiles
        one, own = clocked(lambda n=name, m=method: transform(n, m, DEPTH, zeta=ZETA, tau=TAU), 3)
        transforms(name, method, many, zeta=ZETA, tau=TAU)
        _, batch = clocked(lambda n=name, m=method: transforms(n, m, many, zeta=ZETA, tau=TAU))
        rival, other = clocked(lambda n=name, m=method: theirs(n, m))
        errors = error(name, method, rival), error(name, method, {f: getattr(one, f) for f in FIELDS})
        print(
            f"{name:10}{method:6}{other:9.2f}{errors[0]:9.0e}{own:9.4f}{errors[1]:9.0e}{other / own:8.0f}"
            f"{batch:13.3f}{batch / len(many):9.4f}",
            flush=True,
        )


def main() -> None:
    """Print the figures, or one half of them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", choices=("moments", "transforms"))
    only = parser.parse_args().only
    if only != "transforms":
        of_moments()
    if only != "moments":
        of_transforms()


if __name__ == "__main__":
    main()
