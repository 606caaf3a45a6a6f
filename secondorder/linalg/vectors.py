"""Vector kernels. x, y, out: (n,); each returns a scalar or writes its last argument.

Sums run in eight lanes that are added in a fixed order: vectorised without fastmath, so that nan gets through and the
bits are the same wherever the kernel is compiled.
"""

from secondorder.jit import bits_of, float_of, inlined, leaf


@inlined
def dot(x, y):
    """x'y."""
    if x.shape[0] >= 8:
        return long_dot(x, y)
    s = 0.0
    for i in range(x.shape[0]):
        s += x[i] * y[i]
    return s


@leaf
def long_dot(x, y):
    """x'y in eight lanes."""
    n = x.shape[0]
    s0, s1, s2, s3, s4, s5, s6, s7 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    whole = n - n % 8
    for i in range(0, whole, 8):
        s0 += x[i] * y[i]
        s1 += x[i + 1] * y[i + 1]
        s2 += x[i + 2] * y[i + 2]
        s3 += x[i + 3] * y[i + 3]
        s4 += x[i + 4] * y[i + 4]
        s5 += x[i + 5] * y[i + 5]
        s6 += x[i + 6] * y[i + 6]
        s7 += x[i + 7] * y[i + 7]
    s = ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))
    for i in range(whole, n):
        s += x[i] * y[i]
    return s


@leaf
def distance2(x, y):
    """|x - y|_2^2."""
    n = x.shape[0]
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        s0 += (x[i] - y[i]) ** 2
        s1 += (x[i + 1] - y[i + 1]) ** 2
        s2 += (x[i + 2] - y[i + 2]) ** 2
        s3 += (x[i + 3] - y[i + 3]) ** 2
    for i in range(whole, n):
        s0 += (x[i] - y[i]) ** 2
    return (s0 + s2) + (s1 + s3)


@leaf
def norm_inf(x):
    """max |x_i|; nan if any component is nan or infinite.

    The largest of the bits: those of floats >= 0 are ordered as these are, and nan comes last.
    """
    top = 0
    for i in range(x.shape[0]):
        top = max(top, bits_of(abs(x[i])))
    largest = float_of(top)
    return largest + (largest - largest)


@inlined
def axpby(a, x, b, y, out):
    """out <- a x + b y; out may be x or y."""
    for i in range(x.shape[0]):
        out[i] = a * x[i] + b * y[i]


@inlined
def axpy(a, x, y, out):
    """out <- a x + y; out may be x or y."""
    for i in range(x.shape[0]):
        out[i] = a * x[i] + y[i]


@inlined
def axpy_dot(a, x, y, z):
    """y <- a x + y; returns its product with z: a chain of these waits once a pass for the sum, not also for y."""
    n = x.shape[0]
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        y0, y1, y2, y3 = a * x[i] + y[i], a * x[i + 1] + y[i + 1], a * x[i + 2] + y[i + 2], a * x[i + 3] + y[i + 3]
        s0 += y0 * z[i]
        s1 += y1 * z[i + 1]
        s2 += y2 * z[i + 2]
        s3 += y3 * z[i + 3]
        y[i], y[i + 1], y[i + 2], y[i + 3] = y0, y1, y2, y3
    s = (s0 + s2) + (s1 + s3)
    for i in range(whole, n):
        y0 = a * x[i] + y[i]
        s += y0 * z[i]
        y[i] = y0
    return s


@inlined
def copy(x, out):
    """out <- x."""
    for i in range(x.shape[0]):
        out[i] = x[i]


@inlined
def fill(a, out):
    """out <- a."""
    for i in range(out.shape[0]):
        out[i] = a


@inlined
def divide(x, y, out):
    """out <- x / y, entry by entry."""
    for i in range(x.shape[0]):
        out[i] = x[i] / y[i]


@inlined
def scale(a, x, out):
    """out <- a x; out may be x."""
    for i in range(x.shape[0]):
        out[i] = a * x[i]
