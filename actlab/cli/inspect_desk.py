"""The one model that the server of ``actlab inspect`` has: loaded beside the page, asked by one at a time."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.to_thread
import jax
import numpy as np

from actlab.activations import registry
from actlab.cli.inspect_request import LONGEST, Ask, AskRows
from actlab.errors import InputError
from actlab.inspection import Capture, LanguageModel
from actlab.inspection.language_model import CHUNK
from actlab.nn.activation import misfit
from actlab.report.inspect_payload import array_of, head_of, part_of

MOST_WAITING = 8  # requests at the model, the one that it works on included
MOST_PROGRAMS = 12  # changes of what is compiled, after which the compiled programs are let go
ROWS = 1 << 30  # bytes of rows of attention that may be kept; more are read by block

log = logging.getLogger("actlab")


class Busy(Exception):
    """Too many are waiting for the model already."""


@dataclass
class Desk:
    """A model as it is being loaded, then asked.

    Args:
        load: returns it.
        dtype: of its weights, to be told.

    """

    load: Callable[[], LanguageModel]
    dtype: str = "float32"
    state: str = "loading"
    told: str = "loading the weights"
    model: LanguageModel | None = None
    waiting: int = 0
    _begun: float = field(default_factory=time.monotonic)
    _ready: float | None = None
    _lock: anyio.Lock = field(default_factory=anyio.Lock)
    _programs: set[Any] = field(default_factory=set)

    @property
    def swaps(self) -> frozenset[str]:
        """Names of the activations that can stand in a block."""
        return frozenset(f.spec.name for f in registry().values() if misfit(f.spec) is None)

    def open(self) -> None:
        """Begin to load, in a thread that does not keep the process."""
        threading.Thread(target=self._open, name="actlab-load", daemon=True).start()

    def _open(self) -> None:
        try:
            whole = self.load()
            # wide weights write at half the speed, but are compiled in a fraction of the time: first these
            model = dataclasses.replace(whole, packed=None)
            self.state, self.told = "compiling", "compiling, or fetching what was compiled before"

            def compiled(model: LanguageModel, tokens: list[int] | str, new: int) -> None:
                for _ in model.stream(tokens, max_new_tokens=new, capture=watched(model)):
                    pass

            compiled(model, "a", 1)
            self.model = model
            self.state, self.told, self._ready = "ready", "ready", time.monotonic()
            # a longer text has a program of its own: nobody with a short one waits for it
            compiled(model, [0] * min(CHUNK, model.architecture.context), 0)
            if whole.packed is not None:
                compiled(whole, "a", 1)
                self.model = whole
        except InputError as error:
            self.state, self.told = "failed", " ".join(str(error).split())
        except Exception as error:
            if self.model is not None:  # it writes on as it is
                log.exception("the model is there, but not all of its programs")
                return
            log.exception("the model could not be loaded")
            self.state, self.told = "failed", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"

    def facts(self) -> dict[str, Any]:
        """Return what the page is told of the model, JSON's."""
        seconds = round((self._ready or time.monotonic()) - self._begun, 1)
        facts: dict[str, Any] = {"state": self.state, "told": self.told, "seconds": seconds}
        if self.model is not None:
            a = self.model.architecture
            facts["model"] = {
                "name": self.model.name,
                "depth": a.depth,
                "heads": a.heads,
                "width": a.width,
                "hidden": a.hidden,
                "dtype": self.dtype,
                "chat": self.model.tokenizer.template is not None,
            }
            facts["longest"] = min(LONGEST, a.context)
            facts["swaps"] = sorted(self.swaps)
        return facts

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for the model; raise Busy where too many do."""
        if self.waiting >= MOST_WAITING:
            raise Busy
        self.waiting += 1
        try:
            async with self._lock:
                yield
        finally:
            self.waiting -= 1

    async def generate(self, ask: Ask) -> AsyncIterator[dict[str, Any]]:
        """Yield what is written as events, a part as soon as it is there; whoever stops asking stops the model."""
        model = self._of(ask.swap, ask.ablate, ask.lens)
        ids = await anyio.to_thread.run_sync(model.encode, ask.prompt)
        longest = min(LONGEST, model.architecture.context)
        if len(ids) + ask.max_new_tokens > longest:
            raise InputError(
                f"{len(ids):,} tokens and max_new_tokens={ask.max_new_tokens:,} are more than {longest}"
            )
        parts = model.stream(
            ids,
            max_new_tokens=ask.max_new_tokens,
            capture=watched(model, lens=ask.lens),
            ablate=ask.ablate,
            **ask.sampling,
        )
        written, last = 0, -1

        def following() -> dict[str, Any] | None:
            nonlocal written, last
            trace = next(parts, None)
            if trace is None:
                return None
            written += len(trace) - trace.prompt
            last = int(trace.tokens[-1])
            return {"event": "part", "head": head_of(trace.about), "part": part_of(trace)}

        try:
            while (event := await anyio.to_thread.run_sync(following)) is not None:
                yield event
        finally:
            parts.close()
        ended = written and last in model.tokenizer.eos
        yield {"event": "end", "reason": "end" if ended else "length"}

    async def rows(self, ask: AskRows) -> AsyncIterator[dict[str, Any]]:
        """Yield the rows (N, N) of one head's attention: the text is read again."""
        model = self._of(ask.swap, ask.ablate, "rows")
        a = model.architecture
        for name, at, most in (("layer", ask.layer, a.depth), ("head", ask.head, a.heads)):
            if at >= most:
                raise InputError(f"{name}: {at} is none, they are 0 to {most - 1}")
        n = len(ask.tokens)
        # of all blocks at once: one program for all of them
        every = 4 * a.depth * a.heads * 1024 * n <= ROWS
        blocks = tuple(range(a.depth)) if every else (ask.layer,)
        capture = Capture((), heads=False, units=0, candidates=1, values=(), rows=blocks)
        parts = model.stream(ask.tokens, max_new_tokens=0, capture=capture, ablate=ask.ablate)
        got: list[np.ndarray] = []

        def following() -> bool:
            trace = next(parts, None)
            if trace is None:
                return False
            got.append(trace[f"rows.{ask.layer}"][:, ask.head, :n].astype(np.float16))
            return True

        try:
            while await anyio.to_thread.run_sync(following):
                pass
        finally:
            parts.close()
        yield {"rows": array_of(np.concatenate(got))}

    def _of(self, swap: str | None, ablate: Mapping[str, Any], what: Any) -> LanguageModel:
        assert self.model is not None  # the server asks nothing before
        key = (swap, tuple(sorted(ablate)), what)
        if key not in self._programs and len(self._programs) >= MOST_PROGRAMS:
            jax.clear_caches()
            self._programs.clear()
        self._programs.add(key)
        changed = swap is not None or ablate or what
        # what is asked for once is compiled for wide weights, which takes less than they take longer to write
        model = dataclasses.replace(self.model, packed=None) if changed else self.model
        return model if swap is None else model.swapped(swap)


def watched(model: LanguageModel, *, lens: bool = False) -> Capture:
    """Return what the page shows: every site and head measured, units and candidates as far as there are."""
    a = model.architecture
    return Capture(
        units=min(8, a.hidden),
        candidates=min(10, a.vocabulary),
        values=(),
        lens=tuple(range(a.depth)) if lens else (),
    )


def line(event: Mapping[str, Any]) -> bytes:
    """Return an event as one line of JSON."""
    return json.dumps(event, separators=(",", ":"), allow_nan=False).encode() + b"\n"
