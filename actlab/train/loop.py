"""The only Python loop: run a chunk, look, write it down, save."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from actlab.data.batches import ORDERS
from actlab.errors import InputError, suggest
from actlab.train import parallel
from actlab.train.checkpoint import Checkpoints
from actlab.train.feed import most_steps, parts
from actlab.train.folder import Row, RunFolder
from actlab.train.interval import Interval
from actlab.train.look import feed_of, look_at
from actlab.train.looking import Looks
from actlab.train.setup import Setup, TrainState
from actlab.train.step import Program
from actlab.train.trouble import Event, rewound


@dataclass(frozen=True)
class Run:
    """A run's setup and cadence.

    Args:
        setup: what is trained on what.
        eval_every: steps between evaluations on the test split; a chunk ends there, rows are written.
        checkpoint_every: steps between checkpoints, a multiple of ``eval_every``.

    Raises:
        InputError: cadences that do not fit into each other, or a batch larger than the data.

    """

    setup: Setup
    eval_every: int
    checkpoint_every: int

    def __post_init__(self):
        s = self.setup
        for name, value in {
            "steps": s.steps,
            "batch_size": s.batch_size,
            "eval_every": self.eval_every,
            "checkpoint_every": self.checkpoint_every,
        }.items():
            if value < 1:
                raise InputError(f"{name}={value}: must be an integer >= 1")
        if not 0 <= s.seed < 2**32:
            raise InputError(f"seed={s.seed}: must be in [0, 2**32)")
        if s.order not in ORDERS:
            raise InputError(f"order={s.order!r} is unknown{suggest(s.order, ORDERS)}")
        if s.batch_size > len(s.data.x_train):
            raise InputError(
                f"batch_size={s.batch_size} is larger than {s.data.name}'s {len(s.data.x_train)} training samples"
            )
        if s.data.stream is not None:
            most_steps(s)
        _multiple("eval_every", self.eval_every, "stats.every", s.stats.every)
        _multiple("checkpoint_every", self.checkpoint_every, "eval_every", self.eval_every)

    @cached_property
    def program(self) -> Program:
        """The run's compiled steps, built once."""
        return Program(self.setup)

    @cached_property
    def looks(self) -> Looks:
        """The run's compiled looks at a state, built once."""
        return Looks(self.program)

    @property
    def numbers(self) -> dict[str, Any]:
        """What `Program.init` makes the run's first state of."""
        return self.program.numbers_of(self.setup)

    def pieces(self, step: int) -> Iterator[tuple[int, int]]:
        """Yield (length, every) of the chunks from ``step`` to the next evaluation or the end.

        Where the run ends within a window, the last, shorter window is a chunk of its own; a streamed data set's
        chunks are no longer than its budget allows.
        """
        s = self.setup
        end = min(s.steps, (step // self.eval_every + 1) * self.eval_every)
        whole, rest = divmod(end - step, s.stats.every)
        most = most_steps(s) if s.data.stream is not None else end
        for length in parts(whole * s.stats.every, s.stats.every, most):
            yield length, s.stats.every
        if rest:
            yield rest, rest


def _multiple(name: str, value: int, of: str, base: int) -> None:
    if value % base:
        next_up = math.ceil(value / base) * base
        raise InputError(
            f"{name}={value} must be a multiple of {of}={base}: {next_up}, say, or set {of}={value}"
        )


@dataclass(frozen=True)
class Progress:
    """What the loop tells whoever draws it, after every chunk."""

    step: int
    steps: int
    scores: dict[str, float]
    steps_per_second: float
    compile_time_s: float


@dataclass(frozen=True)
class Outcome:
    """How a call of ``train`` ended; ``signal`` is what interrupted it, if anything did."""

    state: str
    step: int
    scores: dict[str, float]
    divergence: dict[str, Any] | None = None
    signal: int | None = None


class Sink(Protocol):
    """Where the records go besides the run's folder, as they are written there."""

    def log(self, rows: Iterable[Row], histograms: Iterable[tuple[Any, ...]]) -> None:
        """Take rows of METRICS and HISTOGRAMS; neither wait nor raise."""


@dataclass
class _Clock:
    """Seconds of stepping and of everything before and besides it."""

    start: float = field(default_factory=time.perf_counter)
    stepping: float = 0.0
    steps: int = 0
    compiling: float = 0.0

    def rate(self) -> float:
        return self.steps / self.stepping if self.stepping else 0.0


def train(
    run: Run,
    folder: RunFolder,
    *,
    resume: bool = False,
    tell: Callable[[Progress], None] = lambda _: None,
    sinks: Sequence[Sink] = (),
) -> Outcome:
    """Train to the end, to the first non-finite step, or until SIGTERM or Ctrl-C; leave all in ``folder``.

    With ``resume`` the newest undamaged checkpoint is taken up, rows written after it are dropped, and the run
    ends with the same parameters, bit for bit, and the same rows as one never interrupted. ``sinks`` get each
    row once it is written; to start and to finish them is the caller's. A disk that fills while training does not
    end it, see ``RunFolder``; one that is full at the beginning or at the end does.

    Raises:
        InputError: a checkpoint of another model.
        OSError: the folder cannot be written.

    """
    checkpoints = Checkpoints(folder.checkpoints) if parallel.writes() else parallel.Unsaved()
    with signals() as caught, ExitStack() as opened:
        try:
            return _train(run, folder, checkpoints, resume, tell, sinks, caught, opened)
        except BaseException:
            with suppress(OSError, InputError):  # the disk may be why
                checkpoints.close()  # a save under way would go on behind whoever catches this
                folder.write(state="interrupted")
            raise


def _train(
    run: Run,
    folder: RunFolder,
    checkpoints: Checkpoints,
    resume: bool,
    tell: Callable[[Progress], None],
    sinks: Sequence[Sink],
    caught: list[int],
    opened: ExitStack,
) -> Outcome:
    clock, setup, program = _Clock(), run.setup, run.program
    test = setup.parallel.copied((setup.data.x_test, setup.data.y_test))
    told = folder.read() if resume else {}
    before, memory = told.get("wall_time_s", 0.0), told.get("memory_bytes", 0)

    like = jax.eval_shape(program.init, run.numbers)
    state = parallel.from_writer(checkpoints.restore(like), like) if resume else None
    state = program.init(run.numbers) if state is None else setup.parallel.copied(state)
    step, feed = int(state.step), opened.enter_context(closing(feed_of(run, state)))
    folder.drop_after(step if step else -1)
    scores = last_scores(folder.metrics().iter_rows())
    folder.write(
        state="running",
        step=step,
        steps=setup.steps,
        task=setup.data.task,
        parameters=program.parameters,
        flops=program.flops,
        sites=program.sites,
        layers=program.layers,
        divergence=None,
    )

    def look(rows: list[Row], at: int, events: Sequence[Event] = ()) -> None:
        """Evaluate, then write everything since the last evaluation."""
        more, tables = look_at(run, state, at, feed, test)
        rows += more
        folder.write_rows(at, rows, events=events, **tables)
        for sink in sinks:
            sink.log(rows, tables["histograms"])
        scores.update(last_scores(rows))

    def note(**entries: Any) -> None:
        """Write the run's state and times."""
        times = {"wall_time_s": round(before + time.perf_counter() - clock.start, 3)}
        if clock.steps:
            times |= {"compile_time_s": round(clock.compiling, 3), "steps_per_second": round(clock.rate(), 1)}
        if memory:
            times |= {"memory_bytes": memory}
        folder.write(**entries, **times)

    if step == 0:
        look([], 0)
    folder.last()
    found = None
    pending: list[Event] = []  # of what a rewind took back
    compiled: set[tuple[int, int]] = set()
    ending = parallel.agreed(caught)
    while step < setup.steps and found is None and not ending:
        start = jax.tree.map(jnp.copy, state)  # to go back to, or to show how a divergence came about
        interval = Interval(run, start)
        for length, every in run.pieces(step):
            began = time.perf_counter()
            samples = feed.chunk(state, length)
            if (length, every) not in compiled:
                memory = max(memory, memory_bytes(program, state, *samples, length=length, every=every))
            state, table, trace = program.chunk(state, *samples, length=length, every=every)
            table, trace, bad = jax.device_get((table, trace, state.diverged))
            del samples  # streamed ones make room for the next
            took = time.perf_counter() - began
            if (length, every) in compiled:
                clock.stepping, clock.steps = clock.stepping + took, clock.steps + length
            else:
                compiled.add((length, every))
                clock.compiling += took
            if not interval.take(table, trace, int(bad), length, every):
                break
        if interval.leave_out is not None:
            state = rewound(start, interval.leave_out)
            step = int(start.step)
            pending += interval.events
            continue
        if interval.bad:
            found = interval.diverged(state, start, feed)
        step = interval.step
        look(interval.rows, step, pending + interval.events)
        pending = []
        found = found or late_divergence(step, setup.steps, scores)
        tell(Progress(step, setup.steps, dict(scores), clock.rate(), clock.compiling))
        ending = parallel.agreed(caught)
        if found or ending or step == setup.steps:
            folder.settle()
        with folder.lasting("checkpoint"):
            checkpoints.finish()
            # A diverged state is saved only once run.json says so: till then a kill resumes before the divergence.
            due = ending or step == setup.steps or step % run.checkpoint_every == 0
            if due and not found and not folder.waiting:
                checkpoints.save(step, state)
        if not found:
            note(step=step)
    folder.settle()
    checkpoints.close()

    outcome = Outcome("finished", step, scores)
    if found is not None:
        outcome = replace(outcome, state="diverged", divergence=found)
    elif step < setup.steps:
        outcome = replace(outcome, state="interrupted", signal=ending[0])
    note(state=outcome.state, step=step, scores=scores, divergence=found)
    if found is not None:
        checkpoints.save(step, state)
        checkpoints.close()
    return outcome


def memory_bytes(program: Program, state: TrainState, x, y, *, length: int, every: int) -> int:
    """Return the most bytes that a chunk of a program takes on a device, as its compiler says; 0 where it does not.

    Arguments, the data among them, results and what lies between, a result in an argument's place once. The chunk is
    compiled here, and not again when it is called with the same.
    """
    memory = program.chunk.lower(state, x, y, length=length, every=every).compile().memory_analysis()
    if memory is None:
        return 0
    kept = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    return kept + memory.temp_size_in_bytes


def late_divergence(step: int, steps: int, scores: dict[str, float]) -> dict[str, Any] | None:
    """Return what run.json says of a run whose training ended finite and whose test loss is not, else None."""
    if step < steps or math.isfinite(scores["test loss"]):
        return None
    text = f"diverged after step {step}: training ended finite, its test loss is not"
    return {"step": step, "site": "test", "value": "loss", "message": text}


def last_scores(rows: Iterable[Row]) -> dict[str, float]:
    """Return the last loss and accuracy of either split."""
    wanted = ("loss", "accuracy")
    return {f"{site} {q}": v for _, site, q, v in rows if site in ("train", "test") and q in wanted}


@contextmanager
def signals() -> Iterator[list[int]]:
    """Collect SIGTERM and SIGINT instead of dying of them; the second Ctrl-C interrupts at once."""
    caught: list[int] = []

    def handle(number: int, _: object) -> None:
        if number == signal.SIGINT and number in caught:
            raise KeyboardInterrupt
        caught.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    old = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield caught
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
