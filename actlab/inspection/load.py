"""From what somebody calls a model to its weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from actlab.errors import InputError
from actlab.inspection.checkpoint import Checkpoint
from actlab.inspection.gguf_file import read_gguf
from actlab.inspection.hub import from_hub
from actlab.inspection.safetensors_folder import read_folder
from actlab.inspection.smollm2 import smollm2_file

KINDS = "smollm2, a .gguf file, a folder with config.json and model.safetensors, or hf:organisation/name"


def read_checkpoint(source: str | Path) -> Checkpoint:
    """Return the model that ``source`` names.

    Args:
        source: ``smollm2``; ``hf:organisation/name``, with ``@revision`` if wanted; the path of a GGUF file; or that
            of a folder as Hugging Face's libraries save it.

    Raises:
        InputError: there is no such thing, or it cannot be read, is damaged or not supported: which, in a line.

    """
    text = str(source)
    if text == "smollm2":  # the file's own name for it is another
        return replace(read_gguf(smollm2_file()), name="SmolLM2-135M-Instruct")
    if text.startswith("hf:"):
        return replace(read_folder(from_hub(text[3:])), name=text[3:], source=text)
    path = Path(text)
    if path.is_file():
        return read_gguf(path)
    if path.is_dir():
        return read_folder(path)
    raise InputError(f"{text!r:.200} is no model; known: {KINDS}")
