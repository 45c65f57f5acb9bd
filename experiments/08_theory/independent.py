"""The gradient's factor of plain tanh networks of width 512 again, in networks of their own.

python experiments/08_theory/independent.py > independent.txt
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import measured
import numpy as np

from actlab.activations import make
from actlab.theory.levels import levels

NETS, WIDTH = 120, 512


def main() -> None:
    """Print measured minus predicted, relative, with its standard error over networks."""
    act = make("tanh")
    net = measured.kind(act, residual=False)

    @jax.jit
    def one(key: jax.Array):
        start, biases, last, *keys = jax.random.split(key, measured.DEPTH + 3)
        z, c = jax.random.normal(start, (WIDTH, 2)), measured.START
        first = jnp.stack([z[:, 0], c * z[:, 0] + (1 - c * c) ** 0.5 * z[:, 1]], 1)
        weights = [jax.random.normal(k, (WIDTH, WIDTH)) for k in keys]
        bias = jax.random.normal(biases, (measured.DEPTH, WIDTH))
        return measured.run(
            weights,
            first,
            bias,
            jax.random.normal(last, (WIDTH, 2)),
            net.sigma_w,
            act,
            net.shortcut,
            net.branch,
        )

    off = []
    for number in range(NETS):
        q, _, g = (np.asarray(v, float) for v in one(jax.random.key(1000 + number)))
        chi = net.sigma_w**2 * levels(act, np.sqrt(q[:-1, 0])).slope_square
        off.append((g[:-1] / g[1:] - chi).mean() / chi.mean())
    off = np.array(off)
    print(
        f"tanh, plain, width {WIDTH}, {NETS} networks: {off.mean():+.2%} ± {off.std(ddof=1) / NETS**0.5:.2%}"
    )


if __name__ == "__main__":
    main()
