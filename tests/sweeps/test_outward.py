"""Every engine really runs packs: what dies, what raises, how many at a time, interruption; SLURM by stand-ins."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from actlab.errors import InputError
from actlab.sweeps.outward import Joblib, NotStarted, Ray, Stopped, Submitit, WorkerDied, dispatch
from actlab.sweeps.outward.engines import cores, places
from actlab.sweeps.outward.worker import Parcel, call, opened

JOBS = '''
import os, signal, time
from pathlib import Path

class Odd(Exception):
    """Cannot be pickled back: it wants two arguments."""
    def __init__(self, a, b):
        super().__init__(a)

def work(pack):
    kind, n = pack
    log = Path("log"); log.mkdir(exist_ok=True)
    began = time.time()
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "raise":
        raise KeyError(f"pack {n}")
    if kind == "odd":
        raise Odd("strange", 1)
    if kind == "exit":
        raise SystemExit(3)
    if kind == "long":
        got = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: got.append(number))
        (log / f"{n}.ready").touch()
        while not got:
            time.sleep(0.02)
        (log / f"{n}.saved").touch()
        return "saved"
    if kind == "deaf":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        (log / f"{n}.ready").touch()
        time.sleep(60)
    if kind == "meet":  # a worker's start takes as long as the machine is busy: who is first waits for a second
        (log / f"{n}.met").touch()
        while len(list(log.glob("*.met"))) < 2 and time.time() < began + 60:
            time.sleep(0.02)
    time.sleep(0.3)
    return {"n": n, "began": began, "ended": time.time(), "pid": os.getpid(), "threads": os.environ.get("NPROC")}
'''
LIBRARIES = {"joblib": "joblib", "local": "submitit", "slurm": "submitit", "ray": "ray"}


def needs(*names):
    return [
        pytest.param(
            name,
            marks=pytest.mark.skipif(
                importlib.util.find_spec(LIBRARIES[name]) is None,
                reason=f"{LIBRARIES[name]} is not installed (pip install '.[{LIBRARIES[name]}]')",
            ),
        )
        for name in names
    ]


def engine(name):
    if name == "joblib":
        return Joblib(processes=2)
    if name == "ray":
        return Ray(max_concurrent=2)
    if name == "local":
        return Submitit(executor="local", processes=2, folder=Path("submitit"))
    return Submitit(
        executor="slurm", partition="gpu", cpus_per_task=1, mem_gb=3, gpus_per_node=2, timeout_min=90,
        array_parallelism=2, account="me", setup=("module load jax",), more={"mail-user": "me@example.org"},
        folder=Path("submitit"),
    )  # fmt: skip


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """Return a module of the current directory, as a user's."""
    (tmp_path / "outward_jobs.py").write_text(JOBS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("outward_jobs")
    sys.modules.pop("outward_jobs", None)


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """Put commands by SLURM's names before all others: they run a batch script's jobs here, all at once."""
    folder = tmp_path / "bin"
    folder.mkdir()
    commands = {
        "sbatch": """
            cp "$1" "$HOME/script.sh"
            last=$(sed -n 's/^#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
            for task in $(seq 0 $last); do
              ( SLURM_JOB_ID=$((100 + task)) SLURM_ARRAY_JOB_ID=100 SLURM_ARRAY_TASK_ID=$task SLURM_PROCID=0 \\
                SLURM_LOCALID=0 SLURM_NODEID=0 SLURM_NTASKS=1 bash "$1" >/dev/null 2>&1
                echo $? > "$HOME/100_$task.rc" ) >/dev/null 2>&1 &
              echo $! > "$HOME/100_$task.pid"
            done
            echo "Submitted batch job 100"
        """,
        "srun": """
            while [ "${1#--}" != "$1" ]; do  # its options; two of them have a value of their own
              case $1 in --output|--error) eval "${1#--}=\\$2"; shift 2;; *) shift;; esac
            done
            fill() { echo "$1" | sed "s/%A/100/; s/%a/$SLURM_ARRAY_TASK_ID/; s/%t/0/"; }
            mkdir -p "$(dirname "$(fill "$output")")"
            exec "$@" >> "$(fill "$output")" 2>> "$(fill "$error")"
        """,
        "sacct": """
            echo "JobID|State|NodeList"
            for f in "$HOME"/100_*.pid; do
              job=$(basename $f .pid)
              if [ ! -e "$HOME/$job.rc" ]; then state=RUNNING
              elif [ "$(cat "$HOME/$job.rc")" = 0 ]; then state=COMPLETED; else state=FAILED; fi
              echo "$job|$state|here"
            done
        """,
        "scancel": """
            echo "$@" >> "$HOME/scancel.log"
            job=${!#}
            pkill -TERM -P "$(pgrep -P "$(cat "$HOME/$job.pid")")"
        """,
    }
    for name, text in commands.items():
        (folder / name).write_text("#!/bin/bash\n" + text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def run(jobs, name, kinds):
    return dict(dispatch(jobs.work, [(kind, n) for n, kind in enumerate(kinds)], engine(name)))


@pytest.mark.slow
@pytest.mark.parametrize("name", needs("joblib", "local", "ray"))
def test_one_dies_one_raises_the_others_go_on_two_at_a_time(jobs, name):
    kinds = ["sleep", "die", "sleep", "raise", "sleep", "odd", "exit"]
    found = run(jobs, name, kinds)
    assert sorted(found) == list(range(7))
    assert isinstance(found[1], WorkerDied)
    assert isinstance(found[3], KeyError) and found[3].args == ("pack 3",)
    assert "outward_jobs.py" in found[3].__notes__[0]  # where it was raised
    assert isinstance(found[5], RuntimeError) and str(found[5]) == "Odd: strange"
    assert isinstance(found[6], Stopped)
    good = [found[i] for i in (0, 2, 4)]
    assert [g["n"] for g in good] == [0, 2, 4]
    assert all(g["pid"] != os.getpid() and g["threads"] == "1" for g in good)


@pytest.mark.slow
@pytest.mark.parametrize("name", needs("joblib", "local", "ray"))
def test_never_more_at_a_time_than_asked_for(jobs, name):
    found = run(jobs, name, ["meet"] * 6)
    at_once = [sum(f["began"] <= g["began"] < f["ended"] for f in found.values()) for g in found.values()]
    assert max(at_once) == 2  # 1 would be an engine that does nothing side by side


SCRIPT = """
import signal, sys
sys.path.insert(0, {tests!r})
import outward_jobs
from test_outward import engine
from actlab.sweeps.outward import dispatch
if __name__ == "__main__":
    packs = [({kind!r}, n) for n in range(4)]
    for index, result in dispatch(outward_jobs.work, packs, engine({name!r})):
        print(index, result if isinstance(result, str) else type(result).__name__, flush=True)
    print("returned", signal.getsignal(signal.SIGTERM) is not None, flush=True)
"""


def interrupted(tmp_path, name, kind, signals, ready, group=False):
    """Run a sweep of four and send it signals once ``ready`` packs are under way; return what it printed."""
    script = tmp_path / "sweep.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent), name=name, kind=kind))
    p = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob("log/*.ready"))) < ready and time.monotonic() < deadline:
        assert p.poll() is None
        time.sleep(0.02)
    for number in signals:
        os.killpg(p.pid, number) if group else p.send_signal(number)
        time.sleep(0.3)
    out, _ = p.communicate(timeout=60)
    assert p.returncode == 0
    return sorted(out.splitlines())


