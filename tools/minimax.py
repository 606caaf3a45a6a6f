"""Coefficients of secondorder/elementary.py: rational minimax approximations by Remez's algorithm, in 60 digits.

Minimise over P of degree n and Q of degree m, Q(0) = 1, the maximum E of |w (P/Q - f)| on [a, b]:

    1.  nodes t_0 < ... < t_N, N = n + m + 1, at the extrema of a Chebyshev polynomial
    2.  solve P(t_i) - (f(t_i) + (-1)^i E / w(t_i)) Q(t_i) = 0 for P, Q and E; linear but for the product E Q,
        which Newton's method resolves
    3.  the extrema of w (P/Q - f) of alternating sign are the new nodes; repeat until they are equal to 1e-4

Run with `python tools/minimax.py`; needs mpmath.

References
----------
[1] Muller. Elementary Functions: Algorithms and Implementation, 3rd ed. Birkhäuser, 2016. Sections 3.5 and 3.7.
"""

from mpmath import cos, expm1, factorial, log, lu_solve, matrix, mp, mpf, nstr, pi, polyval, sqrt, tanh

mp.dps = 60
TINY = mpf(10) ** -14  # keeps weights that vanish at 0 positive


def chebyshev(a, b, count):
    """The extrema of the Chebyshev polynomial of degree count - 1 on [a, b], from a to b."""
    return [(a + b) / 2 - (b - a) / 2 * cos(pi * i / (count - 1)) for i in range(count)]


def levelled(f, w, nodes, n, m):
    """(P, Q, E) with error E of alternating sign at the nodes; coefficients from degree 0 on."""
    size = len(nodes)
    q, E = [mpf(1)] + [mpf(0)] * m, mpf(0)
    for _ in range(40):
        A, y = matrix(size, size), matrix(size, 1)
        for i, t in enumerate(nodes):
            target = f(t) + (-1) ** i * E / w(t)
            row = [t**j for j in range(n + 1)] + [-target * t**j for j in range(1, m + 1)]
            row.append(-((-1) ** i) / w(t) * polyval(q[::-1], t))
            for j, entry in enumerate(row):
                A[i, j] = entry
            y[i] = target
        solution = list(lu_solve(A, y))
        p, q, change = solution[: n + 1], [mpf(1), *solution[n + 1 : -1]], solution[-1]
        E += change
        if abs(change) <= abs(E) * mpf(10) ** -20:
            break
    return p, q, E


def alternating_extrema(error, a, b, count):
    """The `count` largest neighbouring extrema of alternating sign."""
    found = []
    for t in chebyshev(a, b, 80 * count):
        e = error(t)
        if found and (found[-1][1] > 0) == (e > 0):
            if abs(e) > abs(found[-1][1]):
                found[-1] = (t, e)
        else:
            found.append((t, e))
    while len(found) > count:
        found.pop(0 if abs(found[0][1]) < abs(found[-1][1]) else -1)
    return found


def minimax(f, w, a, b, n, m=0):
    """(P, Q, largest error) of the best P/Q."""
    nodes = chebyshev(a, b, n + m + 2)
    while True:
        p, q, E = levelled(f, w, nodes, n, m)
        found = alternating_extrema(
            lambda t, p=p, q=q: w(t) * (polyval(p[::-1], t) / polyval(q[::-1], t) - f(t)), a, b, len(nodes)
        )
        nodes = [t for t, _ in found]
        largest = max(abs(e) for _, e in found)
        if largest <= abs(E) * (1 + mpf(10) ** -4):
            return p, q, largest


def report(name, p, q, error):
    """Print the coefficients as float64 and the logarithm of the error."""
    print(f"{name}: error 2^{nstr(log(error, 2), 5)}")
    print("   ", *[repr(float(c)) for c in p])
    if len(q) > 1:
        print("    over", *[repr(float(c)) for c in q])


def tanh_quotient(w):
    """(tanh x / x - 1) / x^2 at w = x^2."""
    x = sqrt(w)
    return (tanh(x) / x - 1) / w if w > mpf(10) ** -20 else -mpf(1) / 3 + 2 * w / 15


def main():
    """Print all coefficients."""
    a = log(2) / 2 * (1 + mpf(2) ** -20)
    report(
        "P(r) = 1/2 + r * (e^r - 1 - r - r^2/2) / r^3, relative to e^r - 1",
        *minimax(
            lambda r: sum(r**j / factorial(j + 3) for j in range(40)),
            lambda r: (abs(r) ** 3 + TINY) / (abs(expm1(r)) + TINY),
            -a,
            a,
            8,
        ),
    )
    report(
        "A / B, relative to tanh",
        *minimax(
            tanh_quotient,
            lambda w: (w + TINY) * (sqrt(w) / tanh(sqrt(w)) if w > 0 else 1),
            mpf(0),
            mpf("0.65") ** 2,
            2,
            3,
        ),
    )
    s = (sqrt(2) - 1) / (sqrt(2) + 1)
    report(
        "L, relative to log((1 + s) / (1 - s))",
        *minimax(
            lambda w: sum(2 * w**j / (2 * j + 3) for j in range(40)),
            lambda w: w / 2 + TINY,
            mpf(0),
            s * s * (1 + mpf(2) ** -20),
            6,
        ),
    )


if __name__ == "__main__":
    main()
