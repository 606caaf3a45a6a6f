r"""Elementary functions that LLVM vectorises in the loops they are called from: no branch, table, call or allocation.

The C library's functions are calls, which keep a loop scalar. These are inlined arithmetic and selects on float64, for
compiled code (and Python under NUMBA_DISABLE_JIT=1). Largest errors, in units in the last place, over random arguments
of all exponents and the neighbours of every point where a formula changes, with fused multiply-add and without; and
derivatives by the value y:

    exp       0.9   y                      sigmoid   1.8   y (1 - y)
    expm1     1.5   y + 1                  softplus  1.8   sigmoid(x)
    log       0.9   1 / x                  tanh      1.4   1 - y^2
    log1p     0.9   1 / (1 + x)

logaddexp is the larger argument plus softplus of a negative one; where these cancel, its error is theirs.

NaN gives NaN; infinities, zeros with their signs, subnormal arguments and results, and overflow are as in IEEE
754-2019, section 9.2. Nothing raises. sin and cos stay with the C library: their reduction for large x needs a table.

Exponential: k = round(x / ln 2), r = x - k ln 2 with ln 2 in two parts, the first so short that its product with k is
exact, so |r| <= ln 2 / 2 [1, 2];

    e^x = 2^k (1 + r + r^2 P(r)),   P of degree 9, P(0) = 1/2, relative error of e^r - 1 below 2^-55.1

k is found by adding 1.5 2^52, which rounds and leaves k in the low bits: conversions between float64 and int64 exist as
vector instructions only since AVX-512. 2^k is put together from bits as 2^i 2^j, since k goes from -1076 to 1024.

    e^x - 1 = 2 (2^(k-1) r + (2^(k-1) - 1/2) + 2^(k-1) r^2 P(r)),   x itself for |x| <= 1e-17
    tanh x  = x + x^3 A(x^2) / B(x^2) for |x| < 0.65, degrees 2 and 3, relative error below 2^-59.7
            = 1 - 2 / (e^2x + 1) beyond, both with the sign of x: one division serves both
    sigmoid = m - m e / (1 + e),   e = e^-|x|,   m = 1 for x >= 0 and e for x < 0, where no digit cancels

Logarithm: x = 2^k (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2), s = f / (2 + f) [2, 3];

    log x   = k ln 2 + f - (f^2/2 - s (f^2/2 + s^2 L(s^2))),   L of degree 6, relative error of log(1 + f) below 2^-59.4
    log1p x = log u + c / u,   u + c = 1 + x exactly;   f = x where k = 0
    softplus = max(x, 0) + log(1 + e),   e = e^-|x|

P, A / B and L are minimax approximations by Remez's algorithm: `tools/minimax.py` prints the coefficients.

References
----------
[1] Cody, Waite. Software Manual for the Elementary Functions. Prentice-Hall, 1980.
[2] Muller. Elementary Functions: Algorithms and Implementation, 3rd ed. Birkhäuser, 2016. Chapters 3 and 11.
[3] Tang. Table-driven implementation of the logarithm function in IEEE floating-point arithmetic. ACM Transactions on
    Mathematical Software 16 (1990) 378-400. doi:10.1145/98267.98294
"""

from secondorder.jit import bits_of, float_of, inlined, muladd

LOG2_E = 1.4426950408889634
LN2_HIGH = 0.6931471805598903  # 42 bits: exact times any k
LN2_LOW = 5.497923018708371e-14
SMALLEST_NORMAL = 2.2250738585072014e-308
INFINITY = float("inf")
NAN = float("nan")

SIGN = -0x8000000000000000
FRACTION = 0x000FFFFFFFFFFFFF
ONE = 0x3FF0000000000000  # the bits of 1.0
SQRT_HALF = 0x3FE6A09E667F3BCD
TWO_52, TWO_52_BITS = 4503599627370496.0, 0x4330000000000000
ROUND, ROUND_BITS = 6755399441055744.0, 0x4338000000000000  # 1.5 2^52: adding it rounds to an integer


@inlined
def reduced(x):
    """(z, r): x = k ln 2 + r, |r| <= ln 2 / 2, and k in the low bits of z = k + ROUND. For |x| < 1000."""
    z = muladd(x, LOG2_E, ROUND)
    k = z - ROUND
    return z, muladd(-k, LN2_LOW, muladd(-k, LN2_HIGH, x))


@inlined
def exp_tail(r):
    """P(r) = (e^r - 1 - r) / r^2 for |r| <= ln 2 / 2."""
    p = 2.5045908193703728e-08
    p = muladd(p, r, 2.7622208466872956e-07)
    p = muladd(p, r, 2.7557425017822506e-06)
    p = muladd(p, r, 2.4801516389012604e-05)
    p = muladd(p, r, 0.0001984126970943346)
    p = muladd(p, r, 0.0013888888920481185)
    p = muladd(p, r, 0.00833333333338834)
    p = muladd(p, r, 0.041666666666620035)
    p = muladd(p, r, 0.16666666666666602)
    return muladd(p, r, 0.5)


@inlined
def exp_reduced(r):
    """e^r for |r| <= ln 2 / 2."""
    h = 1.0 + r
    return h + muladd(r * r, exp_tail(r), r - (h - 1.0))


