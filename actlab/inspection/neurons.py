"""What every unit of a language model answers to: one pass over any amount of text, in constant memory.

Shapes: L blocks, F units, B windows, T tokens of each, k examples, R tokens sampled, C tokens of context.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from actlab.errors import InputError
from actlab.files import write_atomic
from actlab.inspection.language_model import LanguageModel
from actlab.inspection.windows import units_of, windows
from actlab.stats.sites import SATURATION, steepest, value_and_slope
from actlab.stats.summary import Summary, merge, summarize

if TYPE_CHECKING:
    import polars as pl

BEFORE, AFTER = 12, 4  # tokens of an example's context
QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
FORMAT = 1


class Kept(NamedTuple):
    """What is carried from window to window; its size does not depend on how much is read."""

    values: Summary  # (F, L) of outputs
    active: jax.Array  # (L, F) tokens on which the slope is 1 % of its steepest or more
    high: jax.Array  # (L, F, k) largest outputs, falling
    high_context: jax.Array  # (L, F, k, C) tokens around them, -1 where there are none
    low: jax.Array  # (L, F, k) smallest outputs, rising
    low_context: jax.Array
    lot: jax.Array  # (R,) what was drawn for each token sampled: the R smallest of all stay
    sample: jax.Array  # (R, L, F) outputs on them
    sample_context: jax.Array  # (R, C)


@dataclasses.dataclass(frozen=True)
class Neurons:
    """Every unit's figures and examples.

    An example is a token, in its context of 12 tokens before and 4 after (-1 where the window ends): the one at
    index 12.

    Args:
        model: its name.
        tokens: so many were read, the first of each window apart: on it models keep what they need nowhere else.
        labels: every token that occurs in a context, by itself.
        figures: (L, F) by name: ``mean``, ``sd``, ``skew``, ``kurtosis``, ``min``, ``max``, ``q01`` to ``q99``,
            ``zero_share``,
            and ``active_share``: of tokens on which the activation's slope is at least 1 % of its steepest. A unit
            with 0 is dead on this text.
        high, low: largest and smallest outputs (L, F, k), their contexts (L, F, k, C).
        sample: outputs (R, L, F) on tokens drawn evenly from all, contexts (R, C): for examples of any quantile.

    """

    model: str
    tokens: int
    labels: dict[int, str] = dataclasses.field(repr=False)
    figures: dict[str, np.ndarray] = dataclasses.field(repr=False)
    high: np.ndarray = dataclasses.field(repr=False)
    high_context: np.ndarray = dataclasses.field(repr=False)
    low: np.ndarray = dataclasses.field(repr=False)
    low_context: np.ndarray = dataclasses.field(repr=False)
    sample: np.ndarray = dataclasses.field(repr=False)
    sample_context: np.ndarray = dataclasses.field(repr=False)

    @property
    def dead(self) -> np.ndarray:
        """Units (L, F) that were never active."""
        return self.figures["active_share"] == 0

    def context(self, ids: np.ndarray) -> tuple[str, str, str]:
        """Return the text before a token, it, and the text after it."""
        said = [self.labels[int(i)] if i >= 0 else "" for i in ids]
        return "".join(said[:BEFORE]), said[BEFORE], "".join(said[BEFORE + 1 :])

    def bands(self, block: int, unit: int, count: int = 3) -> dict[str, list[tuple[float, np.ndarray]]]:
        """Return examples from quantiles below the top: at most ``count`` each, outputs with contexts.

        Bands are of the tokens sampled: 0-10 %, 10-50 %, 50-90 %, 90-99 %, each example the nearest to evenly
        spaced ranks within it.
        """
        self._check(block, unit)
        values = self.sample[:, block, unit]
        order = np.argsort(values, kind="stable")
        found = {}
        for name, low, high in (
            ("90-99 %", 0.9, 0.99),
            ("50-90 %", 0.5, 0.9),
            ("10-50 %", 0.1, 0.5),
            ("0-10 %", 0, 0.1),
        ):
            inside = order[int(np.ceil(low * len(order))) : int(np.ceil(high * len(order)))]
            at = (
                np.unique(np.linspace(0, len(inside) - 1, min(count, len(inside))).round().astype(int))
                if len(inside)
                else []
            )
            found[name] = (
                [(float(values[i]), self.sample_context[i]) for i in inside[at][::-1]] if len(inside) else []
            )
        return found

    def _check(self, block: int, unit: int) -> None:
        depth, width = self.dead.shape
        if not 0 <= block < depth or not 0 <= unit < width:
            raise InputError(
                f"unit {unit} of block {block}: there are blocks 0 to {depth - 1}, units 0 to {width - 1}"
            )

    def to_polars(self) -> pl.DataFrame:
        """Return a table, a row a unit."""
        import polars as pl

        depth, width = self.dead.shape
        table = {"block": np.repeat(np.arange(depth), width), "unit": np.tile(np.arange(width), depth)}
        return pl.DataFrame(table | {name: x.reshape(-1) for name, x in self.figures.items()})

    def save(self, path: Path | str) -> Path:
        """Write an .npz file that `Neurons.load` reads; return its path."""
        import io

        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(f"{path}: is saved as .npz")
        told = {"format": FORMAT, "model": self.model, "tokens": self.tokens, "labels": self.labels}
        arrays = {name: getattr(self, name) for name in _ARRAYS} | {
            f"figure.{k}": x for k, x in self.figures.items()
        }
        whole = io.BytesIO()
        np.savez_compressed(whole, told=np.frombuffer(json.dumps(told).encode(), np.uint8), **arrays)
        write_atomic(path, whole.getvalue())
        return path

    @staticmethod
    def load(path: Path | str) -> Neurons:
        """Return what was saved; raise InputError for another file."""
        try:
            with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            told = json.loads(bytes(arrays.pop("told")))
            if told["format"] != FORMAT:
                raise InputError(f"{path}: of format {told['format']}, this actlab reads {FORMAT}")
            figures = {k.removeprefix("figure."): x for k, x in arrays.items() if k.startswith("figure.")}
            labels = {int(i): text for i, text in told["labels"].items()}
            return Neurons(
                told["model"], told["tokens"], labels, figures, **{name: arrays[name] for name in _ARRAYS}
            )
        except InputError:
            raise
        except Exception as error:  # NumPy's, zipfile's and json's have no common parent
            raise InputError(f"{path} holds no units: {' '.join(str(error).split()):.120}") from error


_ARRAYS = ("high", "high_context", "low", "low_context", "sample", "sample_context")


def neurons(
    lm: LanguageModel,
    texts: Iterable[str],
    *,
    tokens: int | None = None,
    window: int = 128,
    batch: int = 2,
    examples: int = 8,
    sample: int = 256,
    seed: int = 0,
    told: Callable[[int], None] = lambda read: None,
) -> Neurons:
    """Return what every MLP unit does on texts: moments, quantiles, how often it is active, what it answers to most.

    A unit's output is what its column of the map down is multiplied with: act(gate) * up in a gated MLP, else
    act(pre). Quantiles are to within a bin, see `actlab.stats.summary`. What is carried along takes about
    4 L F (512 + 34 k + R) bytes, however much is read.

    Args:
        lm: the model.
        texts: strings; they are read one after the other, once.
        tokens: stop after so many; None reads all.
        window: T, a text is cut into windows that know nothing of each other.
        batch: B.
        examples: k largest and k smallest.
        sample: R.
        seed: of the sample.
        told: is called with the number of tokens read so far.

    Raises:
        InputError: numbers that cannot be, or nothing to read.

    """
    for name, value in (("examples", examples), ("sample", sample)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InputError(f"{name}={value!r}: must be an integer >= 1")
    if tokens is not None and tokens < 2:
        raise InputError(f"tokens={tokens}: must be at least 2")
    a = lm.architecture
    kept = _nothing(a.depth, a.hidden, examples, sample)
    key = jax.random.key(seed)
    read = 0
    thresholds = np.asarray([SATURATION * steepest(act) for act in a.act], np.float32)
    for step, part in enumerate(windows(lm, texts, window=window, batch=batch)):
        units = units_of(lm.graph, lm.weights, part.tokens, {})
        counted = part.valid.copy()
        counted[:, 0] = False
        kept = _with(
            kept,
            units,
            part.tokens,
            part.valid,
            counted,
            jax.random.fold_in(key, step),
            thresholds,
            acts=a.act,
        )
        read += int(counted.sum())
        told(read)
        if tokens is not None and read >= tokens:
            break
    return _made(lm, kept, read)


def _nothing(depth: int, width: int, k: int, r: int) -> Kept:
    c = BEFORE + 1 + AFTER
    empty = summarize(jnp.full((depth, width, 1), jnp.nan), kept=2)
    return Kept(
        empty, jnp.zeros((depth, width), jnp.int32),
        jnp.full((depth, width, k), -jnp.inf), jnp.full((depth, width, k, c), -1, jnp.int32),
        jnp.full((depth, width, k), jnp.inf), jnp.full((depth, width, k, c), -1, jnp.int32),
        jnp.full(r, jnp.inf), jnp.full((r, depth, width), jnp.nan), jnp.full((r, c), -1, jnp.int32),
    )  # fmt: skip


@partial(jax.jit, static_argnames="acts", donate_argnames="kept")
def _with(kept: Kept, units, tokens, valid, counted, key, thresholds, *, acts) -> Kept:
    """Return what is kept with some windows more; ``valid`` are no padding, ``counted`` enter the figures."""
    depth = len(acts)
    flat = [jnp.moveaxis(x, 1, 0).reshape(depth, -1, x.shape[-1]) for x in units]  # (L, N, F), N = B T
    pre, _, value = flat
    on = counted.reshape(-1)
    context = _contexts(tokens, valid)  # (N, C)
    slope = jnp.stack([value_and_slope(act, {}, x)[1] for act, x in zip(acts, pre, strict=True)])
    active = (jnp.abs(slope) >= thresholds[:, None, None]) & on[:, None]
    value = jnp.swapaxes(jnp.where(on[:, None], value, jnp.nan), 1, 2)  # (L, F, N)
    high, high_context = _most(kept.high, kept.high_context, jnp.where(on, value, -jnp.inf), context)
    low, low_context = _most(-kept.low, kept.low_context, jnp.where(on, -value, -jnp.inf), context)
    lot = jnp.where(on, jax.random.uniform(key, on.shape), jnp.inf)
    lots = jnp.concatenate([kept.lot, lot])
    _, stay = jax.lax.top_k(-lots, len(kept.lot))
    sample = jnp.concatenate([kept.sample, jnp.moveaxis(value, -1, 0)])[stay]
    return Kept(
        merge(kept.values, summarize(value, kept=2)), kept.active + active.sum(1, dtype=jnp.int32),
        high, high_context, -low, low_context,
        lots[stay], sample, jnp.concatenate([kept.sample_context, context])[stay],
    )  # fmt: skip


def _most(
    old: jax.Array, old_context: jax.Array, new: jax.Array, context: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Return the k largest (L, F, k) of ``old`` and ``new`` (L, F, N), and their contexts."""
    k = old.shape[-1]
    best, at = jax.lax.top_k(new, min(k, new.shape[-1]))
    both = jnp.concatenate([old, best], -1)
    contexts = jnp.concatenate([old_context, context[at]], -2)
    most, which = jax.lax.top_k(both, k)
    contexts = jnp.take_along_axis(contexts, which[..., None], -2)
    return most, jnp.where(jnp.isfinite(most)[..., None], contexts, -1)


