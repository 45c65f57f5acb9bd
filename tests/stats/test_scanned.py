"""Sites and parameters of layers in a scan, told apart by layer."""

import jax
import jax.numpy as jnp
import pytest

from actlab.probes import probe
from actlab.stats import VALUE, watch
from actlab.stats.layers import forward_order
from actlab.stats.scanned import layer_name, places, unstacked


def layer(h, p, name):
    h = probe(h @ p["up"]["kernel"], f"{name}.act.pre")
    return probe(jnp.tanh(h), f"{name}.act.post") @ p["down"]["kernel"]


def apart(params, x):
    for i in range(3):
        x = layer(x, params["blocks"][i], f"blocks.{i}")
    return probe(x @ params["head"]["kernel"], "head")


def in_a_scan(params, x):
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *params["blocks"].values())
    body = jax.checkpoint(lambda h, p: (layer(h, p, "blocks.*"), None))
    x, _ = jax.lax.scan(body, x, stacked)
    return probe(x @ params["head"]["kernel"], "head")


def parameters():
    keys = iter(jax.random.split(jax.random.key(0), 9))

    def kernel(*shape):
        return {"kernel": jax.random.normal(next(keys), shape)}

    return {
        "blocks": {i: {"down": kernel(5, 4), "up": kernel(4, 5)} for i in range(3)},
        "head": kernel(4, 2),
    }


@pytest.mark.slow
def test_values_of_a_scan_are_those_of_layers_apart():
    params, x = parameters(), jnp.ones((2, 4))
    where = places(in_a_scan)(params, x)
    assert [p.name for p in where] == [p.name for p in places(apart)(params, x)]
    seen = unstacked(watch(in_a_scan, reading=VALUE)(params, x)[1], where)
    wanted = watch(apart, reading=VALUE)(params, x)[1]
    assert seen.keys() == wanted.keys()
    for name, value in wanted.items():
        assert jnp.allclose(seen[name], value, atol=1e-6), name


def test_layers_of_a_scan_are_used_in_the_same_order():
    params, x = parameters(), jnp.ones((2, 4))
    wanted = [f"blocks.{i}.{name}" for i in range(3) for name in ("up", "down")] + ["head"]
    assert forward_order(apart, params, x) == wanted
    assert forward_order(in_a_scan, params, x) == wanted
    assert forward_order(jax.jit(jax.checkpoint(apart)), params, x) == wanted


def test_names_of_scans_within_scans():
    def inner(h, _):
        return probe(h + 1, "a.*.b.*.c"), None

    def outer(h, _):
        return jax.lax.scan(inner, h, None, length=2)[0], None

    def fn(h):
        return jax.lax.scan(outer, h, None, length=2)[0]

    where = places(fn)(jnp.float32(0))
    assert [p.name for p in where] == ["a.0.b.0.c", "a.0.b.1.c", "a.1.b.0.c", "a.1.b.1.c"]
    seen = unstacked(watch(fn, reading=VALUE)(jnp.float32(0))[1], where)
    assert {n: float(v) for n, v in seen.items()} == {
        "a.0.b.0.c": 1, "a.0.b.1.c": 2, "a.1.b.0.c": 3, "a.1.b.1.c": 4,
    }  # fmt: skip
    assert layer_name("act", 2) == "act.2"
