"""A run as the rules see it: what was configured, what the activation does far out, how training went, by depth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from actlab import models
from actlab.activations import Act, make
from actlab.errors import InputError
from actlab.models.graph import transformed
from actlab.runs import Run
from actlab.stability.depth import Profile
from actlab.stability.gains import fitting
from actlab.theory.evaluation import value_and_slope

LOOKS = 48  # steps of a long run that are looked at, spread evenly, first and last among them


@dataclass(frozen=True)
class Learning:
    """How the training loss went: before the first step, at the end (median of the last three windows), lowest.

    ``outcome``: ``worse`` (the loss is above 1.05 of its start), ``stuck`` (above 0.97, or a tenth of what accuracy
    lacked at the start has not been won: a large initial loss falls to chance and nothing is learnt), ``learnt``
    (below 0.8), ``slow`` in between; ``unknown`` where fewer than three windows are recorded.
    """

    first: float
    last: float
    lowest: float
    steps: tuple[int, int]
    outcome: str


@dataclass(frozen=True)
class Reading:
    """A run with what rules ask of it, each computed once."""

    run: Run

    # -- what was configured -----------------------------------------------------------------------------

    def config(self, path: str, default: Any = None) -> Any:
        """Return an entry of the config by its dotted path, ``default`` where it is not there or null."""
        node: Any = self.run.config
        for key in path.split("."):
            if not isinstance(node, dict) or key not in node:
                return default
            node = node[key]
        return default if node is None else node

    @cached_property
    def normalised(self) -> bool:
        """Whether the config asks for a normalisation before activations."""
        return self.config("model.norm", "none") not in ("none", None)

    @cached_property
    def residual(self) -> bool:
        """Whether the config asks for skip connections."""
        return bool(self.config("model.residual", False))

    @cached_property
    def act(self) -> Act | None:
        """The activation at its initial parameters; None where the config has none that can be made here."""
        node = self.config("activation")
        if not isinstance(node, dict) or not isinstance(node.get("name"), str):
            return None
        own = ("learn", "per", "lean", "transform")
        given = {k: tuple(v) if isinstance(v, list) else v for k, v in node.items()}
        try:
            act = make(**{k: v for k, v in given.items() if k not in own and k[0] != "_"})
            if (wanted := node.get("transform")) is None:
                return act
            function = getattr(models, str(self.config("model._target_")).rpartition(".")[2], None)
            arguments = {k: v for k, v in self.config("model").items() if k[0] != "_"}
            return transformed(act, wanted, function, arguments).act
        except InputError:  # a user's own function, from a module that is not here
            return None

    @cached_property
    def tails(self) -> str:
        """What the activation does far out: flat on ``both`` sides, on ``one``, on ``none``; ``unknown``.

        Flat: a finite limit. Functions that jump or carry a surrogate gradient, and those that are not elementwise,
        count as unknown: for them |f'| says nothing of the gradient.
        """
        act = self.act
        if act is None or not act.elementwise:
            return "unknown"
        if act.spec is None:
            return _tails_by_value(act)
        spec = act.spec.at(**dict(act.params))
        if spec.surrogate or spec.smoothness == "jumps":
            return "unknown"
        flat = sum(math.isfinite(limit) for limit in spec.limits)
        return ("none", "one", "both")[flat]

    @cached_property
    def unbounded_slope(self) -> bool:
        """Whether |f'| has no maximum: then a hundredth of it, by which units count as dead, says little."""
        act = self.act
        if act is None or not act.elementwise:
            return False
        if act.spec is not None:
            return not math.isfinite(act.spec.at(**dict(act.params)).lipschitz)
        _, slope = value_and_slope(act, np.array([-20.0, -10.0, 10.0, 20.0]))
        return not np.abs(slope[[0, 3]]).max() <= 1.5 * np.abs(slope[[1, 2]]).max()

    @cached_property
    def words(self) -> dict[str, str]:
        """What advice may mention: values that follow from the config, as text."""
        words = {}
        rate, steps = self.config("optimizer.learning_rate"), self.config("steps")
        if isinstance(rate, int | float) and rate > 0:
            words["lower_rate"] = f"{float(f'{rate / 10:.2g}'):g}"
        if isinstance(steps, int) and steps > 1:
            words["warm_up"] = str(max(1, min(steps // 10, 1000)))
        for key, path, change in (
            ("shallower", "model.depth", lambda n: n // 2),
            ("wider", "model.width", lambda n: max(4 * n, 32)),
        ):
            size = self.config(path)
            if isinstance(size, int) and change(size) >= 1:
                words[key] = str(change(size))
        if self.act is not None:
            words["activation"] = self.act.name
            if self.act.elementwise and self.config("model.init"):
                words["initialiser"] = self._fitting()
        return words

    def _fitting(self) -> str:
        depth = self.config("model.depth", len(self.run.sites))
        power = self.profile("power")
        start = power.values[0, 0] if power is not None and len(power.steps) else 1.0
        start = float(start) if np.isfinite(start) and start > 0 else 1.0
        return fitting(self.act, max(int(depth), 2), start, self.config("model.init"), self.width)

    @cached_property
    def width(self) -> int:
        """The config's width of hidden layers, 0 if it tells none."""
        width = self.config("model.width")
        return width if isinstance(width, int) and width > 0 else 0

    # -- how training went -------------------------------------------------------------------------------

    @cached_property
    def state(self) -> str:
        """The run's state, as run.json has it."""
        return str(self.run.info.get("state", "unknown"))

    @cached_property
    def broken_at(self) -> int | None:
        """The step at which the run diverged, None if it did not; nothing recorded from there on says anything."""
        if self.state != "diverged":
            return None
        step = (self.run.info.get("divergence") or {}).get("step")
        return int(step) if step is not None else self.span[1]

    @cached_property
    def span(self) -> tuple[int, int]:
        """The first and the last step of which anything is recorded."""
        steps = self.run.metrics["step"]
        return (int(steps.min()), int(steps.max())) if len(steps) else (0, 0)

    @cached_property
    def learning(self) -> Learning:
        """How the training loss went."""
        at, loss = self.run.series("train", "loss")
        before, test = self.run.series("test", "loss")
        good = np.isfinite(loss)
        at, loss = at[good], loss[good]
        first = float(test[0]) if len(test) and before[0] == 0 else float(loss[0]) if len(loss) else math.nan
        if len(loss) < 3 or not first > 0:
            return Learning(first, math.nan, math.nan, self.span, "unknown")
        last, lowest = float(np.median(loss[-3:])), float(loss.min())
        share = last / first
        outcome = "learnt" if share < 0.8 else "slow" if share <= 0.97 else "stuck"
        _, won = self.run.series("train", "accuracy")
        _, chance = self.run.series("test", "accuracy")
        if len(won) >= 3 and len(chance) and np.median(won[-3:]) - chance[0] < 0.1 * (1 - chance[0]):
            outcome = "stuck"
        outcome = "worse" if share > 1.05 else outcome
        return Learning(first, last, lowest, (int(at[0]), int(at[-1])), outcome)

    # -- by depth ----------------------------------------------------------------------------------------

    def table(
        self, quantity: str, names: tuple[str, ...] | None = None
    ) -> tuple[np.ndarray, tuple[str, ...], np.ndarray]:
        """Return steps, sites and values[site, step] of a quantity, at most `LOOKS` steps of it.

        NaN where nothing is recorded, inf where what is recorded is not finite; nothing from divergence on.
        """
        steps, sites, values = self.run.grid(self.run.sites if names is None else names, quantity)
        if self.broken_at is not None:
            sound = steps < self.broken_at
            if not sound.any():
                return steps[sound], (), values[:0, sound]
            steps, values = steps[sound], values[:, sound]
        kept = np.unique(np.linspace(0, len(steps) - 1, min(len(steps), LOOKS)).round().astype(int))
        return steps[kept], sites, values[:, kept]

    def profile(self, name: str) -> Profile | None:
        """Return a quantity by depth: ``gradient``, ``spread`` and ``rms`` (of post), ``power`` (mean square of pre).

        The gradient is that of the loss at each pre-activation, root mean square, where that is recorded; else
        that of the weights over the root mean square of what they multiply, which is the same up to a factor
        that does not depend on depth. None where neither can be had.
        """
        if name not in self._profiles:
            self._profiles[name] = {
                "gradient": self._gradient,
                "spread": self._spread,
                "power": self._power,
                "rms": self._rms,
            }[name]()
        return self._profiles[name]

    @cached_property
    def _profiles(self) -> dict[str, Profile | None]:
        return {}

    def _gradient(self) -> Profile | None:
        steps, sites, values = self.table("pre_gradient.rms")
        if len(sites):
            return Profile("gradient at the pre-activations", sites, steps, values)
        of = {site: self.run.layer_of(site) for site in self.run.sites}
        steps, layers, norms = self.table("gradient_norm", tuple(dict.fromkeys(filter(None, of.values()))))
        rms = self._rms()
        if rms is None or not len(layers):
            return None
        columns = {int(s): k for k, s in enumerate(rms.steps)}
        kept = [k for k, s in enumerate(steps) if int(s) in columns]
        rows, names = [], []
        for before, site in zip(self.run.sites, self.run.sites[1:], strict=False):
            if of[site] not in layers or before not in rms.sites:
                continue
            fed = rms.values[rms.sites.index(before)][[columns[int(steps[k])] for k in kept]]
            with np.errstate(divide="ignore", invalid="ignore"):
                rows.append(norms[layers.index(of[site])][kept] / np.where(fed > 0, fed, np.nan))
            names.append(site)
        if not rows:
            return None
        what = "weights' gradient over the input it comes with"
        return Profile(what, tuple(names), steps[kept], np.array(rows), exact=False)

    def _moments(self, tensor: str) -> tuple[np.ndarray, tuple[str, ...], np.ndarray, np.ndarray] | None:
        steps, sites, mean = self.table(f"{tensor}.mean")
        at, others, variance = self.table(f"{tensor}.variance")
        if not len(sites) or sites != others or not np.array_equal(steps, at):
            return None
        return steps, sites, mean, variance

    def _rms(self) -> Profile | None:
        found = self._moments("post")
        if found is None:
            return None
        steps, sites, mean, variance = found
        return Profile("root mean square after the activation", sites, steps, np.sqrt(variance + mean**2))

    def _spread(self) -> Profile | None:
        found = self._moments("post")
        if found is None:
            return None
        steps, sites, _, variance = found
        return Profile("standard deviation after the activation", sites, steps, np.sqrt(variance))

    def _power(self) -> Profile | None:
        found = self._moments("pre")
        if found is None:
            return None
        steps, sites, mean, variance = found
        return Profile("second moment before the activation", sites, steps, variance + mean**2)


def _tails_by_value(act: Act) -> str:
    """Tell the tails of a function without a spec: flat where it changes by less than 1e-3 from 30 to 40."""
    y, _ = value_and_slope(act, np.array([-40.0, -30.0, 30.0, 40.0]))
    if not np.isfinite(y).all():
        return "unknown"
    flat = int(abs(y[1] - y[0]) < 1e-3) + int(abs(y[3] - y[2]) < 1e-3)
    return ("none", "one", "both")[flat]
