"""Derivatives of a function as functions: grad, value_and_grad, hvp, jvp, vjp, jacobian, hessian, gauss_newton.

Each takes a Python or `@njit` function f(x, *args) and gives an `@njit` function, for Python and for the user's own
compiled code. It is generated and compiled for the types of its arguments at the first call, from the disk cache if it
has been before; `.source` is its text. What is made of what:

    grad, value_and_grad    reverse mode
    hvp, hessian            forward over reverse mode
    jvp                     forward mode
    vjp                     reverse mode with the given seed
    jacobian                columns by forward mode, or rows by reverse mode, whichever are fewer
    gauss_newton            vjp of jvp

With workspace=True they write into an array of the caller's and keep their own arrays in another one: no allocation, no
exception. So they can be called in kernels, in `numba.cuda` kernels too.
"""

import inspect

import numpy as np
from numba import types
from numba.core.registry import CPUDispatcher
from numba.extending import overload

from secondorder.derivatives.autodiff.kinds import kind_of
from secondorder.derivatives.autodiff.module import IN_WORKSPACE, WORDS, generated
from secondorder.derivatives.errors import Unsupported
from secondorder.jit import JIT_DISABLED, plain, type_of

# Bodies of the public functions, around the generated ones. {rest}: the further arguments, each with a comma before it.
LIKE_X = "if v.shape != x.shape:\n    raise ValueError('v must have the shape of x')\n"
BODIES = {
    "grad": ("", ("gradient",), "g = np.empty_like(x)\ngradient(x, g{rest})\nreturn g"),
    "value_and_grad": ("", ("gradient",), "g = np.empty_like(x)\nf = gradient(x, g{rest})\nreturn f, g"),
    "hvp": ("v", ("hvp",), LIKE_X + "out = np.empty_like(x)\nhvp(x, v, out{rest})\nreturn out"),
    "hvp_columns": (
        "v",
        ("hvp",),
        "if v.shape[:-1] != x.shape:\n"
        "    raise ValueError('v must have the shape of x, with one more axis for several directions')\n"
        "out, hv = np.empty_like(v), np.empty_like(x)\n"
        "for k in range(v.shape[1]):\n"
        "    hvp(x, v[:, k].copy(), hv{rest})\n"
        "    out[:, k] = hv\n"
        "return out",
    ),
    "jvp": ("v", ("jvp",), LIKE_X + "return jvp(x, v{rest})"),
    "vjp": ("w", ("vjp",), "g = np.empty_like(x)\nvjp(x{rest}, w, g)\nreturn g"),
    "gauss_newton": (
        "v",
        ("jvp", "vjp"),
        LIKE_X + "r, u = jvp(x, v{rest})\ng = np.empty_like(x)\nvjp(x{rest}, u, g)\nreturn g",
    ),
    "jacobian": (
        "",
        ("value", "jvp", "vjp"),
        "m, n = value(x{rest}).size, x.size\n"
        "J = np.empty((m, n))\n"
        "if n <= m:\n"
        "    v = np.zeros_like(x)\n"
        "    for k in range(n):\n"
        "        v[k] = 1.0\n"
        "        J[:, k] = jvp(x, v{rest})[1]\n"
        "        v[k] = 0.0\n"
        "else:\n"
        "    w, g = np.zeros(m), np.empty_like(x)\n"
        "    for k in range(m):\n"
        "        w[k] = 1.0\n"
        "        vjp(x{rest}, w, g)\n"
        "        J[k] = g\n"
        "        w[k] = 0.0\n"
        "return J",
    ),
    "hessian": (
        "",
        ("hvp",),
        "n = x.size\n"
        "H, v, hv = np.empty((n, n)), np.zeros_like(x), np.empty_like(x)\n"
        "for k in range(n):\n"
        "    v[k] = 1.0\n"
        "    hvp(x, v, hv{rest})\n"
        "    H[k] = hv\n"
        "    v[k] = 0.0\n"
        "return 0.5 * (H + H.T)",  # symmetric to the last bit, as factorizations assume
    ),
}

