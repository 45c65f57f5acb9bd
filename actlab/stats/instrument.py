"""Find the activations of a model nobody wrote for us, and watch them.

The model is traced; an activation is what *computes* one: an elementwise function of one array, not a straight line,
finite on all reals, that is no part of a norm, a softmax, a loss or a position's encoding. It is named by its values,
its place by the module it ran in. Then the program is evaluated again with `actlab.probe` around each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen, nnx

from actlab.errors import InputError
from actlab.stats import paths
from actlab.stats.marks import ACTIVE, Plan, Sites, plan
from actlab.stats.summary import merge_all, summarize
from actlab.stats.watch import Reading, watch


class Shares(NamedTuple):
    """What is told of a site because its function is known; float32, with an axis for each scan around it.

    ``saturated`` is the share of values where \\|f'\\| < 0.01 max\\|f'\\|; ``dead`` the share of units (last axis)
    saturated on every value. NaN where max\\|f'\\| depends on parameters of a function the library does not have.
    """

    saturated: jax.Array
    dead: jax.Array


class _Activity(NamedTuple):
    count: jax.Array
    active: jax.Array
    ever: jax.Array


_summarize = jax.jit(summarize)  # outside a jit, one program a shape instead of a hundred operations


def _read(name: str, value: jax.Array) -> Any:
    if not name.endswith(ACTIVE):
        return _summarize(value)
    axes = tuple(range(value.ndim - 1))
    active = value.astype(jnp.float32)
    count = (
        active.sum() + (1.0 - active).sum()
    )  # not a constant: a shard_map would take it for all devices' own
    return _Activity(count, active.sum(), active.max(axes))


def _gather(stacked: Any) -> Any:
    if not isinstance(stacked, _Activity):
        return merge_all(stacked)
    return _Activity(stacked.count.sum(0), stacked.active.sum(0), stacked.ever.max(0))


READING = Reading(_read, _gather)


def _shares(a: _Activity) -> Shares:
    dead = (1.0 - a.ever).mean(-1) if a.ever.ndim > a.count.ndim else 1.0 - a.ever
    seen = a.count > 0  # not so in a branch not taken
    return Shares(1.0 - a.active / a.count, jnp.where(seen, dead, jnp.nan))


@dataclass(frozen=True)
class Instrumented:
    """A model with its activation sites marked: what `instrument` returns."""

    model: Any

    def __call__(self, *args: Any, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        """Return the model's output and ``{name: statistics}``.

        For every site, ``name.pre`` and ``name.post`` are a `Summary` and ``name`` a `Shares` (absent where the
        library does not have the function and its parameters are learnt); ``name.scores`` of an attention is a
        `Summary`, scores masked by -inf counted as non-finite. A linen model takes its variables first. An NNX
        model's state (batch statistics, dropout's keys) moves on as it does in a call of the model.

        Raises:
            InputError: the model cannot be called with these arguments, or has no activation.
        """
        return self._call(_watched, self.model, args, kwargs)

    def function(self, *args: Any, **kwargs: Any) -> Any:
        """Return the model's output alone; its sites carry the marks that `watch` and `value_and_grad` read.

        A linen model takes its variables first, as ``model.apply`` does. An NNX model takes itself first, or
        another of its class, whose state moves on: ``watched.function(model, x)`` stands for ``model(x)`` in a loss.

        Raises:
            InputError: as for a call.
        """
        if not isinstance(self.model, nnx.Module):
            return self._call(_marked, self.model, args, kwargs)
        if not args or not isinstance(args[0], nnx.Module):
            got = type(args[0]).__name__ if args else "nothing"
            raise InputError(f"function takes the NNX model first, then its arguments; got {got}")
        return self._call(_marked, args[0], args[1:], kwargs)

    def apply(self, state: Any, *args: Any, **kwargs: Any) -> Any:
        """Return what `function` does, purely.

        Of a linen model the same; of an NNX model, with its state as ``nnx.state`` gives it, ``(output, state)``.
        """
        if not isinstance(self.model, nnx.Module):
            return self.function(state, *args, **kwargs)
        model = nnx.merge(nnx.graphdef(self.model), state, copy=True)
        return self.function(model, *args, **kwargs), nnx.state(model)

    def sites(self, *args: Any, **kwargs: Any) -> Sites:
        """Return the sites met at these arguments, which may be abstract; nothing is computed.

        Raises:
            InputError: as for a call.
        """
        found: list[Plan] = []

        def look(fn, learnt, what, args, kwargs):
            found.append(plan(fn, learnt, what, args, kwargs))
            return None, None

        self._call(look, self.model, args, kwargs)
        return found[0].sites

    def _call(self, run: Callable[..., Any], model: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Return ``run`` of the model as a pure function, of how many arguments that hold no data, and its own."""
        what = type(model).__name__
        if isinstance(model, nnx.Module):
            return _call_nnx(run, model, what, args, kwargs)
        if isinstance(model, linen.Module):

            def apply(*args, **kwargs):
                with paths.linen_scopes():
                    return model.apply(*args, **kwargs)

            return run(apply, 1, what, args, kwargs)
        return run(model, 0, getattr(model, "__name__", what), args, kwargs)


