"""The CUDA device: is there one, its arrays, streams and memory, and what Numba's target for it lacks.

The only file that imports `numba.cuda`, which is the one built into Numba or, where it is installed, numba-cuda's. What
runs there is in the files named after this one: batches, steps of update rules, and vectors of large single problems.
"""

import operator

from numba import config, cuda, float64, types  # noqa: F401 - float64 for kernels
from numba.core.typing.templates import AbstractTemplate, signature

from secondorder.backends import is_on_device

WARP = 32  # threads that run together; problems that are neighbours in memory
SIMULATED = bool(config.ENABLE_CUDASIM)  # each thread of a block is then a Python thread


def is_available():
    """Is there a device, and all that Numba needs for it?"""
    return bool(cuda.is_available())


def check_available(what, instead):
    """RuntimeError if there is no device for `what`, with a way out."""
    if not is_available():
        raise RuntimeError(
            f"{what} needs an NVIDIA GPU, its driver and Numba's CUDA target: numba.cuda.is_available() says no. "
            f"{instead} gives the same results"
        )


# ------------------------------------------------------------------------- what Numba's CUDA target does not have


def register_extremum(builtin, compare):
    """min or max of two or three numbers on CUDA, as on the CPU: the first unless a later one is less (or greater)."""
    from numba.cuda.cudaimpl import registry as lowering  # the simulator has none of these
    from numba.cuda.descriptor import cuda_target

    class Extremum(AbstractTemplate):
        key = builtin

        def generic(self, args, kws):
            if len(args) not in (2, 3) or kws or not all(isinstance(kind, types.Number) for kind in args):
                return None
            kind = self.context.unify_types(*[types.unliteral(kind) for kind in args])
            return signature(kind, *[kind] * len(args))

    # before Numba's own, which raises, whether or not a kernel was compiled before
    context = cuda_target.typing_context
    context.refresh()
    known = context._lookup_global(builtin)
    if known is not None:
        context._remove_global(builtin)
    context._insert_global(builtin, types.Function((Extremum, *known.templates) if known else Extremum))
    sign = "<" if compare is operator.lt else ">"

    def lower(context, builder, sig, args):
        ordered = builder.fcmp_ordered if isinstance(sig.return_type, types.Float) else builder.icmp_signed
        found = args[0]
        for other in args[1:]:
            found = builder.select(ordered(sign, other, found), other, found)
        return found

    for kind in (types.float64, types.float32, types.int64, types.int32):
        lowering.lower(builtin, kind, kind)(lower)
        lowering.lower(builtin, kind, kind, kind)(lower)
    cuda_target.target_context.refresh()


if not SIMULATED:
    register_extremum(min, operator.lt)
    register_extremum(max, operator.gt)


# ------------------------------------------------------------------------------------------- arrays and streams


def device_array_of(name, value):
    """The array on the device as Numba's, without a copy, after the work that its stream has still to do."""
    array = value if SIMULATED else cuda.as_cuda_array(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must hold real numbers; it is an array of {array.dtype} on the device")
    return array


def array_here(name, value):
    """The value, or the array on the device as NumPy's."""
    return device_array_of(name, value).copy_to_host() if is_on_device(value) else value


def flat(name, array):
    """A view of a device array as a vector."""
    if not array.is_c_contiguous():
        raise ValueError(
            f"{name}, on the device, of shape {tuple(array.shape)}, must be contiguous in C order: copy it with "
            "cupy.ascontiguousarray, or .contiguous() of PyTorch"
        )
    return array if array.ndim == 1 else array.reshape(array.size)


def stream_of(stream):
    """A stream as Numba takes it: 0, the default stream, for None; one of Numba's; or a handle by any known name."""
    if stream is None:
        return 0
    if hasattr(stream, "auto_synchronize"):
        return stream
    if isinstance(stream, int) and not isinstance(stream, bool):
        return cuda.external_stream(stream)
    if hasattr(stream, "__cuda_stream__"):
        return cuda.external_stream(int(stream.__cuda_stream__()[1]))
    for name in ("ptr", "cuda_stream"):  # of CuPy, of PyTorch
        if hasattr(stream, name):
            return cuda.external_stream(int(getattr(stream, name)))
    raise TypeError(f"stream={stream!r:.100} must be a stream of numba.cuda, CuPy or PyTorch, its handle, or None")


def wait(stream):
    """Until all work of the stream is done."""
    if stream == 0:
        cuda.synchronize()
    else:
        stream.synchronize()


def free_memory():
    """Bytes that are free on the device; infinite in the simulator."""
    return cuda.current_context().get_memory_info().free
