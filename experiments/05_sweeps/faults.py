"""What a sweep makes of faults: each is done for real, to the command line in a process of its own.

    python experiments/05_sweeps/faults.py [--only kill,config,...] > faults.txt       # Linux; the disk wants root

The sweep: 3 activations x 4 seeds x 2 learning rates of a small MLP on MNIST-1D, in six programs of four lanes, saved
every two seconds. Afterwards each job's folder is compared with that of a sweep that nothing happened to: every row
of every table, and every array of the last checkpoint, optimiser included, bit for bit. Exit status 1 if anything was
lost, repeated or not as said.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from faults_common import (
    GRID,
    JOBS,
    SETTING,
    Process,
    Row,
    compare,
    ended,
    info,
    progress,
    records,
    runs,
    stamp,
)

from actlab.cli.sweep_pack import ENDED

SEED, KILLS = 20261129, 10


def kill(scratch: Path, reference: Path) -> Row:
    """Kill the launcher ten times: while it composes, at random shares of the steps, after the last job's end."""
    row = Row("kill -9 of the launcher, ten times", "", JOBS)
    sweep, draw, kept, when = scratch / "killed", random.Random(SEED), {}, []
    for n in range(KILLS):
        before, share = progress(sweep), (n - 1 + draw.random()) / (KILLS - 2)
        p = Process(sweep)
        if n == 0:
            p.until(lambda p=p: "composing" in p.out)
            delay = 0.0
        elif (
            n < KILLS - 1
        ):  # also where the last kill left more on the disk: it is to have done something itself
            aim = max(share, before + 1e-9)
            p.until(lambda aim=aim: progress(sweep) >= aim)
            delay = draw.random()
        else:
            p.until(lambda: len(ended(sweep)) == JOBS)
            delay = 0.0
        end = time.monotonic() + delay
        p.until(lambda end=end: time.monotonic() > end or len(ended(sweep)) == JOBS)
        row.expect(p.alive, f"kill {n + 1} came too late")
        p.process.kill()
        row.exits.append(p.end())
        check_kept(kept, row)
        kept |= {f: stamp(f) for f in ended(sweep) if f not in kept}
        states = [info(f).get("state") for f in runs(sweep)]
        when.append(f"{len(kept)}+{states.count('running')}")
    p = Process(sweep)
    row.exits.append(p.end())
    check_kept(kept, row)
    row.done = (
        f"seed {SEED}; jobs ended + under way at each kill: {', '.join(when)}; the same command each time"
    )
    row.said = p.lines()
    row.expect(row.exits == [-9] * KILLS + [0], "an exit status")
    compare(sweep, reference, row)
    return row


def check_kept(kept: dict[Path, dict], row: Row) -> None:
    """Check that no file of a run that had ended was touched."""
    for folder, was in kept.items():
        row.expect(stamp(folder) == was, f"{folder.name} had ended and was written again")


def config(scratch: Path, reference: Path) -> Row:
    """Among 100 jobs one that does not compose, and one whose model cannot be built."""
    row = Row("a job that does not compose, one that cannot be built", "", 100)
    (scratch / "mine.py").write_text("def halved(x):\n    return x[..., ::2]\n")
    good = [f"activation=relu seed={i}" for i in range(98)]
    bad = [
        *good[:40],
        "activation=rleu seed=0",
        *good[40:70],
        "activation.name=mine:halved seed=0",
        *good[70:],
    ]
    short = ["steps=200", "launcher.lanes=null", "hydra/sweeper=list"]
    for name, lines in (("good", good), ("bad", bad)):
        (scratch / f"{name}.jobs").write_text("\n".join(lines))
        p = Process(scratch / name, [], *short, f"hydra.sweeper.jobs={scratch / name}.jobs")
        row.exits.append(p.end())
    row.done = "100 jobs: activation=rleu is the 41st, a function that returns half of its input the 72nd"
    row.said = p.lines()
    row.expect(row.exits == [0, 1], "an exit status")
    row.expect(
        sum("job 40 failed (" in s or "job 71 failed (" in s for s in row.said) == 2, "not told by job"
    )
    row.exits = row.exits[1:]
    compare(scratch / "bad", scratch / "good", row)
    return row


