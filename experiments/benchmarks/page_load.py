"""How long the page of a run of a million records takes to write and to open.

    python experiments/benchmarks/page_load.py [--records 1000000] [--sites 24] [--rounds 3] [--folder FOLDER]

Makes a run folder as ``stats=full`` leaves it (metrics of every quantity at every site, histograms, units, curves,
events; numbers drawn at random), writes its page in a process of its own, and opens it in Chromium with an empty
profile and no network but this machine. Prints the seconds to read the tables, to write the page as a whole (Python's
start and imports included) and the page's size; then, from the start of navigation, the seconds until the document
had loaded, until the first chart was drawn, until all charts in sight and 800 pixels below were, and how long every
other chart takes, which is drawn only when one scrolls there or prints.
"""

from __future__ import annotations

import argparse
import base64
import functools
import hashlib
import http.server
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from actlab.records import CURVES, EVENTS, HISTOGRAMS, METRICS, UNITS
from actlab.runs import read_run

MOMENTS = ["mean", "variance", "skew", "kurtosis", "rms", "min", "max", "zero_share", "negative_share"]
MOMENTS += ["nonfinite_share", "q01", "q05", "q25", "q50", "q75", "q95", "q99"]
TENSORS = ["pre", "post", "pre_gradient", "post_gradient"]
OF_SITES = [f"{tensor}.{moment}" for tensor in TENSORS for moment in MOMENTS]
OF_SITES += ["dead_share", "saturated_share", "linear_share", "hoyer", "participation", "dead_longest"]
OF_SITES += ["effective_rank", "stable_rank", "cosine", "pre_cosine", "selectivity", "dataset_dead_share"]
OF_LAYERS = ["gradient_norm", "weight_norm", "update_ratio", "update_norm"]
OF_RUN = ["distance", "noise_scale", "sharpness", "sharpness_limit", "step_curvature"]
WIDTH = 128

# Put at the head of a copy of the page; reports what it saw when, in milliseconds from the start of navigation.
WATCH = """
const told = {}, boxes = () => [...document.querySelectorAll(".plot")], drawn = (box) => box.dataset.drawn;
const wait = (what) => new Promise((done) => {
  const look = () => { if (what()) done(performance.now()); else setTimeout(look, 5); };
  look();
});
const near = (box) => {
  const at = box.getBoundingClientRect();
  return at.height && at.top < innerHeight + 800 && at.bottom > -800;
};
addEventListener("load", async () => {
  told.loaded = performance.now();
  told.first = await wait(() => boxes().some(drawn));
  told.sight = await wait(() => boxes().filter(near).every(drawn));
  told.seen = boxes().filter(near).length;
  document.querySelectorAll("details").forEach((fold) => { fold.open = true; });
  dispatchEvent(new Event("beforeprint"));
  told.every = (await wait(() => boxes().every(drawn))) - told.sight;
  told.charts = boxes().length;
  await fetch("/told", { method: "POST", body: JSON.stringify(told) });
});
"""


