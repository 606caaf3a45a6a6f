"""Rosenbrock's function with its value, or its variables, scaled by many orders of magnitude.

References
----------
[1] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
"""

from secondorder.problems.problem import Problem, exactly, point, points


def rosenbrock(scale, s1, s2, offset):
    """fun, fun_grad, hvp of scale (100 (y2 - y1^2)^2 + (1 - y1)^2) + offset, y = (x1 / s1, x2 / s2).

    The closures hold four floats, which Numba freezes.
    """

    def fun(x):
        y = x[0] / s1
        a = x[1] / s2 - y * y
        b = 1.0 - y
        return scale * (100.0 * a * a + b * b) + offset

    def fun_grad(x, g):
        y = x[0] / s1
        a = x[1] / s2 - y * y
        b = 1.0 - y
        g[0] = scale * (-400.0 * y * a - 2.0 * b) / s1
        g[1] = scale * 200.0 * a / s2
        return scale * (100.0 * a * a + b * b) + offset

    def hvp(x, v, out):
        y = x[0] / s1
        v1 = v[0] / s1
        v2 = v[1] / s2
        out[0] = scale * ((1200.0 * y * y - 400.0 * (x[1] / s2) + 2.0) * v1 - 400.0 * y * v2) / s1
        out[1] = scale * (200.0 * v2 - 400.0 * y * v1) / s2

    return fun, fun_grad, hvp


TINY_FUN, TINY_GRAD, TINY_HVP = rosenbrock(1e-12, 1.0, 1.0, 0.0)
HUGE_FUN, HUGE_GRAD, HUGE_HVP = rosenbrock(1e12, 1.0, 1.0, 0.0)
STRETCHED_FUN, STRETCHED_GRAD, STRETCHED_HVP = rosenbrock(1.0, 1e-4, 1e4, 0.0)

ROSENBROCK_TINY = Problem(
    name="rosenbrock-tiny",
    fun=TINY_FUN,
    fun_grad=TINY_GRAD,
    hvp=TINY_HVP,
    start=point(-1.2, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((1.0, 1.0)),
    traits=frozenset({"least-squares", "nonconvex", "badly-scaled"}),
    reference="[1] problem 1, times 1e-12",
)

ROSENBROCK_HUGE = Problem(
    name="rosenbrock-huge",
    fun=HUGE_FUN,
    fun_grad=HUGE_GRAD,
    hvp=HUGE_HVP,
    start=point(-1.2, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((1.0, 1.0)),
    traits=frozenset({"least-squares", "nonconvex", "badly-scaled"}),
    reference="[1] problem 1, times 1e12",
)

ROSENBROCK_STRETCHED = Problem(
    name="rosenbrock-stretched",
    fun=STRETCHED_FUN,
    fun_grad=STRETCHED_GRAD,
    hvp=STRETCHED_HVP,
    start=point(-1.2e-4, 1e4),
    n=2,
    sizes=exactly(2),
    f_star=0.0,
    x_star=points((1e-4, 1e4)),
    traits=frozenset({"least-squares", "nonconvex", "badly-scaled", "ill-conditioned"}),
    reference="[1] problem 1, in x1 / 1e-4 and x2 / 1e4",
)
