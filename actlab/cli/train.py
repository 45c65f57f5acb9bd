"""``actlab train``: compose a config with Hydra, build the run it describes, train, report."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from actlab.cli import configs
from actlab.errors import InputError

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from actlab.cli.terminal import Display
    from actlab.sinks import Guarded
    from actlab.train import Run
    from actlab.train.folder import RunFolder
    from actlab.train.loop import Outcome

USAGE = """\
usage: actlab train [OVERRIDES] [-m [--fresh]] [--cfg job] [--info] [--config-dir DIR] [--debug]

  actlab train                                                    the default run
  actlab train activation=leaky_relu activation.negative_slope=0.2 model.depth=8
  actlab train activation=swish 'activation.learn=[beta]' activation.per=channel
  actlab train activation.transform=tat model.norm=none model.depth=50 model.init=critical data=digits
  actlab train activation.name=my_package.my_module:my_fn         your own function
  actlab train +experiment=mnist1d_mlp                            a published setting
  actlab train -m seed=0,1,2                                      several runs, one after another
  actlab train resume=runs/2026-11-22/143000                      go on where a run stopped
  actlab train parallel.data=4                                    one run on four devices
  actlab train -m 'seed=range(8)' activation=relu,gelu hydra/launcher=vmap    a sweep in few compiled programs

a sweep (-m with hydra/launcher=vmap)
  the same command goes on with it and repeats nothing; with --fresh it begins anew. sweep.json tells of each job
  launcher.lanes=16          most jobs in one program (null: by memory)
  launcher.strategy=auto     map: each job bit for bit as alone; vmap: in one batch; auto: map on a CPU, else vmap
  launcher.report=true       write each job's page too
  launcher.save_every_s=60   what a kill can cost: those under way are saved at the next checkpoint after that
  'launcher.halving={{rungs:[500,1000],keep:0.5}}'   only the best half goes on at these steps
  hydra/sweeper=list 'hydra.sweeper.jobs=["activation=gelu seed=1","activation=relu"]'   or a file, a job a line
  hydra/sweeper=optuna hydra.sweeper.n_jobs=4 hydra.sweeper.n_trials=12 \\
      'optimizer.learning_rate=tag(log, interval(1e-4,1e-1))'       seeks the best objective= (pip: actlab[optuna])

choices
{choices}
keys: actlab train --cfg job prints them all. Hydra's flags (-m, --cfg, --info, --config-dir, ...): hydra.cc
exit codes: 0 finished or diverged (a result), 1 some jobs of -m failed, 2 bad input, 130 and 143 interrupted by
Ctrl-C and SIGTERM
"""
LOOKS = ("--cfg", "-c", "--info", "-i", "--hydra-help", "--version", "--shell-completion", "-sc")


def main(argv: list[str]) -> int:
    """Run ``actlab train``; return its exit code."""
    if any(a in ("-h", "--help") for a in argv):
        lines = (f"  {group:<11}{', '.join(names)}\n" for group, names in configs.groups().items())
        print(USAGE.format(choices="".join(lines)), end="")
        return 0
    sys.path.append(os.getcwd())  # a console script does not look there, and that is where users' modules are
    resumed = [a.split("=", 1)[1] for a in argv if a.startswith(("resume=", "+resume="))]
    if resumed:
        from actlab.cli.resume import resume

        rest = [a for a in argv if not a.startswith(("resume=", "+resume="))]
        return resume(Path(resumed[-1]), rest)

    from actlab.cli import composing

    composing.check_flags(argv)
    argv = composing.open_launcher(composing.open_activation(argv))
    if any(a.split("=")[0] in LOOKS for a in argv):
        try:
            return composing.hydra_main(argv, lambda cfg: None)
        except ValueError as e:  # Hydra's own words on flags that exclude each other
            raise InputError(str(e)) from e
    fresh = "--fresh" in argv
    argv = [a for a in argv if a != "--fresh"]
    if any(a in ("-m", "--multirun") for a in argv):
        return _multirun(argv, fresh)
    if fresh:
        raise InputError("--fresh is for a sweep (-m): a run of its own always begins anew")
    cfg = composing.compose_all(argv)  # before Hydra makes a folder: bad input leaves nothing behind
    plain = composing.without_hydra(cfg)
    run, sinks = build_run(plain), build_sinks(plain)
    if not is_writer(run):
        return accompany(run, resume=False)
    path = composing.fresh_run_dir(cfg)
    ended: list[int | Exception] = []

    def task(_: DictConfig) -> None:
        try:
            ended.append(execute(run, composing.output_dir(), argv, sinks=sinks))
        except (InputError, OSError) as e:  # told by us, in one line: Hydra would add its own
            ended.append(e)

    composing.hydra_main([*argv, f"hydra.run.dir={composing.quote(path)}"], task)
    if isinstance(ended[0], Exception):
        raise ended[0]
    return ended[0]


def _multirun(argv: list[str], fresh: bool) -> int:
    from actlab.cli import composing
    from actlab.cli.launching import with_defaults

    argv = with_defaults(argv)
    master = composing.compose_multirun(argv)
    if master.parallel.coordinator is not None or master.parallel.data != 1:
        raise InputError("parallel.data is for one big run: a sweep (-m) has a run for every device")
    argv = [*argv, *_direction(argv, master)]
    if composing.target_of(master.hydra.launcher) == composing.VMAP:
        from actlab.cli.sweep import run

        return run(argv, master, _job, fresh=fresh)
    if fresh:
        raise InputError("--fresh is for hydra/launcher=vmap: other launchers always begin anew")
    if (
        composing.target_of(master.hydra.launcher) != composing.BASIC
    ):  # in other processes: told by the launcher
        return composing.hydra_main(argv, _job)
    from actlab.cli.sweep_basic import job_by_job
    from actlab.cli.sweep_pack import line

    failed: list[str] = []
    alone = composing.target_of(master.hydra.sweeper) in composing.SWEEPERS

    def tell(number: int, overrides: Sequence[str], error: Exception) -> None:
        failed.append(f"job {number} failed ({' '.join(map(str, overrides))}): {line(error)}")

    def job(cfg: DictConfig) -> float | None:
        try:
            return _job(cfg)
        except (InputError, OSError) as e:
            tell(composing.job_number(), composing.job_overrides(), e)
            if not alone:
                raise
            return None  # the others run; all are told at the end

    try:
        with job_by_job(tell, raises=not alone):
            composing.hydra_main(argv, job)
    finally:
        for words in failed:
            print(f"actlab: {words}", file=sys.stderr)
    return 1 if failed else 0


def _direction(argv: list[str], master: DictConfig) -> list[str]:
    """Return the override that makes Optuna seek high accuracies or low losses; raise where another is asked for."""
    sweeper = master.hydra.sweeper
    if "direction" not in sweeper:
        return []
    goal = "maximize" if str(master.get("objective", "accuracy")).endswith("accuracy") else "minimize"
    given = [a.split("=", 1)[1] for a in argv if a.lstrip("+").startswith("hydra.sweeper.direction=")]
    if given and given[-1] != goal:
        raise InputError(
            f"hydra.sweeper.direction={given[-1]}: objective={master.objective} is one to {goal}"
        )
    return [] if given else [f"hydra.sweeper.direction={goal}"]


def _job(cfg: DictConfig) -> float:
    """Run one job of a multirun, return what it is worth to the sweeper; an interrupted one ends them all."""
    from actlab.cli import composing
    from actlab.cli.build import plain, worth
    from actlab.train.folder import RunFolder

    run, sinks = build_run(cfg), build_sinks(cfg)
    path = composing.output_dir()
    if code := execute(run, path, composing.job_overrides(), sinks=sinks):
        raise SystemExit(code)
    return worth(RunFolder(path).read()["scores"], plain(cfg))


def build_run(cfg: DictConfig) -> Run:
    """Return the run a config describes, in a process prepared for it."""
    from actlab.cli.runtime import prepare

    prepare()
    from actlab.cli.build import build, placing, plain
    from actlab.cli.runtime import warnings_told

    placing(plain(cfg)).start()  # before JAX is first used

    with warnings_told():
        return build(cfg)


def build_sinks(cfg: DictConfig) -> tuple[Guarded, ...]:
    """Return where the records go besides the run's folder."""
    from actlab.cli.build import sinks

    return sinks(cfg)


