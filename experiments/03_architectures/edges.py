"""Draw the edge functions that a KAN [2, 1, 1] has learnt of exp(sin(pi x1) + x2**2), each beside the formula's part.

python experiments/03_architectures/edges.py OUT.png RUN
"""

from __future__ import annotations

import sys
from pathlib import Path

import altair as alt
import jax
import numpy as np
import polars as pl
import vl_convert
from flax import nnx
from omegaconf import OmegaConf

from actlab.cli.build import build
from actlab.report.bundle import vegalite_version
from actlab.train.checkpoint import Checkpoints

POINTS = 201


def edges(folder: Path):
    """Return the functions of a run's edges: ``f(layer, x (N, I)) -> (N, I)``, those to the only node there."""
    run = build(OmegaConf.load(folder / ".hydra" / "config.yaml"))
    program = run.program
    state = Checkpoints(folder / "checkpoints").read(jax.eval_shape(program.init, run.numbers))
    model = nnx.merge(program.graphdef, state.params, state.rest)
    if [layer.weight[...].shape for layer in model.layers] != [(2, 1), (1, 1)]:
        sys.exit(f"{folder} is no KAN [2, 1, 1]: model.width=1")

    def of(layer: int, x: np.ndarray) -> np.ndarray:
        own = model.layers[layer]
        phi = own.act(np.asarray(x, np.float32)[..., None], None)[..., 0]
        return np.asarray(phi * own.weight[...][:, 0])

    return of


def fitted(true: np.ndarray, learnt: np.ndarray) -> tuple[float, float, float]:
    """Return slope and offset of the line from ``true`` to ``learnt``, and the share of variance it explains."""
    a, b = np.polyfit(true, learnt, 1)
    return a, b, 1 - np.var(learnt - a * true - b) / np.var(learnt)


def main(out: Path, folder: Path) -> None:
    """Write the picture, print how well each edge is the formula's part."""
    of = edges(folder)
    line = np.linspace(-1, 1, POINTS)
    inner = of(0, np.stack([line, line], 1))
    parts = [("sin(pi x1)", line, inner[:, 0], np.sin(np.pi * line)), ("x2^2", line, inner[:, 1], line**2)]
    scales, shifts = [], []
    rows = []
    for name, x, learnt, true in parts:
        a, b, share = fitted(true, learnt)
        scales.append(a)
        shifts.append(b)
        print(f"edge {name}: {a:+.3f} of it {b:+.3f}, {share:.4%} of its variance")
        rows += [(name, float(u), float(v), "learnt") for u, v in zip(x, learnt, strict=True)]
        rows += [(name, float(u), float(a * v + b), "the formula's") for u, v in zip(x, true, strict=True)]
    scale = float(np.mean(scales))
    # Between the least and the greatest sum of the two: what the node is given.
    node = np.linspace(*sorted((scale * -1 + sum(shifts), scale * 2 + sum(shifts))), POINTS)
    outer, true = of(1, node[:, None])[:, 0], np.exp((node - sum(shifts)) / scale)
    error = np.sqrt(np.mean((outer - true) ** 2))
    print(f"edge exp: root mean squared distance {error:.4f} over [{true.min():.2f}, {true.max():.2f}]")
    name = "exp of the sum"
    rows += [(name, float(u), float(v), "learnt") for u, v in zip(node, outer, strict=True)]
    rows += [(name, float(u), float(v), "the formula's") for u, v in zip(node, true, strict=True)]
    table = pl.DataFrame(rows, ["edge", "given", "value", "what"], orient="row")
    charts = [
        alt.Chart(table.filter(pl.col("edge") == edge))
        .mark_line(strokeWidth=2.5)
        .encode(
            alt.X("given", title="what the edge is given"),
            alt.Y("value", title=None),
            alt.Color("what", title=None, scale=alt.Scale(range=["#1f6fb5", "#c4540a"])),
            alt.StrokeDash("what", title=None, scale=alt.Scale(range=[[1, 0], [5, 4]])),
        )
        .properties(title=edge, width=230, height=180)
        for edge in table["edge"].unique(maintain_order=True)
    ]
    spec = alt.hconcat(*charts).configure(background="white").to_dict()
    out.write_bytes(
        vl_convert.vegalite_to_png(spec, vl_version=vegalite_version(), scale=2.0, allowed_base_urls=[])
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