def basic(scratch: Path, reference: Path) -> Row:
    """The same with Hydra's own launcher, ten jobs."""
    row = Row("the same with Hydra's basic launcher", "10 jobs, one after another: the 4th and the 8th", 10)
    (scratch / "mine.py").write_text("def halved(x):\n    return x[..., ::2]\n")
    lines = [f"activation=relu seed={i}" for i in range(8)]
    lines = [
        *lines[:3],
        "activation=rleu seed=0",
        *lines[3:6],
        "activation.name=mine:halved seed=0",
        *lines[6:],
    ]
    (scratch / "basic.jobs").write_text("\n".join(lines))
    own = [s for s in SETTING if not s.startswith(("hydra/launcher", "launcher."))]
    argv = [
        *own,
        "steps=200",
        "hydra/sweeper=list",
        f"hydra.sweeper.jobs={scratch}/basic.jobs",
        "hydra.sweep.dir=basic",
    ]
    command = [sys.executable, "-c", "from actlab.cli import main; main()", "train", "-m", *argv]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True)
    row.exits = [done.returncode]
    row.said = done.stderr.splitlines()
    row.finished = len(ended(scratch / "basic"))
    row.reported = row.finished + sum(f"job {n} failed (" in done.stderr for n in (3, 7))
    row.expect((row.exits, row.finished, row.reported) == ([1], 8, 10), "an exit status or a job")
    row.equal = "not compared: each is a run of its own"
    return row


def disk(scratch: Path, reference: Path) -> Row:
    """Fill a disk of its own; make room once the sweep has ended, and go on."""
    row = Row("a full disk, room made after the end", "", JOBS)
    return on_small_disk(scratch / "small", reference, row, meanwhile=False)


def room(scratch: Path, reference: Path) -> Row:
    """Fill a disk of its own; make room while the sweep runs."""
    row = Row("a full disk, room made meanwhile", "", JOBS)
    return on_small_disk(scratch / "roomy", reference, row, meanwhile=True)


def on_small_disk(mount: Path, reference: Path, row: Row, *, meanwhile: bool) -> Row:
    """Sweep on a tmpfs that holds 40 % of what the sweep needs, then four times as much."""
    need = int(subprocess.check_output(["du", "-sk", str(reference)], text=True).split()[0])
    mount.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={need * 2 // 5}k", "tmpfs", str(mount)],
        capture_output=True,
        text=True,
    )
    if made.returncode:
        row.done = row.equal = f"not done: {made.stderr.strip()}"
        return row
    try:
        sweep = mount / "sweep"
        p = Process(sweep)
        if meanwhile:
            p.until(lambda: "No space left" in p.out)
            row.expect(p.alive, "the sweep had ended before there was room")
            grow(mount, need * 4)
        row.exits.append(p.end())
        row.said = p.lines()
        names = {r["number"]: str(sweep / r["folder"]) for r in records(reference)}
        for number, path in names.items():
            told_of = info(Path(path)).get("state") in ENDED or f"job {number} failed (" in p.out
            row.expect(told_of, f"job {number} is not told of")
        kept = {f: stamp(f) for f in ended(sweep)}
        if not meanwhile:
            row.expect(row.exits == [1], "an exit status")
            grow(mount, need * 4)
        if row.exits != [0]:
            p = Process(sweep)
            row.exits.append(p.end())
            row.said += p.lines("jobs:|No space")
        check_kept(kept, row)
        row.expect(row.exits[-1] == 0, "an exit status")
        if len(row.said) > 8:
            row.said[3:-3] = [f"... ({len(row.said) - 6} lines more like these)"]
        row.done = f"a tmpfs of {need * 2 // 5:,} KiB, the sweep takes {need:,}; then made larger" + (
            " as soon as a line said so" if meanwhile else " after the end"
        )
        row.done += f"; {len(kept)} ended the first time" + "; the same command once more" * (
            len(row.exits) > 1
        )
        compare(sweep, reference, row)
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)
    return row


def grow(mount: Path, kib: int) -> None:
    """Make a tmpfs larger."""
    subprocess.run(["mount", "-o", f"remount,size={kib}k", str(mount)], check=True)


def nan(scratch: Path, reference: Path) -> Row:
    """One lane whose numbers are soon none."""
    row = Row(
        "a lane of NaNs", "a 25th job, gelu with a learning rate of 1e38, in a program with others", JOBS + 1
    )
    lines = [
        f"activation={a} seed={s} optimizer.learning_rate={r}"
        for a in ("relu", "gelu", "tanh")
        for s in range(4)
        for r in ("1e-3", "1e-2")
    ]
    (scratch / "nan.jobs").write_text(
        "\n".join([*lines, "activation=gelu seed=1 optimizer.learning_rate=1e38"])
    )
    sweep = scratch / "nan"
    p = Process(sweep, [], "hydra/sweeper=list", f"hydra.sweeper.jobs={scratch}/nan.jobs")
    row.exits = [p.end()]
    row.said = p.lines()
    row.expect(row.exits == [0], "an exit status")
    row.expect([r["state"] for r in records(sweep)].count("diverged") == 1, "it is not recorded")
    row.said += [r["message"] for r in records(sweep) if r["message"]]
    compare(sweep, reference, row, but=1)
    return row


