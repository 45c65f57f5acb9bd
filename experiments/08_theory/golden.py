"""Whose error it is where dks' golden numbers and ours part: both held to a solution with 40 digits.

pip install dks==0.1.2 autograd absl-py
python experiments/08_theory/golden.py > golden.txt

The equations are solved by mpmath (Gauss-Legendre panels, Newton's method) for the true target of the network and for
the one at which dks' bisection stops; then dks' own quadrature, 100,000 Gauss-Legendre nodes on [-10, 10], is held to
mpmath's integrals at the same numbers. Independent of `actlab.theory` but for the network and the numbers compared.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mpmath as mp
import numpy as np
from dks import base
from scipy.special import erf

from actlab.theory import transform

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from dks_golden import FIELDS, GOLDEN, RESNET, stopped

mp.mp.dps = 40
_NODES = mp.calculus.quadrature.GaussLegendre(mp.mp).calc_nodes(5, 160)  # 48 of them


def jet(name: str, x):
    """Return f, f', f'' by hand, in mpmath."""
    if name == "tanh":
        y = mp.tanh(x)
        return y, 1 - y * y, -2 * y * (1 - y * y)
    if name == "softplus":
        s = 1 / (1 + mp.exp(-x))
        return mp.log1p(mp.exp(x)), s, s * (1 - s)
    cdf, bell = mp.erfc(-x / mp.sqrt(2)) / 2, mp.npdf(x)
    return x * cdf, cdf + x * bell, (2 - x * x) * bell


def integrals(name: str, alpha, beta) -> list:
    """Return E f, E f^2, E f'^2, E f''^2, E f' z, E f f' z at alpha z + beta; 48 nodes on each of 16 panels."""
    total = [mp.mpf(0)] * 6
    for low in range(-16, 16, 2):
        for t, w in _NODES:
            z = low + 1 + t
            y, slope, bend = jet(name, alpha * z + beta)
            bell = w * mp.npdf(z)
            for i, v in enumerate((y, y * y, slope * slope, bend * bend, slope * z, y * slope * z)):
                total[i] += v * bell
    return total


def misses(name: str, method: str, p, target):
    """Return the equations' residuals and all four numbers at the unknowns p."""
    m = integrals(name, p[0], p[1])
    delta = p[2] if method == "tat" else -m[0]
    room = 1 / (m[1] + 2 * delta * m[0] + delta**2)
    off = [
        room * p[0] * (m[5] + delta * m[4]) - 1,
        room * p[0] ** 2 * m[2] - (1 if method == "tat" else target),
    ]
    if method == "tat":
        off.append(room * p[0] ** 4 * m[3] - target)
    return off, (p[0], p[1], delta, mp.sqrt(room))


def solve(name: str, method: str, target, start) -> tuple:
    """Return alpha, beta, delta, gamma to about 30 digits, from numbers known to 7."""
    p = [mp.mpf(v) for v in start[: 3 if method == "tat" else 2]]
    inverse = None
    for _ in range(12):  # a fixed Jacobian from differences: three to seven digits a step
        off = misses(name, method, p, target)[0]
        if inverse is None:
            step = mp.mpf("1e-15")
            aside = ([v + step * (i == j) for j, v in enumerate(p)] for i in range(len(p)))
            moved = [misses(name, method, a, target)[0] for a in aside]
            inverse = (
                mp.matrix([[(moved[j][i] - off[i]) / step for j in range(len(p))] for i in range(len(p))])
                ** -1
            )
        change = inverse * mp.matrix(off)
        p = [v - d for v, d in zip(p, change, strict=True)]
        if max(abs(d) for d in change) < mp.mpf("1e-30"):
            break
    return misses(name, method, p, target)[1]


def true_target(method: str):
    """Return what one layer may have, by bisection with 40 digits."""
    whole, low = (lambda s: RESNET(mp.mpf(1), lambda y: s * y) - mp.mpf("1.2"), 1) if method == "dks" else (
        lambda s: RESNET(mp.mpf(0), lambda y: s + y) - mp.mpf("0.2"), 0)  # fmt: skip
    return mp.findroot(whole, (low, low + mp.mpf("0.2")), solver="anderson", tol=mp.mpf("1e-60"))


