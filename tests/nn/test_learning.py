"""Every continuous parameter of every activation that fits a site, learnt per tensor, channel and unit."""

import activation_configs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import actlab
from actlab.errors import InputError
from actlab.nn import Activation

SHAPE = (2, 3)
X = 2 * jax.random.normal(jax.random.key(0), (8, *SHAPE))
TARGET = jax.random.normal(jax.random.key(1), X.shape)
PER = ("tensor", "channel", "unit")


def cases():
    """(activation, its parameters, per): one per in turn, the other two with -m exhaustive."""
    turn = 0
    for name in actlab.names():
        spec = actlab.registry()[name].spec
        learnable = [p for p in spec.parameters if p.continuous]
        if not learnable or not activation_configs.fits_a_site(spec):
            continue
        # Along an axis one of the parameters may refuse to vary, which says nothing of the others.
        for group in [learnable] if spec.elementwise else [[p] for p in learnable]:
            for k, per in enumerate(PER):
                told = f"{name}-{','.join(p.name for p in group)}-{per}"
                marks = () if k == turn % 3 else pytest.mark.exhaustive
                yield pytest.param(name, group, per, id=told, marks=marks)
            turn += 1


def start(parameter):
    """The default, or a value inside where that lies on the edge of the domain."""
    low, high = parameter.domain.low, parameter.domain.high
    values = parameter.default if parameter.vector else (parameter.default,)
    return parameter.default if all(low < v < high for v in values) else (low + high) / 2


@pytest.mark.parametrize(("name", "group", "per"), list(cases()))
def test_learnt(name, group, per):
    values = {p.name: start(p) for p in group}
    act = actlab.make(name, learn=list(values), per=per, **values)
    site = Activation(act, SHAPE, site="a")
    size = {"tensor": (), "channel": SHAPE[-1:], "unit": SHAPE}[per]
    for p in group:
        assert getattr(site, p.name).shape == ((len(values[p.name]), *size) if p.vector else size)
    try:
        y = site(X)
    except InputError as error:  # one value a row, or a Python number
        assert not act.elementwise and (per != "tensor" or "Python number" in str(error))
        return
    # A bounded parameter is trained as its logarithm, which costs it a rounding.
    np.testing.assert_allclose(y, actlab.make(name, **values)(X), rtol=1e-4, atol=1e-4)
    for _ in range(3):
        slopes = nnx.grad(lambda site: jnp.mean((site(X) - TARGET) ** 2))(site)
        for p in group:
            slope = slopes[p.name][...]
            assert jnp.isfinite(slope).all(), (p.name, slope)
            raw = getattr(site, p.name)
            raw[...] = raw[...] - 0.3 * slope / (1 + jnp.abs(slope))
    for p in group:
        for value in np.ravel(site.learnt()[p.name]):
            assert float(value) in p.domain, p.name
