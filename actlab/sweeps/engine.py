"""Runs the lanes of a sweep."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from actlab.errors import InputError
from actlab.sweeps.lanes import Lane, Options, Told
from actlab.train.folder import RunFolder
from actlab.train.loop import Outcome, train


def train_lanes(
    lanes: Sequence[Lane], options: Options = Options(), *, tell: Callable[[Told], None] = lambda _: None
) -> list[Outcome | Exception]:
    """Train every lane to its end, leaving all in its folder; return how each ended, in their order.

    What goes wrong with one lane (its folder is gone, say) is its outcome, and the others go on.
    """
    ended: dict[int, Outcome | Exception] = {}
    began = time.perf_counter()
    for i, lane in enumerate(lanes):
        resume = (lane.path / "run.json").exists()
        try:
            with RunFolder(lane.path) as folder:
                folder.write(state="running", **lane.facts)
                ended[i] = train(lane.run, folder, resume=resume)
        except (InputError, OSError) as e:
            ended[i] = e
        good = {k: o.scores["test accuracy"] for k, o in ended.items() if isinstance(o, Outcome)}
        steps = lane.run.setup.steps
        tell(
            Told(
                lanes=len(lanes),
                group=i + 1,
                groups=len(lanes),
                group_lanes=1,
                what=repr(lane.run.setup.act),
                step=steps,
                steps=steps,
                done=len(ended),
                diverged=sum(isinstance(o, Outcome) and o.state == "diverged" for o in ended.values()),
                steps_per_second=steps * len(ended) / (time.perf_counter() - began),
                eta_s=None,
                compile_time_s=0.0,
                best=max(good.items(), key=lambda kv: kv[1]) if good else None,
                ended=ended,
            )
        )
        if isinstance(ended[i], Outcome) and ended[i].signal is not None:
            break
    return [ended[i] for i in sorted(ended)]
