"""Problems with 10^8 added: near the minimizer differences of f are below its rounding error, its gradient's are not.

References
----------
[1] More, Garbow, Hillstrom. Testing unconstrained optimization software. ACM Transactions on Mathematical Software 7
    (1981) 17-41. doi:10.1145/355934.355936
"""

import numpy as np

from secondorder.problems.badly_scaled import rosenbrock
from secondorder.problems.problem import Problem, at_least, exactly, point, points
from secondorder.problems.quadratics import quadratic

ROSENBROCK_FUN, ROSENBROCK_GRAD, ROSENBROCK_HVP = rosenbrock(1.0, 1.0, 1.0, 1e8)
QUADRATIC_FUN, QUADRATIC_GRAD, QUADRATIC_HVP = quadratic(1e2, 1e8)

ROSENBROCK_OFFSET = Problem(
    name="rosenbrock-offset",
    fun=ROSENBROCK_FUN,
    fun_grad=ROSENBROCK_GRAD,
    hvp=ROSENBROCK_HVP,
    start=point(-1.2, 1.0),
    n=2,
    sizes=exactly(2),
    f_star=1e8,
    x_star=points((1.0, 1.0)),
    traits=frozenset({"nonconvex", "offset"}),
    reference="[1] problem 1, plus 1e8",
)

QUADRATIC_OFFSET = Problem(
    name="quadratic-offset",
    fun=QUADRATIC_FUN,
    fun_grad=QUADRATIC_GRAD,
    hvp=QUADRATIC_HVP,
    start=np.zeros,
    n=10,
    sizes=at_least(1),
    f_star=1e8,
    x_star=lambda n: np.ones((1, n)),
    traits=frozenset({"quadratic", "convex", "offset"}),
    reference="ours: condition number 1e2, plus 1e8",
)
