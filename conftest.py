"""Examples in docstrings that need an optional library are skipped where it isn't installed."""

import importlib.util

import pytest

NEEDS = {f"secondorder.adapters.from_{library}": library for library in ("jax", "torch", "autograd")}


def pytest_collection_modifyitems(items):
    """Mark them."""
    for item in items:
        library = NEEDS.get(item.name)
        if library and importlib.util.find_spec(library) is None:
            item.add_marker(pytest.mark.skip(reason=f"{library} is not installed"))
