"""Under shard_map on two devices every function gives what it gives on one, gradients included."""

import subprocess
import sys

import pytest

# In a process of its own: the number of host devices is fixed when jax starts. One program for all functions.
SCRIPT = """
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, PartitionSpec as P
import actlab

jax.config.update("jax_num_cpu_devices", 2)
jax.config.update("jax_numpy_dtype_promotion", "strict")
mesh = jax.make_mesh((2,), ("rows",), axis_types=(AxisType.Auto,))
specs = {name: actlab.registry()[name].spec for name in actlab.names()}
acts = [actlab.make(n) for n, s in specs.items() if s.kind in ("elementwise", "axiswise")]
acts += [actlab.lean(n) for n in ("gelu", "silu", "mish", "tanh", "softplus")]

def both(x):
    return [jax.value_and_grad(lambda x, f=f: (f(x) * f(x)).sum())(x) for f in acts]

def sharded(x):
    one = [jax.value_and_grad(lambda x, f=f: (f(x) * f(x)).sum())(x) for f in acts]
    return [(jax.lax.psum(value, "rows"), slope) for value, slope in one]

x = jnp.asarray(np.random.default_rng(0).normal(size=(4, 8)) * 2, "float32")
out = [(P(), P("rows"))] * len(acts)
ours = jax.jit(jax.shard_map(sharded, mesh=mesh, in_specs=P("rows"), out_specs=out))(x)
for act, (value, slope), (sum_, expected) in zip(acts, ours, jax.jit(both)(x), strict=True):
    np.testing.assert_allclose(value, sum_, rtol=1e-4, atol=1e-5, err_msg=repr(act))
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-5, err_msg=repr(act))
print(len(acts), "functions on", len(jax.devices()), "devices")
"""


@pytest.mark.slow
def test_shard_map_on_two_devices():
    run = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-3000:]
    assert "on 2 devices" in run.stdout
