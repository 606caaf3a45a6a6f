"""Sparse factors of H + tau I, tau the first of 0, beta, 2 beta, .. that makes it definite ([1] algorithm 3.3).

SciPy has no sparse Cholesky. Its LU without pivoting for size is L D L' for a symmetric matrix, in the order that keeps
the factors sparse, and D = diag(U) > 0 says that the matrix is positive definite.

References
----------
[1] Nocedal, Wright. Numerical Optimization, 2nd ed. Springer, 2006. Section 3.4.
"""

import numpy as np

MAX_SHIFTS = 60
FIRST_SHIFT = 1e-3  # beta of [1], in units of the largest element


def definite_factors(H):
    """What solves with H + tau I: an object with solve(b).

    Raises
    ------
    TypeError
        H is no sparse matrix.
    ValueError
        H is not finite.
    """
    from scipy.sparse import csc_array, eye_array, issparse  # on use: importing them takes longer than many a solve
    from scipy.sparse.linalg import splu

    if not issparse(H):
        raise TypeError(
            f"preconditioner='sparse-lu' needs hess to return a scipy.sparse matrix; it returned {type(H).__name__}. "
            "Use method 'newton' or 'trust-exact' for dense Hessians"
        )
    H = csc_array(H, dtype=np.float64)
    size = np.max(np.abs(H.data), initial=0.0)
    if not 0.0 < size < np.inf:
        raise ValueError(f"preconditioner='sparse-lu': the largest element of the Hessian is {size}")
    beta, least = FIRST_SHIFT * size, H.diagonal().min()
    tau, identity = 0.0 if least > 0.0 else beta - least, eye_array(H.shape[0], format="csc")
    for _ in range(MAX_SHIFTS):
        try:
            factors = splu(
                H + tau * identity,
                permc_spec="MMD_AT_PLUS_A",
                diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )
        except RuntimeError:  # exactly singular
            factors = None
        if factors is not None and is_definite(factors):
            return factors
        tau = max(2.0 * tau, beta)
    raise ValueError("preconditioner='sparse-lu': no multiple of the identity makes the Hessian positive definite")


def is_definite(factors):
    """Did elimination in one order for rows and columns meet positive pivots only?"""
    return np.array_equal(factors.perm_r, factors.perm_c) and np.all(factors.U.diagonal() > 0.0)
