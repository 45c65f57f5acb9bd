"""GGUF files made of weights by name, as llama.cpp's converter would: by the ``gguf`` package, which others use."""

from pathlib import Path

import gguf
import numpy as np

NAMES = {
    "norm1": "attn_norm",
    "norm2": "ffn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "out": "attn_output",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
    "query_norm": "attn_q_norm",
    "key_norm": "attn_k_norm",
    "norm": "output_norm",
}
WHOLE = {"tokens": "token_embd.weight", "positions": "position_embd.weight", "head": "output.weight"}


# bytes of a block and its numbers, and where in it float16 stand
SIZES = {"Q4_0": (18, 32), "Q4_1": (20, 32), "Q8_0": (34, 32), "Q4_K": (144, 256), "Q6_K": (210, 256)}
HALVES = {"Q4_0": (0,), "Q4_1": (0, 2), "Q8_0": (0,), "Q4_K": (0, 2), "Q6_K": (208,)}


def blocks(kind, rows, several, seed=0):
    """Return bytes of random blocks, (rows, several blocks), and how many numbers a row has."""
    rng = np.random.default_rng(seed)
    size, numbers = SIZES[kind]
    data = rng.integers(256, size=(rows * several, size)).astype(np.uint8)
    for at in HALVES[kind]:
        data[:, at : at + 2] = rng.normal(scale=0.02, size=(len(data), 1)).astype(np.float16).view(np.uint8)
    return data.reshape(rows, -1), several * numbers


def interleaved(w, heads):
    """Return rows with the two of a pair side by side, as llama.cpp's converter writes those of queries and keys."""
    return w.reshape(heads, 2, len(w) // heads // 2, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def tensors_of(architecture, weights, family):
    """Yield a file's tensors; biases that are all zero are left out."""
    fused = {}
    for name, w in weights.items():
        *at, part, kind = name.split(".") if "." in name else ("", name, "")
        if name in WHOLE:
            yield WHOLE[name], w
            continue
        if kind == "bias" and not w.any() and family != "gpt2":
            continue
        ending = "bias" if kind == "bias" else "weight"
        before = f"blk.{at[1]}." if at[:1] == ["blocks"] else ""
        if family == "llama" and part in ("query", "key"):
            w = interleaved(w, architecture.heads if part == "query" else architecture.kv_heads)
        if family == "gpt2" and part in ("query", "key", "value"):
            fused.setdefault(f"{before}attn_qkv.{ending}", []).append(w)
            continue
        yield f"{before}{NAMES[part]}.{ending}", w
    for name, parts in fused.items():
        yield name, np.concatenate(parts)


def write_gguf(
    path, architecture, weights, family, *, kind="F32", metadata=(), more=(), raw=None, tokens=None
) -> Path:
    """Write a file with maps and tables of type ``kind``; what has one axis stays float32.

    ``metadata`` are more keys, ``more`` more tensors, ``raw`` bytes by tensor with their type instead of numbers.
    """
    a, writer = architecture, gguf.GGUFWriter(path, family)
    writer.add_block_count(a.depth)
    writer.add_context_length(a.context)
    writer.add_embedding_length(a.width)
    writer.add_feed_forward_length(a.hidden)
    writer.add_head_count(a.heads)
    writer.add_head_count_kv(a.kv_heads)
    if a.head_width * a.heads != a.width:
        writer.add_key_length(a.head_width)
        writer.add_value_length(a.head_width)
    if family == "gpt2":
        writer.add_layer_norm_eps(a.epsilon)
    else:
        writer.add_layer_norm_rms_eps(a.epsilon)
        writer.add_rope_freq_base(a.rope_base)
    for key, value in dict(metadata).items():
        add = {
            int: writer.add_uint32,
            float: writer.add_float32,
            str: writer.add_string,
            bool: writer.add_bool,
        }
        add.get(type(value), writer.add_array)(key, value)
    if tokens:
        tokens(writer)
    quantised = gguf.GGMLQuantizationType[kind]
    for name, w in (*tensors_of(a, weights, family), *more):
        if raw and name in raw:
            data, own = raw[name]
            writer.add_tensor(name, data, raw_dtype=gguf.GGMLQuantizationType[own])
        elif w.ndim == 1 or kind == "F32":
            writer.add_tensor(name, np.ascontiguousarray(w, np.float32))
        else:
            data = gguf.quants.quantize(np.ascontiguousarray(w), quantised)
            writer.add_tensor(name, data, raw_dtype=quantised)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return Path(path)


def small_bpe(writer):
    """Add a tokenizer of bytes with a few pieces, two marks and a chat template."""
    from actlab.inspection.tokenizer import BYTES

    tokens = ["<|end|>", "<|user|>", *BYTES, "th", "the", "Ġthe", "Ġt"]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3, 3] + [1] * (len(tokens) - 2))
    writer.add_token_merges(["t h", "th e", "Ġ the", "Ġ t"])
    writer.add_eos_token_id(0)
    writer.add_chat_template(
        "{% for m in messages %}<|user|>{{ m.role }}: {{ m.content }}<|end|>{% endfor %}"
    )


def small_llama(vocabulary=262):
    """Return the architecture and random weights of one block, its rows whole blocks of 32 numbers."""
    from actlab import make
    from actlab.inspection.architecture import Architecture

    sizes = {"depth": 1, "width": 32, "hidden": 64, "heads": 4, "kv_heads": 2, "head_width": 8, "context": 16}
    a = Architecture(**sizes, vocabulary=vocabulary, act=make("silu"))
    rng = np.random.default_rng(0)
    weights = {name: rng.normal(size=shape).astype(np.float32) for name, shape in a.shapes()}
    return a, {n: np.zeros_like(w) if n.endswith(".bias") else w for n, w in weights.items()}
