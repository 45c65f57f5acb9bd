"""What a decoder-only language model is made of, apart from its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from actlab.activations import Act
from actlab.errors import InputError, suggest
from actlab.nn.activation import misfit

_CHOICES = {
    "norm": ("rms", "layer", "none"),
    "position": ("rope", "learned", "none"),
    "mlp": ("gated", "plain"),
}


@dataclass(frozen=True)
class Architecture:
    """The options of a decoder: a Llama's by default, a GPT-2's or a run's of `actlab train` by others; checked.

    Blocks are pre-norm: ``h + attention(norm(h))``, then ``h + mlp(norm(h))``, a norm before the head.

    Args:
        depth: blocks there are.
        width: D, of the residual stream.
        hidden: F, units of the MLP.
        heads: H, of queries.
        kv_heads: G, of keys and values, a divisor of H: fewer is grouped-query attention (Ainslie et al. 2023,
            arXiv:2305.13245).
        head_width: K, numbers of a head.
        vocabulary: V, tokens there are.
        context: positions the model was made for.
        act: the activation of each block's MLP, by block if they differ.
        norm: ``rms`` (Zhang & Sennrich 2019, arXiv:1910.07467), ``layer`` or ``none``.
        epsilon: of the norms.
        position: ``rope`` (Su et al. 2021, arXiv:2104.09864), ``learned`` vectors or ``none``.
        rope_base: of the angles ``base**(-2i/K)``.
        rope_factors: what the K/2 angles are divided by, for models stretched to longer contexts; () is one.
        mlp: ``gated`` (Shazeer 2020, arXiv:2002.05202) or ``plain``.
        qk_norm: whether queries and keys are normalised, by head.
        tied: whether the head is the table of the tokens.

    Raises:
        InputError: a size or name that cannot be, or an activation that cannot stand in an MLP.

    """

    depth: int
    width: int
    hidden: int
    heads: int
    kv_heads: int
    head_width: int
    vocabulary: int
    context: int
    act: tuple[Act, ...] = field(repr=False)
    norm: Literal["rms", "layer", "none"] = "rms"
    epsilon: float = 1e-5
    position: Literal["rope", "learned", "none"] = "rope"
    rope_base: float = 10_000.0
    rope_factors: tuple[float, ...] = field(default=(), repr=False)
    mlp: Literal["gated", "plain"] = "gated"
    qk_norm: bool = False
    tied: bool = True

    def __post_init__(self):
        for name in ("depth", "width", "hidden", "heads", "kv_heads", "head_width", "vocabulary", "context"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InputError(f"{name}={value!r}: must be an integer >= 1")
        for name, names in _CHOICES.items():
            if (value := getattr(self, name)) not in names:
                raise InputError(f"{name}={value!r} is unknown{suggest(str(value), names)}")
        if self.heads % self.kv_heads:
            raise InputError(f"kv_heads={self.kv_heads}: must be a divisor of heads={self.heads}")
        if self.position == "rope" and self.head_width % 2:
            raise InputError(f"head_width={self.head_width}: rope turns pairs, it must be even")
        if self.rope_factors and len(self.rope_factors) != self.head_width // 2:
            raise InputError(f"rope_factors: {len(self.rope_factors)} numbers, not {self.head_width // 2}")
        if not 0 < self.epsilon < 1 or not 1 < self.rope_base < 1e12:
            raise InputError(f"epsilon={self.epsilon}, rope_base={self.rope_base}: cannot be")
        acts = (self.act,) * self.depth if isinstance(self.act, Act) else tuple(self.act)
        if len(acts) != self.depth:
            raise InputError(f"{len(acts)} activations for {self.depth} blocks")
        for act in acts:
            if act.spec is not None and (why := misfit(act.spec)):
                raise InputError(why)
        object.__setattr__(self, "act", acts)

    @property
    def sites(self) -> dict[str, int]:
        """The places of a block by their names within it, in the order they are computed, each with its width.

        ``mlp.act.pre`` and ``.post`` are the activation's two sides; in a gated MLP ``mlp.up`` is the other factor
        and ``mlp.post`` the product.
        """
        gated = {"mlp.up": self.hidden, "mlp.post": self.hidden} if self.mlp == "gated" else {}
        return {
            "resid_pre": self.width,
            "attention.heads": self.heads * self.head_width,
            "attn_out": self.width,
            "resid_mid": self.width,
            "mlp.act.pre": self.hidden,
            "mlp.act.post": self.hidden,
            **gated,
            "mlp_out": self.width,
            "resid_post": self.width,
        }

    def shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Yield the name and shape of every weight; maps are (out, in), as GGUF and torch keep them.

        ``tokens``, ``positions``, ``norm.scale``, ``norm.bias``, ``head`` and, in each of the ``blocks.<i>.``:
        ``norm1``, ``norm2``, ``query_norm`` and ``key_norm`` with ``.scale`` and ``.bias``; ``query``, ``key``,
        ``value``,
        ``out``, ``gate``, ``up`` and ``down`` with ``.kernel`` and ``.bias``. Biases of maps are zero where a file
        has none.
        """
        d, f, k = self.width, self.hidden, self.head_width
        yield "tokens", (self.vocabulary, d)
        if self.position == "learned":
            yield "positions", (self.context, d)
        for i in range(self.depth):
            at = f"blocks.{i}."
            for name, size in (("norm1", d), ("norm2", d), *(_QK(k) if self.qk_norm else ())):
                yield from self._norm(at + name, size)
            maps = [
                ("query", self.heads * k, d),
                ("key", self.kv_heads * k, d),
                ("value", self.kv_heads * k, d),
            ]
            maps += [("out", d, self.heads * k), ("up", f, d), ("down", d, f)]
            maps += [("gate", f, d)] if self.mlp == "gated" else []
            for name, rows, columns in maps:
                yield f"{at}{name}.kernel", (rows, columns)
                yield f"{at}{name}.bias", (rows,)
        yield from self._norm("norm", d)
        if not self.tied:
            yield "head", (self.vocabulary, d)

    def _norm(self, name: str, size: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        if self.norm != "none":
            yield f"{name}.scale", (size,)
        if self.norm == "layer":
            yield f"{name}.bias", (size,)


def _QK(width: int) -> tuple[tuple[str, int], ...]:
    return ("query_norm", width), ("key_norm", width)
