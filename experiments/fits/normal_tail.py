"""Fit the Mills ratio of the normal distribution, R(t) = Phi(-t) exp(t^2 / 2), by a quotient P(t) / Q(t).

    python experiments/fits/normal_tail.py

prints the coefficients written in actlab/activations/special.py, lowest power first. deg P = deg Q - 1, as R falls
like 1 / t, and P(0) / Q(0) = 1/2 exactly. The largest relative error is minimised by Lawson's reweighted least
squares on the linearised problem P - R Q = 0. All coefficients are positive, so Horner's rule loses no digits.
"""

from __future__ import annotations

import mpmath as mp

# t beyond which Phi(-t) and its derivatives are 0 in the dtype, and the degree of Q.
FITS = {"single": (15, 5), "double": (40, 11)}


def mills(t):
    """Return Phi(-t) exp(t^2 / 2)."""
    return mp.erfc(t / mp.sqrt(2)) * mp.exp(t * t / 2) / 2


def value(coefficients, t):
    """Return the polynomial with these coefficients, lowest power first."""
    return mp.fsum(c * t**k for k, c in enumerate(coefficients))


def fit(end, degree, steps):
    """Return P, Q and the largest relative error."""
    count = 12 * degree
    # Dense near 0, where R bends: Chebyshev nodes in (t - 2) / (t + 2).
    top = mp.mpf(end - 2) / (end + 2)
    nodes = [(top - 1 - (top + 1) * mp.cos(mp.pi * i / (count - 1))) / 2 for i in range(count)]
    ts = [2 * (1 + u) / (1 - u) for u in nodes]
    rs = [mills(t) for t in ts]
    weight, below = [mp.mpf(1) / count] * count, [mp.mpf(1)] * count
    best = None
    for _ in range(steps):
        # Unknown: p_1 .. p_{n-1}, q_1 .. q_n; known: p_0 = 1/2, q_0 = 1.
        powers = [[t**k for k in range(degree + 1)] for t in ts]
        size = 2 * degree - 1
        normal, right = mp.zeros(size), mp.zeros(size, 1)
        for row, r, w, q in zip(powers, rs, weight, below, strict=True):
            scale = w / (r * q) ** 2
            line = [*row[1:degree], *(-r * v for v in row[1:])]
            known = r - mp.mpf(1) / 2
            for i in range(size):
                right[i] += scale * line[i] * known
                for j in range(i, size):
                    normal[i, j] += scale * line[i] * line[j]
        for i in range(size):
            for j in range(i):
                normal[i, j] = normal[j, i]
        found = list(mp.lu_solve(normal, right))
        p, q = [mp.mpf(1) / 2, *found[: degree - 1]], [mp.mpf(1), *found[degree - 1 :]]
        below = [value(q, t) for t in ts]
        errors = [abs(value(p, t) / (r * b) - 1) for t, r, b in zip(ts, rs, below, strict=True)]
        worst = max(errors)
        if best is None or worst < best[2]:
            best = p, q, worst
        weight = [w * (e + worst / 1000) for w, e in zip(weight, errors, strict=True)]
        total = sum(weight)
        weight = [w / total for w in weight]
    return best


def main() -> None:
    """Print both fits."""
    mp.mp.dps = 80
    for name, (end, degree) in FITS.items():
        p, q, worst = fit(end, degree, 30)
        print(name, "P", tuple(float(v) for v in p))
        print(name, "Q", tuple(float(v) for v in q))
        print(name, f"relative error 2^{mp.nstr(mp.log(worst, 2), 5)}", "all positive:", min(p + q) > 0)


if __name__ == "__main__":
    main()
