"""A sweep: the jobs of one ``actlab train -m ... hydra/launcher=vmap``, trained together, told by job."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from actlab.cli import composing
from actlab.cli.sweep_jobs import JobFailed, Sweep
from actlab.cli.sweep_pack import run_pack as run_pack
from actlab.cli.sweep_settings import Settings
from actlab.cli.sweep_table import Table, digest, newest
from actlab.cli.sweep_view import SweepDisplay
from actlab.errors import InputError

DEFAULT_DIR = "runs/${now:%Y-%m-%d}/${now:%H%M%S}-sweep"  # of configs/train.yaml
_running: list[Sweep] = []


def current() -> Sweep:
    """Return the sweep under way, for Hydra's launcher, which has no other way to it.

    Raises:
        InputError: there is none.

    """
    if not _running:
        raise InputError("hydra/launcher=vmap runs the jobs of: actlab train -m")
    return _running[-1]


def run(argv: list[str], master: DictConfig, task: Callable[[DictConfig], Any], *, fresh: bool) -> int:
    """Run the sweep that a command line asks for, or go on with it; return the exit code.

    Args:
        argv: the command line, without ``--fresh``.
        master: its config, see ``composing.compose_multirun``.
        task: what Hydra is told that a job is; it is not called.
        fresh: begin anew even where the same sweep was begun before.

    Raises:
        InputError: what cannot be for any job, or a sweep that another process runs.

    """
    settings = Settings.of(master.hydra.launcher)
    _refuse(master)
    path = folder(argv, master, fresh)
    place = [] if _dir(master) == str(path) else [f"hydra.sweep.dir={composing.quote(path)}"]
    from actlab.cli.runtime import circumstances, cores_as_devices, logging_to, now, warnings_told

    cores_as_devices()

    with Table(path) as table, ExitStack() as stack:
        display = stack.enter_context(SweepDisplay(path, str(master.get("objective", "test accuracy"))))
        stack.enter_context(warnings_told())
        stack.enter_context(logging_to(path / "sweep.log"))
        soft = composing.target_of(master.hydra.sweeper) in composing.SWEEPERS
        wanted = digest(argv)
        if (
            not soft
            and table.facts.get("command_sha256") == wanted
            and table.facts.get("state") == "finished"
        ):
            display.finish(table.records, 0, ran=0)  # a search proposes other jobs each time: it is over
            return 0
        sweep = Sweep(table, settings, display, circumstances(), raises=not soft)
        table.facts = {"started": now()} | table.facts
        table.write(command=composing.command_line(argv), command_sha256=wanted, state="running")
        _running.append(sweep)
        stack.callback(_running.remove, sweep)
        stack.enter_context(_terminating())
        code = 1
        try:
            composing.hydra_main([*argv, *place], task)
            code = int(any(r.state == "failed" for r in sweep.records))
        except KeyboardInterrupt:
            code = 130
        except SystemExit as e:
            code = e.code if isinstance(e.code, int) else 1
        except JobFailed:
            pass  # told below, by job
        except BaseException:
            sweep.leave("interrupted", stopped=True)
            raise
        state = {0: "finished", 1: "failed"}.get(code, "interrupted")
        sweep.leave(state, stopped=code >= 128)
        display.finish(sweep.records, code, sweep.ran, kept=sweep.kept)
    return code


def folder(argv: Sequence[str], master: DictConfig, fresh: bool) -> Path:
    """Return the folder of a sweep: the one asked for, the one that the same command began, or a new one.

    Raises:
        InputError: ``fresh`` in a folder asked for that is not empty.

    """
    if _dir(master) != DEFAULT_DIR:
        with composing.one_line(argv):
            path = Path(str(master.hydra.sweep.dir))
        if fresh and path.is_dir() and any(path.iterdir()):
            raise InputError(
                f"--fresh: {path} is not empty; delete it, or name another folder with hydra.sweep.dir="
            )
        return path
    begun = None if fresh else newest(Path("runs"), digest(argv))
    return begun or composing.fresh_dir("-sweep", "hydra.sweep.dir=")


def _dir(master: DictConfig) -> str:
    """Return ``hydra.sweep.dir`` as it is written."""
    return str(OmegaConf.to_container(master.hydra.sweep, resolve=False)["dir"])


def _refuse(master: DictConfig) -> None:
    """Refuse what jobs that share a process cannot have each for itself."""
    if master.hydra.job.chdir:
        raise InputError(
            "hydra.job.chdir=true: the jobs of hydra/launcher=vmap share a process, and its folder"
        )
    if master.hydra.job.env_set or master.hydra.job.env_copy:
        raise InputError(
            "hydra.job.env_set: the jobs of hydra/launcher=vmap share a process: export it before"
        )


@contextmanager
def _terminating() -> Iterator[None]:
    """End by SIGTERM as by an exception, where the engine does not take it up itself."""

    def handle(number: int, _: object) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    old = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)