def folder(scratch: Path, reference: Path) -> Row:
    """Delete a run's folder while it is trained."""
    row = Row("a run's folder deleted in mid-run", "", JOBS)
    sweep = scratch / "deleted"
    p = Process(sweep)

    def saved() -> list[Path]:
        return [f for f in runs(sweep) if info(f).get("state") == "running" and info(f).get("step", 0) > 0]

    p.until(lambda: bool(saved()))
    victim = saved()[0]
    at = info(victim).get("step")
    while victim.exists():
        shutil.rmtree(victim, ignore_errors=True)
    row.exits.append(p.end())
    row.said = p.lines()
    row.expect(any("was removed while it was written" in s for s in row.said), "not told")
    kept = {f: stamp(f) for f in ended(sweep)}
    row.expect(len(kept) == JOBS - 1, "another job did not end")
    p = Process(sweep)
    row.exits.append(p.end())
    row.said += p.lines()
    check_kept(kept, row)
    row.done = f"rm -r of a folder that was at step {at}; then the same command once more"
    row.expect(row.exits == [1, 0], "an exit status")
    compare(sweep, reference, row)
    return row


def checkpoint(scratch: Path, reference: Path) -> Row:
    """Damage checkpoints of jobs that a kill left part-done."""
    row = Row("damaged checkpoints of part-done jobs", "", JOBS)
    sweep = scratch / "damaged"
    often = "launcher.save_every_s=0.3"  # two checkpoints long before the end, on a quick machine too
    p = Process(sweep, GRID, often)

    def twice() -> list[Path]:
        return [
            f
            for f in runs(sweep)
            if len(list((f / "checkpoints").glob("*.json"))) == 2 and f not in ended(sweep)
        ]

    p.until(lambda: len(twice()) >= 4)
    p.process.kill()
    row.exits.append(p.end())
    cut, flipped, unlisted, both = twice()[:4]
    truncate(largest(cut))
    flip(largest(flipped))
    truncate(newest(unlisted))
    for f in (newest(both), *sorted((both / "checkpoints").glob("*.json"))):
        truncate(f) if f.exists() else None
    p = Process(sweep, GRID, often)
    row.exits.append(p.end())
    row.said = p.lines()
    row.done = (
        "kill -9 once four jobs had two checkpoints each; of one a file of the newest cut in half, of one a bit "
        "flipped, of one the list of checksums cut, of one the lists of both; the same command"
    )
    row.expect(sum("is damaged (" in s for s in row.said) >= 5, "damage is not told")
    row.expect(row.exits == [-9, 0], "an exit status")
    compare(sweep, reference, row)
    return row


def newest(run: Path) -> Path:
    """Return the list of checksums of a run's newest checkpoint."""
    return max((run / "checkpoints").glob("*.json"), key=lambda p: int(p.stem))


def largest(run: Path) -> Path:
    """Return the largest file of a run's newest checkpoint."""
    return max(newest(run).with_suffix("").rglob("*"), key=lambda p: p.stat().st_size if p.is_file() else -1)


def truncate(path: Path) -> None:
    """Cut a file in half."""
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Change one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


FAULTS = {f.__name__: f for f in (kill, config, basic, disk, room, nan, folder, checkpoint)}


def main() -> int:
    """Do the faults."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(FAULTS))
    names = parser.parse_args().only.split(",")
    from actlab.cli.runtime import device, git_commit

    print(f"{device()}, commit {git_commit()}")
    rows = []
    with tempfile.TemporaryDirectory() as place:
        scratch = Path(place)
        reference = scratch / "undisturbed"
        p = Process(reference)
        if p.end():
            raise RuntimeError(p.out)
        print(f"undisturbed: {p.lines('jobs:')[-1]}")
        for name in names:
            rows.append(FAULTS[name](scratch, reference))
            rows[-1].tell()
    width = max(len(r.fault) for r in rows)
    print(f"\n{'fault':{width}}  finished  told of  equal")
    for r in rows:
        equal = r.equal.split(" bit")[0] if "bit" in r.equal else "-"
        print(f"{r.fault:{width}}  {r.finished:3}/{r.jobs:<3}   {r.reported:3}/{r.jobs:<3}  {equal}")
    wrong = sum(len(r.wrong) for r in rows)
    print("all as it should be" if not wrong else f"{wrong} things wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
