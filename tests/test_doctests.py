"""Every example in a docstring of the installed package runs."""

import doctest
import importlib
import pkgutil

import pytest

import actlab

MODULES = ["actlab"] + [m.name for m in pkgutil.walk_packages(actlab.__path__, "actlab.")]


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    module = importlib.import_module(name)
    assert doctest.testmod(module).failed == 0
