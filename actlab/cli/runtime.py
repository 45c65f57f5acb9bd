"""The process around a run: compilation cache, log file, and the facts that run.json keeps."""

from __future__ import annotations

import hashlib
import logging
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import actlab
from actlab.data import cache_dir


def prepare() -> None:
    """Keep compiled programs between processes: a repeated run starts in seconds.

    The cache belongs to this machine's processor and this jax, since compiled code does.
    """
    processor = platform.processor() + platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = [
            line for line in cpuinfo.read_text().splitlines() if line.startswith(("flags", "model name"))
        ]
        processor += "".join(sorted(set(lines)))
    key = hashlib.sha256(processor.encode()).hexdigest()[:12]
    jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "xla" / f"{version('jaxlib')}-{key}"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def facts(argv: list[str]) -> dict[str, Any]:
    """Return what run.json says of the circumstances of a run."""
    from actlab.cli.train import command_line

    return {
        "command": command_line(argv),
        "started": datetime.now().astimezone().isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            "actlab": actlab.__version__,
            **{name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "hydra-core")},
        },
        "device": device(),
        "git_commit": git_commit(),
    }


def device() -> str:
    """Return the devices in words, like ``cpu: AMD EPYC 7B13`` or ``gpu: 4 x NVIDIA H100``."""
    devices = jax.devices()
    kind = devices[0].device_kind
    cpuinfo = Path("/proc/cpuinfo")
    if devices[0].platform == "cpu" and cpuinfo.exists():
        models = [x for x in cpuinfo.read_text().splitlines() if x.startswith("model name")]
        kind = models[0].split(":", 1)[1].strip() if models else kind
    return f"{devices[0].platform}: " + (f"{len(devices)} x " if len(devices) > 1 else "") + kind


def git_commit() -> str | None:
    """Return the commit of the repository around the current directory, ``+`` if changed; None without one."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.SubprocessError):
        return None


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write actlab's log to ``path`` as well as its warnings to the terminal."""
    log = logging.getLogger("actlab")
    to_file = logging.FileHandler(path, delay=True)
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter("actlab: %(message)s"))
    to_terminal.setLevel(logging.WARNING)
    old = log.level, log.propagate
    log.setLevel(logging.INFO)
    log.propagate = False
    handlers = to_file, to_terminal
    for handler in handlers:
        log.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            log.removeHandler(handler)
            handler.close()
        log.setLevel(old[0])
        log.propagate = old[1]
