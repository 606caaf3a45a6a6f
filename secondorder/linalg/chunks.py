"""Kernels for long vectors: CHUNKS parts of a vector, which threads may share; each part in blocks that stay in cache.

A sum is taken chunk by chunk and then over the chunks in their order. The chunks depend on the length of the vectors
only, so the bits are the same for any number of threads. Each kernel is compiled with threads and without, from the one
source (see `backends.threads`), and is called by its address. Several operations share one pass over memory, because
that is what their time goes to.
"""

import math

from secondorder.jit import f8, inlined, intp, leaf, matrix, prange, vector
from secondorder.linalg import vectors

LONG = 2048  # length from which vectors are long: loading these kernels takes longer than they save on shorter ones
CHUNKS = 64
BLOCK = 8192  # numbers of a vector handled at once: some blocks of 64 KiB stay in the second-level cache


@inlined
def chunk(c, n):
    """(start, stop) of chunk c of n numbers; starts are multiples of 8, so that chunks share no cache line."""
    size = (n + 8 * CHUNKS - 1) // (8 * CHUNKS) * 8
    return min(c * size, n), min((c + 1) * size, n)


@leaf
def total(sums, k, width):
    """Sum of entry k over the chunks' rows of `width` numbers."""
    s = 0.0
    for c in range(CHUNKS):
        s += sums[c * width + k]
    return s


@inlined
def larger(a, b):
    """The larger of a and b; nan if either is nan."""
    return a if b <= a else (b if b > a else math.nan)


@leaf
def largest(sums, k, width):
    """Largest entry k >= 0 of the chunks' rows; nan if one is nan."""
    top = 0.0
    for c in range(CHUNKS):
        top = larger(top, sums[c * width + k])
    return top


def axpy(a, x, y, out):
    """out <- a x + y; returns 0."""
    for c in prange(CHUNKS):
        start, stop = chunk(c, x.shape[0])
        vectors.axpy(a, x[start:stop], y[start:stop], out[start:stop])
    return 0.0


def dot(x, y, sums):
    """x'y; sums (CHUNKS,) is scratch."""
    for c in prange(CHUNKS):
        start, stop = chunk(c, x.shape[0])
        sums[c] = vectors.dot(x[start:stop], y[start:stop])
    return total(sums, 0, 1)


@leaf
def combine_block(work, rows, coefficients, count, start, stop, out):
    """out <- the combination of the rows, from start to stop; four rows a time, for fewer passes over out."""
    vectors.scale(coefficients[0], work[int(rows[0]), start:stop], out)
    k = 1
    while k + 3 < count:
        p, q = work[int(rows[k]), start:stop], work[int(rows[k + 1]), start:stop]
        r, s = work[int(rows[k + 2]), start:stop], work[int(rows[k + 3]), start:stop]
        a, b, c, d = coefficients[k], coefficients[k + 1], coefficients[k + 2], coefficients[k + 3]
        for j in range(stop - start):
            out[j] += (a * p[j] + b * q[j]) + (c * r[j] + d * s[j])
        k += 4
    while k < count:
        vectors.axpy(coefficients[k], work[int(rows[k]), start:stop], out, out)
        k += 1


def combine(work, rows, coefficients, count, out, sums):
    """out <- sum over k < count of coefficients[k] work[rows[k]]; returns (work[rows[0]])'out.

    sums (3 CHUNKS,) is scratch, whose first entries become that product, out'out and |out|_inf.
    """
    for c in prange(CHUNKS):
        first, last = chunk(c, out.shape[0])
        product, square, top = 0.0, 0.0, 0.0
        for start in range(first, last, BLOCK):
            stop = min(start + BLOCK, last)
            block = out[start:stop]
            combine_block(work, rows, coefficients, count, start, stop, block)
            product += vectors.dot(work[int(rows[0]), start:stop], block)
            square += vectors.dot(block, block)
            top = larger(top, vectors.norm_inf(block))
        sums[3 * c], sums[3 * c + 1], sums[3 * c + 2] = product, square, top
    product, square, top = total(sums, 0, 3), total(sums, 1, 3), largest(sums, 2, 3)
    sums[0], sums[1], sums[2] = product, square, top
    return product


