"""Ways to leave a saddle point, after any method: one file each. ESCAPES is the one list that everything else is driven
by.

The module of an escape has NEEDS (second derivatives, or gradients alone), N_WORK (rows of length n that it writes) and

    leave(fun_grad, found, strict, tolerance, floor, noise, x, f, seed, stream, work, control, data) -> tried

It is called at points that are no minima, or may not be: `found` is what second derivatives say of x, its direction in
work[3], and `strict` that x is a saddle; else H is flat in a direction. work[0] is the gradient at x; both rows stay.
`noise` is the relative error of gradients. `tried` counts directions or perturbations, negative where x was left (by
`departure.step_to`, say). Escapes that need gradients alone make no use of `found`. To add one: one such file and one
row here.
"""

from secondorder.escapes import curvature, neon, neon2, perturbation, random_search

ESCAPES = {
    "curvature": curvature,
    "neon": neon,
    "neon2": neon2,
    "perturbation": perturbation,
    "random-search": random_search,
}