def theirs(name: str, alpha: float, beta: float, nodes: np.ndarray, weights: np.ndarray) -> list[float]:
    """Return E f, E f^2, E f'^2 by dks' rule."""
    z = 10 * nodes
    x = alpha * z + beta
    if name == "tanh":
        y, slope = np.tanh(x), 1 - np.tanh(x) ** 2
    elif name == "softplus":
        y, slope = np.logaddexp(x, 0), 1 / (1 + np.exp(-x))
    elif name == "relu":
        y, slope = np.maximum(x, 0), (x > 0).astype(float)
    else:
        cdf = 0.5 * (1 + erf(x / 2**0.5))
        y, slope = x * cdf, cdf + x * np.exp(-0.5 * x * x) / (2 * np.pi) ** 0.5
    bell = 10 * weights * np.exp(-0.5 * z * z) / (2 * np.pi) ** 0.5
    return [float(v @ bell) for v in (y, y * y, slope * slope)]


def worst(a, b) -> float:
    """Return the largest relative difference of four numbers."""
    return float(max(abs(mp.mpf(x) / mp.mpf(y) - 1) for x, y in zip(a, b, strict=True)))


def main() -> None:
    """Print the table."""
    nodes, weights = np.load(next(Path(base.__file__).parent.glob("roots_100000.npy")))  # it ships them
    print("largest relative difference of scale, shift, shift, scale   (exact: 40 digits)")
    print(f"{'':16}{'ours':>9}{'dks':>9}{'dks, target':>13}{'the two':>9}{'dks rule':>10}")
    print(f"{'':16}{'- exact':>9}{'- exact':>9}{'as it stops':>13}{'targets':>9}{'- exact':>10}")
    for (name, method), golden in GOLDEN.items():
        if name in ("relu", "gelu_tanh"):
            continue
        ours = transform(name, method, RESNET, zeta=1.2, tau=0.2)
        ours = tuple(getattr(ours, f) for f in FIELDS)
        if name == "tanh" and ours[1] < 0:  # its mirror image
            ours = (ours[0], -ours[1], -ours[2], ours[3])
        exact = solve(name, method, true_target(method), golden)
        loose = solve(name, method, mp.mpf(stopped(method)), golden)
        rule = theirs(name, golden[0], golden[1], nodes, weights)
        by_rule = worst(rule, integrals(name, mp.mpf(golden[0]), mp.mpf(golden[1]))[:3])
        print(f"{name:10}{method:6}{worst(ours, exact):9.0e}{worst(golden, exact):9.0e}{worst(golden, loose):13.0e}"
              f"{worst(loose, exact):9.0e}{by_rule:10.0e}", flush=True)  # fmt: skip
    # relu, DKS: gamma^2 alpha^2 P(z > -1 / alpha) = target, in closed form
    target, alpha = true_target("dks"), mp.mpf(GOLDEN["relu", "dks"][0])

    def slope(a):
        kept = mp.ncdf(1 / a)
        mean = kept + a * mp.npdf(1 / a)
        square = (1 + a * a) * kept + a * mp.npdf(1 / a)
        return a * a * kept / (square - mean**2) - target

    exact = mp.findroot(slope, alpha)
    ours = transform("relu", "dks", RESNET, zeta=1.2).input_scale
    rule = theirs("relu", GOLDEN["relu", "dks"][0], 1.0, nodes, weights)[2]
    print(f"{'relu':10}{'dks':6}{float(abs(ours / exact - 1)):9.0e}{float(abs(alpha / exact - 1)):9.0e}{'':22}"
          f"{float(abs(rule / mp.ncdf(1 / alpha) - 1)):10.0e}   (input scale; E f'^2)")  # fmt: skip


if __name__ == "__main__":
    main()
