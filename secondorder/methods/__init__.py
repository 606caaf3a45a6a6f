"""The methods: one file each, all of one skeleton. METHODS is the one list that everything else is driven by.

A method's module has NEEDS (what of the objective it uses), SEARCH (its line search and what it sets in SearchOptions),
Options (a NamedTuple of its own options), n_work, n_memory and solve. To add a method: one such file and one row here.
"""

from secondorder.methods import (
    arc,
    arc_krylov,
    bfgs,
    cg,
    gradient_descent,
    l_bfgs,
    newton,
    newton_cg,
    trust_exact,
    trust_krylov,
    trust_ncg,
)

METHODS = {
    "gradient-descent": gradient_descent,
    "cg": cg,
    "bfgs": bfgs,
    "l-bfgs": l_bfgs,
    "newton": newton,
    "newton-cg": newton_cg,
    "trust-exact": trust_exact,
    "trust-krylov": trust_krylov,
    "trust-ncg": trust_ncg,
    "arc": arc,
    "arc-krylov": arc_krylov,
}
