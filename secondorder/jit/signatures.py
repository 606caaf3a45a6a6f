"""Types of numbers, vectors and tuples, and the signatures of the functions that solvers receive."""

from numba import types

f8 = types.float64
boolean = types.boolean
f4 = types.float32
intp = types.intp
vector = types.Array(f8, 1, "C")
matrix = types.Array(f8, 2, "C")
integers = types.Array(types.int64, 1, "C")
NO_ARGS = types.Tuple(())
data_t = types.UniTuple(intp, 2)  # (address of what the objective needs, item in a batch or a sum)

FUN = f8(vector, data_t)  # fun(x, data) -> f
FUN_GRAD = f8(vector, vector, data_t)  # fun_grad(x, g, data) -> f, writes g
HVP = f8(vector, vector, vector, data_t)  # hvp(x, v, out, data) -> 0.0, writes out = H(x) v
HESS = f8(vector, matrix, data_t)  # hess(x, H, data) -> 0.0, writes H = H(x)
RESIDUAL = f8(vector, vector, data_t)  # residual(x, r, data) -> 0.0, writes r (m,)
JACOBIAN = f8(vector, vector, matrix, data_t)  # jacobian(x, r, J, data) -> 0.0, writes J by columns (n, m); r = r(x)
PRODUCT = HVP  # jvp(x, v, u, data), u (m,) <- J v; vjp(x, u, v, data), v (n,) <- J'u
LOSS = f8(vector, matrix, data_t)  # loss(z, rho, data) -> 0.0, writes rho (3, m): rho, rho', rho'' at z


def tuple_type(*kinds):
    """Numba type of a plain tuple."""
    return types.Tuple(kinds)


def namedtuple_type(cls, fields=None):
    """Numba type of a NamedTuple class whose annotations are float, int, bool or NamedTuple of those."""
    numba_of = {float: f8, int: types.int64, bool: types.boolean}
    kinds = fields or [numba_of[kind] for kind in cls.__annotations__.values()]
    if kinds and all(kind == kinds[0] for kind in kinds):
        return types.NamedUniTuple(kinds[0], len(kinds), cls)
    return types.NamedTuple(kinds, cls)