# The same with out and workspace. What raises above gives nan here: nothing can be raised in a kernel.
UNFIT = "if {unlike_x}workspace.size < words(x{{rest}}):\n    out[:] = np.nan\n    return{nan}\n"
OUT, V, V_AND_TWO = "out.shape != x.shape or ", "v.shape != x.shape or ", "v.shape != x.shape or out.shape[0] != 2 or "
BODIES_IN_WORKSPACE = {
    "grad": ("", ("gradient",), UNFIT.format(unlike_x=OUT, nan="") + "gradient(x, out{rest}, workspace)"),
    "value_and_grad": (
        "",
        ("gradient",),
        UNFIT.format(unlike_x=OUT, nan=" np.nan") + "return gradient(x, out{rest}, workspace)",
    ),
    "hvp": ("v", ("hvp",), UNFIT.format(unlike_x=V + OUT, nan="") + "hvp(x, v, out{rest}, workspace)"),
    "jvp": ("v", ("jvp",), UNFIT.format(unlike_x=V_AND_TWO, nan="") + "out[0], out[1] = jvp(x, v{rest}, workspace)"),
    "jvp_of_array": (
        "v",
        ("jvp",),
        UNFIT.format(unlike_x=V_AND_TWO, nan="") + "jvp(x, v{rest}, out[0], out[1], workspace)",
    ),
    "vjp": ("w", ("vjp",), UNFIT.format(unlike_x=OUT, nan="") + "vjp(x{rest}, w, out, workspace)"),
    "hessian": (
        "",
        ("hvp",),
        "n = x.size\n"
        "if out.shape != (n, n) or workspace.size < n + words(x{rest}):\n"
        "    out[:] = np.nan\n"
        "    return\n"
        "v = workspace[:n]\n"
        "v[:] = 0.0\n"
        "for k in range(n):\n"
        "    v[k] = 1.0\n"
        "    hvp(x, v, out[k]{rest}, workspace[n:])\n"
        "    v[k] = 0.0\n"
        "for k in range(n):\n"
        "    for m in range(k):\n"
        "        out[k, m] = out[m, k] = 0.5 * (out[k, m] + out[m, k])",
    ),
}


class Transform:
    """What makes one derivative of one function, for each combination of types."""

    bodies, outputs = BODIES, ()
    numbers = (types.float64,)  # that x may be of

    def __init__(self, function, what, source):
        if not callable(function):
            raise TypeError(f"{what}: the function must be callable; it is {function!r:.100}")
        self.function, self.what, self.given_source = function, what, source
        self.signature = self.parameters(self.vector)
        self.names = list(self.signature.parameters)
        self.last = None

    @property
    def vector(self):
        """The name of the vector that the derivative takes, if there is one."""
        return self.bodies[self.what][0]

    def parameters(self, extra):
        """The signature of the derivative: x, the vector if there is one, and the function's other arguments."""
        given = list(inspect.signature(plain(self.function)).parameters.values())
        if not given or any(p.kind not in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in given):
            raise Unsupported(
                f"{self.what} of a function without named parameters", "Write f(x, a, b), x first, without *args"
            )
        first = inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD)
        rest = [
            inspect.Parameter(self.free_name(p.name), inspect.Parameter.POSITIONAL_OR_KEYWORD, default=p.default)
            for p in given[1:]
        ]
        if self.outputs:  # which have no defaults, so nothing before them can
            rest = [p.replace(default=inspect.Parameter.empty) for p in rest]
        vector = [inspect.Parameter(extra, inspect.Parameter.POSITIONAL_OR_KEYWORD)] if extra else []
        outputs = [inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD) for name in self.outputs]
        return inspect.Signature([first, *vector, *rest, *outputs])

    def free_name(self, name):
        """The name of a parameter, changed if the bodies use it themselves."""
        taken = {"x", "v", "w", "g", "f", "np", "H", "J", "hv", "out", "m", "n", "k", "r", "u", "workspace", "words"}
        return f"{name}_" if name in taken or name in BODIES or name in ("gradient", "value") else name

    def numba_types(self, values):
        """Numba types of a call from Python."""
        found = type_of(tuple(values))
        if found is None:
            names = ", ".join(f"{n} = {v!r:.60}" for n, v in zip(self.names, values))
            raise TypeError(f"{self.what}: an argument of a type unknown to Numba: {names}")
        return tuple(found)

    def specialized(self, kinds):
        """The compiled function for arguments of these Numba types.

        Raises Unsupported, or TypeError if x is no array of float64.
        """
        x = kinds[0]
        if not (isinstance(x, types.Array) and x.dtype in self.numbers and x.ndim):
            raise TypeError(f"{self.what}: x must be an array of {self.numbers[0]}, shape (n,); it is {x}")
        first = 2 if self.vector else 1
        args = slice(first, len(kinds) - len(self.outputs))
        rest = self.names[args]
        of = [kind_of(k, f"{self.what}: {name}") for k, name in zip((x, *kinds[args]), ("x", *rest))]
        made = generated(self.function, of, self.given_source)
        needs, functions, body = self.parts(made, kinds)
        self.last = made, needs
        return defined("call", self.signature, body, functions, rest)

    def parts(self, made, kinds):
        """(names of the generated functions, name in the body -> compiled function, the body)."""
        what = self.what
        if what == "hvp" and isinstance(kinds[1], types.Array) and kinds[1].ndim == kinds[0].ndim + 1:
            what = "hvp_columns"
        _, needs, body = self.bodies[what]
        return needs, {name: made.compiled(name) for name in needs}, body

    @property
    def source(self):
        """The generated text, as of the last call; of the first, if x is the only argument."""
        if self.last is None:
            if len(self.names) > 1 + bool(self.vector) + len(self.outputs):
                raise ValueError("the text depends on the types of the arguments: call the function once")
            self.specialized((types.float64[::1],) * len(self.names))
        made, needs = self.last
        return "\n\n".join(made.text(name)[0] for name in needs)


