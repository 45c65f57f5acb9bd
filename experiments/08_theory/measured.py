"""Maps of variance, correlation and gradient against networks of width 512 to 2,048, layer by layer.

python experiments/08_theory/measured.py [--png measured.png] > measured.txt

Of every layer the next one is predicted from what the layer actually has: its own q, its own correlation. What is
left is averaged over the layers of each network; the networks' mean is divided by its standard error. Layers are not
taken for independent: with skips they are not. Shapes: N width, L layers, two inputs.
"""

from __future__ import annotations

import argparse
import math
from functools import partial

import altair as alt
import jax
import jax.numpy as jnp
import numpy as np

from actlab.activations import Act, make
from actlab.theory import Bands, Maps, bands, gain, maps
from actlab.theory.levels import levels, pair

NAMES = (
    "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "mish", "softplus", "tanh", "sigmoid", "erf", "sin",
    "hard_tanh", "softsign",
)  # fmt: skip
DRAWN = ("relu", "tanh", "gelu", "sigmoid")  # in the picture
NETS = {512: 24, 2048: 12}
DEPTH, START = 6, 0.4  # layers; correlation of the inputs' first pre-activations
SIGMA_B = 0.3
SKIP, BRANCH = 0.8, 0.6


def kind(act: Act, residual: bool) -> Maps:
    """Return the layer: weights that keep q at 1 beside the biases, as far as f goes."""
    sigma_w = gain(act) * math.sqrt(1 - SIGMA_B**2)
    return maps(act, sigma_w, SIGMA_B, residual=(SKIP, BRANCH) if residual else None)


@partial(jax.jit, static_argnames=("act", "skip", "branch"))
def run(weights: list, first, biases, last, sigma_w, act: Act, skip: float, branch: float):
    """Return q of both inputs, their cosine, (L + 1, 2) and (L + 1,), and the first one's gradient (L + 1,)."""
    n = len(first)

    def follow(slots):
        h, seen = first + slots[0], []
        for w, b, slot in zip(weights, biases, slots[1:], strict=True):
            seen.append(h)
            h = skip * h + branch * (sigma_w / n**0.5 * (w @ act(h)) + SIGMA_B * b[:, None]) + slot
        return (h * last).sum(), jnp.stack([*seen, h])

    zero = [jnp.zeros_like(first) for _ in range(len(weights) + 1)]
    back, h_LxNx2 = jax.grad(follow, has_aux=True)(zero)
    square = jnp.mean(h_LxNx2**2, 1)
    cosine = jnp.mean(h_LxNx2[..., 0] * h_LxNx2[..., 1], 1) / jnp.sqrt(square.prod(-1))
    return square, cosine, jnp.stack([jnp.mean(g[:, 0] ** 2) for g in back])


def draw(width: int, number: int):
    """Return a network's weights (N, N) a layer, its first pre-activations (N, 2), biases, and a direction back."""
    rng = np.random.default_rng([width, number])
    z = rng.standard_normal((width, 2), np.float32)
    first = np.stack([z[:, 0], START * z[:, 0] + (1 - START**2) ** 0.5 * z[:, 1]], 1)
    weights = [rng.standard_normal((width, width), np.float32) for _ in range(DEPTH)]
    return (
        weights,
        first,
        rng.standard_normal((DEPTH, width), np.float32),
        rng.standard_normal((width, 2), np.float32),
    )


def left_over(net: Maps, q: np.ndarray, c: np.ndarray, g: np.ndarray) -> dict[str, tuple[np.ndarray, float]]:
    """Return measured minus predicted, the mean over layers of each network, and the size of what is predicted."""
    square = levels(net.act, np.sqrt(q[:, :-1]))
    q_next = net.shortcut**2 * q[:, :-1] + net.branch**2 * (net.sigma_w**2 * square.square + net.sigma_b**2)
    chi = net.shortcut**2 + net.branch**2 * net.sigma_w**2 * square.slope_square[..., 0]
    size, middle = np.sqrt(q[:, :-1].prod(-1)), q[:, :-1].mean(-1)
    product = np.empty_like(size)
    for layer in range(
        DEPTH
    ):  # E f f' to first order around the networks' mean: what is beyond is of order 1 / N
        at, corr = float(middle[:, layer].mean()), float(c[:, layer].mean())
        value, slope = pair(net.act, corr, (at**0.5,) * 2)
        by_q = (pair(net.act, corr, ((1.01 * at) ** 0.5,) * 2)[0] - value) / (0.01 * at)
        product[:, layer] = (
            value
            + slope * (c[:, layer] * size[:, layer] - corr * at)
            + (by_q - slope * corr) * (middle[:, layer] - at)
        )
    common = net.shortcut**2 * c[:, :-1] * size + net.branch**2 * (net.sigma_w**2 * product + net.sigma_b**2)
    c_next = common / np.sqrt(q_next.prod(-1))
    return {
        "q": ((q[:, 1:] - q_next).mean((1, 2)), float(q_next.mean())),
        "c": ((c[:, 1:] - c_next).mean(1), float(c_next.mean())),
        "gradient": ((g[:, :-1] / g[:, 1:] - chi).mean(1), float(chi.mean())),
    }


