"""Print how far SmolLM2 in actlab is from transformers and torch, on the texts of tests/inspection/smollm2.npz.

python experiments/07_model_activations/oracle.py
"""

from __future__ import annotations

import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.inspection import Capture, load

TOLD = Path(__file__).resolve().parents[2] / "tests" / "inspection"
LAST = "blocks.29.resid_post"


def main() -> None:
    """Print the table."""
    lm = load("smollm2")
    model = nnx.merge(lm.graph.definition, lm.weights)
    said = json.loads((TOLD / "smollm2.json").read_text())
    with np.load(TOLD / "smollm2.npz") as file:
        told = {name: file[name] for name in file.files}
    print(f"transformers {said['transformers']}, torch {said['torch']}, float32\n")
    print("| text | tokens | logits, largest | of a scale of | argmax equal | entropies, largest | over 1e-5 "
          "| norms, largest relative | stream less what is added |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for i in range(len(told["texts"])):
        ids = told[f"{i}.ids"]
        trace = lm.run(
            ids.tolist(), capture=Capture(values=(LAST, "resid_pre", "attn_out", "mlp_out", "resid_post"))
        )
        logits = np.asarray(model.logits(jnp.asarray(trace.site(LAST).post)))
        rows, columns = told[f"{i}.rows"], told[f"{i}.columns"]
        off = np.abs(logits[rows[:, None], columns] - told[f"{i}.logits"]).max()
        entropy = np.abs(np.moveaxis(trace["heads.entropy"], 0, -1) - told[f"{i}.entropy"])
        norms = max(
            np.abs(trace[f"site.{name}.l2"].T / told[f"{i}.norm.{name}"] - 1).max()
            for name in (
                "resid_pre",
                "resid_mid",
                "resid_post",
                "attn_out",
                "mlp_out",
                "mlp.act.pre",
                "mlp.act.post",
            )
        )
        rest = 0.0
        for block in range(lm.architecture.depth):
            pre, attention, mlp, post = (
                trace.site(f"blocks.{block}.{name}").post.astype(np.float64)
                for name in ("resid_pre", "attn_out", "mlp_out", "resid_post")
            )
            rest = max(rest, np.abs(post - pre - attention - mlp).max() / np.abs(post).max())
        equal = (logits.argmax(-1) == told[f"{i}.best"]).sum()
        scale = np.abs(told[f"{i}.logits"]).max()
        over = (entropy > 1e-5).sum()
        cells = [str(i), str(len(ids)), f"{off:.1e}", f"{scale:.0f}", f"{equal} of {len(ids)}"]
        cells += [f"{entropy.max():.1e} nats", f"{over} of {entropy.size:,}", f"{norms:.1e}", f"{rest:.1e}"]
        print(f"| {' | '.join(cells)} |")
    tokens = sum(lm.tokenizer.encode(text) == plain for text, _, plain in said["strings"])
    marked = sum(lm.tokenizer.encode(text, special=True) == own for text, own, _ in said["strings"])
    chats = sum(lm.tokenizer.chat(chat["messages"]) == chat["ids"] for chat in said["chats"])
    same = 0
    for greedy in said["greedy"]:
        trace = lm.generate(greedy["ids"], max_new_tokens=len(greedy["next"]))
        same += trace.tokens[trace.prompt :].tolist() == greedy["next"]
    count = len(said["strings"])
    print(f"\nTokens: {tokens} of {count} strings equal as text, {marked} of {count} with marks; {chats} of "
          f"{len(said['chats'])} conversations; {same} of {len(said['greedy'])} greedy texts.")  # fmt: skip


if __name__ == "__main__":
    main()
