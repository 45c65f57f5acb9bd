"""Recurrent networks for sequences: LSTM and GRU whose activation is chosen, one direction or both; linear head.

A signal (T,) is a sequence of T numbers, an image or a series (T, D) one of T vectors, a text one of T tokens. Gates
stay sigmoids: they are weights between 0 and 1. Time is a scan. Shapes: B batch, T positions, D features in, H hidden
units, K classes.
"""

from __future__ import annotations

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from actlab.activations import Act, sigmoid
from actlab.errors import InputError, suggest
from actlab.models.blocks import (
    Dropout,
    activate,
    at_least,
    check_dropout,
    check_gain,
    fold,
    linear,
)
from actlab.nn import Activation, initializer, number

CELLS = ("gru", "lstm")
POOLS = ("none", "last", "mean", "each")


class GRUCell(nnx.Module):
    r"""Gated recurrent unit, with the candidate's activation at the site ``<name>.act``.

    .. math:: r, z = \sigma(W x + U h + b), \quad n = f(W_n x + b_n + r \odot (U_n h + c_n)), \quad
              h' = (1 - z) \odot n + z \odot h

    f is tanh in the source. The reset gate acts after the product, as in cuDNN and PyTorch. Cho et al. 2014,
    arXiv:1406.1078.
    """

    def __init__(self, act: Act, d_in: int, width: int, *, name: str, init: str, gain, dtype, rngs: nnx.Rngs):
        self.width = width
        maps = gate_maps(d_in, width, 3, init=init, gain=gain, dtype=dtype, rngs=rngs)
        self.input, self.recurrent = maps
        self.act = Activation(act, (width,), site=f"{name}.act", repeated=True)

    def start(self, batch: int, dtype: jax.typing.DTypeLike) -> tuple[jax.Array, ...]:
        """Return the state before the first position: h (B, H), zeros."""
        return (jnp.zeros((batch, self.width), dtype),)

    def step(
        self, state: tuple[jax.Array, ...], given_Bx3H: jax.Array, *, train: bool, key: jax.Array | None
    ):
        """Return the state after one more position, given ``input`` of it; its first array is the output (B, H)."""
        (h,) = state
        of_x, of_h = jnp.split(given_Bx3H, 3, -1), jnp.split(self.recurrent(h), 3, -1)
        r, z = (sigmoid(a + b) for a, b in zip(of_x[:2], of_h[:2], strict=True))
        n = activate(self.act, of_x[2] + r * of_h[2], train=train, key=key)
        return ((1 - z) * n + z * h,)


class LSTMCell(nnx.Module):
    r"""Long short-term memory, with the candidate's activation at ``<name>.act``, the cell's at ``<name>.cell_act``.

    .. math:: i, f, o = \sigma(W x + U h + b), \quad g = \phi(W_g x + U_g h + b_g), \quad
              c' = f \odot c + i \odot g, \quad h' = o \odot \phi(c')

    :math:`\phi` is tanh in the source. The forget gate's bias starts 1 higher (Jozefowicz, Zaremba, Sutskever 2015).
    Hochreiter & Schmidhuber 1997; with a forget gate Gers, Schmidhuber, Cummins 2000, doi:10.1162/089976600300015015.
    """

    def __init__(self, act: Act, d_in: int, width: int, *, name: str, init: str, gain, dtype, rngs: nnx.Rngs):
        self.width = width
        maps = gate_maps(d_in, width, 4, init=init, gain=gain, dtype=dtype, rngs=rngs)
        self.input, self.recurrent = maps
        forget = jnp.zeros(4 * width).at[width : 2 * width].set(1.0)
        self.input.bias[...] = self.input.bias[...] + forget
        self.act = Activation(act, (width,), site=f"{name}.act", repeated=True)
        self.cell_act = Activation(act, (width,), site=f"{name}.cell_act", repeated=True)

    def start(self, batch: int, dtype: jax.typing.DTypeLike) -> tuple[jax.Array, ...]:
        """Return the state before the first position: h, c (B, H), zeros."""
        return tuple(jnp.zeros((batch, self.width), dtype) for _ in range(2))

    def step(
        self, state: tuple[jax.Array, ...], given_Bx4H: jax.Array, *, train: bool, key: jax.Array | None
    ):
        """Return the state after one more position, given ``input`` of it; its first array is the output (B, H)."""
        h, c = state
        i, f, o, g = jnp.split(given_Bx4H + self.recurrent(h), 4, -1)
        g = activate(self.act, g, train=train, key=fold(key, 0))
        c = sigmoid(f) * c + sigmoid(i) * g
        return sigmoid(o) * activate(self.cell_act, c, train=train, key=fold(key, 1)), c