def picture(drawn: list[dict]) -> alt.Chart:
    """Return predicted lines with bands of two standard deviations of one network, measured points, by depth."""
    rows = []
    for quantity, log in (("variance q", True), ("correlation c", False), ("gradient's variance", True)):
        data = alt.Data(values=[d for d in drawn if d["quantity"] == quantity])
        scale = alt.Scale(type="log") if log else alt.Scale(zero=False)
        y = alt.Y("low:Q", scale=scale, title=quantity)
        base = alt.Chart(data).encode(x=alt.X("layer:Q", axis=alt.Axis(tickMinStep=1)), color="activation:N")
        band = base.mark_area(opacity=0.15).encode(y=y, y2="high:Q")
        line = base.mark_line().encode(y=alt.Y("predicted:Q", scale=scale))
        points = base.mark_point(filled=True, size=12, opacity=0.5).encode(y=alt.Y("measured:Q", scale=scale))
        layered = alt.layer(band, line, points).properties(width=190, height=190)
        rows.append(layered.facet(column=alt.Column("network:N", title=None)))
    return alt.vconcat(
        *rows, title=f"Line: theory; band: two sd of one network of width 512; points: {NETS[512]} networks"
    )


def points(name: str, label: str, q, c, g, net: Maps) -> list[dict]:
    """Return the picture's rows of one activation."""
    told: Bands = bands(net, 512, DEPTH, c=START)
    chosen = (
        ("variance q", q[..., 0], told.mean.q, told.q_sd),
        ("correlation c", c, told.mean.c, told.c_sd),
        ("gradient's variance", g / g[:, -1:], told.mean.gradient, told.gradient_sd * told.mean.gradient),
    )
    return [
        {
            "activation": name, "network": label, "quantity": quantity, "layer": layer,
            "predicted": float(mean[layer]), "low": float(mean[layer] - 2 * sd[layer]),
            "high": float(mean[layer] + 2 * sd[layer]), "measured": float(one[layer]),
        }
        for quantity, values, mean, sd in chosen
        for one in values
        for layer in range(DEPTH + 1)
    ]  # fmt: skip


def main() -> None:
    """Print a line for every activation and kind of network, and how many lie within three standard errors."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--png")
    png = parser.parse_args().png
    print(f"{DEPTH} layers, {NETS} (width: networks), biases {SIGMA_B}, residual {SKIP} h + {BRANCH} branch")
    print("measured minus predicted over its standard error; in brackets relative to what is predicted")
    worst, drawn = [], []
    for width, count in NETS.items():
        seen: dict = {}
        for number in range(count):
            weights, first, biases, last = jax.device_put(draw(width, number))
            for name in NAMES:
                act = make(name)
                for residual in (False, True):
                    net = kind(act, residual)
                    found = run(weights, first, biases, last, net.sigma_w, act, net.shortcut, net.branch)
                    seen.setdefault((name, residual), []).append(jax.device_get(found))
        print(f"\nwidth {width:,}  {'':22}q{'':18}c{'':18}gradient's factor")
        for (name, residual), found in seen.items():
            q, c, g = (np.stack(v).astype(float) for v in zip(*found, strict=True))
            net = kind(make(name), residual)
            cells = []
            for values, size in left_over(net, q, c, g).values():
                z = values.mean() / (values.std(ddof=1) / math.sqrt(values.size))
                cells.append(f"{z:+6.2f} ({values.mean() / size:+.2%})")
                worst.append(abs(z))
            label = "residual" if residual else "plain"
            print(f"{name:12} {label:9}" + "".join(f"{cell:>19}" for cell in cells), flush=True)
            if width == 512 and name in DRAWN:
                drawn += points(name, label, q, c, g, net)
    worst = np.array(worst)
    print(
        f"\n{worst.size} comparisons: {(worst < 3).sum()} within 3 standard errors, largest {worst.max():.2f}; "
        f"root mean square {np.sqrt(np.mean(worst**2)):.2f} (1 where theory holds)"
    )
    if png:
        picture(drawn).save(png, scale_factor=2)


if __name__ == "__main__":
    main()
