"""A model out of a folder as Hugging Face's libraries save it: config.json, safetensors, tokenizer.json."""

from __future__ import annotations

import contextlib
import functools
import re
from pathlib import Path
from typing import Any

import numpy as np

from actlab.errors import InputError
from actlab.inspection.architecture import Architecture
from actlab.inspection.checkpoint import Checkpoint, Found, assemble, row, split
from actlab.inspection.hf_config import architecture_of
from actlab.inspection.json_file import read_json
from actlab.inspection.json_tokenizer import read_tokenizer

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
HEADER = 1 << 25  # bytes; the largest models have a few million
TYPES = ("F64", "F32", "F16", "BF16")
LLAMA = {
    "tokens": "embed_tokens", "norm": "norm", "norm1": "input_layernorm", "norm2": "post_attention_layernorm",
    "query": "self_attn.q_proj", "key": "self_attn.k_proj", "value": "self_attn.v_proj", "out": "self_attn.o_proj",
    "gate": "mlp.gate_proj", "up": "mlp.up_proj", "down": "mlp.down_proj", "query_norm": "self_attn.q_norm",
    "key_norm": "self_attn.k_norm",
}  # fmt: skip
GPT2 = {
    "tokens": "wte", "positions": "wpe", "norm": "ln_f", "norm1": "ln_1", "norm2": "ln_2", "query": "attn.c_attn",
    "key": "attn.c_attn", "value": "attn.c_attn", "out": "attn.c_proj", "up": "mlp.c_fc", "down": "mlp.c_proj",
}  # fmt: skip
# Kept by older versions beside the weights, and computed by whoever runs the model.
BUFFERS = re.compile(r"(^|\.)(attn\.(masked_)?bias|rotary_emb\.inv_freq)$")


def read_folder(folder: Path) -> Checkpoint:
    """Return the model in a folder, its weights as float32.

    Raises:
        InputError: a file is missing, damaged or too large, the weights are pickled, or a family, option or type of
            tensor is not supported.

    """
    folder = Path(folder)
    try:
        config = read_json(folder / "config.json", 1 << 22)
        with contextlib.ExitStack() as stack:
            tensors = _Tensors(folder, stack)
            architecture = architecture_of(config, blocks=len(tensors.files))
            gpt2 = config["model_type"] == "gpt2"
            weights = assemble(architecture, functools.partial(_find, tensors, gpt2))
            tensors.check_used(architecture, config["model_type"])
        name = config.get("_name_or_path")
        tokenizer = read_tokenizer(folder, config)
        name = name if isinstance(name, str) and name else folder.resolve().name
        return Checkpoint(architecture, weights, tokenizer, name, str(folder))
    except InputError as e:
        raise InputError(f"{folder}: {e}") from None


class _Tensors:
    """Tensors of one or several files by name, each as float32 when it is asked for."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack):
        try:
            import safetensors
        except ImportError:
            raise InputError("safetensors is not installed: pip install 'actlab[lm]'") from None
        self.files: dict[str, Any] = {}
        self.used: set[str] = set()
        for path in _paths(folder):
            _check_header(path)
            try:
                opened = stack.enter_context(safetensors.safe_open(path, framework="numpy"))
                names = list(opened.keys())
            except (safetensors.SafetensorError, OSError, ValueError) as e:
                raise InputError(f"{path.name} is damaged: {' '.join(str(e).split()):.120}") from None
            if twice := self.files.keys() & set(names):
                raise InputError(f"tensor {min(twice)!r} is in two files")
            self.files |= dict.fromkeys(names, opened)
        starts = ("model.", "transformer.")
        self.prefix = next((p for p in starts if any(name.startswith(p) for name in self.files)), "")
        self.get = functools.lru_cache(maxsize=2)(
            self._get
        )  # a fused kernel and bias are asked for three times

    def _get(self, name: str) -> np.ndarray | None:
        if name not in self.files:
            return None
        self.used.add(name)
        kind = self.files[name].get_slice(name).get_dtype()
        if kind not in TYPES:
            raise InputError(
                f"tensor {name!r} is of type {kind}, which is not supported; known: {', '.join(TYPES)}"
            )
        with np.errstate(over="ignore"):  # float64 past float32 is infinite, and shown so
            return self.files[name].get_tensor(name).astype(np.float32)

    def check_used(self, architecture: Architecture, family: str) -> None:
        head = {"lm_head.weight"} if architecture.tied else set()  # a copy of the table
        left = [n for n in self.files.keys() - self.used - head if not BUFFERS.search(n)]
        if left:
            raise InputError(f"tensor {min(left)!r} has no place in a {family} model")


def _paths(folder: Path) -> list[Path]:
    """Return the files with weights."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        parts = read_json(folder / INDEX, HEADER).get("weight_map")
        if not isinstance(parts, dict) or not all(isinstance(p, str) for p in parts.values()):
            raise InputError(f"{INDEX} has no weight_map from tensors to files")
        names = sorted(set(parts.values()))
        for name in names:
            if Path(name).name != name or not name.endswith(".safetensors") or "\\" in name:
                raise InputError(f"{INDEX} names {name!r:.80}, which is no .safetensors file beside it")
            if not (folder / name).is_file():
                raise InputError(f"{name}, one of {len(names)} files of weights, is missing")
        return [folder / name for name in names]
    pickled = sorted(p.name for p in folder.glob("*") if p.suffix in (".bin", ".pt", ".pth", ".ckpt"))
    if pickled:
        raise InputError(
            f"weights are in {pickled[0]}, a pickle, which could run anything; save them as {WEIGHTS} "
            "(transformers: save_pretrained)"
        )
    raise InputError(f"has no {WEIGHTS} and no {INDEX}")


def _check_header(path: Path) -> None:
    """Refuse a header that is longer than its file, or than any needs to be, before it is read."""
    with path.open("rb") as file:
        start = file.read(8)
    size, length = path.stat().st_size, int.from_bytes(start, "little")
    if len(start) < 8 or length > size - 8:
        raise InputError(
            f"{path.name} is cut short or no safetensors file: a header of {length:,} bytes in {size:,}"
        )
    if length > HEADER:
        raise InputError(f"{path.name} has a header of {length:,} bytes, {HEADER:,} at most are read")


def _find(tensors: _Tensors, gpt2: bool, name: str) -> Found:
    block, part, kind = row(name)
    if part == "head":
        return "lm_head.weight", tensors.get("lm_head.weight")
    folder = "h" if gpt2 else "layers"
    at = tensors.prefix + ("" if block is None else f"{folder}.{block}.")
    called = f"{at}{(GPT2 if gpt2 else LLAMA)[part]}.{'bias' if kind == 'bias' else 'weight'}"
    array = tensors.get(called)
    if array is not None and gpt2 and block is not None:
        if kind == "kernel":
            array = array.T  # (in, out) there
        if part in ("query", "key", "value"):
            array = split(array, ("query", "key", "value").index(part), 3, called)
    return called, array
