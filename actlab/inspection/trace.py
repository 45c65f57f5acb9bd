"""What was recorded of a text: every token with what the model computed when it read it, as arrays on the host.

Shapes: N tokens, L blocks looked at, H heads, k candidates or units, W width of a site.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from actlab.errors import InputError, suggest
from actlab.files import write_atomic

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1


class Site(NamedTuple):
    """A site in one block: its vectors (N, W), None where they were not kept, and its measures (N,) by name.

    Of an activation (``mlp.act``) ``pre`` and ``post`` are its two sides; of any other site ``post`` is the vector
    itself and ``pre`` is None.
    """

    pre: np.ndarray | None
    post: np.ndarray | None
    measures: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Trace:
    """A text with the records of every token, prompt tokens included.

    Row t of a record is of token t being *read*: what is inside the model then, and the distribution of the token
    after
    it (``next.*``). How likely token t itself was is said by row t - 1; `probability`, `surprisal` and `rank` are
    moved for that and are of token t. What was not recorded is absent, never zero.

    Args:
        tokens: (N,) int32.
        pieces: what each token adds to the text; "" where its bytes are no whole character yet.
        labels: every token that occurs, candidates too, by itself, bytes that are no character as ``<0xE4>``.
        prompt: so many tokens were given, those after were drawn.
        arrays: records by name: ``next.<measure>`` (N,) or (N, k), ``site.<site>.<measure>`` (N, L),
            ``heads.<measure>``
            (N, L, H), ``units.{index,pre,post,value}`` (N, L, k), ``lens.<measure>`` (N, L) or (N, L, 5),
            ``value.<site>`` (N, W), ``rows.<block>`` (N, H, N).
        about: the model (``model``), its sizes, the activation of each block, settings; plain values.

    """

    tokens: np.ndarray
    pieces: tuple[str, ...]
    labels: Mapping[int, str] = field(repr=False)
    prompt: int
    arrays: Mapping[str, np.ndarray] = field(repr=False)
    about: Mapping[str, Any] = field(repr=False)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, name: str) -> np.ndarray:
        """Return a record by name; raise InputError for one that was not taken."""
        if not isinstance(name, str) or name not in self.arrays:
            near = (
                suggest(name, self.arrays)
                if isinstance(name, str)
                else ": records have names, like 'next.entropy'"
            )
            raise InputError(f"{name!r} was not recorded{near}")
        return self.arrays[name]

    @property
    def text(self) -> str:
        """The pieces, joined."""
        return "".join(self.pieces)

    def _of_own(self, name: str) -> np.ndarray:
        before = self["next." + name].astype(np.float64)[:-1]
        return np.concatenate([[np.nan], before])

    @property
    def surprisal(self) -> np.ndarray:
        """-ln p of each token (N,), in nats, raw; NaN for the first, which nothing foretold."""
        return -self._of_own("log_probability")

    @property
    def probability(self) -> np.ndarray:
        """The probability of each token (N,), raw; NaN for the first."""
        return np.exp(-self.surprisal)

    @property
    def rank(self) -> np.ndarray:
        """1 where a token was the likeliest (N,), NaN for the first."""
        return self._of_own("rank")

    @property
    def entropy(self) -> np.ndarray:
        """Nats of the raw distribution of the token after each (N,)."""
        return self["next.entropy"]

    @property
    def candidates(self) -> np.ndarray:
        """The likeliest tokens after each (N, k), of the raw distribution."""
        return self["next.candidates"]

    @property
    def probabilities(self) -> np.ndarray:
        """The probabilities of `candidates` (N, k)."""
        return np.exp(self["next.log_probabilities"].astype(np.float64))

    @property
    def loss(self) -> float:
        """Mean surprisal in nats of the tokens after the first; NaN of a single token."""
        return float(np.mean(self.surprisal[1:])) if len(self) > 1 else float("nan")

    def site(self, name: str) -> Site:
        """Return what is recorded of a site in one block, like ``blocks.3.mlp.act`` or ``blocks.0.resid_post``.

        Raises:
            InputError: the model has no such site; it has one, but nothing was recorded there.

        """
        known = (*self.about["sites"], "mlp.act")
        every = {f"blocks.{i}.{s}": (i, s) for i in range(self.about["depth"]) for s in known}
        if name not in every:
            raise InputError(f"{name!r} is no site of {self.about['model']}{suggest(str(name), every)}")
        block, own = every[name]

        def values(site: str) -> np.ndarray | None:
            return self.arrays.get(f"value.blocks.{block}.{site}")

        def measures(site: str, prefix: str = "") -> dict[str, np.ndarray]:
            blocks = list(self.about["measured"].get(site, ()))
            if block not in blocks:
                return {}
            at, begin = blocks.index(block), f"site.{site}."
            return {
                prefix + k.removeprefix(begin): v[:, at]
                for k, v in self.arrays.items()
                if k.startswith(begin)
            }

        if own == "mlp.act":
            found = Site(
                values("mlp.act.pre"),
                values("mlp.act.post"),
                measures("mlp.act.pre", "pre.") | measures("mlp.act.post", "post."),
            )
        else:
            found = Site(None, values(own), measures(own))
        if found.pre is None and found.post is None and not found.measures:
            raise InputError(f"nothing was recorded at {name}: ask for it by sites= or values=")
        return found

    def to_polars(self, what: str = "tokens") -> pl.DataFrame:
        """Return a table: a row of each of ``tokens``, ``candidates``, ``sites`` or ``heads``."""
        import polars as pl

        n = len(self)
        at = np.arange(n)
        if what == "tokens":
            of_next = {
                name.removeprefix("next."): array
                for name, array in self.arrays.items()
                if name.startswith("next.") and array.ndim == 1 and name != "next.token"
            }
            own = {
                "surprisal": self.surprisal,
                "probability": self.probability,
                "rank": self.rank,
            }
            head = {
                "position": at,
                "token": self.tokens,
                "piece": list(self.pieces),
                "drawn": at >= self.prompt,
            }
            return pl.DataFrame(head | own | {f"next_{k}": v for k, v in of_next.items()})
        if what == "candidates":
            k = self.candidates.shape[1]
            table: dict[str, Any] = {"position": np.repeat(at, k), "place": np.tile(np.arange(k), n)}
            for name in (
                "candidates",
                "log_probabilities",
                "filtered_candidates",
                "filtered_log_probabilities",
            ):
                table[name] = self["next." + name].reshape(-1)
            return pl.DataFrame(table)
        if what == "heads":
            names = [name for name in self.arrays if name.startswith("heads.")]
            if not names:
                raise InputError("heads were not recorded")
            _, blocks, heads = self.arrays[names[0]].shape
            index = np.indices((n, blocks, heads)).reshape(3, -1)
            table = dict(zip(("position", "block", "head"), index, strict=True))
            return pl.DataFrame(
                table | {name.removeprefix("heads."): self.arrays[name].reshape(-1) for name in names}
            )
        if what == "sites":
            frames = []
            for site, blocks in self.about["measured"].items():
                begin = f"site.{site}."
                columns = {k.removeprefix(begin): v for k, v in self.arrays.items() if k.startswith(begin)}
                frames.append(
                    pl.DataFrame(
                        {
                            "position": np.repeat(at, len(blocks)),
                            "block": np.tile(np.asarray(blocks), n),
                            "site": [site] * (n * len(blocks)),
                            **{k: v.reshape(-1) for k, v in columns.items()},
                        }
                    )
                )
            if not frames:
                raise InputError("no site was recorded")
            return pl.concat(frames, how="diagonal")
        raise InputError(f"{what!r} is no table{suggest(what, ('tokens', 'candidates', 'sites', 'heads'))}")

    def save(self, path: Path | str) -> Path:
        """Write an .npz file that `Trace.load` reads; return its path. Nothing of it is code."""
        import io

        path = Path(path)
        if path.suffix != ".npz":
            raise InputError(f"{path}: a trace is saved as .npz")
        told = {
            "format": FORMAT,
            "pieces": list(self.pieces),
            "labels": dict(self.labels),
            "prompt": self.prompt,
            "about": dict(self.about),
        }
        whole = io.BytesIO()
        arrays: dict[str, Any] = {
            "told": np.frombuffer(json.dumps(told).encode(), np.uint8),
            "tokens": self.tokens,
        }
        np.savez_compressed(whole, **arrays, **self.arrays)
        write_atomic(path, whole.getvalue())
        return path

    @staticmethod
    def load(path: Path | str) -> Trace:
        """Return a trace that was saved.

        Raises:
            InputError: no such file, or one that is no trace.

        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        try:
            with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            told = json.loads(bytes(arrays.pop("told")))
            if told["format"] != FORMAT:
                raise InputError(f"{path}: a trace of format {told['format']}, this actlab reads {FORMAT}")
            tokens = arrays.pop("tokens")
            labels = {int(i): text for i, text in told["labels"].items()}
            pieces, prompt, about = tuple(told["pieces"]), int(told["prompt"]), dict(told["about"])
            if {len(x) for x in (pieces, *arrays.values())} != {len(tokens)} or not 0 <= prompt <= len(
                tokens
            ):
                raise InputError(f"{path} is no trace: its records are not of one length")
            return Trace(tokens, pieces, labels, prompt, arrays, about)
        except InputError:
            raise
        except Exception as error:  # NumPy's, zipfile's, zlib's and json's have no common parent
            raise InputError(f"{path} is no trace: {' '.join(str(error).split()):.120}") from error


def join(parts: Sequence[Trace]) -> Trace:
    """Return the parts of a stream as one trace.

    Raises:
        InputError: there are none, or they do not record the same.

    """
    if not parts:
        raise InputError("there are no parts to join")
    if any(p.arrays.keys() != parts[0].arrays.keys() for p in parts):
        raise InputError("the parts do not record the same: they are of different runs")
    tokens = np.concatenate([p.tokens for p in parts])
    arrays = {name: np.concatenate([p.arrays[name] for p in parts]) for name in parts[0].arrays}
    arrays = trimmed(arrays, len(tokens))
    pieces = tuple(piece for p in parts for piece in p.pieces)
    labels = {i: text for p in parts for i, text in p.labels.items()}
    return Trace(tokens, pieces, labels, sum(p.prompt for p in parts), arrays, parts[0].about)


def trimmed(arrays: Mapping[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Return records of ``count`` tokens: rows of attention come with room for what had not been read yet."""
    return {name: x[..., :count] if name.startswith("rows.") else x for name, x in arrays.items()}