@inlined
def exp(x):
    """e^x."""
    x = float(x)
    x = 710.0 if x > 710.0 else x  # written so that nan stays
    x = -746.0 if x < -746.0 else x
    z, r = reduced(x)
    # i + j - 2046 = k: two factors, since neither 2^1024 nor 2^-1076 is a normal number
    both = bits_of(z) - (ROUND_BITS - 2046)
    i = (both >> 1) & 0x7FF
    return exp_reduced(r) * float_of(i << 52) * float_of((both - i) << 52)


@inlined
def expm1(x):
    """e^x - 1, without cancellation near 0."""
    x = float(x)
    y = 710.0 if x > 710.0 else x
    y = -40.0 if y < -40.0 else y
    z, r = reduced(y)
    k = z - ROUND
    low = muladd(-k, LN2_LOW, muladd(-k, LN2_HIGH, y) - r)  # what r has lost: at x = 0.35, e^x - 1 is near 2 r + 1
    half = float_of((bits_of(z) - (ROUND_BITS - 1022)) << 52)  # 2^(k-1)
    y = 2.0 * (muladd(half, r, half - 0.5) + half * muladd(r * r, exp_tail(r), low))
    return y if abs(x) > 1e-17 else x


@inlined
def tanh(x):
    """Hyperbolic tangent."""
    x = float(x)
    a = abs(x)
    z, r = reduced(40.0 if a > 20.0 else 2.0 * a)
    e = exp_reduced(r) * float_of((bits_of(z) << 52) + ONE)
    w = a * a
    p = muladd(muladd(-0.0001990313461877302, w, -0.020495485795055817), w, -0.3333333333333332)
    q = muladd(muladd(muladd(0.00020637663591724655, w, 0.023286915088213057), w, 0.46148645738514527), w, 1.0)
    near = a < 0.65
    start = a if near else 1.0
    numerator = a * w * p if near else -2.0
    denominator = q if near else e + 1.0
    return float_of(bits_of(start + numerator / denominator) | (bits_of(x) & SIGN))


@inlined
def sigmoid(x):
    """1 / (1 + e^-x)."""
    x = float(x)
    e = exp(-abs(x))
    m = e if x < 0.0 else 1.0
    return muladd(-m, e / (1.0 + e), m)


@inlined
def log_reduced(k, f, low):
    """k ln 2 + log(1 + f) + low, low far smaller than the rest."""
    s = f / (2.0 + f)
    w = s * s
    p = 0.14795951675696467
    p = muladd(p, w, 0.15314050359106218)
    p = muladd(p, w, 0.1818356433378286)
    p = muladd(p, w, 0.2222219857302534)
    p = muladd(p, w, 0.28571428742389443)
    p = muladd(p, w, 0.3999999999941467)
    p = muladd(p, w, 0.6666666666666734)
    half = 0.5 * f * f
    return muladd(k, LN2_HIGH, f - (half - muladd(s, muladd(w, p, half), muladd(k, LN2_LOW, low))))


@inlined
def split(shifted):
    """(k + 1023, f) as floats; `shifted`: the bits of 2^k (1 + f) plus ONE - SQRT_HALF. k > 1024 if negative."""
    k = float_of(((shifted >> 52) & 0xFFF) | TWO_52_BITS) - TWO_52
    return k, float_of((shifted & FRACTION) + SQRT_HALF) - 1.0


@inlined
def log(x):
    """Natural logarithm: -inf at 0, nan below."""
    x = float(x)
    subnormal = x < SMALLEST_NORMAL
    shifted = bits_of(x * 18014398509481984.0 if subnormal else x) + (ONE - SQRT_HALF)  # 2^54
    k, f = split(shifted)
    y = log_reduced(k - (1077.0 if subnormal else 1023.0), f, 0.0)
    y = y if x < INFINITY else x
    return y if not x <= 0.0 else (-INFINITY if x == 0.0 else NAN)


@inlined
def log1p(x):
    """log(1 + x), without cancellation near 0: -inf at -1, nan below."""
    x = float(x)
    u = 1.0 + x
    t = u - 1.0
    c = (1.0 - (u - t)) + (x - t)
    shifted = bits_of(u) + (ONE - SQRT_HALF)
    k, f = split(shifted)
    exact = k == 1023.0
    low = 0.0 if exact else c / (1.0 if u == 0.0 else u)
    y = log_reduced(k - 1023.0, x if exact else f, low)
    y = y if x < INFINITY else x
    y = y if abs(x) > 1e-17 else x
    return y if not x <= -1.0 else (-INFINITY if x == -1.0 else NAN)


@inlined
def softplus(x):
    """log(1 + e^x)."""
    x = float(x)
    e = exp(-abs(x))
    halve = e > 0.41421356237309503  # 1 + e = 2 (1 + f), else 1 + f
    t = e - 1.0
    # the rounding error of t, which is 0 for e >= 1/2, over 1 + e, which is between 1.41 and 1.5 elsewhere
    low = 0.6875 * (e - (t + 1.0)) if halve else 0.0
    return log_reduced(1.0 if halve else 0.0, 0.5 * t if halve else e, low) + (0.0 if x < 0.0 else x)


@inlined
def logaddexp(a, b):
    """log(e^a + e^b), without overflow."""
    a, b = float(a), float(b)
    apart = 0.0 if a == b else abs(a - b)  # 0 for two infinities as well
    return (a if a > b else b) + softplus(-apart)
