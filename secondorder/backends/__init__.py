"""Who runs a solver, and on which arrays: one thread, many, or a CUDA device."""


def is_on_device(value):
    """Is this an array on a GPU? Those of Numba's simulator have no interface to tell by."""
    return hasattr(value, "__cuda_array_interface__") or type(value).__module__.startswith("numba.cuda")
