"""Strict dtype promotion everywhere, and one cache for the whole session: nothing is read from or left at home."""

import os

import jax
import pytest

from actlab.cli.runtime import prepare

pytest_plugins = ["made_runs"]  # tests/support

jax.config.update("jax_num_cpu_devices", 2)  # for what is sharded
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    before = os.environ.get("ACTLAB_CACHE")
    os.environ["ACTLAB_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    prepare()  # programs compiled by one test are there for the next, as they are for a user
    yield
    if before is None:
        del os.environ["ACTLAB_CACHE"]
    else:
        os.environ["ACTLAB_CACHE"] = before
