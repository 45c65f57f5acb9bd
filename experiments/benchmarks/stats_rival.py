"""The rival of stats_overhead.py: the same statistics in PyTorch, by hooks, as people write them.

Shapes: B rows, ... positions, C units.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from actlab.train.setup import Setup

QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]
LAYERS_EVERY = 10  # as ours


def rivals(case: str, setup: Setup, steps: int) -> dict[str, Callable[[], None]]:
    """Return functions training ``steps``: plainly, and with statistics taken every step."""
    return {
        "plain": Trainer(case, setup, steps, None),
        "hooks, all figures": Trainer(case, setup, steps, AllFigures(rows=1)),
        "hooks, an eighth of the rows": Trainer(case, setup, steps, AllFigures(rows=8)),
        "hooks, mean/sd/near zero": Trainer(case, setup, steps, MeanAndDeviation()),
    }


class Trainer:
    """The plain loop of PyTorch: shuffled batches, cross entropy, Adam, the mean loss read at the end."""

    def __init__(self, case: str, setup: Setup, steps: int, statistics: AllFigures | MeanAndDeviation | None):
        torch.manual_seed(0)
        self.model = model(case, setup.data.in_shape, setup.data.num_classes)
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=1e-3)
        self.loss = nn.CrossEntropyLoss()
        self.x = torch.from_numpy(np.array(setup.data.x_train))
        self.y = torch.from_numpy(np.array(setup.data.y_train)).long()
        self.batch, self.steps, self.done, self.order = (
            setup.batch_size,
            steps,
            0,
            torch.zeros(0, dtype=torch.long),
        )
        self.statistics = statistics
        self.records: list[dict[str, float]] = []
        if statistics is not None:
            statistics.attach(self.model)

    def __call__(self) -> None:
        """Train."""
        self.records = []
        total = 0.0
        for _ in range(self.steps):
            if len(self.order) < self.batch:
                self.order = torch.randperm(len(self.x))
            index, self.order = self.order[: self.batch], self.order[self.batch :]
            x, y = self.x[index], self.y[index]
            layers = isinstance(self.statistics, AllFigures) and (self.done + 1) % LAYERS_EVERY == 0
            before = [p.detach().clone() for p in self.model.parameters()] if layers else []
            self.optimizer.zero_grad()
            loss = self.loss(self.model(x), y)
            loss.backward()
            self.optimizer.step()
            total += loss.item()
            self.done += 1
            if self.statistics is not None:
                row, self.statistics.row = self.statistics.row, {}
                self.records.append(row | (norms(self.model, before) if layers else {}))
        if not math.isfinite(total):
            raise RuntimeError("the rival's job diverged: nothing it took was timed")


def norms(network: nn.Module, before: list[torch.Tensor]) -> dict[str, float]:
    """Return by layer the norms of gradient, weight and update, and the update's over the weight's."""
    row: dict[str, float] = {}
    squares: dict[str, list[float]] = {}
    for (name, p), old in zip(network.named_parameters(), before, strict=True):
        layer = name.rpartition(".")[0]
        found = (p.grad.norm().item(), p.detach().norm().item(), (p.detach() - old).norm().item())
        squares[layer] = [a + b**2 for a, b in zip(squares.get(layer, [0.0] * 3), found, strict=True)]
    for layer, (g, w, u) in squares.items():
        row |= {
            f"{layer}.gradient_norm": g**0.5,
            f"{layer}.weight_norm": w**0.5,
            f"{layer}.update_norm": u**0.5,
        }
        row[f"{layer}.update_ratio"] = (u / w) ** 0.5 if w else math.inf
    row["train.gradient_norm"] = sum(g for g, _, _ in squares.values()) ** 0.5
    return row


class MeanAndDeviation:
    """Mean, deviation and share near zero of every activation's output, as fastai's ActivationStats takes."""

    def __init__(self):
        self.row: dict[str, float] = {}

    def attach(self, network: nn.Module) -> None:
        """Hook every activation."""
        for name, module in activations(network):
            module.register_forward_hook(lambda m, i, out, name=name: self.take(name, out.detach()))

    def take(self, name: str, x: torch.Tensor) -> None:
        """Take three figures of an output."""
        self.row[f"{name}.mean"] = x.mean().item()
        self.row[f"{name}.std"] = x.std().item()
        self.row[f"{name}.near_zero"] = (x.abs() <= 0.05).float().mean().item()


class AllFigures:
    """What ``stats=full`` takes, by forward and full backward hooks on activations and softmaxes."""

    def __init__(self, rows: int):
        self.rows = rows
        self.row: dict[str, float] = {}
        self.step: dict[str, int] = {}

    def attach(self, network: nn.Module) -> None:
        """Hook every activation."""
        for name, module in activations(network):
            module.register_forward_hook(
                lambda m, i, out, name=name: self.forward(m, name, i[0].detach(), out.detach())
            )
            module.register_full_backward_hook(lambda m, gi, go, name=name: self.backward(name, gi[0], go[0]))
        for name, module in network.named_modules():
            if isinstance(module, nn.Softmax):
                module.register_forward_hook(
                    lambda m, i, out, name=name: self.attention(name, i[0].detach(), out.detach())
                )

    def part(self, name: str, x: torch.Tensor) -> torch.Tensor:
        """Return the next part of the batch."""
        if self.rows == 1:
            return x
        size = -(-len(x) // self.rows)
        start = min(self.step.get(name, 0) * size % len(x), len(x) - size)
        return x[start : start + size]

    def forward(self, module: nn.Module, name: str, pre: torch.Tensor, post: torch.Tensor) -> None:
        """Take the figures of values."""
        pre, post = self.part(name, pre), self.part(name, post)
        self.summary(f"{name}.pre", pre)
        self.summary(f"{name}.post", post)
        slope = slopes(module, pre)
        on = slope.abs() >= 0.01
        self.row[f"{name}.saturated_share"] = 1.0 - on.float().mean().item()
        origin = 0.0  # of relu and gelu
        straight = ((post - origin) - pre * slope).abs() <= 0.05 * (post - origin).abs()
        self.row[f"{name}.linear_share"] = (straight & on).float().mean().item()
        self.row[f"{name}.dead_share"] = 1.0 - on.flatten(0, -2).any(0).float().mean().item()
        a, c = post.abs(), post.shape[-1]
        l1, l2, l4 = a.sum(-1), a.square().sum(-1), a.square().square().sum(-1)
        some = l2 > 0
        hoyer = (c**0.5 - l1[some] / l2[some].sqrt()) / (c**0.5 - 1)
        self.row[f"{name}.hoyer"] = hoyer.mean().item()
        self.row[f"{name}.participation"] = (l2[some].square() / (c * l4[some])).mean().item()

    def backward(self, name: str, of_pre: torch.Tensor, of_post: torch.Tensor) -> None:
        """Take the figures of gradients."""
        self.summary(f"{name}.pre_gradient", self.part(name, of_pre))
        self.summary(f"{name}.post_gradient", self.part(name, of_post))
        self.step[name] = self.step.get(name, 0) + 1

    def summary(self, name: str, x: torch.Tensor) -> None:
        """Take fourteen figures and seven quantiles."""
        mean, sd = x.mean(), x.std(correction=0)
        z = (x - mean) / sd
        figures = {
            "mean": mean,
            "variance": sd.square(),
            "skew": z.pow(3).mean(),
            "kurtosis": z.pow(4).mean() - 3.0,
            "rms": x.square().mean().sqrt(),
            "min": x.min(),
            "max": x.max(),
            "zero_share": (x == 0).float().mean(),
            "negative_share": (x < 0).float().mean(),
            "nonfinite_share": (~torch.isfinite(x)).float().mean(),
        }
        for quantity, value in figures.items():
            self.row[f"{name}.{quantity}"] = value.item()
        for q, value in zip(QUANTILES, torch.quantile(x.flatten(), torch.tensor(QUANTILES)), strict=True):
            self.row[f"{name}.q{round(100 * q):02d}"] = value.item()

    def attention(self, name: str, scores: torch.Tensor, p: torch.Tensor) -> None:
        """Take entropies by head and the largest score."""
        scores, p = self.part(name, scores), self.part(name, p)
        self.step[name] = self.step.get(name, 0) + 1
        entropy = -(p * p.clamp_min(1e-30).log()).sum(-1).mean((0, 2))
        share = entropy / math.log(scores.shape[-1])
        figures = {"entropy.mean": entropy.mean(), "entropy.min": entropy.min()}
        figures |= {
            "entropy_share.mean": share.mean(),
            "entropy_share.min": share.min(),
            "logit_max": scores.max(),
        }
        figures |= {f"entropy.head{i}": e for i, e in enumerate(entropy)}
        for quantity, value in figures.items():
            self.row[f"{name}.{quantity}"] = value.item()


def activations(network: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the activations by name."""
    return [(name, m) for name, m in network.named_modules() if isinstance(m, (nn.ReLU, nn.GELU))]


