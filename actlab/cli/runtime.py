"""The process around a run: compilation cache, log file, and the facts that run.json keeps."""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax

import actlab
from actlab.data import cache_dir
from actlab.files import write_atomic


@contextmanager
def warnings_told() -> Iterator[None]:
    """Print actlab's warnings on the terminal, one line each."""
    to_terminal = logging.StreamHandler(sys.stderr)
    to_terminal.setFormatter(logging.Formatter("actlab: %(message)s"))
    to_terminal.setLevel(logging.WARNING)
    log = logging.getLogger("actlab")
    log.addHandler(to_terminal)
    try:
        yield
    finally:
        log.removeHandler(to_terminal)


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
    folder = cache_dir() / "xla" / f"{version('jaxlib')}-{key}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(folder / ".writable", "")
    except OSError as e:
        print(f"actlab: cannot keep compiled programs in {folder} ({e.strerror})", file=sys.stderr)
        return
    warnings.filterwarnings(
        "ignore", "Error (reading|writing) persistent compilation cache"
    )  # it compiles anew
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cores_as_devices() -> None:
    """Make a device of every core this process may use, where JAX runs on a CPU: lanes are spread over devices.

    That has to be said before JAX is first used; after that, what it has stays.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    with suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", cores)


def facts(path: Path) -> dict[str, Any]:
    """Return what run.json says of the circumstances of a run in the folder ``path``."""
    return {"config_sha256": config_digest(path), "started": now(), **circumstances()}


def now() -> str:
    """Return the time as run.json keeps it."""
    return datetime.now().astimezone().isoformat(timespec="seconds")


def circumstances() -> dict[str, Any]:
    """Return the facts that are the same for all runs of a process; git takes a moment."""
    return {
        "versions": {
            "python": platform.python_version(),
            "actlab": actlab.__version__,
            **{name: version(name) for name in ("jax", "jaxlib", "flax", "optax", "hydra-core")},
        },
        "device": device(),
        "git_commit": git_commit(),
    }


def config_digest(path: Path) -> str:
    """Return the SHA-256 of the config that Hydra saved in a run folder."""
    return hashlib.sha256((path / ".hydra" / "config.yaml").read_bytes()).hexdigest()


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


class _Log(logging.FileHandler):
    """A log on a disk that may be full: the line is lost, and that is all."""

    def handleError(self, record: logging.LogRecord) -> None:
        pass

    def close(self) -> None:
        with suppress(OSError):
            super().close()


@contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Write actlab's log, and orbax's errors, to ``path``."""
    log, orbax = logging.getLogger("actlab"), logging.getLogger("absl")
    to_file = _Log(path, delay=True)
    nothing, root = logging.NullHandler(), logging.getLogger()
    to_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    with ExitStack() as stack:
        stack.callback(to_file.close)
        root.addHandler(nothing)  # orbax's import gives a root without any one that prints our warnings again
        stack.callback(root.removeHandler, nothing)
        for logger in (log, orbax):
            stack.callback(logger.setLevel, logger.level)
            stack.callback(setattr, logger, "propagate", logger.propagate)
            stack.callback(logger.removeHandler, to_file)
            logger.setLevel(logging.INFO if logger is log else logging.ERROR)
            logger.propagate = logger is log
            logger.addHandler(to_file)
        yield