def gate_maps(
    d_in: int, width: int, parts: int, *, init: str, gain, dtype, rngs: nnx.Rngs
) -> tuple[nnx.Linear, nnx.Linear]:
    """Return the maps of the input and of the state to ``parts`` gates.

    The state's is orthogonal for each gate, as in Keras; under ``torch_default`` all is U(-1/sqrt(H), 1/sqrt(H)), as
    in PyTorch's recurrent layers, but that `LSTMCell` adds 1 to the forget gate's bias, which PyTorch does not.
    """
    if init == "torch_default":
        _, uniform = initializer(init, width)

        def kernel(key, shape, dtype=jnp.float32, out_sharding=None):
            return uniform(key, shape, dtype) * jnp.asarray(gain, dtype)

        own = {"kernel_init": kernel, "bias_init": uniform, "dtype": dtype, "rngs": rngs}
        return nnx.Linear(d_in, parts * width, **own), nnx.Linear(width, parts * width, **own)

    square, bias = initializer("orthogonal", width, gain)

    def each(key, shape, dtype=jnp.float32, out_sharding=None):
        keys = jax.random.split(key, parts)
        return jnp.concatenate([square(k, (width, width), dtype) for k in keys], axis=-1)

    of_input = linear(d_in, parts * width, init=init, gain=gain, dtype=dtype, rngs=rngs)
    return of_input, nnx.Linear(
        width, parts * width, kernel_init=each, bias_init=bias, dtype=dtype, rngs=rngs
    )


def run_over_time(
    cell: GRUCell | LSTMCell, x_BxTxD: jax.Array, *, reverse: bool, train: bool, key: jax.Array | None
) -> jax.Array:
    """Return the cell's outputs (B, T, H) at every position, read from the last to the first if ``reverse``.

    The input's share of every position is one product; only the state's runs in the scan.
    """
    given_TxBxG = jnp.moveaxis(cell.input(x_BxTxD), 1, 0)

    def body(state, step):
        given, position = step
        state = cell.step(state, given, train=train, key=fold(key, position))
        return state, state[0]

    positions = jnp.arange(len(given_TxBxG))
    start = cell.start(len(x_BxTxD), given_TxBxG.dtype)
    _, h_TxBxH = jax.lax.scan(body, start, (given_TxBxG, positions), reverse=reverse)
    return jnp.moveaxis(h_TxBxH, 0, 1)


class RecurrentBlock(nnx.Module):
    """One layer over the sequence: a cell forward in time and, ``bidirectional``, another backward, side by side."""

    def __init__(self, cell: type, act: Act, d_in: int, width: int, *, name: str, bidirectional: bool, **own):
        self.forward = cell(act, d_in, width, name=f"{name}.forward", **own)
        self.backward = cell(act, d_in, width, name=f"{name}.backward", **own) if bidirectional else None

    def __call__(self, x_BxTxD: jax.Array, *, train: bool, key: jax.Array | None) -> jax.Array:
        """Return (B, T, H) or, of both directions, (B, T, 2H)."""
        h = run_over_time(self.forward, x_BxTxD, reverse=False, train=train, key=fold(key, 1))
        if self.backward is None:
            return h
        back = run_over_time(self.backward, x_BxTxD, reverse=True, train=train, key=fold(key, 2))
        return jnp.concatenate([h, back], axis=-1)


