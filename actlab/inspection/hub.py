"""A model from Hugging Face's hub: the files that are read, no others, kept in the hub's own cache."""

from __future__ import annotations

import re
from pathlib import Path

from actlab.errors import InputError

FILES = (  # no code and no pickles
    "config.json", "generation_config.json", "model.safetensors", "model.safetensors.index.json",
    "model-*-of-*.safetensors", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
)  # fmt: skip
NAME = re.compile(r"([A-Za-z0-9][\w.-]*/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)


def from_hub(name: str) -> Path:
    """Return the folder with a model's files, downloaded unless they are in the cache (``$HF_HOME``).

    Args:
        name: ``organisation/name`` or ``organisation/name@revision``: a branch, tag or commit.

    Raises:
        InputError: no such name, model or revision, one that wants a licence agreed to, no network, or
            ``huggingface_hub`` is not installed.

    """
    found = NAME.fullmatch(name)
    if found is None or ".." in name:
        raise InputError(f"hf:{name:.100} must be hf:organisation/name or hf:organisation/name@revision")
    try:
        import huggingface_hub
        from huggingface_hub import errors
    except ImportError:
        raise InputError(f"hf:{name} needs huggingface_hub: pip install 'actlab[hub]'") from None
    try:
        folder = huggingface_hub.snapshot_download(found[1], revision=found[2], allow_patterns=FILES)
    except errors.GatedRepoError:
        raise InputError(
            f"hf:{name} wants its licence agreed to on huggingface.co, and hf auth login"
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"hf:{name}: {found[1]} has no revision {found[2]!r}") from None
    except errors.RepositoryNotFoundError:
        raise InputError(f"hf:{name}: there is no such model, or it is not for everyone to see") from None
    except Exception as e:  # of the hub, of the network below it, of the disk: no common parent
        reason = " ".join(str(e).split()) or type(e).__name__
        raise InputError(
            f"hf:{name} cannot be fetched and is not in the hub's cache; is there a network? ({reason:.120})"
        ) from None
    return Path(folder)
