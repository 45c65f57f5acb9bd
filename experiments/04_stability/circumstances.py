"""One line that says where a result comes from."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import jax


def circumstances() -> str:
    """Return commit, device and jax version."""
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True
    ).stdout.strip()
    device = jax.devices()[0]
    kind = device.device_kind
    if device.platform == "cpu" and Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        kind = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), kind)
    versions = f"jax {jax.__version__}, Python {platform.python_version()}"
    return f"commit {commit or 'unknown'}, {device.platform}: {kind}, {versions}"
