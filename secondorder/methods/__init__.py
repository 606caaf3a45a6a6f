"""The methods: one file each, all of one skeleton. METHODS is the one list that everything else is driven by.

A method's module has NEEDS (what of the objective it uses), SEARCH (its line search and what it sets in SearchOptions),
Options (a NamedTuple of its own options), n_work, n_memory and solve. To add a method: one such file and one row here.
"""

from secondorder.methods import (
    arc,
    arc_krylov,
    bfgs,
    cg,
    dogleg,
    gradient_descent,
    l_bfgs,
    l_sr1,
    newton,
    newton_cg,
    newton_cg_capped,
    perturbed_agd,
    perturbed_gd,
    saddle_free_newton,
    sr1,
    trust_exact,
    trust_krylov,
    trust_ncg,
    trust_ncg_capped,
    trust_subspace,
)

METHODS = {
    "gradient-descent": gradient_descent,
    "perturbed-gd": perturbed_gd,
    "perturbed-agd": perturbed_agd,
    "cg": cg,
    "bfgs": bfgs,
    "l-bfgs": l_bfgs,
    "newton": newton,
    "newton-cg": newton_cg,
    "newton-cg-capped": newton_cg_capped,
    "saddle-free-newton": saddle_free_newton,
    "trust-exact": trust_exact,
    "trust-krylov": trust_krylov,
    "trust-ncg": trust_ncg,
    "trust-ncg-capped": trust_ncg_capped,
    "dogleg": dogleg,
    "trust-subspace": trust_subspace,
    "sr1": sr1,
    "l-sr1": l_sr1,
    "arc": arc,
    "arc-krylov": arc_krylov,
}
