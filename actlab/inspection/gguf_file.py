"""A model out of a GGUF file, of the families that need nothing but what `Architecture` says."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from actlab.activations import make
from actlab.errors import InputError, suggest
from actlab.inspection.architecture import Architecture
from actlab.inspection.checkpoint import Checkpoint, Found, assemble, row, split
from actlab.inspection.gguf_header import Header, Stored, read_header
from actlab.inspection.gguf_tokenizer import tokenizer_of
from actlab.inspection.hf_config import WIDEST
from actlab.inspection.quantised import Quantised, quantised

TYPES = ("F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K")
FAMILIES = ("llama", "gpt2", "qwen2", "qwen3")
NAMES = {
    "tokens": "token_embd", "positions": "position_embd", "norm": "output_norm", "head": "output",
    "norm1": "attn_norm", "norm2": "ffn_norm", "query": "attn_q", "key": "attn_k", "value": "attn_v",
    "out": "attn_output", "gate": "ffn_gate", "up": "ffn_up", "down": "ffn_down", "query_norm": "attn_q_norm",
    "key_norm": "attn_k_norm",
}  # fmt: skip
# What changes the computation and has no place in an `Architecture`, with the value at which it changes nothing.
FOREIGN = {
    "expert_count": 0, "attention.clamp_kqv": 0, "attention.max_alibi_bias": 0, "attention.scale": 0,
    "logit_scale": 1, "embedding_scale": 1, "residual_scale": 1, "use_parallel_residual": False,
    "rope.scaling.attn_factor": 1, "attn_logit_softcapping": 0, "final_logit_softcapping": 0,
}  # fmt: skip


def read_gguf(path: Path) -> Checkpoint:
    """Return the model in a GGUF file, its quantised weights as the float32 numbers they stand for.

    Args:
        path: the file, whole (not one of several parts), its tensors of the types in ``TYPES``: of a quantised model
            the numbers are the original's to 4 bits or so.

    Raises:
        InputError: not such a file, damaged, of a family or with a type of tensor that is not supported, or ``gguf``
            is not installed.

    >>> read_gguf(Path("model.gguf"))
    Traceback (most recent call last):
    actlab.errors.InputError: model.gguf: cannot be read: No such file or directory
    """
    try:
        import gguf
    except ImportError:
        raise InputError(f"{path}: GGUF files need gguf: pip install 'actlab[lm]'") from None
    sizes = {int(kind): size for kind, size in gguf.GGML_QUANT_SIZES.items()}
    try:
        header = read_header(Path(path), sizes)
        facts = _Facts(header)
        tensors = _Tensors(Path(path), header, gguf)
        architecture = _architecture(facts, tensors)
        find = functools.partial(_find, tensors, facts.family, architecture)
        weights = assemble(architecture, find)
        if left := set(header.tensors) - tensors.used:
            raise InputError(f"tensor {min(left)!r} has no place in a {facts.family} model")
        name = facts.get("general.name", str, Path(path).stem)
        narrow = _narrow(tensors, facts.family, architecture)
        return Checkpoint(architecture, weights, tokenizer_of(header.metadata), name, str(path), narrow)
    except InputError as e:
        raise InputError(f"{path}: {e}") from None
    except OSError as e:
        raise InputError(f"{path}: cannot be read: {e.strerror or e}") from e


@dataclass(frozen=True)
class _Facts:
    """Metadata, taken by key with its type."""

    header: Header

    @property
    def family(self) -> str:
        return self.get("general.architecture", str)

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        found = self.header.metadata.get(key, default)
        if found is None:
            raise InputError(f"key {key!r} is missing")
        if kind is float and type(found) is int:
            found = float(found)
        if type(found) is not kind:
            raise InputError(f"key {key!r} is {found!s:.40}: must be a {kind.__name__}")
        return found

    def own(self, key: str, kind: type, default: Any = None) -> Any:
        return self.get(f"{self.family}.{key}", kind, default)

    def of_all_blocks(self, key: str, default: Any = None) -> int:
        """Return a whole number that some files give block by block, where it is the same in all."""
        found = self.header.metadata.get(f"{self.family}.{key}", default)
        if isinstance(found, np.ndarray) and found.dtype.kind in "iu" and found.size:
            if (found != found[0]).any():
                raise InputError(
                    f"key '{self.family}.{key}' differs from block to block, which is not supported"
                )
            return int(found[0])
        return self.own(key, int, default)


def _architecture(facts: _Facts, tensors: _Tensors) -> Architecture:
    family = facts.family
    if family not in FAMILIES:
        raise InputError(f"architecture {family!r:.60} is not supported{suggest(family, FAMILIES)}")
    for key, harmless in FOREIGN.items():
        found = facts.header.metadata.get(f"{family}.{key}", harmless)
        if isinstance(found, np.ndarray) or found != harmless:
            raise InputError(f"{family}.{key}={found!s:.40} is not supported")
    stored = facts.header.tensors
    depth, width = facts.own("block_count", int), facts.own("embedding_length", int)
    if depth > len(stored):  # before anything is made for each block
        raise InputError(f"{family}.block_count={depth:,}, but the file has {len(stored):,} tensors")
    heads = facts.of_all_blocks("attention.head_count")
    if heads < 1 or "token_embd.weight" not in stored:
        raise InputError(
            f"{family}.attention.head_count={heads}: must be >= 1"
            if heads < 1
            else "tensor 'token_embd.weight' is missing"
        )
    head_width = facts.own("attention.key_length", int, width // heads)
    if not 1 <= head_width <= WIDEST:  # before anything is made for each number of a head
        raise InputError(f"{family}.attention.key_length={head_width:,}: must be in [1, {WIDEST:,}]")
    if facts.own("attention.value_length", int, head_width) != head_width:
        raise InputError("keys and values of different widths are not supported")
    common = {
        "depth": depth,
        "width": width,
        "hidden": facts.of_all_blocks("feed_forward_length"),
        "heads": heads,
        "kv_heads": facts.of_all_blocks("attention.head_count_kv", heads),
        "head_width": head_width,
        "vocabulary": stored["token_embd.weight"].shape[0],
        "context": facts.own("context_length", int),
        "tied": "output.weight" not in stored,
    }
    if family == "gpt2":
        epsilon = facts.own("attention.layer_norm_epsilon", float)
        act, kind = make("gelu_tanh"), {"norm": "layer", "position": "learned", "mlp": "plain"}
        return Architecture(**common, **kind, act=act, epsilon=epsilon)
    turned = facts.own("rope.dimension_count", int, head_width)
    if turned != head_width:
        raise InputError(f"rope turns {turned} of {head_width} numbers of a head, which is not supported")
    return Architecture(
        **common,
        act=make("silu"),
        epsilon=facts.own("attention.layer_norm_rms_epsilon", float),
        rope_base=facts.own("rope.freq_base", float, 10_000.0),
        rope_factors=_rope_factors(facts, tensors, head_width // 2),
        qk_norm=family == "qwen3",
    )


def _rope_factors(facts: _Facts, tensors: _Tensors, count: int) -> tuple[float, ...]:
    kind = facts.own("rope.scaling.type", str, "none")
    if kind not in ("none", "linear"):
        raise InputError(
            f"{facts.family}.rope.scaling.type={kind!r:.40} is not supported; known: 'linear', 'none'"
        )
    key = "rope.scaling.factor" if kind == "linear" else "rope.scale_linear"  # the latter is of older files
    factors = np.full(count, facts.own(key, float, 1.0))
    by_pair = tensors.get("rope_freqs.weight")
    if by_pair is not None:
        if by_pair.shape != (count,):
            raise InputError(f"tensor 'rope_freqs.weight' has shape {by_pair.shape}, not ({count},)")
        factors = factors * by_pair
    if not (np.isfinite(factors) & (factors > 0)).all():
        raise InputError(f"{facts.family}.{key} and tensor 'rope_freqs.weight' must be positive")
    return () if (factors == 1).all() else tuple(factors.tolist())


class _Tensors:
    """Tensors of the file as float32, one at a time."""

    def __init__(self, path: Path, header: Header, gguf: Any):
        self.path, self.stored, self.gguf, self.used = path, header.tensors, gguf, set[str]()
        self.kinds = {int(kind): kind for kind in gguf.GGMLQuantizationType}
        self.get = functools.lru_cache(maxsize=2)(
            self._get
        )  # a fused kernel and bias are asked for three times

    def _get(self, name: str) -> np.ndarray | None:
        stored = self.stored.get(name)
        if stored is None:
            return None
        self.used.add(name)
        kind = self.kinds[stored.kind]
        if kind.name not in TYPES:
            raise InputError(
                f"tensor {name!r} is of type {kind.name}, which is not supported; known: {', '.join(TYPES)}"
            )
        rows = self._rows(stored)
        with np.errstate(all="ignore"):  # a damaged scale is no number; the model shows it as it is
            return _numbers(self.gguf, rows, kind, stored.shape)

    def _rows(self, stored: Stored) -> np.ndarray:
        raw = np.memmap(self.path, np.uint8, "r", stored.offset, (stored.size,))
        return raw.reshape(*stored.shape[:-1], -1)

    def quantised(self, name: str) -> Quantised | None:
        """Return a tensor as the file has it, None if it is not there, no matrix or of a type that stays wide."""
        stored = self.stored.get(name)
        if stored is None or len(stored.shape) != 2:
            return None
        with np.errstate(all="ignore"):
            return quantised(self._rows(stored), self.kinds[stored.kind].name)


def _numbers(gguf: Any, rows: np.ndarray, kind: Any, shape: tuple[int, ...]) -> np.ndarray:
    plain = {"F32": np.float32, "F16": np.float16}.get(kind.name)
    if plain is not None:
        return rows.view(plain).astype(np.float32)
    rows = np.asarray(rows).reshape(-1, rows.shape[-1])
    while (
        len(rows) % 2 == 0 and rows.shape[1] < 1 << 14
    ):  # the library takes 16 rows at a time: few, long ones
        rows = rows.reshape(len(rows) // 2, -1)
    return gguf.quants.dequantize(rows, kind).reshape(shape)


def _find(tensors: _Tensors, family: str, a: Architecture, name: str) -> Found:
    called, rows = _located(family, a, name)
    array = tensors.get(called)
    return called, None if array is None else rows(array)


def _narrow(tensors: _Tensors, family: str, a: Architecture) -> dict[str, Quantised]:
    """Return the maps and tables that are quantised in the file, as it has them."""
    found = {}
    for name, _ in a.shapes():
        called, rows = _located(family, a, name)
        if name.endswith((".kernel", "tokens", "head")) and (q := tensors.quantised(called)) is not None:
            found[name] = q.by_rows(rows)
    return found


def _located(family: str, a: Architecture, name: str) -> tuple[str, Callable[[np.ndarray], np.ndarray]]:
    """Return which tensor a weight is in, and what to take of its rows."""
    block, part, kind = row(name)
    ending = "bias" if kind == "bias" else "weight"
    at = "" if block is None else f"blk.{block}."
    if family == "gpt2" and part in ("query", "key", "value"):
        called = f"{at}attn_qkv.{ending}"
        return called, lambda x: split(x, ("query", "key", "value").index(part), 3, called)
    called = f"{at}{NAMES[part]}.{ending}"
    if family == "llama" and part in ("query", "key"):
        heads = a.heads if part == "query" else a.kv_heads
        return called, lambda x: half_split(x, heads, called)
    return called, lambda x: x


def half_split(array: np.ndarray, heads: int, called: str) -> np.ndarray:
    """Return rows (H K, ...) of a query or key map, in order for pairs side by side, in that for pairs K/2 apart.

    Llamas' files have row 2i + j of each head where row i + j K/2 was, for ggml's way of turning pairs.

    Raises:
        InputError: rows that are not H heads of an even width.

    >>> half_split(np.arange(8), 2, "q").tolist()
    [0, 2, 1, 3, 4, 6, 5, 7]
    """
    if len(array) % (2 * heads):
        raise InputError(f"tensor {called!r} has {len(array)} rows, which are no {heads} heads of pairs")
    apart = array.reshape(heads, -1, 2, *array.shape[1:]).swapaxes(1, 2)
    return np.ascontiguousarray(apart).reshape(array.shape)
