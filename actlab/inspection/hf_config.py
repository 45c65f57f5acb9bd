"""What a Hugging Face ``config.json`` says of a model, as an `Architecture`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from actlab.activations import Act, make
from actlab.errors import InputError, suggest
from actlab.inspection.architecture import Architecture

WIDEST = 1 << 16  # numbers of a head; 256 in the widest known
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gpt2")
# transformers' names of activations and ours; it writes the same tanh form of gelu in four ways.
ACTS = {
    "silu": ("silu", {}), "swish": ("silu", {}), "gelu": ("gelu", {}), "gelu_python": ("gelu", {}),
    "gelu_new": ("gelu_tanh", {}), "gelu_pytorch_tanh": ("gelu_tanh", {}), "gelu_fast": ("gelu_tanh", {}),
    "gelu_accurate": ("gelu_tanh", {}), "quick_gelu": ("quick_gelu", {}), "relu": ("relu", {}),
    "relu6": ("relu6", {}), "relu2": ("relu_squared", {}), "leaky_relu": ("leaky_relu", {"negative_slope": 0.01}),
    "mish": ("mish", {}), "tanh": ("tanh", {}), "sigmoid": ("sigmoid", {}), "hardswish": ("hard_silu", {}),
    "linear": ("identity", {}),
}  # fmt: skip
# What changes the computation and has no place in an `Architecture`, with the values at which it changes nothing.
FOREIGN = {
    "quantization_config": (None,), "partial_rotary_factor": (None, 1, 1.0), "num_local_experts": (None, 0),
    "num_experts": (None, 0), "add_cross_attention": (None, False), "is_encoder_decoder": (None, False),
    "scale_attn_weights": (None, True), "scale_attn_by_inverse_layer_idx": (None, False),
    "attn_logit_softcapping": (None,), "final_logit_softcapping": (None,),
}  # fmt: skip


def architecture_of(config: Mapping[str, Any], *, blocks: int) -> Architecture:
    """Return what a config describes.

    Where attention looks back through a window only, the context is cut to it: there the model is the same.

    Args:
        config: the file's content.
        blocks: how many there can be at most, by what tensors there are.

    Raises:
        InputError: a family, activation, way of stretching positions or other option that is not supported, or a
            value that is missing or cannot be.

    """
    c = _Config(config)
    family = c.get("model_type", str)
    if family not in FAMILIES:
        raise InputError(f"model_type {family!r:.60} is not supported{suggest(family, FAMILIES)}")
    for key, harmless in FOREIGN.items():
        if config.get(key) not in harmless:
            raise InputError(f"{key}={config[key]!s:.60} is not supported")
    sizes = _gpt2(c) if family == "gpt2" else _llama(c, family)
    if sizes["depth"] > blocks:  # before anything is made for each block
        raise InputError(f"the model is to have {sizes['depth']:,} blocks, there are tensors for {blocks:,}")
    return Architecture(**sizes)


@dataclass(frozen=True)
class _Config:
    values: Mapping[str, Any]

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        found = self.values.get(key)
        found = default if found is None else found
        if found is None:
            raise InputError(f"{key} is missing")
        if kind is float and type(found) is int:
            found = float(found)
        if type(found) is not kind:
            raise InputError(f"{key}={found!s:.40}: must be a {kind.__name__}")
        return found

    def act(self, key: str, default: str) -> Act:
        name = self.get(key, str, default)
        if name not in ACTS:
            raise InputError(f"{key}={name!r:.40} is not supported{suggest(name, ACTS)}")
        listed, params = ACTS[name]
        return make(listed, **params)


def _gpt2(c: _Config) -> dict[str, Any]:
    width, heads = c.get("n_embd", int, 768), c.get("n_head", int, 12)
    if heads < 1 or width % heads:
        raise InputError(f"n_head={heads}: must be a divisor of n_embd={width}")
    return {
        "depth": c.get("n_layer", int, 12),
        "width": width,
        "hidden": c.get("n_inner", int, 4 * width),
        "heads": heads,
        "kv_heads": heads,
        "head_width": width // heads,
        "vocabulary": c.get("vocab_size", int, 50257),
        "context": c.get("n_positions", int, 1024),
        "act": c.act("activation_function", "gelu_new"),
        "norm": "layer",
        "epsilon": c.get("layer_norm_epsilon", float, 1e-5),
        "position": "learned",
        "mlp": "plain",
        "tied": c.get("tie_word_embeddings", bool, True),
    }


def _llama(c: _Config, family: str) -> dict[str, Any]:
    width, heads = c.get("hidden_size", int), c.get("num_attention_heads", int)
    if heads < 1:
        raise InputError(f"num_attention_heads={heads}: must be >= 1")
    head_width = c.get("head_dim", int, 128 if family == "qwen3" else width // heads)
    if not 1 <= head_width <= WIDEST:  # before anything is made for each number of a head
        raise InputError(f"head_dim={head_width:,}: must be in [1, {WIDEST:,}]")
    context = c.get("max_position_embeddings", int)
    base, factors = _rope(c, head_width, context)
    return {
        "depth": c.get("num_hidden_layers", int),
        "width": width,
        "hidden": c.get("intermediate_size", int),
        "heads": heads,
        "kv_heads": c.get("num_key_value_heads", int, heads),
        "head_width": head_width,
        "vocabulary": c.get("vocab_size", int),
        "context": min(context, _window(c, family, context)),
        "act": c.act("hidden_act", "silu"),
        "epsilon": c.get("rms_norm_eps", float, 1e-6),
        "rope_base": base,
        "rope_factors": factors,
        "qk_norm": family == "qwen3",
        "tied": c.get("tie_word_embeddings", bool, False),
    }


def _window(c: _Config, family: str, context: int) -> int:
    """Return how far back attention looks."""
    kinds = c.get("layer_types", list, [])
    known = {"full_attention", "sliding_attention"}
    if unknown := [k for k in kinds if k not in known]:
        raise InputError(f"layer_types has {unknown[0]!s:.40}, which is not supported{suggest('', known)}")
    used = (
        c.get("use_sliding_window", bool, family == "mistral") if not kinds else "sliding_attention" in kinds
    )
    return c.get("sliding_window", int, context) if used else context


def _rope(c: _Config, head_width: int, context: int) -> tuple[float, tuple[float, ...]]:
    """Return the base of the angles and what each is divided by."""
    given = c.get("rope_parameters", dict, {}) or c.get("rope_scaling", dict, {})
    rope = _Config(given)
    base = rope.get("rope_theta", float, c.get("rope_theta", float, 10_000.0))
    kind = given.get("rope_type", given.get("type", "default"))
    if kind not in ("default", "linear", "llama3"):
        raise InputError(
            f"rope of type {str(kind)!r:.40} is not supported; known: 'default', 'linear', 'llama3'"
        )
    if rope.get("partial_rotary_factor", float, 1.0) != 1:
        raise InputError("rope that turns a part of each head is not supported")
    if kind == "default":
        return base, ()
    factor = rope.get("factor", float)
    if not 1 <= factor < math.inf:
        raise InputError(f"rope's factor={factor}: must be >= 1")
    count = head_width // 2
    if kind == "linear":
        return base, (factor,) * count
    low, high = rope.get("low_freq_factor", float), rope.get("high_freq_factor", float)
    original = rope.get("original_max_position_embeddings", int, context)
    if not 0 < low < high < math.inf or not 1 < base < math.inf or original < 1:
        raise InputError(f"rope's low_freq_factor={low}, high_freq_factor={high}, base={base}: cannot be")
    return base, tuple(_llama3(base ** (-i / count), factor, low, high, original) for i in range(count))


def _llama3(speed: float, factor: float, low: float, high: float, original: int) -> float:
    """Return what an angle is divided by: 1 where it turns fast, ``factor`` where slowly, between the two between.

    Source: Llama Team 2024, "The Llama 3 Herd of Models", arXiv:2407.21783; constants as in their code of 3.1.
    """
    turns = original * speed / (2 * math.pi)  # in the context of training
    share = min(max((turns - low) / (high - low), 0.0), 1.0)
    return 1 / ((1 - share) / factor + share)
