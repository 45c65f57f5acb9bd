"""Bits per character of n-gram models with Witten-Bell smoothing, on the split that data=text makes.

python experiments/03_architectures/ngram.py [--size N] [--orders 8] [--path FILE]
"""

from __future__ import annotations

import argparse

import numpy as np

from actlab.data import text


def codes(tokens: np.ndarray, order: int, base: int) -> np.ndarray:
    """Return for each position the number of the ``order`` tokens that end there, -1 where there are too few."""
    found = np.zeros(len(tokens), np.int64)
    for back in range(order):
        found[back:] += tokens[: len(tokens) - back].astype(np.int64) * base**back
    found[: order - 1] = -1
    return found


def counted(values: np.ndarray, known: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return how often each of ``values`` was met: ``counts`` of the sorted ``known``, 0 for others."""
    at = np.minimum(np.searchsorted(known, values), len(known) - 1)
    return np.where(known[at] == values, counts[at], 0)


def bits_per_token(train: np.ndarray, test: np.ndarray, base: int, orders: int) -> list[np.ndarray]:
    r"""Return -log2 p of every token of ``test`` under models of order 1 to ``orders``, counted on ``train``.

    .. math:: p_n(c \mid h) = \frac{N(hc) + D(h)\, p_{n-1}(c \mid h')}{N(h) + D(h)}

    h the n - 1 tokens before, h' without the first of them, D(h) how many different tokens followed h in training;
    p_0 is uniform. Witten & Bell 1991, IEEE Trans. Information Theory 37(4); as interpolation in Chen & Goodman 1998.
    """
    p = np.full(len(test), 1.0 / base)
    found = []
    for order in range(1, orders + 1):
        grams, counts = np.unique(codes(train, order, base)[order - 1 :], return_counts=True)
        # A context is what a gram begins with: its number without the last token.
        contexts, at = np.unique(grams // base, return_inverse=True)
        followed, different = np.bincount(at, counts), np.bincount(at)
        here = codes(test, order, base)
        n, d = (counted(here // base, contexts, v) for v in (followed, different))
        mixed = (counted(here, grams, counts) + d * p) / np.maximum(n + d, 1)
        p = np.where((here >= 0) & (n > 0), mixed, p)
        found.append(-np.log2(p))
    return found


def unwound(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the tokens (N T + 1,) that windows ``x`` and ``y`` (N, T) were cut from."""
    return np.append(x.ravel(), y[-1, -1])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--size", type=int, help="the first so many characters; all")
    parser.add_argument("--orders", type=int, default=8)
    parser.add_argument("--path", help="a file or folder in the place of the text that the package ships")
    arguments = parser.parse_args()
    data = text(path=arguments.path, size=arguments.size, context=1)
    train, test = unwound(data.x_train, data.y_train), unwound(data.x_test, data.y_test)
    if data.num_classes**arguments.orders > 2**62:
        raise SystemExit(f"--orders {arguments.orders}: too many for {data.num_classes} characters")
    print(
        f"{data.name}: {len(train):,} training and {len(test):,} test characters, {data.num_classes} different"
    )
    for order, bits in enumerate(bits_per_token(train, test, data.num_classes, arguments.orders), 1):
        print(f"order {order}: {bits.mean():.4f} bits per character")


if __name__ == "__main__":
    main()
