"""What generated code calls in its workspace form, which runs in kernels: on CUDA too, and without Numba's runtime.

Arrays lie in the caller's workspace: `floats_at`, `integers_at`, `booleans_at`; `reshaped`. The functions stand for
those of Python and NumPy that Numba doesn't have on CUDA, or that call the C library, with the same results to the last
bit; cbrt alone is of its own making, at most 1 unit in the last place off. Functions of `math` stay: on CUDA they are
NVIDIA's libdevice.
"""

import math

from secondorder.jit import bits_of, booleans_at, float_of, floats_at, inlined, integers_at, reshaped  # noqa: F401
from secondorder.precision import TwoPrecisions

TWO_52 = TwoPrecisions(4503599627370496.0, 8388608.0)  # floats from here on are integers
SCALE_UP, ROOT_UP = 1.4272476927059599e45, 1.125899906842624e15  # 2^150 and its cube root


@inlined
def larger(a, b):
    """max(a, b)."""
    return b if b > a else a


@inlined
def smaller(a, b):
    """min(a, b)."""
    return b if b < a else a


@inlined
def maximum(a, b):
    """np.maximum(a, b): nan if either is."""
    return a if a >= b or a != a else b


@inlined
def minimum(a, b):
    """np.minimum(a, b): nan if either is."""
    return a if a <= b or a != a else b


@inlined
def sign(a):
    """np.sign(a) of a float."""
    return a if a != a else 1.0 if a > 0.0 else -1.0 if a < 0.0 else 0.0


@inlined
def sign_of_integer(a):
    """np.sign(a) of an integer."""
    return 1 if a > 0 else -1 if a < 0 else 0


@inlined
def floor(a):
    """np.floor(a)."""
    if not abs(a) < TWO_52:
        return a
    whole = float(int(a))
    return math.copysign(whole - 1.0 if whole > a else whole, a)


@inlined
def ceil(a):
    """np.ceil(a)."""
    return -floor(-a)


@inlined
def rint(a):
    """np.rint(a)."""
    if not abs(a) < TWO_52:
        return a
    return math.copysign((abs(a) + TWO_52) - TWO_52, a)


@inlined
def cbrt(a):
    """np.cbrt(a): a first guess from a third of the exponent, then Halley's method, which triples digits."""
    a = float(a)
    if a == 0.0 or not abs(a) < math.inf:
        return a
    small, large = abs(a) < 1e-290, abs(a) > 1e290  # the digits of a cube would be lost there
    c = abs(a) * (SCALE_UP if small else 1.0 / SCALE_UP if large else 1.0)
    t = float_of(bits_of(c) // 3 + 0x2A9F7893782DA1CE)
    for _ in range(3):
        cube = t * t * t
        t *= (cube + c + c) / (cube + cube + c)
    t -= (t * t * t - c) / (3.0 * t * t)  # the rounding errors of Halley's steps
    return math.copysign(t * (1.0 / ROOT_UP if small else ROOT_UP if large else 1.0), a)