class InWorkspace(Transform):
    """The same for a derivative that allocates nothing."""

    bodies, outputs = BODIES_IN_WORKSPACE, ("out", "workspace")
    numbers = (types.float64, types.float32)

    def parts(self, made, kinds):
        """(names of the generated functions, name in the body -> compiled function, the body)."""
        *_, out, workspace = kinds
        of = kinds[0].dtype
        if not (isinstance(out, types.Array) and out.dtype == of and out.ndim):
            raise TypeError(f"{self.what}: out must be an array of {of}; it is {out}")
        if not (isinstance(workspace, types.Array) and workspace.dtype == of and workspace.ndim == 1):
            raise TypeError(f"{self.what}: workspace must be an array of {of} of one axis; it is {workspace}")
        what = "jvp_of_array" if self.what == "jvp" and made.returns_array else self.what
        _, (name,), body = self.bodies[what]
        needs = name + IN_WORKSPACE, name + WORDS
        derivative = made.compiled(needs[0])
        if of == types.float32:
            from secondorder.single import in_single  # on use: few need it

            derivative = in_single(derivative)
        return needs, {name: derivative, "words": made.compiled(needs[1])}, body


class Words(Transform):
    """The length of the workspace that such a derivative needs, from x and args."""

    bodies, vector = BODIES_IN_WORKSPACE, ""

    def parts(self, made, kinds):
        """(names of the generated functions, name in the body -> compiled function, the body)."""
        _, (name,), _ = self.bodies[self.what]
        name += WORDS
        more = "x.size + " if self.what == "hessian" else ""
        return (name,), {"words": made.compiled(name)}, f"return {more}words(x{{rest}})"


def defined(name, signature, body, functions, rest):
    """A Python function with this signature and body."""
    body = body.format(rest="".join(f", {r}" for r in rest))
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    names = ", ".join(signature.parameters)
    scope = {"np": np, **functions}
    exec(f"def {name}({names}):\n{lines}\n", scope)
    return scope[name]


class Derivative(CPUDispatcher):
    """An `@njit` function that is a derivative: generated for the types that it is called with."""

    _transform = None
    n_workspace = None  # (x, *args) -> the length that its workspace must have, for a derivative that takes one

    @property
    def source(self):
        """The generated Python text."""
        return self._transform.source

    def _compile_for_args(self, *args, **keywords):
        bound = self._transform.signature.bind(*args, **keywords)
        bound.apply_defaults()
        # before Numba gets there: what is refused is refused in our words, not in the middle of a typing error
        self._transform.specialized(self._transform.numba_types(bound.args))
        return super()._compile_for_args(*args, **keywords)


class InterpretedDerivative:
    """The same under NUMBA_DISABLE_JIT=1."""

    def __init__(self, transform):
        self._transform = transform
        self.py_func, self.n_workspace = self, None

    def __call__(self, *args, **keywords):
        """The derivative there."""
        bound = self._transform.signature.bind(*args, **keywords)
        bound.apply_defaults()
        # an array in a kernel of Numba's CUDA simulator is a wrapper, which gives its array
        args = [a if isinstance(a, np.generic) or not hasattr(a, "__array__") else np.asarray(a) for a in bound.args]
        return self._transform.specialized(self._transform.numba_types(args))(*args)

    source = Derivative.source