def instrument(model: Any) -> Instrumented:
    """Return ``model`` with every activation in it found, named and watched.

    Args:
        model: an ``nnx.Module``, a linen module, or any function of arrays.

    An activation is found by what is computed, and named after the library's function with the same values
    (to 2e-5 on [-20, 20] in float32), so that ``jax.nn.gelu`` is ``gelu_tanh`` whoever wrote it out. Sites are named
    by the module's path and the function: ``"blocks.0.mlp.gelu_tanh"``, with an index where a module has several
    (or is called several times): ``"blocks.0.relu.1"``. Values and gradients are the model's own. Not looked
    into: while loops, and functions with a derivative rule of their own of several arrays, or of coefficient vectors
    (`actlab.swiglu`, `actlab.pade_a`).

    Raises:
        InputError: ``model`` is none of these.

    >>> import jax.numpy as jnp
    >>> watched = instrument(lambda x: jnp.tanh(x @ jnp.ones((3, 2))))
    >>> y, stats = watched(jnp.zeros((4, 3)))
    >>> list(stats), float(stats["tanh.post"].zero_share)
    (['tanh.pre', 'tanh.post', 'tanh'], 1.0)
    >>> watched.sites(jnp.zeros((4, 3)))
    site  activation  kind        input
    tanh  tanh        activation  float32[4,2]
    """
    if isinstance(model, type) or not callable(model):
        hint = "; give an instance, not the class" if isinstance(model, type) else ""
        raise InputError(f"instrument takes an NNX or linen module or a function, got {model!r:.60}{hint}")
    return Instrumented(model)


def _call_nnx(
    run: Callable[..., Any], model: Any, what: str, args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """Run an NNX model as a function of its state, and of its arguments' where they have some; move both on."""
    leaves, tree = jax.tree.flatten((tuple(args), kwargs), is_leaf=_has_state)
    at = [i for i, leaf in enumerate(leaves) if _has_state(leaf)]  # rngs, caches
    nodes = [model, *(leaves[i] for i in at)]
    graph, state = paths.scoped_copy(nodes)
    rest = [None if i in at else leaf for i, leaf in enumerate(leaves)]

    def pure(state, rest):
        copies = nnx.merge(graph, state)
        whole = list(rest)
        for i, copy in zip(at, copies[1:], strict=True):
            whole[i] = copy
        a, k = jax.tree.unflatten(tree, whole)
        out = copies[0](*a, **k)
        after, new = nnx.split(copies)
        before, now = (set(dict(nnx.to_flat_state(s))) for s in (state, new))
        if not before <= now or (after != graph and before == now):
            raise InputError(
                f"{what} changes attributes that are no arrays when it is called; it cannot be instrumented"
            )
        return out, new

    if run not in (_watched, _marked):  # only looks
        return run(pure, 1, what, (state, rest), {})
    out = run(pure, 1, what, (state, rest), {})
    (y, new), stats = out if run is _watched else (out, None)
    nnx.update(nodes, new)
    return (y, stats) if run is _watched else y


def _has_state(value: Any) -> bool:
    return isinstance(value, (nnx.Pytree, nnx.Variable))


def _watched(fn: Callable[..., Any], learnt: int, what: str, args: Any, kwargs: Any) -> tuple[Any, dict]:
    made = plan(fn, learnt, what, args, kwargs)
    out, seen = watch(lambda *arrays: made.run(arrays, activity=True), reading=READING)(*made.arrays)
    stats: dict[str, Any] = {}
    for name, value in seen.items():
        stats |= {name.removesuffix(ACTIVE): _shares(value)} if name.endswith(ACTIVE) else {name: value}
    return out, stats


def _marked(fn: Callable[..., Any], learnt: int, what: str, args: Any, kwargs: Any) -> Any:
    made = plan(fn, learnt, what, args, kwargs)
    return made.run(made.arrays)
