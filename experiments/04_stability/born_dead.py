"""Networks of relu that are dead before training: 10,000 of them in one program, against the formula and a table.

python experiments/04_stability/born_dead.py [--nets 10000]

A network is born dead when its last hidden layer is 0 for every input. Weights symmetric about 0, biases 0. For one
input the probability is exactly 1 - (1 - 2^-N)^H, width N, H hidden layers: a layer dies where all N signs of its
units are wrong. For the interval [-1, 1], whose two halves are multiples of +1 and -1, the first hidden layer cannot
die, and 1 - (1 - 2^-N)^(H-1) is an upper bound.
Lu, Shin, Su, Karniadakis 2020, arXiv:1903.06733; Rister & Rubin 2017.
"""

from __future__ import annotations

import argparse
import math
import time
from functools import partial

import jax
import jax.numpy as jnp
from circumstances import circumstances

import actlab

# (width, hidden layers): share of 100,000 networks that are dead for both +1 and -1.
TABLE = {
    (2, 2): 0.1558,
    (2, 4): 0.4971,
    (2, 9): 0.8796,
    (2, 19): 0.9937,
    (3, 9): 0.5788,
    (4, 19): 0.6273,
    (5, 19): 0.3557,
    (5, 49): 0.7514,
    (8, 49): 0.1384,
}
TABLE_NETS = 100_000


def formula(width: int, layers: int) -> float:
    """Return 1 - (1 - 2^-N)^H."""
    return -math.expm1(layers * math.log1p(-(2.0**-width)))


@partial(jax.jit, static_argnames=("width", "depth", "nets"))
def dead(key: jax.Array, *, width: int, depth: int, nets: int) -> tuple[jax.Array, jax.Array]:
    """Return the number of networks dead for input +1, and for both +1 and -1; int32."""

    def network(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        first, rest = jax.random.split(key)
        inputs = jnp.array([[1.0], [-1.0]])

        def layer(h_2xN: jax.Array, key: jax.Array) -> tuple[jax.Array, None]:
            weights = jax.random.normal(key, (width, width)) * math.sqrt(2 / width)
            return actlab.relu(h_2xN @ weights), None

        h_2xN = actlab.relu(inputs @ jax.random.normal(first, (1, width)))
        h_2xN, _ = jax.lax.scan(layer, h_2xN, jax.random.split(rest, depth - 1))
        gone = (h_2xN == 0).all(axis=1)
        return gone[0], gone.all()

    one, both = jax.vmap(network)(jax.random.split(key, nets))
    return one.sum(), both.sum()


def deviation(share: float, truth: float, nets: int, truth_nets: float = math.inf) -> float:
    """Return how many standard errors two shares differ, the truth's own error included."""
    return (share - truth) / math.sqrt(truth * (1 - truth) * (1 / nets + 1 / truth_nets))


def main() -> None:
    """Print the shares of dead networks beside what they should be."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--nets", type=int, default=10_000)
    nets = parser.parse_args().nets
    began = time.perf_counter()
    print(f"share of {nets:,} relu networks born dead; s.e. = differences in standard errors\n")
    print(f"{'':14} {'one input':^28}   {'the interval [-1, 1]':^38}")
    print(
        f"{'width':>5} {'hidden':>8} {'measured':>9} {'formula':>9} {'s.e.':>8}   "
        f"{'measured':>9} {'table':>9} {'s.e.':>8} {'bound':>9}"
    )
    worst = 0.0
    for i, ((width, depth), table) in enumerate(TABLE.items()):
        counts = dead(jax.random.fold_in(jax.random.key(0), i), width=width, depth=depth, nets=nets)
        one, both = (int(c) / nets for c in counts)
        exact = formula(width, depth)
        off_one, off_both = deviation(one, exact, nets), deviation(both, table, nets, TABLE_NETS)
        worst = max(worst, abs(off_one), abs(off_both))
        print(
            f"{width:5} {depth:8} {one:9.4f} {exact:9.4f} {off_one:+8.2f}   "
            f"{both:9.4f} {table:9.4f} {off_both:+8.2f} {formula(width, depth - 1):9.4f}"
        )
    print(f"\nlargest difference: {worst:.2f} standard errors (of {2 * len(TABLE)} comparisons)")
    print(f"{time.perf_counter() - began:.0f} s; {circumstances()}")


if __name__ == "__main__":
    main()
