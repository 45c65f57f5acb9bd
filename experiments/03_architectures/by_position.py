"""Bits per token of a trained transformer and of n-gram models by how many tokens come before, on the test windows.

python experiments/03_architectures/by_position.py RUN [--order 6]
"""

from __future__ import annotations

import argparse
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
from ngram import bits_per_token, unwound
from omegaconf import OmegaConf

from actlab.cli.build import build
from actlab.train.checkpoint import Checkpoints
from actlab.train.folder import RunFolder

AT_ONCE = 128  # windows


def transformer_bits(path: Path) -> tuple[np.ndarray, object]:
    """Return -log2 p (N, T) of the test windows under the run's last checkpoint, and the run."""
    run = build(OmegaConf.load(path / ".hydra" / "config.yaml"))
    program, data = run.program, run.setup.data
    checkpoints = Checkpoints(RunFolder(path).checkpoints)
    state = checkpoints.restore(jax.eval_shape(program.init, run.numbers))
    checkpoints.close()
    print(f"{path}: step {int(state.step)} of {run.setup.steps}, {program.parameters:,} parameters")

    @jax.jit
    def bits(x, y):
        logp = jax.nn.log_softmax(run.looks._outputs(state, x))
        return -jax.numpy.take_along_axis(logp, y[..., None], -1)[..., 0] / np.log(2)

    parts = range(0, len(data.x_test), AT_ONCE)
    whole = [np.asarray(bits(data.x_test[i : i + AT_ONCE], data.y_test[i : i + AT_ONCE])) for i in parts]
    return np.concatenate(whole), run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--order", type=int, default=6, help="the n-gram model's")
    arguments = parser.parse_args()
    own, run = transformer_bits(arguments.run)
    data = run.setup.data
    train, test = unwound(data.x_train, data.y_train), unwound(data.x_test, data.y_test)
    grams = bits_per_token(train, test, data.num_classes, arguments.order)[-1][1:].reshape(own.shape)
    print(f"tokens before    transformer  {arguments.order}-gram")
    context = own.shape[1]
    bounds = [0, *(b for b in (1, 2, 4, 8, 16, 32, 64, 128) if b < context), context]
    for low, high in pairwise(bounds):
        print(f"{low + 1:4} to {high:4}     {own[:, low:high].mean():8.4f}  {grams[:, low:high].mean():8.4f}")
    print(f"all              {own.mean():8.4f}  {grams.mean():8.4f}")


if __name__ == "__main__":
    main()