def slopes(module: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Return the activation's derivative at ``x``."""
    if isinstance(module, nn.ReLU):
        return (x > 0).float()
    return 0.5 * (1 + torch.erf(x / 2**0.5)) + x * torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)


# -- the same models -----------------------------------------------------------------------------------------


def model(case: str, in_shape: tuple[int, ...], classes: int) -> nn.Module:
    """Return a case's model, of the sizes it has in stats_overhead.py."""
    features = math.prod(in_shape)
    if case == "transformer":
        return Transformer(features, classes, depth=2, width=64, heads=4, expand=4, patch=4)
    depth, width = {"default": (3, 100), "mlp": (6, 256)}[case]
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(width if i else features, width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(width, classes))


class Transformer(nn.Module):
    """The model of small_transformer.py."""

    def __init__(
        self, features: int, classes: int, *, depth: int, width: int, heads: int, expand: int, patch: int
    ):
        super().__init__()
        self.patch = patch
        self.embed = nn.Linear(patch, width)
        self.position = nn.Parameter(0.02 * torch.randn(features // patch, width))
        self.blocks = nn.ModuleList(TransformerBlock(width, heads, expand) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        h = self.embed(x.reshape(len(x), -1, self.patch)) + self.position
        for block in self.blocks:
            h = block(h)
        return self.head(self.norm(h).mean(1))


class TransformerBlock(nn.Module):
    """Attention, then MLP, each of the normalised stream and added to it."""

    def __init__(self, width: int, heads: int, expand: int):
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.softmax = nn.Softmax(-1)
        self.mlp = nn.Sequential(
            nn.Linear(width, expand * width), nn.GELU(), nn.Linear(expand * width, width)
        )

    def forward(self, h: torch.Tensor) -> torch.Tensor:
        """Return the stream after this block."""
        q, k, v = (
            a.unflatten(-1, (self.heads, -1)).transpose(1, 2) for a in self.qkv(self.norms[0](h)).chunk(3, -1)
        )
        p = self.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5)
        h = h + self.out((p @ v).transpose(1, 2).flatten(2))
        return h + self.mlp(self.norms[1](h))
