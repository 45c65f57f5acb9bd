"""One small sweep by each launcher, sweeper and engine, as typed, with what the terminal said.

pip install '.[engines,optuna]'
python experiments/05_sweeps/launchers.py [--only vmap,ray,...] > launchers.txt
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTING = "model.width=32 steps=400 eval_every=100 checkpoint_every=100 stats.every=20"
GRID = "activation=relu,gelu seed=0,1"
RATE = "'optimizer.learning_rate=tag(log,interval(1e-4,1e-1))'"
COMMANDS = {
    "vmap": f"{GRID} hydra/launcher=vmap",
    "basic": "activation=relu,rleu,gelu",
    "joblib": f"{GRID} hydra/launcher=joblib hydra.launcher.n_jobs=2",
    "submitit": f"{GRID} hydra/launcher=submitit_local",
    "ray": f"{GRID} hydra/launcher=ray",
    "list": "hydra/launcher=vmap hydra/sweeper=list "
    '\'hydra.sweeper.jobs=["activation=gelu seed=3","activation=tanh"]\'',
    "optuna": "hydra/sweeper=optuna hydra.sweeper.n_trials=8 hydra.sweeper.n_jobs=4 hydra.sweeper.sampler.seed=1 "
    f"{RATE} hydra/launcher=vmap",
    "halving": "activation=relu,gelu seed=0,1,2,3 hydra/launcher=vmap 'launcher.halving={rungs:[100,200],keep:0.5}'",
    "engine-joblib": f"{GRID} hydra/launcher=vmap launcher.engine=joblib launcher.engine_options={{processes:2}}",
    "engine-submitit": f"{GRID} hydra/launcher=vmap launcher.engine=submitit "
    "launcher.engine_options={executor:local,processes:2}",
    "engine-ray": f"{GRID} hydra/launcher=vmap launcher.engine=ray launcher.engine_options={{max_concurrent:2}}",
    "engine-ray-halving": f"{GRID} hydra/launcher=vmap launcher.engine=ray "
    "'launcher.halving={rungs:[100,200],keep:0.5}'",
}
FIRST, LAST = 10, 12  # lines shown of a longer output


def shown(out: str) -> list[str]:
    """Return the lines that are not empty, the middle of many left out."""
    lines = [s.rstrip() for s in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", out).splitlines() if s.strip()]
    if len(lines) <= FIRST + LAST + 1:
        return lines
    return [*lines[:FIRST], f"... ({len(lines) - FIRST - LAST} lines)", *lines[-LAST:]]


def main() -> int:
    """Run them, one after another."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(COMMANDS))
    from actlab.cli.runtime import device, git_commit

    print(f"{device()}, {len(os.sched_getaffinity(0))} cores, commit {git_commit()}", flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        for name in parser.parse_args().only.split(","):
            typed = f"train -m {SETTING} {COMMANDS[name]} hydra.sweep.dir={name}"
            print(f"\n$ actlab {typed}", flush=True)
            began = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", "from actlab.cli import main; main()", *shlex.split(typed)],
                cwd=scratch, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            )  # fmt: skip
            took = time.perf_counter() - began
            print(*(f"  {s}" for s in shown(done.stdout) or ["(nothing on the terminal)"]), sep="\n")
            states = [json.loads(p.read_text())["state"] for p in Path(scratch, name).glob("*/run.json")]
            told = ", ".join(f"{states.count(s)} {s}" for s in sorted(set(states))) or "none"
            print(f"  -- exit status {done.returncode}; run folders: {told}; {took:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
