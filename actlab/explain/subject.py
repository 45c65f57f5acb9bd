"""A trained model as explanations take it: a function of weights and inputs, and what its inputs look like.

Shapes: B batch, S... a sample, P... positions (none in an MLP), C channels, K outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.data import Dataset
from actlab.errors import InputError, suggest
from actlab.stats import VALUE, watch
from actlab.stats.scanned import Place, unstacked
from actlab.stats.watch import probe_names
from actlab.train import Run
from actlab.train.setup import TrainState

Kind = Literal["image", "signal", "vector", "text"]
Side = Literal["pre", "post"]
LOGITS = "logits"


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and the inputs it takes. Compares by identity.

    Args:
        name: what to call it.
        apply: ``(weights, x_BxS) -> outputs (B, K)``, with probes at its sites.
        weights: pytree of arrays, an input of every compiled program.
        in_shape: shape of one sample: (H, W, C) or (H, W) images, (S,) signals or vectors, (T,) tokens of a text.
        low: least value of an input, a number or one for each feature of a vector.
        high: greatest value.
        kind: whether neighbours along an axis belong together (``image``, ``signal``) or not (``vector``); or tokens,
            between which there is nothing to walk on (``text``).
        classes: names of the outputs, may be empty.
        centre: the mean sample, where inputs are to stay within a ball around it instead.
        radius: of the ball, or None.
        places: of the probes, where some are in scans, see `actlab.stats.scanned`; () where none is.
        token_text: what each token stands for, where that is known.
        vocabulary: how many tokens there are; 0 where samples are no text.

    """

    name: str
    apply: Callable[[Any, jax.Array], jax.Array]
    weights: Any
    in_shape: tuple[int, ...]
    low: float | np.ndarray
    high: float | np.ndarray
    kind: Kind
    classes: tuple[str, ...] = ()
    centre: float | np.ndarray = 0.0
    radius: float | None = None
    places: tuple[Place, ...] = ()
    token_text: tuple[str, ...] = ()
    vocabulary: int = 0

    @cached_property
    def sites(self) -> dict[str, tuple[int, ...]]:
        """The shape (P..., C) of every site's values by name, in forward order; ``logits`` (K,) last."""
        x = jax.ShapeDtypeStruct((1, *self.in_shape), jnp.int32 if self.kind == "text" else jnp.float32)
        out, values = jax.eval_shape(self._watched, self.weights, x)
        names = [p.name for p in self.places] or probe_names(self.apply)(self.weights, x)
        order = [n for n in names if n.endswith(".pre")]
        found = {n.removesuffix(".pre"): values[n].shape[1:] for n in order}
        return found | {LOGITS: out.shape[1:]}

    def _watched(self, weights: Any, x: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
        """Return outputs, and the values at every probe, samples first."""
        out, seen = watch(self.apply, reading=VALUE)(weights, x)
        return out, unstacked(seen, self.places) if self.places else seen

    def read(self, site: str, side: Side) -> Callable[[Any, jax.Array], jax.Array]:
        """Return ``(weights, x_BxS) -> float32 values (B, P..., C)`` at a site; what comes after it is not computed.

        Raises:
            InputError: the model has no such site.

        """
        if site not in self.sites:
            raise InputError(f"{self.name} has no site {site!r}{suggest(site, self.sites)}")

        def values(weights, x):
            out, seen = self._watched(weights, x)
            return (out if site == LOGITS else seen[f"{site}.{side}"]).astype(jnp.float32)

        return values


def of_run(run: Run, state: TrainState, name: str) -> Subject:
    """Return a run's model with a state's parameters; inputs lie within what its training data span.

    Texts are of tokens. Images: between the least and the greatest value; vectors: of each feature; signals: in the
    ball around the mean sample that holds all samples, since a signal that is at its limit everywhere is far from
    any. Samples with one axis are signals if neighbours correlate above one half over the training data.

    Raises:
        InputError: the model takes samples of more than three axes, or its parameters are not finite.

    """
    data, graphdef = run.setup.data, run.program.graphdef

    def apply(weights, x):
        return nnx.merge(graphdef, *weights)(x).astype(jnp.float32)

    x = data.x_train
    if not all(np.isfinite(np.asarray(leaf)).all() for leaf in jax.tree.leaves(state.params)):
        raise InputError(
            f"{name} has parameters that are not finite: it has diverged, and its units look for nothing"
        )
    weights, names = (state.params, state.rest), class_names(data)
    places = tuple(run.program.places)
    if data.vocabulary is not None:
        own = {"places": places, "token_text": data.token_text, "vocabulary": data.vocabulary}
        return Subject(name, apply, weights, data.in_shape, 0, data.vocabulary - 1, "text", names, **own)
    if not 1 <= len(data.in_shape) <= 3:
        raise InputError(f"{name} takes samples of shape {data.in_shape}: of one to three axes can be drawn")
    kind: Kind = "image" if len(data.in_shape) > 1 else "signal" if smooth(x) else "vector"
    low, high = (x.min(0), x.max(0)) if kind == "vector" else (float(x.min()), float(x.max()))
    if kind != "signal":
        return Subject(name, apply, weights, data.in_shape, low, high, kind, names, places=places)
    centre = x.mean(0)
    radius = float(np.linalg.norm(x - centre, axis=1).max())
    return Subject(name, apply, weights, data.in_shape, low, high, kind, names, centre, radius, places)


def class_names(data: Dataset) -> tuple[str, ...]:
    """Return what the outputs of a data set's models are called: tokens by their text, all else by number."""
    if data.task == "tokens" and data.token_text:
        return tuple(visible(text) for text in data.token_text)
    return tuple(map(str, range(data.outputs)))


def visible(text: str) -> str:
    """Return a token's text with a sign for a line's end, a tabulator and, where it is all there is, a space.

    >>> visible(" "), visible("a b\\n")
    ('␣', 'a b↵')
    """
    shown = text.replace("\n", "↵").replace("\t", "⇥").replace("\r", "␍")
    return "␣" if shown == " " else shown


def smooth(x: np.ndarray) -> bool:
    """Tell whether neighbouring features of (N, S) correlate above one half: a signal, not a list of features.

    >>> t = np.linspace(0, 6, 40)
    >>> smooth(np.stack([np.sin(t + p) for p in range(9)])), smooth(np.eye(9))
    (True, False)
    """
    z = x.reshape(len(x), -1).astype(np.float64)
    z = z - z.mean(0)
    z = z / np.maximum(z.std(0), 1e-12)
    return z.shape[1] > 2 and float(np.mean(z[:, 1:] * z[:, :-1])) > 0.5
