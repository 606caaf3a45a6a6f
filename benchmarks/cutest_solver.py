"""Our methods as solvers of CUTEst's harness: `--solver cutest_solver:solve --options '{"method": "newton"}'`.

What the harness is, how it is called and what comes of it: docs/cutest.md.
"""

import secondorder as so


def solve(fun_and_grad, x0, hessp, hess, gtol, maxiter, method="auto", **options):
    """The harness's contract: gtol is absolute; hess goes to methods that use matrices, hessp to those of products."""
    needs = so.METHODS[method].NEEDS if method != "auto" else ("hess",)
    second = {"hess": hess} if "hess" in needs else {"hessp": hessp} if "hvp" in needs else {}
    options = {"gtol": gtol, "maxiter": maxiter} | options
    return so.minimize(fun_and_grad, x0, jac=True, method=method, backend="python", options=options, **second)
