"""Any activation in any model: the same word in the config of each."""

import jax
import jax.numpy as jnp
import pytest
from flax import nnx
from model_building import abstract, build

from actlab import models
from actlab.activations import make
from actlab.nn import sites

MODELS = {
    "mlp": (models.MLP, (8,), {"depth": 2, "width": 6}),
    "convnet": (models.ConvNet, (8, 8), {"depth": 2, "width": 6}),
    "resnet": (models.ResNet, (8, 8), {"stages": [1, 1], "widths": [4, 6]}),
    "resnet, no norm, no skip": (
        models.ResNet,
        (8,),
        {"stages": [1], "widths": [4], "norm": "none", "residual": False},
    ),
    "vit": (models.ViT, (8, 8), {"depth": 1, "width": 8, "heads": 2}),
    "vit of a signal, mean": (models.ViT, (8,), {"depth": 1, "width": 8, "heads": 2, "pool": "mean"}),
    "gru": (models.Recurrent, (8,), {"width": 4}),
    "lstm, both ways": (models.Recurrent, (8, 2), {"width": 4, "cell": "lstm", "bidirectional": True}),
    "siren": (models.Siren, (2,), {"depth": 2, "width": 6}),
    "kan": (models.KAN, (5,), {"width": 4, "norm": "layer"}),
    "encoder": (models.Encoder, (8,), {"depth": 1, "width": 8, "heads": 2, "vocabulary": 5}),
    "gru of a text": (models.Recurrent, (8,), {"width": 4, "vocabulary": 5}),
}
ACTS = {
    "plain": make("relu"),
    "one learnt for each channel": make("swish", learn=["beta"], per="channel"),
    "coefficients learnt for each unit": make("kan_bspline", learn=["coefficients"], per="unit"),
    "stochastic": make("rrelu"),
    "of all units together": make("softmax"),
    "lean": make("gelu", lean=True),
}


def given(shape, extra):
    return jnp.zeros((4, *shape), jnp.int32 if "vocabulary" in extra else jnp.float32)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("act", ACTS)
def test_every_activation_in_every_model(kind, act):
    cls, shape, extra = MODELS[kind]
    model = abstract(cls, ACTS[act], shape, 3, **extra)
    found = sites(model)
    assert {site.act for site in found.values()} == {ACTS[act]}
    paths = {m.site: ".".join(map(str, p)) for p, m in nnx.iter_modules(model) if hasattr(m, "site")}
    assert all(site == path for site, path in paths.items())
    learnt = [site.act.learn[0] for site in found.values() if site.act.learn]
    own = [getattr(s, name) for s, name in zip(found.values(), learnt, strict=False)]
    assert len({id(p) for p in own}) == len(learnt)  # no site shares its parameters with another
    x, key = given(shape, extra), jax.random.key(0)
    for train in (True, False):
        out = nnx.eval_shape(lambda m: m(x, train=train, key=key if train else None), model)  # noqa: B023
        assert out.shape == (4, 3)


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_computed_in_bfloat16_comes_out_in_it(kind):
    cls, shape, extra = MODELS[kind]
    model = abstract(cls, ACTS["one learnt for each channel"], shape, 3, dtype=jnp.bfloat16, **extra)
    assert {p.dtype for p in jax.tree.leaves(nnx.state(model, nnx.Param))} == {jnp.dtype("float32")}
    with jax.numpy_dtype_promotion("standard"):  # flax's norms mix bfloat16 with float32
        assert nnx.eval_shape(lambda m: m(given(shape, extra)), model).dtype == jnp.bfloat16


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "act"),
    [("resnet", "stochastic"), ("vit", "coefficients learnt for each unit"), ("siren", "lean")],
)
def test_two_steps_down_the_gradient_lower_the_loss(kind, act):
    cls, shape, extra = MODELS[kind]
    x = jax.random.normal(jax.random.key(0), (8, *shape))
    y = jax.random.normal(jax.random.key(1), (8, 3))

    graphdef, params, rest = nnx.split(build(cls, ACTS[act], shape, 3, **extra), nnx.Param, ...)
    params, rest = nnx.to_pure_dict(params), nnx.to_pure_dict(rest)

    def loss(params):
        out = nnx.merge(graphdef, params, rest)(x, train=True, key=jax.random.key(2))
        return jnp.mean(jnp.square(out - y))

    descend = jax.jit(jax.value_and_grad(loss), compiler_options={"xla_backend_optimization_level": 0})
    losses = []
    for _ in range(3):
        value, grads = descend(params)
        params = jax.tree.map(lambda p, g: p - 1e-3 * g, params, grads)
        losses.append(value)
    assert losses[0] > losses[1] > losses[2]