class Recurrent(nnx.Module):
    """``depth`` layers of LSTM or GRU over a sequence, and a linear head. Sites ``blocks.<i>.<direction>.act``.

    Args:
        act: the activation of the candidate (tanh in the literature), and of the LSTM's cell; one of its own at each.
        in_shape: shape of one sample: (T,) or (T, D).
        num_classes: number of logits.
        vocabulary: tokens that go in, each a learnt vector of ``width`` numbers, normal with standard deviation 1 at
            first; None where samples are numbers.
        cell: ``gru`` or ``lstm``.
        depth: layers.
        width: hidden units in each direction.
        bidirectional: read the sequence both ways.
        dropout: share of a layer's outputs dropped in training.
        pool: what the head sees: ``none`` all positions' outputs, ``last`` the states after the last position read,
            ``mean`` their mean; ``each``: every position's, for logits at each (B, T, K). A model of what comes next
            must not be ``bidirectional``: it would have read it.
        init: name of an initialiser, see ``actlab.nn.initializer``; the state's maps are orthogonal, or as PyTorch's
            (the LSTM's forget bias 1 higher).
        gain: factor of the initial kernels.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: a size, rate or name that cannot be.

    >>> from actlab import make
    >>> model = Recurrent(make("tanh"), (40,), 10, width=6, bidirectional=True, rngs=nnx.Rngs(0))
    >>> model(jnp.ones((2, 40))).shape
    (2, 10)
    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        vocabulary: int | None = None,
        cell: Literal["gru", "lstm"] = "gru",
        depth: int = 1,
        width: int = 32,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pool: Literal["none", "last", "mean", "each"] = "last",
        init: str = "glorot_uniform",
        gain: float = 1.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        at_least(1, depth=depth, width=width)
        check_dropout(dropout)
        check_gain(gain, init)
        for name, value, known in (("cell", cell, CELLS), ("pool", pool, POOLS)):
            if value not in known:
                raise InputError(f"{name}={value!r} is unknown{suggest(str(value), known)}")
        if len(in_shape) not in (1, 2):
            raise InputError(f"recurrent needs samples (T,) or (T, D), this data has shape {tuple(in_shape)}")
        own = {"init": init, "gain": number("model.gain", gain), "dtype": dtype, "rngs": rngs}
        kind = {"gru": GRUCell, "lstm": LSTMCell}[cell]

        self.pool, self.width = pool, width
        table = {"embedding_init": nnx.initializers.normal(1.0), "dtype": dtype, "rngs": rngs}
        self.tokens = None if vocabulary is None else nnx.Embed(vocabulary, width, **table)
        self.add_feature = len(in_shape) == 1 and vocabulary is None
        out = width * (2 if bidirectional else 1)
        first = 1 if self.add_feature else width if vocabulary is not None else in_shape[1]
        sizes = [first] + [out] * (depth - 1)
        self.blocks = nnx.List(
            RecurrentBlock(kind, act, d_in, width, name=f"blocks.{i}", bidirectional=bidirectional, **own)
            for i, d_in in enumerate(sizes)
        )
        self.dropouts = nnx.List([Dropout(dropout) for _ in sizes] if dropout else [])
        self.head = linear(out * in_shape[0] if pool == "none" else out, num_classes, **own)

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K), or (B, T, K), for ``x`` (B, *in_shape); with dropout, training needs ``key``."""
        h = x[..., None] if self.add_feature else x if self.tokens is None else self.tokens(x)
        for i, block in enumerate(self.blocks):
            h = block(h, train=train, key=fold(key, 2 * i))
            if self.dropouts and train:
                h = self.dropouts[i](h, fold(key, 2 * i + 1))
        if self.pool == "last":  # the backward direction's last position read is the first
            h = jnp.concatenate([h[:, -1, : self.width], h[:, 0, self.width :]], axis=-1)
        return self.head(
            h.reshape(len(h), -1) if self.pool == "none" else h.mean(1) if self.pool == "mean" else h
        )
