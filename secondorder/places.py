"""Where a batch runs, and in which numbers: the arguments device, stream and dtype, and arrays on a GPU among args."""

import numpy as np

from secondorder.backends import is_on_device

LEAST_ON_DEVICE = 4096  # problems from which device="auto" takes a GPU; fewer leave most of its threads without work


def chosen_device(device, cpu_only, X, options):
    """ "cpu" or "cuda", as asked for or for "auto". cpu_only: arguments given that have no meaning on a device."""
    if device not in ("cpu", "cuda", "auto"):
        raise ValueError(f"device={device!r} must be 'cpu', 'cuda' or 'auto'")
    if device != "auto":
        return device
    few = len(X) < LEAST_ON_DEVICE and not is_on_device(X)
    if cpu_only or few or not {"time_limit", "on_error"}.isdisjoint(options or ()):
        return "cpu"
    from secondorder.backends import cuda

    return "cuda" if cuda.is_available() else "cpu"


def check_places(device, stream, X0, args):
    """Arrays on a GPU and a stream are for device="cuda"."""
    if device == "cuda":
        return
    if stream is not None:
        raise ValueError(f"stream={stream!r:.100} has no meaning with device='cpu'; leave it out")
    refuse_arrays_there({"X0": X0} | {f"args[{k}]": a for k, a in enumerate(args)}, device)


def check_dtype(dtype, device):
    """Is there such arithmetic? The CPU has float64 only."""
    if dtype not in ("float64", "float32"):
        raise ValueError(f"dtype={dtype!r} must be 'float64' or 'float32'")
    if dtype == "float32" and device != "cuda":
        raise ValueError("dtype='float32' is for device='cuda'; on the CPU, where float64 costs no more, leave it out")


def refuse_arrays_there(named, device):
    """The CPU takes no array on a GPU."""
    for name, value in named.items():
        if device == "cpu" and is_on_device(value):
            raise TypeError(f"{name} is an array on a GPU and device is 'cpu': take device='cuda', or copy it to NumPy")


def refuse_on_device(given):
    """Some arguments are for the CPU."""
    for name, value in given.items():
        raise ValueError(f"{name}={value!r:.100} has no meaning with device='cuda'; leave it out")


def placed(X, args, split, dtype):
    """(args, contiguous; (is X on the device?, which of args are?); those of the first problem as NumPy has them).

    Floats among args become floats of dtype, if they are here.
    """
    there = is_on_device(X), tuple([is_on_device(a) for a in args])
    args = tuple([a if here else of_dtype(a, dtype) for a, here in zip(args, there[1])])
    for k, (a, here) in enumerate(zip(args, there[1])):
        if here and dtype == "float32" and dtype_there(a) == np.float64:
            raise TypeError(f"args[{k}], on the device, is an array of float64 and dtype is 'float32': cast it there")
    first = tuple([example(*given) for given in zip(args, split, there[1])]) if len(X) else ()
    return args, there, first


def of_dtype(value, dtype):
    """One of args that is here, contiguous, its floats of dtype."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, dtype if value.dtype.kind == "f" and dtype == "float32" else None)
    return np.float32(value) if isinstance(value, float) and dtype == "float32" else value


def dtype_there(array):
    """The number type of an array on a GPU."""
    interface = getattr(array, "__cuda_array_interface__", None)
    return np.dtype(interface["typestr"]) if interface else array.dtype


def example(value, of_each, there):
    """A problem's own entry of one of args, as NumPy has it: for its shape and type."""
    if not there:
        return value[0] if of_each else value
    shape = tuple(value.shape[1:] if of_each else value.shape)
    dtype = dtype_there(value)
    return np.ones(shape, dtype) if shape else dtype.type(1)
