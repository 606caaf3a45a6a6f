"""Ways to leave a saddle point, after any method: one file each. ESCAPES is the one list that everything else is driven
by.

The module of an escape has NEEDS (second derivatives, or gradients alone), N_WORK (rows of length n that it writes) and

    leave(fun_grad, found, strict, leaving, tolerance, floor, x, f, seed, stream, work, control, data) -> Departure

work[0] is the gradient at x and stays; `found` is what second derivatives say of x, its direction in work[3], where
they are at hand, and `strict` says that x is a saddle. Else the escape may find the least curvature itself, its
direction in work[4]. Where `leaving`, x may be left by `departure.step_to`. To add one: one such file and one row here.
"""

from secondorder.escapes import curvature, neon, neon2, perturbation, random_search

ESCAPES = {
    "curvature": curvature,
    "neon": neon,
    "neon2": neon2,
    "perturbation": perturbation,
    "random-search": random_search,
}
