r"""A random vector from a seed: the same one wherever and however often it is made.

Numbers in (0, 1) from two multiplicative congruential generators, combined ([1], period 2.3e18), and from pairs of
them normal ones ([2]). All arithmetic stays below 2^53.

References
----------
[1] L'Ecuyer. Efficient and portable combined random number generators. Commun. ACM 31 (1988) 742-751.
    doi:10.1145/62959.62969
[2] Box, Muller. A note on the generation of random normal deviates. Ann. Math. Stat. 29 (1958) 610-611.
"""

import math

from secondorder.jit import inlined, leaf

FACTOR_1, MODULUS_1 = 40014, 2147483563
FACTOR_2, MODULUS_2 = 40692, 2147483399
WARM_UP = 10  # numbers left out, so that seeds that are neighbours have nothing in common


@inlined
def step(a, b):
    """The next state."""
    return a * FACTOR_1 % MODULUS_1, b * FACTOR_2 % MODULUS_2


@inlined
def number(a, b):
    """The number in (0, 1) of a state."""
    z = (a - b) % (MODULUS_1 - 1)
    return (z if z > 0 else MODULUS_1 - 1) / MODULUS_1


@inlined
def jump(a, factor, modulus, steps):
    """a after so many steps of its generator: any number of the sequence, without those before it."""
    while steps > 0:
        if steps % 2 == 1:
            a = a * factor % modulus
        factor = factor * factor % modulus
        steps //= 2
    return a


@inlined
def normal(a, b):
    """(the next state, a normal number)."""
    a, b = step(a, b)
    radius = math.sqrt(-2.0 * math.log(number(a, b)))
    a, b = step(a, b)
    return a, b, radius * math.cos(2.0 * math.pi * number(a, b))


@leaf
def random_normal(seed, v):
    """v (n,) <- independent normal numbers: its direction is uniform on the sphere. seed: an integer >= 0."""
    a, b = 1 + seed % (MODULUS_1 - 1), 1 + seed % (MODULUS_2 - 1)
    for _ in range(WARM_UP):
        a, b = step(a, b)
    for i in range(v.shape[0]):
        a, b, v[i] = normal(a, b)
