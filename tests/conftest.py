"""Strict dtype promotion everywhere, and one cache for the whole session: nothing is read from or left at home."""

import gc
import os
from pathlib import Path

import jax
import pytest

from actlab.cli.runtime import prepare

pytest_plugins = ["made_runs"]  # tests/support

jax.config.update("jax_num_cpu_devices", 2)  # for what is sharded
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Where digits are promised programs are compiled as they are for users. Elsewhere a test's program runs for
# milliseconds, and unoptimised code takes some 40 % less to compile; processes that a test starts do as it does.
# With JAX_DISABLE_MOST_OPTIMIZATIONS=0 it is optimised as well.
PROMISED = ("activations/", "gradients/", "theory/", "conformance/", "stats/test_sites.py")
UNOPTIMISED = "JAX_DISABLE_MOST_OPTIMIZATIONS"
_everywhere = UNOPTIMISED in os.environ


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Before fixtures of any scope are made."""
    if not _everywhere:
        where = item.path.relative_to(Path(__file__).parent).as_posix()
        unoptimised = not where.startswith(PROMISED)
        jax.config.update("jax_disable_most_optimizations", unoptimised)
        os.environ[UNOPTIMISED] = str(int(unoptimised))


GROWTH = 1 << 30  # bytes of compiled programs a worker may hold before it lets go of them
_mark = GROWTH


def resident() -> int:
    """Return this process's memory in bytes, 0 where nobody tells."""
    statm = Path("/proc/self/statm")
    return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") if statm.exists() else 0


@pytest.fixture(autouse=True)
def bounded_memory():
    """Forget compiled programs now and then: thousands of tests compile thousands of them."""
    global _mark
    yield
    if resident() > _mark:
        jax.clear_caches()
        gc.collect()
        _mark = resident() + GROWTH


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    before, folder = os.environ.get("ACTLAB_CACHE"), tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of all workers
    os.environ["ACTLAB_CACHE"] = str(folder / "cache")
    prepare()  # programs compiled by one test are there for the next, as they are for a user
    yield
    if before is None:
        del os.environ["ACTLAB_CACHE"]
    else:
        os.environ["ACTLAB_CACHE"] = before