def transformed(function, what, source, workspace=False):
    """The derivative of a function as a dispatcher."""
    if not workspace:
        return dispatcher(Transform(function, what, source), f"{what}_of")
    made = dispatcher(InWorkspace(function, what, source), f"{what}_in_workspace_of")
    made.n_workspace = dispatcher(Words(function, what, source), f"{what}_n_workspace_of")
    return made


def dispatcher(transform, kind):
    """What a transform makes, callable from Python and from compiled code."""
    if JIT_DISABLED:
        return InterpretedDerivative(transform)
    function = transform.function

    stub = defined("stub", transform.signature, "raise NotImplementedError", {}, ())

    def implementation(*kinds):
        return transform.specialized(kinds)

    scope = {"implementation": implementation}
    names = ", ".join(transform.names)
    exec(f"def typed({names}):\n    return implementation({names})\n", scope)
    overload(stub, jit_options={"error_model": "numpy"}, strict=False)(scope["typed"])
    name = f"{kind}_{plain(function).__name__}".replace("<lambda>", "function")
    call = defined(name, transform.signature, f"return stub({names})", {"stub": stub}, ())
    parameters = transform.signature.parameters.values()
    call.__defaults__ = tuple(p.default for p in parameters if p.default is not p.empty) or None
    call.__doc__ = f"{kind.replace('_', ' ')} {plain(function).__name__}, generated by secondorder."
    made = Derivative(call, {}, {"nopython": True, "nogil": True, "error_model": "numpy", "boundscheck": None})
    made._transform = transform
    return made


def grad(f, *, workspace=False, source=None):
    """The gradient of f as a compiled function.

    Parameters
    ----------
    f : callable
        ``f(x, *args) -> float``: Python or `@njit`, in the language of docs/differentiable.md; x of shape (n,).
    workspace : bool
        True: for kernels, on CUDA too. Allocates nothing, raises nothing; see Returns.
    source : str, optional
        The text of f, where Python can't read it back (a REPL, `exec`).

    Returns
    -------
    callable
        ``g(x, *args) -> array of shape (n,)``, usable in the user's `@njit` code; ``g.source`` is the generated text.
        With ``workspace=True`` ``g(x, *args, out, workspace)``, which writes into out. workspace is a float64 vector of
        length ``g.n_workspace(x, *args)``, whatever it holds; that length is the same for every x of this shape.
        Where f would raise, or an array has not the size needed, out becomes nan.

    Raises
    ------
    Unsupported
        When called, where f has no exact derivative: file, line, construct, and what to do. With a workspace also where
        its length can't be told before: reverse mode through a while loop whose number of passes depends on x.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def f(x):
    ...     s = 0.0
    ...     for i in range(x.size - 1):
    ...         s += x[i] ** 2 * x[i + 1]
    ...     return s
    >>> so.grad(f)(np.array([1.0, 2.0, 3.0])).tolist()
    [4.0, 13.0, 4.0]

    Without allocation:

    >>> def decay(x, steps):
    ...     for _ in range(steps):
    ...         x = x - 0.1 * x**2
    ...     return np.sum(x)
    >>> g = so.grad(decay, workspace=True)
    >>> x, out = np.array([1.0, 2.0]), np.empty(2)
    >>> workspace = np.empty(g.n_workspace(x, 3))
    >>> g(x, 3, out, workspace)
    >>> bool(np.all(out == so.grad(decay)(x, 3)))
    True
    """
    return transformed(f, "grad", source, workspace)


def value_and_grad(f, *, workspace=False, source=None):
    """f and its gradient in one pass, as a compiled function ``(x, *args) -> (f, g)``; see `grad`.

    With ``workspace=True`` ``(x, *args, out, workspace) -> f``, the gradient in out.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> so.value_and_grad(lambda x: np.sum(x**2))(np.array([1.0, 2.0]))
    (5.0, array([2., 4.]))
    """
    return transformed(f, "value_and_grad", source, workspace)


def hvp(f, *, workspace=False, source=None):
    """Products of the Hessian of f with vectors, as a compiled function ``(x, v, *args) -> H(x) v``.

    v has the shape of x, or (n, k) for k directions at once, which gives (n, k). Forward over reverse mode: exact, at a
    small multiple of the cost of f. With ``workspace=True`` ``(x, v, *args, out, workspace)``, v and out of the shape
    of x. For f, workspace, source and errors see `grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def f(x):
    ...     return x[0] ** 2 * x[1]
    >>> so.hvp(f)(np.array([1.0, 2.0]), np.array([1.0, 0.0])).tolist()
    [4.0, 2.0]
    """
    return transformed(f, "hvp", source, workspace)


