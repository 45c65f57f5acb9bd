"""A decoder in plain numpy, float64, written from the papers: an oracle of what was read without the model's code."""

import math

import numpy as np


def logits(a, weights, ids):
    """Return (T, V) for tokens (T,); ``a`` an `Architecture`, its activations called as they are."""
    w = {name: value.astype(np.float64) for name, value in weights.items()}
    h = w["tokens"][ids]
    if a.position == "learned":
        h = h + w["positions"][: len(ids)]
    for i in range(a.depth):
        at = f"blocks.{i}."
        h = h + attention(a, w, at, norm(a, w, f"{at}norm1", h))
        x = norm(a, w, f"{at}norm2", h)
        up = linear(w, f"{at}up", x)
        inner = linear(w, f"{at}gate", x) if a.mlp == "gated" else up
        act = np.asarray(a.act[i](inner.astype(np.float32)), np.float64)
        h = h + linear(w, f"{at}down", act * up if a.mlp == "gated" else act)
    return norm(a, w, "norm", h) @ (w["tokens"] if a.tied else w["head"]).T


def linear(w, name, x):
    return x @ w[f"{name}.kernel"].T + w[f"{name}.bias"]


def norm(a, w, name, x):
    if a.norm == "none":
        return x
    x = x - x.mean(-1, keepdims=True) if a.norm == "layer" else x
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + a.epsilon) * w[f"{name}.scale"]
    return x + w[f"{name}.bias"] if a.norm == "layer" else x


def rotate(a, x):
    """Return (T, H, K) turned pair by pair, pairs half a head apart, as complex numbers."""
    half = a.head_width // 2
    speed = a.rope_base ** (-np.arange(half) / half) / np.array(a.rope_factors or [1.0] * half)
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * np.arange(len(x))[:, None] * speed)[:, None]
    return np.concatenate([turned.real, turned.imag], -1)


def attention(a, w, at, x):
    q, k, v = (linear(w, at + n, x).reshape(len(x), -1, a.head_width) for n in ("query", "key", "value"))
    if a.qk_norm:
        q, k = norm(a, w, f"{at}query_norm", q), norm(a, w, f"{at}key_norm", k)
    if a.position == "rope":
        q, k = rotate(a, q), rotate(a, k)
    out = np.zeros_like(q)
    for head in range(a.heads):
        kept = head * a.kv_heads // a.heads
        for t in range(len(x)):
            s = k[: t + 1, kept] @ q[t, head] / math.sqrt(a.head_width)
            p = np.exp(s - s.max())
            out[t, head] = p / p.sum() @ v[: t + 1, kept]
    return linear(w, f"{at}out", out.reshape(len(x), -1))
