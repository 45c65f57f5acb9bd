import jax
import jax.numpy as jnp
import numpy as np
import pytest

from actlab.errors import InputError
from actlab.probes import probe
from actlab.stats import probe_names, watch


def model(w, x):
    h = probe(x @ w, "pre")
    return jnp.sum(probe(jnp.tanh(h), "post") ** 2)


W = jnp.arange(6.0).reshape(2, 3) / 10
X = jnp.ones((4, 2))


def test_values_are_those_inside():
    out, seen = jax.jit(watch(model))(W, X)
    np.testing.assert_allclose(out, model(W, X), rtol=1e-6)
    np.testing.assert_allclose(seen["pre"], X @ W)
    np.testing.assert_allclose(seen["post"], jnp.tanh(X @ W))


def test_under_grad_and_vmap():
    def loss(w):
        return watch(model)(w, X)

    (value, _), grads = jax.value_and_grad(loss, has_aux=True)(W)
    np.testing.assert_allclose(value, model(W, X), rtol=1e-6)
    np.testing.assert_allclose(grads, jax.grad(model)(W, X), rtol=1e-6)
    _, seen = jax.vmap(watch(model), in_axes=(None, 0))(W, jnp.stack([X, 2 * X]))
    np.testing.assert_allclose(seen["pre"][1], 2 * X @ W, rtol=1e-6)


def test_custom_derivatives_survive():
    @jax.custom_jvp
    def f(x):
        return x

    f.defjvp(lambda primals, tangents: (primals[0], 7 * tangents[0]))
    assert jax.grad(lambda x: watch(lambda x: f(probe(x, "x")))(x)[0])(1.0) == 7


def test_inside_jit_and_pytrees():
    inner = jax.jit(lambda d: {"y": probe(d["x"], "deep") * 2})
    out, seen = watch(lambda d: inner(d))({"x": jnp.float32(3)})
    assert out["y"] == 6
    assert seen["deep"] == 3


def test_unwatched_probes_leave_no_trace_in_the_program():
    def bare(w, x):
        return jnp.sum(jnp.tanh(x @ w) ** 2)

    def text(f):
        lowered = jax.jit(jax.grad(f)).lower(W, X).as_text()
        return lowered.replace("jit_model", "jit_bare")

    assert text(model) == text(bare)


def test_order_of_names():
    assert probe_names(model)(W, X) == ["pre", "post"]


def test_a_name_used_twice():
    with pytest.raises(InputError, match="probe name 'a' is used twice"):
        watch(lambda x: probe(probe(x, "a"), "a"))(1.0)


@pytest.mark.parametrize(
    "hidden",
    [
        lambda x: jax.lax.scan(lambda c, _: (probe(c, "a"), None), x, None, length=2)[0],
        lambda x: jax.lax.cond(x > 0, lambda: probe(x, "a"), lambda: x),
        lambda x: jax.checkpoint(lambda x: probe(x, "a"))(x),
    ],
    ids=["scan", "cond", "remat"],
)
def test_a_probe_that_cannot_be_seen_is_told(hidden):
    with pytest.raises(InputError, match="probe 'a' sits inside"):
        watch(hidden)(1.0)
