"""The model that ``actlab inspect --model`` names: a run's own among them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from actlab.errors import InputError

if TYPE_CHECKING:
    from actlab.inspection import LanguageModel

HELP = "smollm2 (default), a GGUF file, a folder of safetensors, hf:organisation/name, or run:FOLDER of actlab train"


def load_model(source: str, dtype: str = "float32") -> LanguageModel:
    """Return the model that ``source`` names.

    Raises:
        InputError: there is no such model, it cannot be read, or what reads it is not installed.

    """
    try:
        from actlab.inspection import LanguageModel, load
        from actlab.inspection.own_runs import from_run

        if not source.startswith("run:"):
            return load(source, dtype=dtype)
        from actlab.cli.trained import trained

        folder = source.removeprefix("run:")
        run, state = trained(Path(folder))
        return LanguageModel.of(from_run(run, state, source=folder), dtype)
    except ModuleNotFoundError as error:
        raise InputError(f"language models need {error.name}: pip install 'actlab[lm]'") from error
