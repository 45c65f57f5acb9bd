"""Orbax checkpoints that exist only once their checksums do.

Orbax names a step before it is committed and restores flipped bytes without a word, so next to each step
lies ``<step>.json`` with the size and SHA-256 of its every file, written last. A step without one does not exist.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import jax
import numpy as np

from actlab.errors import InputError
from actlab.files import write_atomic

log = logging.getLogger(__name__)

KEEP = 2


class Checkpoints:
    """The checkpoints of one run folder: saved in the background, verified when read, the last two kept."""

    def __init__(self, folder: Path):
        self.folder = folder.absolute()
        self._checkpointer: Any = None
        self._pending: int | None = None

    def save(self, step: int, state: Any) -> None:
        """Begin to save a pytree of arrays as ``step``; ``finish`` makes it count.

        Raises:
            OSError: the disk is full or read-only.

        """
        self.finish()
        if (self.folder / f"{step}.json").exists():
            return
        arrays = {name: np.array(leaf) for name, leaf in _named(jax.device_get(state)).items()}  # copies
        self.folder.mkdir(exist_ok=True)
        small_files = 2**16 + 2**13 * len(arrays)  # metadata, and two blocks for each array
        _make_sure_of_room(self.folder, sum(a.nbytes for a in arrays.values()) + small_files)
        if self._checkpointer is None:
            import orbax.checkpoint as ocp  # half a second: not before there is something to save

            self._checkpointer = ocp.StandardCheckpointer(**_alone())
        self._pending = step
        self._checkpointer.save(self.folder / str(step), arrays, force=True)

    def finish(self) -> None:
        """Wait for the save under way, write its checksums, and remove what is older than the last two."""
        if self._pending is None:
            return
        step, self._pending = self._pending, None
        try:
            self._checkpointer.wait_until_finished()
        except Exception as e:  # orbax and tensorstore raise errors of many classes for a full disk
            self._checkpointer = None  # its threads did not survive
            what = f"checkpoint {step} in {self.folder}"
            if (number := _errno(e)) is None:
                raise OSError(f"cannot save {what}: {_reason(e)}") from e
            self._clean(newest=max(self.steps(), default=-1))  # what there is of it takes room for nothing
            raise OSError(number, os.strerror(number), what) from e
        files = {str(p.relative_to(self.folder)): _digest(p) for p in _files(self.folder / str(step))}
        write_atomic(self.folder / f"{step}.json", json.dumps({"step": step, "files": files}, indent=1))
        for old in self.steps()[:-KEEP]:
            (self.folder / f"{old}.json").unlink()
            shutil.rmtree(self.folder / str(old))

    def close(self) -> None:
        """Finish, and let go of orbax's threads."""
        self.finish()
        if self._checkpointer is not None:
            self._checkpointer.close()
            self._checkpointer = None

    def steps(self) -> list[int]:
        """Return the steps that have checksums, oldest first; whether these match is not looked at."""
        if not self.folder.is_dir():
            return []
        return sorted(int(p.stem) for p in self.folder.glob("*.json") if p.stem.isdigit())

    def restore(self, like: Any) -> Any | None:
        """Return the newest undamaged state, shaped as ``like`` (arrays or abstract), or None if there is none.

        A damaged one is told in one line and passed over; everything newer than what is returned, and what
        a kill left unfinished, is removed. Without any whole one, the damaged are moved aside, not removed.

        Raises:
            InputError: the checkpoint is of another model.

        """
        steps = self.steps()
        step, state = self._newest(like, steps)
        if state is None and steps:
            aside = self.folder.with_name(f"{self.folder.name}-damaged-{time.strftime('%Y%m%d-%H%M%S')}")
            self.folder.rename(aside)
        self._clean(newest=step)
        return state

    def read(self, like: Any) -> Any | None:
        """Return what ``restore`` would, and leave the folder as it is: for those who only look at a run.

        Raises:
            InputError: the checkpoint is of another model.

        """
        return self._newest(like, self.steps())[1]

    def _newest(self, like: Any, steps: list[int]) -> tuple[int, Any | None]:
        """Return the newest undamaged step and its state, (-1, None) where there is none; the damaged are told."""
        for place, step in reversed(list(enumerate(steps))):
            if problem := self._damage(step):
                instead = f"falling back to checkpoint {steps[place - 1]}" if place else "starting over"
                log.warning("%s: checkpoint %d is damaged (%s): %s", self._run(), step, problem, instead)
                continue
            import orbax.checkpoint as ocp

            wanted = {n: jax.ShapeDtypeStruct(a.shape, a.dtype) for n, a in _named(like).items()}
            with ocp.StandardCheckpointer(**_alone()) as checkpointer:
                try:
                    arrays = checkpointer.restore(self.folder / str(step), wanted)
                except ValueError as e:  # its files are whole, so the names differ
                    raise InputError(f"checkpoint {step} is of another model: {_reason(e)}") from e
            for name, a in wanted.items():  # orbax gives back what was saved, whatever was asked for
                if (arrays[name].shape, arrays[name].dtype) != (a.shape, a.dtype):
                    got = (
                        f"{arrays[name].dtype}{list(arrays[name].shape)}, the model {a.dtype}{list(a.shape)}"
                    )
                    raise InputError(f"checkpoint {step} is of another model: {name} has {got}")
            leaves = [arrays[name] for name in wanted]
            return step, jax.tree.unflatten(jax.tree.structure(like), leaves)
        return -1, None

    def _run(self) -> str:
        """Return the run's folder in words: in a sweep there are many."""
        run = self.folder.parent
        return str(run.relative_to(Path.cwd()) if run.is_relative_to(Path.cwd()) else run)

    def _damage(self, step: int) -> str | None:
        try:
            manifest = json.loads((self.folder / f"{step}.json").read_text())
            expected = manifest["files"]
        except (OSError, ValueError, KeyError, TypeError):
            return "its list of checksums cannot be read"
        found = {str(p.relative_to(self.folder)) for p in _files(self.folder / str(step))}
        if missing := sorted(expected.keys() - found):
            return f"{missing[0]} is missing"
        for name, digest in expected.items():
            if _digest(self.folder / name) != digest:
                return f"{name} has changed"
        return None

    def _clean(self, newest: int) -> None:
        for path in list(self.folder.glob("*")) if self.folder.is_dir() else []:
            step = path.name.split(".")[0]
            if path.name == f"{step}.json" and step.isdigit() and int(step) <= newest:
                continue
            if (
                path.name == step
                and step.isdigit()
                and int(step) <= newest
                and step in map(str, self.steps())
            ):
                continue
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _alone() -> dict[str, Any]:
    """Return orbax's options where this is one of several processes: it waits for all of them otherwise."""
    if jax.process_count() == 1:
        return {}
    from orbax.checkpoint.options import MultiprocessingOptions

    own = jax.process_index()
    return {
        "multiprocessing_options": MultiprocessingOptions(
            primary_host=own, active_processes={own}, barrier_sync_key_prefix=f"actlab{own}"
        )
    }


def _named(tree: Any) -> dict[str, Any]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _digest(path: Path) -> list[Any]:
    with path.open("rb") as f:
        return [path.stat().st_size, hashlib.file_digest(f, "sha256").hexdigest()]


def _make_sure_of_room(folder: Path, size: int) -> None:
    """Raise the OSError that writing ``size`` bytes would, before orbax's threads meet it one by one."""
    try:
        with tempfile.TemporaryFile(dir=folder) as f:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(f.fileno(), 0, size)
            elif shutil.disk_usage(folder).free < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError as e:
        raise OSError(e.errno, e.strerror, f"a checkpoint of {size:,} bytes in {folder}") from None


def _errno(e: BaseException) -> int | None:
    """Return the operating system's error number, out of tensorstore's long message too, or None."""
    found = re.search(r"os_error_code='(\d+)'", str(e))
    return int(found[1]) if found else getattr(e, "errno", None)


def _reason(e: BaseException) -> str:
    """Return the first line of a message that may be long."""
    lines = str(e).strip().splitlines()
    return lines[0] if lines else type(e).__name__