@pytest.mark.slow
@pytest.mark.parametrize("group", [False, True], ids=["SIGTERM", "Ctrl-C"])
@pytest.mark.parametrize("name", needs("joblib", "local", "ray"))
def test_a_signal_lets_workers_save_and_end(jobs, tmp_path, name, group):
    out = interrupted(tmp_path, name, "long", [signal.SIGINT if group else signal.SIGTERM], 2, group)
    assert out == ["0 saved", "1 saved", "2 NotStarted", "3 NotStarted", "returned True"]
    assert len(list(tmp_path.glob("log/*.saved"))) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", needs("joblib", "local", "ray"))
def test_a_second_signal_kills(jobs, tmp_path, name):
    out = interrupted(tmp_path, name, "deaf", [signal.SIGTERM, signal.SIGTERM], 2)
    assert out == ["0 Stopped", "1 Stopped", "2 NotStarted", "3 NotStarted", "returned True"]


@pytest.mark.slow
@pytest.mark.parametrize("name", needs("joblib", "local"))
def test_who_turns_away_leaves_nothing_running(jobs, tmp_path, name):
    packs = [("sleep", 0), ("long", 1)]
    sweep = dispatch(jobs.work, packs, engine(name))
    assert next(sweep)[0] == 0
    while not (tmp_path / "log" / "1.ready").exists():
        time.sleep(0.02)
    sweep.close()
    assert (tmp_path / "log" / "1.saved").exists()


