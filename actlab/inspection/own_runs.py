"""A decoder that `actlab train` trained, as something to look into."""

from __future__ import annotations

import dataclasses

import numpy as np
from flax import nnx

from actlab.activations import Act
from actlab.data import Dataset
from actlab.data.tokens import Spelling
from actlab.errors import InputError
from actlab.inspection.architecture import Architecture
from actlab.inspection.checkpoint import Checkpoint
from actlab.inspection.tokenizer import Tokenizer, bytes_of
from actlab.models import Transformer
from actlab.models.transformer_block import EPSILON, TransformerBlock
from actlab.nn import Activation
from actlab.nn.attention import ROPE_BASE
from actlab.train import Run
from actlab.train.setup import TrainState


def from_run(run: Run, state: TrainState, *, source: str = "run") -> Checkpoint:
    """Return the model of a run with the parameters of a state; learnt activations have their learnt values.

    Args:
        run: of the model `actlab.models.Transformer`; dropout is off.
        state: its parameters.
        source: where the run is, for errors and headings.

    Raises:
        InputError: another model, more or fewer tokens out than in, or an activation with a value of its own for
            each channel or unit.

    """
    return from_model(
        nnx.merge(run.program.graphdef, state.params, state.rest), run.setup.data, source=source
    )


def from_model(model: nnx.Module, data: Dataset, *, source: str) -> Checkpoint:
    """Return a model trained on a data set with the parameters it has; see `from_run`."""
    if not isinstance(model, Transformer):
        raise InputError(
            f"{source}: a {type(model).__name__} writes no text: train a transformer, model=transformer"
        )
    try:
        weights = dict(_weights(model))
        architecture = _architecture(model, data, weights)
        tokenizer = of_spelling(data.spelling)
        return Checkpoint(architecture, weights, tokenizer, f"transformer, {data.name}", source)
    except InputError as e:
        raise InputError(f"{source}: {e}") from None


def _architecture(model: Transformer, data: Dataset, weights: dict[str, np.ndarray]) -> Architecture:
    first: TransformerBlock = model.blocks[0]
    vocabulary, width = weights["tokens"].shape
    if data.outputs != vocabulary:
        raise InputError(
            f"{vocabulary} tokens go in and {data.outputs} come out: what it says it cannot read"
        )
    heads = first.attention.heads
    norms = {type(None): "none", nnx.LayerNorm: "layer", nnx.RMSNorm: "rms"}
    learned = model.positions is not None
    return Architecture(
        depth=len(model.blocks),
        width=width,
        hidden=weights["blocks.0.up.kernel"].shape[0],
        heads=heads,
        kv_heads=heads,
        head_width=width // heads,
        vocabulary=vocabulary,
        context=data.in_shape[0],
        act=tuple(_fixed(block.mlp.act) for block in model.blocks),
        norm=norms[type(model.norm)],
        epsilon=EPSILON,
        position="learned" if learned else "rope" if first.attention.rope else "none",
        rope_base=ROPE_BASE,
        mlp="plain" if first.mlp.gate is None else "gated",
        qk_norm=first.attention.query_norm is not None,
        tied=model.head is None,
    )


def _fixed(site: Activation) -> Act:
    """Return a site's activation with what it has learnt as its numbers."""
    act = site.act
    if act.learn and act.per != "tensor":
        raise InputError(
            f"{site.site} learnt {', '.join(act.learn)} for each {act.per}, which is not supported; known: per=tensor"
        )
    values = dict(act.params)
    for name, value in site.bound().items():
        array = np.asarray(value, np.float64)
        if name not in act.learn and np.float32(values[name]) == array:
            continue  # as it was given, but for its last digits
        values[name] = tuple(array.tolist()) if array.ndim else float(array)
    return dataclasses.replace(act, params=tuple(values.items()), learn=())


def _weights(model: Transformer):
    """Yield the weights by name; maps are (in, out) in the model."""
    yield "tokens", _array(model.tokens.embedding)
    if model.positions is not None:
        yield "positions", _array(model.positions.embedding)
    for i, block in enumerate(model.blocks):
        attention, mlp = block.attention, block.mlp
        norms = {"norm1": block.norm1, "norm2": block.norm2}
        norms |= {"query_norm": attention.query_norm, "key_norm": attention.key_norm}
        for name, norm in norms.items():
            yield from _norm(f"blocks.{i}.{name}", norm)
        maps = {
            "query": attention.query,
            "key": attention.key,
            "value": attention.value,
            "out": attention.out,
        }
        maps |= {"gate": mlp.gate, "up": mlp.up, "down": mlp.down}
        for name, linear in maps.items():
            if linear is not None:
                kernel = _array(linear.kernel).T
                yield f"blocks.{i}.{name}.kernel", np.ascontiguousarray(kernel)
                zero = np.zeros(len(kernel), np.float32)
                yield f"blocks.{i}.{name}.bias", zero if linear.bias is None else _array(linear.bias)
    yield from _norm("norm", model.norm)
    if model.head is not None:
        yield "head", np.ascontiguousarray(_array(model.head.kernel).T)


def _norm(name: str, norm: nnx.LayerNorm | nnx.RMSNorm | None):
    match norm:
        case nnx.LayerNorm():
            yield f"{name}.scale", _array(norm.scale)
            yield f"{name}.bias", _array(norm.bias)
        case nnx.RMSNorm():
            yield f"{name}.scale", _array(norm.scale)


def _array(parameter: nnx.Param) -> np.ndarray:
    return np.asarray(parameter[...], np.float32)


def of_spelling(spelling: Spelling | None) -> Tokenizer | None:
    """Return the tokenizer of a data set's text, None where nobody has said how its tokens are written.

    Raises:
        InputError: ``tokenizers`` is not installed.

    """
    if spelling is None:
        return None
    try:
        import tokenizers
    except ImportError:
        raise InputError("its tokenizer needs tokenizers: pip install 'actlab[lm]'") from None
    if spelling.level == "bpe":
        made = tokenizers.Tokenizer.from_str(spelling.content)
        named = {i: token for token, i in made.get_vocab().items()}
        return Tokenizer(made, made, tuple(bytes_of(named[i]) for i in range(spelling.size)))
    known = {character: i for i, character in enumerate(spelling.content)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(known))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex(r"[\s\S]"), "isolated")
    return Tokenizer(made, made, tuple(c.encode() for c in spelling.content), alphabet=frozenset(known))