def execute(
    run: Run, path: Path, argv: list[str], *, resume: bool = False, sinks: Sequence[Guarded] = ()
) -> int:
    """Train ``run`` in ``path``, show it, write its report; return the exit code."""
    from actlab.cli import composing
    from actlab.cli.runtime import facts, logging_to, warnings_told
    from actlab.cli.terminal import Display
    from actlab.train.folder import RunFolder

    if path.is_relative_to(Path.cwd()):
        path = path.relative_to(Path.cwd())
    with (
        RunFolder(path) as folder,
        warnings_told(),
        logging_to(path / "train.log"),
        Display(run, path) as display,
    ):
        if not resume:
            if (path / "run.json").exists():
                raise InputError(f"{path} already holds a run: resume={path} goes on with it")
            folder.write(state="running", command=composing.command_line(argv), **facts(path))
        outcome = _train(run, folder, sinks, resume, display)
        from actlab.report import write_report  # a second of imports: not before the first step

        display.finish(outcome, write_report(path))
    return 0 if outcome.signal is None else 128 + outcome.signal


def is_writer(run: Run) -> bool:
    """Tell whether this process writes the run's folder."""
    from actlab.train.parallel import writes

    return run.setup.parallel.coordinator is None or writes()


def accompany(run: Run, *, resume: bool) -> int:
    """Compute a process's part of ``run``, which another one shows and writes; return the exit code."""
    from actlab.cli.runtime import warnings_told
    from actlab.train import train
    from actlab.train.parallel import Unwritten

    with warnings_told():
        outcome = train(run, Unwritten(), resume=resume)
    return 0 if outcome.signal is None else 128 + outcome.signal


def _train(run: Run, folder: RunFolder, sinks: Sequence[Guarded], resume: bool, display: Display) -> Outcome:
    """Train, sending the records to ``sinks`` too; run.json says what became of them, however training ends."""
    from actlab.sinks import finish_all
    from actlab.train import train

    for sink in sinks:
        sink.start(folder.path, resumed=resume)
    state, scores = "interrupted", {}
    try:
        outcome = train(run, folder, resume=resume, tell=display.advance, sinks=sinks)
        state, scores = outcome.state, outcome.scores
        return outcome
    finally:
        if sinks:
            with suppress(OSError):  # told already, where the disk is full
                folder.write(sinks=finish_all(sinks, state, scores))