@leaf
def four_dots(p, q, r, s, x):
    """(p'x, q'x, r'x, s'x), each in four lanes."""
    n = x.shape[0]
    p0, p1, p2, p3 = 0.0, 0.0, 0.0, 0.0
    q0, q1, q2, q3 = 0.0, 0.0, 0.0, 0.0
    r0, r1, r2, r3 = 0.0, 0.0, 0.0, 0.0
    s0, s1, s2, s3 = 0.0, 0.0, 0.0, 0.0
    whole = n - n % 4
    for i in range(0, whole, 4):
        x0, x1, x2, x3 = x[i], x[i + 1], x[i + 2], x[i + 3]
        p0, p1, p2, p3 = p0 + p[i] * x0, p1 + p[i + 1] * x1, p2 + p[i + 2] * x2, p3 + p[i + 3] * x3
        q0, q1, q2, q3 = q0 + q[i] * x0, q1 + q[i + 1] * x1, q2 + q[i + 2] * x2, q3 + q[i + 3] * x3
        r0, r1, r2, r3 = r0 + r[i] * x0, r1 + r[i + 1] * x1, r2 + r[i + 2] * x2, r3 + r[i + 3] * x3
        s0, s1, s2, s3 = s0 + s[i] * x0, s1 + s[i + 1] * x1, s2 + s[i + 2] * x2, s3 + s[i + 3] * x3
    for i in range(whole, n):
        p0, q0, r0, s0 = p0 + p[i] * x[i], q0 + q[i] * x[i], r0 + r[i] * x[i], s0 + s[i] * x[i]
    return (p0 + p2) + (p1 + p3), (q0 + q2) + (q1 + q3), (r0 + r2) + (r1 + r3), (s0 + s2) + (s1 + s3)


@leaf
def products_block(work, rows, count, x, start, stop, out):
    """out[k] += work[rows[k]]'x, from start to stop."""
    k = 0
    while k + 3 < count:
        p, q, r, s = four_dots(
            work[int(rows[k]), start:stop],
            work[int(rows[k + 1]), start:stop],
            work[int(rows[k + 2]), start:stop],
            work[int(rows[k + 3]), start:stop],
            x,
        )
        out[k] += p
        out[k + 1] += q
        out[k + 2] += r
        out[k + 3] += s
        k += 4
    while k < count:
        out[k] += vectors.dot(work[int(rows[k]), start:stop], x)
        k += 1


def change(work, rows, count, g, gt, sums):
    """g <- y = gt - g; returns |gt|_inf.

    sums ((count + 3) CHUNKS,) is scratch, whose first entries become (work[rows[k]])'gt, k < count, then y'gt, y'y and
    |gt|_inf.
    """
    width = count + 3
    for c in prange(CHUNKS):
        first, last = chunk(c, g.shape[0])
        own = sums[c * width : (c + 1) * width]
        for k in range(width):
            own[k] = 0.0
        top = 0.0
        for start in range(first, last, BLOCK):
            stop = min(start + BLOCK, last)
            y, new = g[start:stop], gt[start:stop]
            vectors.axpby(1.0, new, -1.0, y, y)
            own[count] += vectors.dot(y, new)
            own[count + 1] += vectors.dot(y, y)
            top = larger(top, vectors.norm_inf(new))
            products_block(work, rows, count, new, start, stop, own)
        own[count + 2] = top
    for k in range(count + 2):
        sums[k] = total(sums, k, width)
    sums[count + 2] = largest(sums, count + 2, width)
    return sums[count + 2]


# The kernels that solvers call by address, and their signatures.
KERNELS = {
    axpy: f8(f8, vector, vector, vector),
    dot: f8(vector, vector, vector),
    combine: f8(matrix, vector, vector, intp, vector, vector),
    change: f8(matrix, vector, intp, vector, vector, vector),
}
