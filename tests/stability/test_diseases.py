"""Real runs: those of experiments/04_stability that need no minutes, and what diagnosis finds in each."""

import importlib.util
import sys
from pathlib import Path

import pytest

from actlab.stability import diagnose

HERE = Path(__file__).parents[2] / "experiments" / "04_stability"


def _load():
    spec = importlib.util.spec_from_file_location("diseases", HERE / "diseases.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["diseases"] = module  # dataclasses look there
    before = list(sys.path)
    spec.loader.exec_module(module)
    sys.path[:] = before
    return module


diseases = _load()
