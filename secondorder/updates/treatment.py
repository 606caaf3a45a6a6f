"""What is done to a gradient before a rule sees it, for every rule alike: clipping, noise, weight decay.

In this order, g the gradient as given:

    1.  g <- g min(1, clip_norm / |g|_2), over all parameters
    2.  g <- min(max(g, -clip_value), clip_value), each parameter
    3.  g <- g + gradient_noise k^(-noise_decay / 2) N(0, 1)        step k = 1, 2, ... ([1], whose t is k - 1)
    4.  g <- g + weight_decay mask x                                L2, the gradient of weight_decay / 2 |x|^2; or,
        x <- x - lr weight_decay mask x                             decoupled, as in [2]

A gradient that holds nan passes through: it is neither clipped nor hidden.

References
----------
[1] Neelakantan et al. Adding gradient noise improves learning for very deep networks. arXiv:1511.06807, 2015. Eq. 1.
[2] Loshchilov, Hutter. Decoupled weight decay regularization. ICLR 2019. arXiv:1711.05101
"""

import math
from typing import NamedTuple

from secondorder.jit import inlined, leaf, plus, prange
from secondorder.linalg.chunks import CHUNKS, LONG, chunk, total


class CommonOptions(NamedTuple):
    """Options that every rule has."""

    weight_decay: float = 0.0  # lambda, >= 0
    decoupled: bool = False  # weight decay changes x beside the rule, not g before it
    clip_norm: float = math.inf  # the largest |g|_2, > 0
    clip_value: float = math.inf  # the largest |g_i|, > 0
    gradient_noise: float = 0.0  # standard deviation of noise added to g before the first step's decay, >= 0
    noise_decay: float = 0.55  # gamma, >= 0; [1]


TREATMENT = 4  # coefficients that `treat` takes: scale, limit, l2, shrink


@inlined
def untreated(x, g, mask, noise, i, t):
    """Nothing is done."""
    return x, g


@inlined
def clipped(g, scale, limit):
    """g, scaled and no larger than the limit; nan stays nan."""
    g = g * scale
    g = limit if g > limit else g
    return -limit if g < -limit else g


@inlined
def treat(x, g, mask, noise, i, t):
    """(x, g) for the rule. t = (scale, limit, l2, shrink)."""
    return x - t[3] * x, clipped(g, t[0], t[1]) + t[2] * x


@inlined
def treat_masked(x, g, mask, noise, i, t):
    """`treat` with weight decay where the mask is 1."""
    return x - mask[i] * (t[3] * x), clipped(g, t[0], t[1]) + mask[i] * (t[2] * x)


@inlined
def treat_noisy(x, g, mask, noise, i, t):
    """`treat` with noise, which comes scaled."""
    return x - t[3] * x, clipped(g, t[0], t[1]) + noise[i] + t[2] * x


@inlined
def treat_noisy_masked(x, g, mask, noise, i, t):
    """`treat` with both."""
    return x - mask[i] * (t[3] * x), clipped(g, t[0], t[1]) + noise[i] + mask[i] * (t[2] * x)


@inlined
def noise_at(k, first, decay):
    """The standard deviation of the noise at step k = 1, 2, ..."""
    return first * (1.0 * k) ** (-0.5 * decay)


@leaf
def largest(g):
    """The largest |g_i|; nan is left out."""
    top = 0.0
    for i in range(g.shape[0]):
        size = 1.0 * abs(g[i])
        top = size if size > top else top
    return top


def squares(g, sums):
    """|g|_2^2 in float64; sums (CHUNKS,) is scratch. The same bits for any number of threads."""
    n = g.shape[0]
    if n < LONG:
        return squares_of(g)
    for c in prange(CHUNKS):
        start, stop = chunk(c, n)
        sums[c] = squares_of(g[start:stop])
    return total(sums, 0, 1)


@leaf
def squares_of(g):
    """The sum of squares."""
    s = 0.0
    for i in range(g.shape[0]):
        s = plus(s, (1.0 * g[i]) * g[i])
    return s


@leaf
def norm(g, square):
    """|g|_2 from its square, which may have over- or underflowed."""
    if 1e-290 < square < math.inf or square != square:
        return math.sqrt(square)
    top = largest(g)
    if not 0.0 < top < math.inf:
        return top if square > 0.0 else 0.0
    s = 0.0
    for i in range(g.shape[0]):
        s += (g[i] / top) ** 2
    return top * math.sqrt(s)


@inlined
def clipping(size, most):
    """The factor that makes a gradient of this norm no longer than `most`; 1 for nan, which shows in the gradient."""
    return most / size if size > most else 1.0