def jvp(f, *, workspace=False, source=None):
    """f and its derivative along v, as a compiled function ``(x, v, *args) -> (f, df)``.

    f returns a number or a vector; df is like it. Forward mode: costs about two evaluations. With ``workspace=True``
    ``(x, v, *args, out, workspace)``: f in out[0], df in out[1]. See `grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> so.jvp(lambda x: x[0] * x[1])(np.array([3.0, 4.0]), np.array([1.0, 0.0]))
    (12.0, 4.0)
    """
    return transformed(f, "jvp", source, workspace)


def vjp(f, *, workspace=False, source=None):
    """Products of vectors with the Jacobian of f, as a compiled function ``(x, w, *args) -> J(x)' w``.

    f returns a vector of shape (m,) as w, or a number. Reverse mode. With ``workspace=True``
    ``(x, w, *args, out, workspace)``. See `grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> so.vjp(lambda x: x**2)(np.array([3.0, 4.0]), np.array([1.0, 10.0])).tolist()
    [6.0, 80.0]
    """
    return transformed(f, "vjp", source, workspace)


def jacobian(r, *, source=None):
    """The Jacobian of r as a compiled function ``(x, *args) -> array of shape (m, n)``; see `grad`.

    min(m, n) passes: columns by forward mode if n <= m, else rows by reverse mode.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> so.jacobian(lambda x: np.array([x[0] * x[1], x[0]]))(np.array([3.0, 4.0])).tolist()
    [[4.0, 3.0], [1.0, 0.0]]
    """
    return transformed(r, "jacobian", source)


def hessian(f, pattern=None, *, check=True, workspace=False, source=None):
    """The Hessian of f: dense, or sparse where its pattern is given.

    Parameters
    ----------
    f, source
        As in `grad`.
    workspace : bool
        As in `grad`, without a pattern: ``H(x, *args, out, workspace)``, out of shape (n, n).
    pattern : sparse matrix or (rows, columns), optional
        Where the Hessian can be other than zero: a symmetric matrix of scipy.sparse, or two arrays of indices with both
        halves in them. The diagonal is always taken in.
    check : bool
        With a pattern: compare each matrix with one more product, with a random vector; False: the first matrix only.

    Returns
    -------
    callable
        ``H(x, *args) -> array of shape (n, n)`` from n products, an `@njit` function, symmetric to the last bit. With a
        pattern, a Python function that gives a ``scipy.sparse.csr_array`` from ``H.colors`` products, chosen by star
        colouring (secondorder/derivatives/star_coloring.py): 3 for a tridiagonal matrix of whatever size.

    Raises
    ------
    ValueError
        For a pattern that is not symmetric; when called, for one that leaves out entries that are not zero.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> def f(x):
    ...     return np.sum(x[1:] * x[:-1] ** 2)
    >>> so.hessian(f)(np.array([1.0, 2.0, 3.0])).tolist()
    [[4.0, 2.0, 0.0], [2.0, 6.0, 4.0], [0.0, 4.0, 0.0]]
    >>> H = so.hessian(f, pattern=([0, 1, 1, 2], [1, 0, 2, 1]))
    >>> H.colors, H(np.array([1.0, 2.0, 3.0])).toarray().tolist()
    (2, [[4.0, 2.0, 0.0], [2.0, 6.0, 4.0], [0.0, 4.0, 0.0]])
    """
    if pattern is None:
        return transformed(f, "hessian", source, workspace)
    if workspace:
        raise ValueError("hessian: a sparse Hessian is made in Python, without a workspace; leave out pattern=")
    from secondorder.derivatives.sparse_hessian import SparseHessian

    return SparseHessian(f, pattern, source, check)


def gauss_newton(r, *, source=None):
    """Products of the Gauss-Newton matrix of residuals r, as a compiled function ``(x, v, *args) -> J' J v``.

    Two passes over r, no matrix: forward for u = J v, reverse for J' u. See `grad`.

    Examples
    --------
    >>> import numpy as np
    >>> import secondorder as so
    >>> so.gauss_newton(lambda x: 2.0 * x)(np.ones(2), np.array([1.0, 3.0])).tolist()
    [4.0, 12.0]
    """
    return transformed(r, "gauss_newton", source)
