"""Examples that need an optional library are skipped where it is missing; names of tests hold no addresses."""

import importlib.util
import re

import pytest

NEEDS = {f"secondorder.adapters.from_{library}": library for library in ("jax", "torch", "autograd")}


def pytest_collection_modifyitems(items):
    """Mark them."""
    for item in items:
        library = NEEDS.get(item.name)
        if library and importlib.util.find_spec(library) is None:
            item.add_marker(pytest.mark.skip(reason=f"{library} is not installed"))


def pytest_itemcollected(item):
    """No addresses in names: the processes of `pytest -n` must agree on them."""
    item._nodeid = re.sub(r" at 0x[0-9a-f]+", "", item._nodeid)