def _contexts(tokens: jax.Array, valid: jax.Array) -> jax.Array:
    """Return the tokens around each (B T, C), -1 beyond the window."""
    padded = jnp.pad(jnp.where(valid, tokens, -1), ((0, 0), (BEFORE, AFTER)), constant_values=-1)
    n = tokens.shape[1]
    return jnp.stack([padded[:, i : i + n] for i in range(BEFORE + 1 + AFTER)], -1).reshape(
        -1, BEFORE + 1 + AFTER
    )


def _made(lm: LanguageModel, kept: Kept, read: int) -> Neurons:
    s = kept.values
    figures = {
        "mean": s.mean,
        "sd": s.sd,
        "skew": s.skew,
        "kurtosis": s.kurtosis,
        "min": s.low,
        "max": s.high,
    }
    figures |= {name: s.quantile(q) for name, q in QUANTILES.items()}
    figures |= {"zero_share": s.zero_share, "active_share": kept.active.astype(jnp.float32) / read}
    drawn = np.isfinite(np.asarray(kept.lot))
    arrays = {name: np.asarray(getattr(kept, name)) for name in _ARRAYS}
    arrays["sample"], arrays["sample_context"] = arrays["sample"][drawn], arrays["sample_context"][drawn]
    ids = np.unique(
        np.concatenate([arrays[name].reshape(-1) for name in _ARRAYS if name.endswith("context")])
    )
    labels = {int(i): lm.tokenizer.label(int(i)) for i in ids if i >= 0}
    return Neurons(lm.name, read, labels, {k: np.asarray(x) for k, x in figures.items()}, **arrays)