def make(folder: Path, records: int, sites: int) -> int:
    """Write a run folder of about ``records`` rows of metrics and return how many it has."""
    rng = np.random.default_rng(0)
    names, layers = [f"blocks.{i}.act" for i in range(sites)], [f"blocks.{i}.linear" for i in range(sites)]
    keys = [(site, q) for site in names for q in OF_SITES] + [
        (layer, q) for layer in layers for q in OF_LAYERS
    ]
    keys += [("run", q) for q in OF_RUN] + [(s, q) for s in ("train", "test") for q in ("loss", "accuracy")]
    count = max(2, records // len(keys))
    steps = np.arange(1, count + 1) * 10
    sized = {"site": [site for site, _ in keys], "quantity": [quantity for _, quantity in keys]}
    row = pl.DataFrame(sized).with_columns(level=pl.Series(np.exp(rng.normal(size=len(keys)))))
    for name in ("metrics", "histograms", "units", "curves", "events", ".hydra"):
        (folder / name).mkdir(parents=True)
    for part, chosen in enumerate(np.array_split(steps, 20)):
        frame = pl.DataFrame({"step": chosen}).join(row, how="cross")
        share = pl.col("quantity").str.ends_with("_share") | (pl.col("quantity") == "accuracy")
        value = pl.Series(np.exp(0.2 * rng.normal(size=len(frame)))) * frame["level"]
        frame = frame.with_columns(value=value).with_columns(
            value=pl.when(share).then(pl.col("value") / (1 + pl.col("value"))).otherwise(pl.col("value"))
        )
        _write(frame, folder / "metrics", part, METRICS)
    few = steps[:: max(1, count // 100)].tolist()
    bins = [
        (step, site, tensor, -3.0, 3.0, rng.poisson(40, 64).tolist(), 0)
        for step in few
        for site in names
        for tensor in ("pre", "post")
    ]
    dead = rng.random((sites, WIDTH)) < 0.1
    units = [(step, site, (dead[i] * step).tolist()) for step in few for i, site in enumerate(names)]
    x = np.linspace(-5, 5, 201)
    learnt = [
        (step, site, x.tolist(), (x / (1 + np.exp(-x * (1 + step / steps[-1])))).tolist())
        for step in few
        for site in names
    ]
    events = [
        (int(step), "spike", "train", 9.0, 5.0, "the loss jumped") for step in steps[:: max(1, count // 300)]
    ]
    tables = {
        "histograms": (HISTOGRAMS, bins),
        "units": (UNITS, units),
        "curves": (CURVES, learnt),
        "events": (EVENTS, events),
    }
    for name, (schema, table) in tables.items():
        _write(pl.DataFrame(table, schema, orient="row"), folder / name, 0, schema)
    config = {
        "model": {"name": "mlp", "depth": sites, "width": WIDTH},
        "activation": {"name": "swish"},
        "batch_size": 100,
    }
    (folder / ".hydra" / "config.yaml").write_text(yaml.safe_dump(config))
    last = int(steps[-1])
    info = {"state": "finished", "step": last, "steps": last, "sites": names, "layers": layers}
    (folder / "run.json").write_text(json.dumps(info))
    return count * len(keys)


def _write(frame: pl.DataFrame, folder: Path, part: int, schema: dict) -> None:
    frame.select(pl.col(c).cast(t) for c, t in schema.items()).write_parquet(
        folder / f"part-{part:010d}.parquet"
    )


def opened(folder: Path, chromium: str) -> dict[str, float]:
    """Open a run's page in a fresh Chromium and return what the frame around it saw."""
    told: dict[str, float] = {}
    heard = threading.Event()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_POST(self) -> None:
            told.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            heard.set()

        def log_message(self, *_: object) -> None:
            pass

    # The page allows no script but its own and no network: the copy allows the watcher too, and this server.
    digest = base64.b64encode(hashlib.sha256(WATCH.encode()).digest()).decode()
    text = (folder / "report.html").read_text(encoding="utf-8")
    text = text.replace("script-src ", f"connect-src 'self'; script-src 'sha256-{digest}' ", 1)
    watched = text.replace("<title>", f"<script>{WATCH}</script><title>", 1)
    (folder / "watched.html").write_text(watched, encoding="utf-8")
    handler = functools.partial(Handler, directory=str(folder))
    with (
        http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server,
        tempfile.TemporaryDirectory() as profile,
    ):
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/watched.html"
        options = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
        ]
        options += [f"--user-data-dir={profile}", "--window-size=1400,1000", "--remote-debugging-port=0"]
        browser = subprocess.Popen(
            [chromium, *options, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            if not heard.wait(120):
                raise SystemExit("the page's charts were not all drawn within 120 s")
        finally:
            browser.terminate()
            browser.wait()
            server.shutdown()
    return told


def main() -> None:
    """Make the run, write its page, open it, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--sites", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="where the run is made and kept; a temporary folder if left out"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary) / "run"
        rows = make(folder, arguments.records, arguments.sites)
        print(
            f"{rows:,} records at {arguments.sites} sites, {sum(1 for _ in folder.rglob('*.parquet'))} files"
        )
        start = time.perf_counter()
        read_run(folder)
        print(f"tables read            {time.perf_counter() - start:8.2f} s")
        write = "import sys, pathlib, actlab.report; actlab.report.write_report(pathlib.Path(sys.argv[1]))"
        for _ in range(2):  # the first fills the cache of the charts' JavaScript
            start = time.perf_counter()
            subprocess.run([sys.executable, "-c", write, str(folder)], check=True)
            seconds = time.perf_counter() - start
        print(f"page written           {seconds:8.2f} s")
        print(f"page size              {(folder / 'report.html').stat().st_size / 1e6:8.2f} MB")
        chromium = next(
            filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
        )
        if chromium is None:
            raise SystemExit("Chromium is not installed: what it takes to open the page was not measured")
        seen = [opened(folder, chromium) for _ in range(arguments.rounds)]
        middle = {key: statistics.median(one[key] for one in seen) for key in seen[0]}
        print(f"document loaded        {middle['loaded'] / 1e3:8.2f} s   (medians of {arguments.rounds})")
        print(f"first chart drawn      {middle['first'] / 1e3:8.2f} s")
        print(f"{middle['seen']:3.0f} charts near sight    {middle['sight'] / 1e3:8.2f} s")
        print(f"all {middle['charts']:3.0f} charts            {middle['every'] / 1e3:8.2f} s more")


if __name__ == "__main__":
    main()
