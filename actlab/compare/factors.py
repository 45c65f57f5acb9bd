"""Which keys of the configurations differ, and what part each plays: compared, tuned, setting or seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actlab.compare.folders import Scalar
from actlab.errors import InputError, suggest

SEED = "seed"
# What changes when, where and how much is written, not what is trained.
IGNORED = ("resume", "checkpoint_every", "eval_every", "logger", "stats")
# What is to be learnt and by what: nobody tunes an activation by another data set.
SETTINGS = ("data", "model", "steps", "loss", "dtype", "order")
_NAMES = ("name", "_target_")


@dataclass(frozen=True)
class Design:
    """What part every key plays, and where each run stands; the tuples by run have the runs' order.

    ``levels``, ``settings`` and ``conditions`` are the labels of the cells in order of appearance; ``keys`` are the
    values by run of every key that differs and counts.
    """

    by: tuple[str, ...]
    tuned: tuple[str, ...]
    fixed: tuple[str, ...]
    level: tuple[str, ...]
    setting: tuple[str, ...]
    condition: tuple[str, ...]
    seed: tuple[Scalar, ...]
    keys: dict[str, tuple[Scalar, ...]]
    confounded: dict[str, dict[str, str]]
    """Keys that differ between levels and never within one: {key: {level: value}}."""

    @property
    def levels(self) -> list[str]:
        """The labels of what is compared."""
        return list(dict.fromkeys(self.level))


def text(value: Scalar) -> str:
    """Return a value of a configuration as a person would write it.

    >>> text(0.0010), text(True), text(None), text("actlab.train.adam")
    ('0.001', 'true', 'none', 'actlab.train.adam')
    """
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "none"}[value]
    return f"{value:g}" if isinstance(value, float) else str(value)


def short(key: str, keys: Sequence[str]) -> str:
    """Return the last word of a dotted key, the whole of it where another of ``keys`` ends the same.

    >>> short("optimizer.learning_rate", ["optimizer.learning_rate", "model.depth"])
    'learning_rate'
    """
    last = key.rpartition(".")[2]
    return last if sum(k.rpartition(".")[2] == last for k in keys) <= 1 else key


def varied(configs: Sequence[Mapping[str, Scalar]]) -> dict[str, tuple[Scalar, ...]]:
    """Return the keys whose values differ, with the value of each run; None where a run lacks the key."""
    names = dict.fromkeys(key for config in configs for key in config)
    columns = {key: tuple(config.get(key) for config in configs) for key in names}
    return {
        key: column for key, column in columns.items() if len(set(column)) > 1 and not _within(key, IGNORED)
    }


def design(
    configs: Sequence[Mapping[str, Scalar]],
    by: Sequence[str] = ("activation",),
    tune: Sequence[str] | None = None,
) -> Design:
    """Return what part each key that differs plays.

    Args:
        configs: of the runs, with dotted keys.
        by: what is compared: keys, or groups like ``activation``, which stands for its name and those of its
            parameters that differ between runs of the same name.
        tune: the keys of which each level may take its best value; None takes all but those of data, model, length,
            loss and number type, which are settings: a level's score is its mean over them.

    Raises:
        InputError: a key that no run has.

    """
    columns = varied(configs)
    known = dict.fromkeys(key for config in configs for key in config)
    groups = {key.partition(".")[0] for key in known if "." in key}
    for key in [*by, *(tune or ())]:
        if key not in known and key not in groups:
            raise InputError(f"no run has a key {key!r}{suggest(key, [*(columns or known), *groups])}")
    labels = {key: _labels(key, configs, columns) for key in by}
    level = [" · ".join(row) for row in zip(*labels.values(), strict=True)]

    others = {k: v for k, v in columns.items() if k != SEED and not any(_factor(k, b, known) for b in by)}
    within = [k for k in others if _within(k, ("activation",))]
    if within and not any(_within(b, ("activation",)) for b in by):  # it is one thing, not its parameters
        others = {k: v for k, v in others.items() if not _within(k, ("activation",))}
        others["activation"] = tuple(_labels("activation", configs, columns))
    confounded = {}
    for key in [k for k, v in others.items() if _follows(v, level)]:
        column = others.pop(key)
        confounded[key] = {name: text(value) for name, value in zip(level, column, strict=True)}
    for key in list(others):  # of keys that always change together the first is enough
        before = [k for k in others if k != key and (list(others).index(k) < list(others).index(key))]
        if any(_follows(others[key], others[k]) and _follows(others[k], others[key]) for k in before):
            del others[key]

    def is_tuned(key: str) -> bool:
        if tune is not None:
            return _within(key, tuple(tune))
        return not _within(key, (*SETTINGS, "activation")) or (
            _within(key, ("activation",)) and any(_within(b, ("activation",)) for b in by)
        )

    tuned, fixed = [k for k in others if is_tuned(k)], [k for k in others if not is_tuned(k)]
    return Design(
        by=tuple(by),
        tuned=tuple(tuned),
        fixed=tuple(fixed),
        level=tuple(level),
        setting=_cells(others, fixed, len(configs)),
        condition=_cells(others, tuned, len(configs)),
        seed=tuple(config.get(SEED) for config in configs),
        keys=others,
        confounded={k: v for k, v in confounded.items() if not any(_within(k, (b,)) for b in by)},
    )


def _within(key: str, names: Sequence[str]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in names)


def _factor(key: str, by: str, known: Mapping[str, None]) -> bool:
    """Tell whether a key is part of what is compared; of a group other than activation that is its name alone."""
    if by in known or by == "activation":
        return _within(key, (by,))
    return key in {f"{by}.{name}" for name in _NAMES}


def _labels(
    key: str, configs: Sequence[Mapping[str, Scalar]], columns: Mapping[str, tuple[Scalar, ...]]
) -> list[str]:
    if any(key in config for config in configs):
        values = [config.get(key) for config in configs]
        named_by_itself = all(isinstance(v, str) for v in values)
        return [text(v) if named_by_itself else f"{key.rpartition('.')[2]} {text(v)}" for v in values]
    named = [
        next((str(c[n]) for n in (f"{key}.name", f"{key}._target_") if c.get(n)), "none") for c in configs
    ]
    named = [name.rpartition(":")[2].rpartition(".")[2] or name for name in named]
    if key != "activation":
        return named
    inside = [k for k in columns if _within(k, (key,)) and k.rpartition(".")[2] not in _NAMES]
    shown = []
    for i, name in enumerate(named):
        same = [j for j, other in enumerate(named) if other == name]
        parts = [k for k in inside if len({columns[k][j] for j in same}) > 1]
        shown.append(" ".join([name, *(f"{k.rpartition('.')[2]}={text(columns[k][i])}" for k in parts)]))
    return shown


def _follows(column: Sequence[Scalar], other: Sequence[Scalar]) -> bool:
    """Tell whether ``other`` determines ``column``."""
    return len(set(zip(other, column, strict=True))) == len(set(other))


def _cells(columns: Mapping[str, Sequence[Scalar]], keys: Sequence[str], runs: int) -> tuple[str, ...]:
    """Return a label for each run: "learning_rate 0.01, weight_decay 0"; "" without keys."""

    def name(key: str) -> str:
        return short(key, list(columns))

    return tuple(", ".join(f"{name(key)} {text(columns[key][i])}" for key in keys) for i in range(runs))
