"""`import actlab` is light: jax and numpy, nothing of the experiment runner."""

import subprocess
import sys

HEAVY = [
    "flax",
    "optax",
    "scipy",
    "hydra",
    "omegaconf",
    "polars",
    "altair",
    "orbax",
    "sklearn",
    "rich",
    "mpmath",
]


def test_activations_load_only_jax_and_numpy():
    # jax itself may load scipy or rich where they are installed: what counts is what actlab adds.
    code = (
        "import sys, jax, jax.numpy; before = set(sys.modules); import actlab; actlab.make('gelu')(1.0)\n"
        f"print(*sorted(m for m in {HEAVY} if m in sys.modules and m not in before))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == []


def test_everything_listed_can_be_imported():
    import actlab
    from actlab import activations

    assert {"relu", "gelu", "make", "Act", "names"} <= set(activations.__all__)
    for name in activations.__all__:
        assert getattr(actlab, name) is getattr(activations, name)
