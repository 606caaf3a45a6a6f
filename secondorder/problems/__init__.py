"""Test problems that carry their answers: start, least value, minimizers, derivatives.

    from secondorder.problems import PROBLEMS
    problem = PROBLEMS["rosenbrock"]
    problem.fun(problem.x0())

To add one: its three functions and its row in one of the files here, and a line in this table.
"""

from secondorder.problems import (
    badly_scaled,
    curve_fits,
    cutest_saddles,
    extended,
    learning_saddles,
    log_domain,
    many_minima,
    more_garbow_hillstrom,
    more_garbow_hillstrom_n,
    offset,
    quadratics,
    saddles,
    systems,
)
from secondorder.problems.problem import TRAITS, Problem, Sizes

__all__ = ["PROBLEMS", "TRAITS", "Problem", "Sizes"]

PROBLEMS: dict[str, Problem] = {
    # More, Garbow and Hillstrom's set, 1 to 35
    "rosenbrock": extended.ROSENBROCK,
    "freudenstein-roth": more_garbow_hillstrom.FREUDENSTEIN_ROTH,
    "powell-badly-scaled": more_garbow_hillstrom.POWELL_BADLY_SCALED,
    "brown-badly-scaled": more_garbow_hillstrom.BROWN_BADLY_SCALED,
    "beale": more_garbow_hillstrom.BEALE,
    "jennrich-sampson": more_garbow_hillstrom.JENNRICH_SAMPSON,
    "helical-valley": more_garbow_hillstrom.HELICAL_VALLEY,
    "bard": curve_fits.BARD,
    "gaussian": curve_fits.GAUSSIAN,
    "meyer": curve_fits.MEYER,
    "gulf": curve_fits.GULF,
    "box-3d": curve_fits.BOX_3D,
    "powell-singular": extended.POWELL_SINGULAR,
    "wood": extended.WOOD,
    "kowalik-osborne": curve_fits.KOWALIK_OSBORNE,
    "brown-dennis": curve_fits.BROWN_DENNIS,
    "osborne-1": curve_fits.OSBORNE_1,
    "biggs-exp6": curve_fits.BIGGS_EXP6,
    "osborne-2": curve_fits.OSBORNE_2,
    "watson": more_garbow_hillstrom_n.WATSON,
    "extended-rosenbrock": extended.EXTENDED_ROSENBROCK,
    "extended-powell": extended.EXTENDED_POWELL,
    "penalty-1": more_garbow_hillstrom_n.PENALTY_1,
    "penalty-2": more_garbow_hillstrom_n.PENALTY_2,
    "variably-dimensioned": more_garbow_hillstrom_n.VARIABLY_DIMENSIONED,
    "trigonometric": more_garbow_hillstrom_n.TRIGONOMETRIC,
    "brown-almost-linear": more_garbow_hillstrom_n.BROWN_ALMOST_LINEAR,
    "discrete-boundary-value": systems.DISCRETE_BOUNDARY_VALUE,
    "discrete-integral-equation": systems.DISCRETE_INTEGRAL_EQUATION,
    "broyden-tridiagonal": systems.BROYDEN_TRIDIAGONAL,
    "broyden-banded": systems.BROYDEN_BANDED,
    "linear-full-rank": systems.LINEAR_FULL_RANK,
    "linear-rank-1": systems.LINEAR_RANK_1,
    "linear-rank-1-zero": systems.LINEAR_RANK_1_ZERO,
    "chebyquad": systems.CHEBYQUAD,
    # other families of any size
    "chained-rosenbrock": extended.CHAINED_ROSENBROCK,
    "extended-wood": extended.EXTENDED_WOOD,
    "dixon-price": extended.DIXON_PRICE,
    "arwhead": extended.ARWHEAD,
    "engval1": extended.ENGVAL1,
    "cosine": extended.COSINE,
    "quartic": extended.QUARTIC,
    "five-halves": extended.FIVE_HALVES,
    "zakharov": extended.ZAKHAROV,
    # quadratics
    "quadratic-1e2": quadratics.QUADRATIC_1E2,
    "quadratic-1e6": quadratics.QUADRATIC_1E6,
    "quadratic-1e10": quadratics.QUADRATIC_1E10,
    "tridia": quadratics.TRIDIA,
    "trid": quadratics.TRID,
    "booth": quadratics.BOOTH,
    "matyas": quadratics.MATYAS,
    # scaled and shifted
    "rosenbrock-tiny": badly_scaled.ROSENBROCK_TINY,
    "rosenbrock-huge": badly_scaled.ROSENBROCK_HUGE,
    "rosenbrock-stretched": badly_scaled.ROSENBROCK_STRETCHED,
    "rosenbrock-offset": offset.ROSENBROCK_OFFSET,
    "quadratic-offset": offset.QUADRATIC_OFFSET,
    # nan outside a domain
    "log-linear": log_domain.LOG_LINEAR,
    "log-barrier-1e-6": log_domain.LOG_BARRIER,
    "entropy": log_domain.ENTROPY,
    "analytic-center": log_domain.ANALYTIC_CENTER,
    "box-barrier": log_domain.BOX_BARRIER,
    "log-rosenbrock": log_domain.LOG_ROSENBROCK,
    # saddles
    "horse-saddle": saddles.HORSE_SADDLE,
    "monkey-saddle": saddles.MONKEY_SADDLE,
    "double-well": saddles.DOUBLE_WELL,
    "double-well-at-saddle": saddles.DOUBLE_WELL_AT_SADDLE,
    "allen-cahn": saddles.ALLEN_CAHN,
    "quartic-saddle": saddles.QUARTIC_SADDLE,
    "quartic-saddle-turned": saddles.QUARTIC_SADDLE_TURNED,
    "rank-1-factorization": saddles.RANK_1_FACTORIZATION,
    "linear-network": saddles.LINEAR_NETWORK,
    "octopus": learning_saddles.OCTOPUS,
    "matrix-factorization": learning_saddles.MATRIX_FACTORIZATION,
    "phase-retrieval": learning_saddles.PHASE_RETRIEVAL,
    "tensor-decomposition": learning_saddles.TENSOR_DECOMPOSITION,
    "deep-linear-network": learning_saddles.DEEP_LINEAR_NETWORK,
    "loghairy": cutest_saddles.LOGHAIRY,
    "cyclooctane": cutest_saddles.CYCLOOCTANE,
    # several minima
    "himmelblau": many_minima.HIMMELBLAU,
    "styblinski-tang": many_minima.STYBLINSKI_TANG,
    "six-hump-camel": many_minima.SIX_HUMP_CAMEL,
}
