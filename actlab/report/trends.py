"""The run as a whole over the steps: curvature against its limit, noise, distance, the size of updates, attention."""

from __future__ import annotations

import numpy as np

from actlab.report import numbers
from actlab.report.lines import Mark, Series, named_view, series_view
from actlab.report.view import View
from actlab.runs import Run

BAND = (1e-4, 1e-3, 1e-2)
"""Lowest, usual and highest ratio of update to weight in networks that train well."""


def trend_views(run: Run) -> list[View]:
    """Return gradient norm, curvature, noise, distance and logits over the steps, each where it was recorded."""
    views = [
        _gradient(run),
        _curvature(run, "sharpness"),
        _curvature(run, "sharpness_preconditioned"),
        _noise(run),
        _distance(run),
        _logits(run),
    ]
    return [view for view in views if view is not None]


def _series(run: Run, site: str, quantity: str, name: str) -> Series:
    return Series(name, *run.series(site, quantity))


def _last(line: Series) -> str:
    good = line.values[np.isfinite(line.values)]
    return numbers.number(float(good[-1])) if len(good) else numbers.NOT_FINITE


def _gradient(run: Run) -> View | None:
    line = _series(run, "train", "gradient_norm", "norm")
    caption = (
        f"At the end {_last(line)}. Norm of the whole gradient at the records' steps. Single ones that stand far "
        "out are what clipping is for."
    )
    return series_view("Gradient norm", [line], caption, "norm of the whole gradient over the steps")


def _curvature(run: Run, quantity: str) -> View | None:
    sharp = _series(run, "run", quantity, "sharpness")
    steps, limits = run.series("run", f"{quantity}_limit")
    if not len(sharp.values):
        return None
    preconditioned = quantity != "sharpness"
    said, hover = "", _hover(sharp, steps, limits)
    if hover is not None:
        where = "below" if hover < 0.8 else "at" if hover <= 1.25 else "above"
        said = f"Over the second half it stands at {hover:.2f} of the limit: {where} the edge of stability. "
    caption = said + (
        "Largest curvature of the training loss as Adam sees it, each weight in its own unit. "
        if preconditioned
        else "Largest curvature of the training loss. "
    )
    caption += (
        "Beyond the dashed limit a step overshoots along that direction; gradient descent climbs to the limit and "
        "hovers there without breaking, which is no illness by itself."
    )
    title = "Sharpness, preconditioned" if preconditioned else "Sharpness"
    along = [] if preconditioned else [_series(run, "run", "step_curvature", "along the step")]
    lines = [sharp, *[line for line in along if len(line.values)]]
    mark = Mark("limit", steps, limits)
    label = f"{title.lower()} over the steps against its limit. {said}"
    return series_view(title, lines, caption, label, [mark] if len(limits) else [])


def _hover(line: Series, steps: np.ndarray, limits: np.ndarray) -> float | None:
    """Return the median of sharpness over limit in the second half of the run."""
    if not len(steps) or not len(line.steps):
        return None
    place = np.clip(np.searchsorted(steps, line.steps, side="right") - 1, 0, None)
    ratio = line.values / np.where(limits[place] == 0, np.nan, limits[place])
    late = ratio[(line.steps >= line.steps[-1] / 2) & np.isfinite(ratio)]
    return float(np.median(late)) if len(late) else None


def _noise(run: Run) -> View | None:
    noise = _series(run, "run", "noise_scale", "noise scale")
    batch = run.config.get("batch_size")
    caption = (
        f"At the end {_last(noise)}. About the batch size at which a sample more stops helping much: with far fewer "
        "samples a batch's gradient is mostly noise, with far more they are mostly spent twice."
    )
    marks = []
    if isinstance(batch, int) and len(noise.steps):
        marks = [Mark(f"batch of {batch:,}", noise.steps, np.full(len(noise.steps), float(batch)))]
    label = "gradient noise scale over the steps against the batch size"
    return series_view("Gradient noise scale", [noise], caption, label, marks)


def _distance(run: Run) -> View | None:
    distance = _series(run, "run", "distance", "distance")
    caption = (
        f"At the end {_last(distance)}. How far the weights have gone from where they started; a line that "
        "flattens has found its place, one that keeps its slope is still travelling."
    )
    return series_view(
        "Distance from the start", [distance], caption, "distance of the weights from the start"
    )


def _logits(run: Run) -> View | None:
    most = _series(run, "head", "logits.max_abs", "largest")
    usual = _series(run, "head", "logits.rms", "root mean square")
    caption = (
        f"At the end {_last(usual)}, the largest {_last(most)}. Size of the model's outputs on the test "
        "batch. A slow climb without end means ever surer answers, also where they are wrong."
    )
    return series_view("Outputs", [usual, most], caption, "size of the model's outputs over the steps")


def ratio_view(run: Run) -> View | None:
    """Return the ratio of update to weight of each layer, with the band of networks that train well."""
    low, usual, high = (f"{value:g}" for value in BAND)
    caption = (
        f"How far one step moves a layer, relative to its size. The shaded band, {low} to {high} around the dashed "
        f"{usual}, is where networks that learn well usually are: above it a layer is restless, below it "
        "hardly learns."
    )
    grid = run.grid(run.layers, "update_ratio")
    return named_view("Update relative to weight, by layer", "layer", grid, caption, band=BAND)


def attention_sites(run: Run) -> tuple[str, ...]:
    """Return the sites that are attention scores, in forward order."""
    return tuple(site for site in run.sites if len(run.series(site, "entropy.mean")[0]))


def attention_views(run: Run) -> list[View]:
    """Return the entropy of attention by site over the steps, and its largest score."""
    sites = attention_sites(run)
    shares = run.grid(sites, "entropy_share.mean")
    meaning = (
        "Mean over heads. High: a head looks everywhere alike; near zero: it looks at one place only. A sudden "
        "fall at one site, its scores rising, is the collapse that stops transformers from training."
    )
    if len(shares[0]):
        entropy = named_view(
            "Attention entropy",
            "site",
            shares,
            f"As a share of the largest possible. {meaning}",
            percent=True,
        )
    else:
        entropy = named_view(
            "Attention entropy", "site", run.grid(sites, "entropy.mean"), f"In nats. {meaning}"
        )
    caption = (
        "Largest attention score before the softmax. Scores beyond about 50 leave all weight on one key, and no "
        "gradient on the others."
    )
    logits = named_view("Largest attention score", "site", run.grid(sites, "logit_max"), caption)
    return [view for view in (entropy, logits) if view is not None]