@pytest.mark.parametrize("name", needs("slurm"))
def test_slurm_is_asked_for_what_was_said_and_its_jobs_come_back(jobs, slurm, name):
    found = run(jobs, name, ["sleep", "raise", "sleep"])
    assert [found[0]["n"], found[2]["n"]] == [0, 2]
    assert isinstance(found[1], KeyError)
    script = (slurm / "script.sh").read_text().splitlines()
    for line in (
        "#SBATCH --array=0-2%2",
        "#SBATCH --partition=gpu",
        "#SBATCH --account=me",
        "#SBATCH --cpus-per-task=1",
        "#SBATCH --gpus-per-node=2",
        "#SBATCH --mem=3GB",
        "#SBATCH --time=90",
        "#SBATCH --signal=USR2@120",
        "#SBATCH --mail-user=me@example.org",
        "#SBATCH --job-name=actlab",
        "module load jax",
    ):
        assert line in script, "\n".join(script)


@pytest.mark.parametrize("name", needs("slurm"))
def test_without_slurm_one_line_says_so(jobs, monkeypatch, name):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(InputError, match="executor=slurm: .*srun.*executor=local"):
        run(jobs, name, ["sleep"])


@pytest.mark.parametrize(
    ("name", "library"), [("joblib", "joblib"), ("local", "submitit"), ("ray", "ray")], ids=str
)
def test_a_missing_library_is_one_line(jobs, monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=rf"{library} is not installed .*pip install '\.\[{library}\]'"):
        run(jobs, name, ["sleep"])


def test_bad_numbers_are_told():
    for bad in (
        lambda: Joblib(processes=0),
        lambda: Joblib(cpus_per_process=True),
        lambda: Submitit(executor="slurm", array_parallelism=0),
        lambda: Ray(gpus_per_pack=-1),
    ):
        with pytest.raises(InputError, match="must be"):
            bad()
    with pytest.raises(InputError, match="did you mean 'slurm'"):
        Submitit(executor="slrum")


def test_cores_are_dealt_out():
    known = cores()
    assert places(1, 1) == [(known[0],)]
    assert len(places(None, 1)) == len(known)
    assert len(places(None, 10 * len(known))) == 1
    assert len({place for place in places(len(known), 1)}) == len(known)


def test_nothing_to_do_opens_nothing(monkeypatch):
    monkeypatch.setitem(sys.modules, "joblib", None)
    assert list(dispatch(len, [], Joblib())) == []


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    parcel = Parcel.of(len, [1, 2], 1)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gone").rmdir()
    old = signal.getsignal(signal.SIGTERM)
    try:
        with pytest.raises(RuntimeError, match="gone is not on .*all machines see"):
            opened(*call(parcel))
    finally:
        signal.signal(signal.SIGTERM, old)


def test_not_started_and_stopped_are_no_deaths():
    assert not issubclass(NotStarted, WorkerDied) and not issubclass(Stopped, WorkerDied)
