"""What can't be differentiated is refused by file, line and name; what Python does in odd ways is done the same way."""

import linecache
import math

import numpy as np
import pytest

from secondorder.derivatives.errors import Unsupported
from tests.derivatives.judge import derive, judge

X = np.array([0.7, -0.4, 1.3, 0.2, -1.1])

HELPERS = """
def filled(v):
    v[0] = 9.0
    return v

def raised(v):
    v[0] = v[0] + 9.0
    v[1] = 5.0
    return v[0]

def scaled(a, b):
    return np.sum(a) * b

def f(x):
"""
FIRST = HELPERS.count("\n")  # the line of f(x)


def function_of(body):
    """f(x) with a body; lines are separated by newlines."""
    text = HELPERS + "".join(f"    {line}\n" for line in body.split("\n"))
    file = f"<refusal {abs(hash(body))}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    names = {"np": np, "math": math}
    exec(compile(text, file, "exec"), names)
    return names["f"], file


# body of f(x) whose last but `after` line is refused, the words
REFUSED = [
    ("x[0] = 1.0", "the function writes into its argument 'x'"),
    ("x += 1.0", "the function writes into its argument 'x'"),
    ("y = x\ny[0] = 2.0", "the function writes into its argument 'x'"),
    ("y = x[1:]\ny *= 2.0", "the function writes into its argument 'x'"),
    ("with np.errstate(all='ignore'): return x[0]", "a with statement"),
    ("global G", "a global statement"),
    ("import math", "a import statement"),
    ("del x", "a del statement"),
    ("class A: pass", "a class"),
    ("return f'{x[0]}'", "an f-string"),
    ("return {'a': x[0]}['a']", "a dict"),
    ("return {x[0]}", "a set"),
    ("return sum([v * v for v in x])", "a list comprehension"),
    ("return sum(v * v for v in x)", "a generator expression"),
    ("return (y := x[0]) * y", "the operator :="),
    ("return 1j * x[0]", "a complex number"),
    ("return ~3 * x[0]", "the operator ~"),
    ("y = np.eye(5)\ny @= y", "the operator @="),
    ("l = []\nl.append(x[0])", "the method 'append' of a list or tuple"),
    ("l = [x[0], x[1]]\nl[0] = x[2]", "assignment to l[0]"),
    ("a, *b = (x[0], x[1], x[2])", "unpacking into 2 names"),
    ("return x[0] in x", "this comparison"),
    ("y = x[0] or x[1]", "and, or between numbers used as a number"),
    ("return x[1.0]", "an index that is no integer"),
    ("return x[True]", "an index that is no integer"),
    ("M = np.outer(x, x)\nreturn np.sum(M[[0, 2]])", "a tuple or list as an index"),
    ("return np.sum(x[x > 0])", "indexing by arrays, other than one integer array on the first axis"),
    ("y = x.copy()\ny[x > 0] = 0.0", "a store through a boolean mask"),
    ("y = x.copy()\ny[np.array([0, 0])] += x[:2]", "+= through an array of indices"),
    ("y = np.zeros(5, dtype=np.float32)", "numbers of dtype float32, other than float64, int64 and bool"),
    ("y = x.astype(np.float32)", "numbers of dtype float32, other than float64, int64 and bool"),
    ("return np.float32(x[0])", "'float32' has no derivative rule"),
    ("return np.sum(x, keepdims=True)[0]", "the keyword keepdims="),
    ("return np.sum(x, dtype=np.float32)", "the keyword dtype="),
    ("y = np.zeros(5)\nnp.sin(x, out=y)", "the keyword out="),
    ("y = np.zeros(5)\nnp.multiply(x, 2.0, y)", "mul with 3 arguments"),
    ("return np.exp(x, where=x > 0)[0]", "the keyword where="),
    ("return np.var(x, ddof=1)", "the keyword ddof="),
    ("return np.max(x, axis=0)", "the keyword axis="),
    ("return np.linspace(0, 1, 5, False) @ x", "linspace with 4 arguments"),
    ("return np.diff(x, 2)[0]", "diff with 2 arguments"),
    ("return np.trace(np.outer(x, x), 1)", "trace with 2 arguments"),
    ("return np.eye(5, 4)[0, 0]", "eye with 2 arguments"),
    ("return np.linalg.norm(x, 1)", "norm with 2 arguments"),
    ("return np.linalg.det(np.outer(x, x))", "'det' has no derivative rule"),
    ("return x[0] * np.random.rand()", "'rand' has no derivative rule"),
    ("return np.sort(x)[0]", "'sort' has no derivative rule"),
    ("return np.arange(0, 1, 0.2) @ x", "np.arange with floats"),
    ("return np.flip(np.outer(x, x))[0, 1]", "np.flip of an array that is no vector"),
    ("return np.vstack((np.outer(x, x), np.outer(x, x)))[7, 2]", "np.stack or np.vstack of arrays that are no vectors"),
    ("return x.tolist()[0]", "the method 'tolist'"),
    ("return 'a'", "the returned value"),
    ("y = np.sin(x)\ny[0] += raised(y)", "a call that writes to the array being updated"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED)
def test_refused_by_file_line_and_name(body, words):
    function, file = function_of(body)
    with pytest.raises(Unsupported) as caught:
        derive(function, (X.copy(),))
    assert caught.value.construct.startswith(words)
    assert (caught.value.file, caught.value.line) == (file, FIRST + 1 + body.count("\n"))
    assert str(caught.value).startswith(f"{file}:{caught.value.line}: {words}")


ANOTHER_NAME = "a write to an array which a loop, a new axis or a reshape has given another name"

# bodies of f(x) refused somewhere in them, the words
REFUSED_WITHIN = [
    ("try:\n    s = x[0]\nexcept ValueError:\n    s = 1.0\nreturn s", "a try statement"),
    ("for i in range(3):\n    s = x[i]\nelse:\n    s = 0.0\nreturn s", "else after a loop"),
    ("def g():\n    yield x[0]\nreturn sum(g())", "a yield expression"),
    ("c = 0.0\ndef g(a):\n    nonlocal c\n    c = c + a\ng(x[0])\nreturn c", "a nonlocal statement"),
    ("def g(n):\n    return 1.0 if x[0] > n else x[0] * g(n + 1)\nreturn g(0)", "calls nested deeper than 25"),
    (
        "u = x * 1.0\nw = u\nfor i in range(3):\n    u[0] += x[0]\n    u = u * 2.0\nreturn np.sum(w)",
        ANOTHER_NAME,
    ),
    (
        "u = np.zeros(5)\nw = x * 1.0\nfor i in range(3):\n    u = w\nu[0] = 5.0\nreturn np.sum(w * x)",
        ANOTHER_NAME,
    ),
    (
        "u = x * 1.0\nfor i in range(3):\n    if x[i] > 0.5:\n        u = x[0]\nreturn np.sum(u)",
        "the name 'u'",
    ),
    (
        "w = np.cos(x)\ns = 0.0\nfor v in w:\n    s += v * v\n    w[1] = 0.3\n    w = w * 0.9\nreturn s",
        ANOTHER_NAME,
    ),
    ("u = np.outer(x, x)\nw = u.T.ravel()\nw[1] = x[0]\nreturn np.sum(u)", ANOTHER_NAME),
    ("u = np.sin(x)\nw = u[:, None]\nw[0, 0] = x[1]\nreturn np.sum(u)", ANOTHER_NAME),
    ("u = np.sin(x)\nw = u[:, None].T\nu[0] = x[1]\nreturn np.sum(w)", ANOTHER_NAME),
    ("u = np.sin(x)\nw = np.expand_dims(u, 0)\nu[0] = x[1]\nreturn np.sum(w)", ANOTHER_NAME),
    ("u = np.sin(x)\nreturn np.sum(u[:, None] * raised(u))", ANOTHER_NAME),
    ("u = np.sin(x)\nfor v in u[:, None]:\n    v[0] = x[1]\nreturn np.sum(u)", ANOTHER_NAME),
    (  # w is u in the first pass only
        "u = np.sin(x)\nw = u\nfor i in range(3):\n    u[0] += x[1]\n    u = u * 0.5\nreturn np.sum(w)",
        ANOTHER_NAME,
    ),
    (  # from the second pass on w is u, by way of v
        "u = np.sin(x)\nv = x * 1.0\nw = x * 2.0\nfor i in range(3):\n"
        "    w[0] = x[1]\n    w = v\n    v = u\n    u = u * 1.0 if i > 1 else u\nreturn np.sum(u + v + w)",
        ANOTHER_NAME,
    ),
    (  # the condition reads u before the next pass binds it
        "u = np.sin(x)\nv = x * 2.0\nk = 0\nwhile k < 6 and u[0] < 1.0:\n    k += 1\n    u = v\n"
        "    v = v * 1.0 if k > 9 else v\n    v[0] = x[1] * k\nreturn np.sum(v) + k",
        ANOTHER_NAME,
    ),
    (  # z is u from the second pass on; the body of the if reads it after the condition
        "u = np.sin(x)\nw = x * 2.0\nz = x * 3.0\ns = 0.0\nfor i in range(5):\n"
        "    if raised(u if x[i] > 0.4 else w) > 0.1:\n        s += z[0] * x[1]\n"
        "    u = u * 0.9 if i > 9 else u\n    z = u\nreturn s",
        ANOTHER_NAME,
    ),
    (  # the tuple still holds z
        "w = np.sin(x)\nz = w\nfor i in range(2):\n    z = z * 0.9 if i > 5 else z\ns = 0.0\n"
        "for v in (x, z):\n    s += v[0]\n    w[0] = 7.0\nreturn s",
        ANOTHER_NAME,
    ),
    (  # a function of a frame that has returned still holds u
        "def made():\n    u = np.sin(x)\n    def f(): return u\n    def put(a): u[0] = a\n    return f, put\n"
        "f, put = made()\nw = f()\nfor i in range(2):\n    w = w * 0.9 if i > 5 else w\nput(x[1])\nreturn np.sum(w)",
        ANOTHER_NAME,
    ),
    (  # the call writes to z before z is read
        "y = np.sin(x)\nz = y\nfor i in range(2):\n    z = z * 0.9 if i > 5 else z\nreturn scaled(z, raised(y))",
        ANOTHER_NAME,
    ),
    (
        "y = np.sin(x)\nz = y\nfor i in range(2):\n    z = z * 0.9 if i > 5 else z\ny.fill(0.3)\nreturn np.sum(z)",
        ANOTHER_NAME,
    ),
    (
        "for i in range(3):\n    u = np.sin(x[i:])\nreturn np.sum(u)",
        "the array 'u', which is first bound inside a loop and used after it",
    ),
    (
        "w = np.cos(x)\ns = 0.0\nfor i, v in zip(x, w):\n    w[1] = i\n    w = w * 0.9\nreturn v + s",
        ANOTHER_NAME,
    ),
    ("return None", "the gradient of a function that doesn't return one number"),
    ("return x", "the gradient of a function that doesn't return one number"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED_WITHIN)
def test_refused_by_name(body, words):
    with pytest.raises(Unsupported) as caught:
        derive(function_of(body)[0], (X.copy(),))
    assert caught.value.construct.startswith(words)


# bodies of f(x) that a careless reading of Python or NumPy gets wrong
DONE_AS_PYTHON_DOES = [
    "i = 7\nreturn x[i // 2] * (-7 // 2) * (-7 % 3) * (7 // -2)",
    "return x[0] + (x[1] > 0) + True * x[2] + np.mean(x > 0) * x[0]",
    "k = 0\nfor k in range(3):\n    pass\nreturn x[k]",
    "k = 4\nfor k in range(0):\n    pass\nreturn x[k]",
    "s = 0.0\nfor i in range(5):\n    s += x[i]\n    i = i + 1\nreturn s * i",
    "n = 3\nfor i in range(n):\n    n = n + 1\nreturn x[0] * n",
    "return np.sum(x[10:]) + np.sum(x[3:1]) + np.sum(x[-100:2]) + np.sum(x[-2:1]) + x[0]",
    "u = np.sin(x)\nv = u[1:]\nu[1] = x[0]\nreturn v[0] * x[1]",
    "u = np.sin(x)\nu[1:] = u[:-1]\nu[:-1] += u[1:]\nreturn np.sum(u * x)",
    "u = np.outer(x, x)\nu[:] = u.T * 2.0\nu += u.T\nu[0] = u[:, 1]\nreturn np.sum(u * x)",
    "u = np.outer(x, x)\nw = u[:, 1:].reshape(20)\nreturn np.sum(w[3:5]) + w[7]",
    "u = np.sin(x)\nw = np.asarray(u)\nw[0] = 3.0\nreturn np.sum(u * x)",
    "u = np.sin(x)\nw = np.array(u)\nw[0] = 3.0\nreturn np.sum(u * x)",
    "u = np.sin(x)\nw = +u\nw[0] = x[1]\nreturn np.sum(u * x) + (+x[2]) * (+True)",
    "u = np.sin(x)\nw = np.asarray(u, dtype=np.float64)\nw[0] = x[1]\nreturn np.sum(u * x)",
    "u = np.sin(x)\nw = np.asarray(u, float)\nw[0] = x[1]\nreturn np.sum(u * x)",
    "u = np.sin(x)\nw = u.astype(np.float64)\nw[0] = x[1]\nreturn np.sum(u * x)",
    "u = np.sin(x)\nw = np.float64(u)\nw[0] = x[1]\nreturn np.sum(u * x)",
    "u = np.sin(x)\nw = np.clip(u, None, None)\nw[0] = x[1]\nreturn np.sum(u * x)",
    "return float(np.array(x[0])) * x[1] + np.copy(x[2]) * np.asarray(3.0 * x[0], dtype=np.float64)",
    "u = np.sin(x)\nw = u[:, None].copy()\nw[0, 0] = x[1]\nreturn np.sum(u * x) + np.sum(w)",
    "u = np.outer(x, x)\nw = u.T.ravel()\nw[1] = x[0]\nreturn np.sum(w)",
    "a = b = np.sin(x)\na[0] = 1.0\nreturn np.sum(b * x)",
    "a = np.zeros(3, dtype=np.int64)\na[1] += 2.7\nreturn a[1] * x[1]",
    "a = np.arange(5)\nreturn np.sum(a / 2 * x) + np.sum(a // 2 * x) + np.sum(a % 3 * x)",
    "return (x[0] % 1) ** 2 + (-x[0]) % 1 + x[2] % -0.7",
    "return float(int(x[2] * 3)) * x[0] + int(-1.7) * x[1]",
    "y = x[0]\nf = lambda: y * y\ny = x[1]\nreturn f()",
    "b = x[0]\ndef g(a, c=b):\n    return a * c\nb = x[1]\nreturn g(x[2])",
    "def g(a, b=2.0, *c, d=x[1]):\n    return a * b * d + c[0] * c[1]\nreturn g(x[0], 3.0, x[2], x[3])",
    "max = lambda a, b: a + b\nreturn max(x[0], x[1] ** 2)",
    "s = True\nfor i in range(3):\n    s = s + 1\nreturn s * x[0]",
    "s = x[0]\nfor i in range(3):\n    s = 1\nreturn s / 2 * x[1]",
    "s = x * 1.0\nfor i in range(3):\n    s = s[::-1]\nreturn np.sum(s * x)",
    "u = x * 1.0\nfor i in range(3):\n    v = u\n    u = u * 0.5\n    v[0] = x[1]\nreturn np.sum(u * x)",
    # two arrays whose names change places under a condition are still two
    "u = np.sin(x)\nw = x * 1.0\nfor i in range(3):\n    if x[i] > 0.0:\n        u, w = w, u\n    u[0] = x[1] * w[1]\n"
    "return np.sum(u * x) + np.sum(w)",
    "u = np.sin(x)\nw = x * 1.0\nif x[0] > 3.0:\n    u, w = w, u\nfor i in range(3):\n    w[i] = x[1]\n    u = u * w\n"
    "return np.sum(u * x) + np.sum(w)",
    "u = np.sin(x)\nw = x * 1.0\nfor i in range(5):\n    for j in range(i):\n        if x[j] > 0.3:\n"
    "            continue\n        u, w = w, u * x[j]\n        w[j] *= 0.5\n    u[0] += x[i]\n"
    "return np.sum(u * x) + np.sum(w)",
    # the condition of a loop reads what its names have become
    "u = np.sin(x)\nw = x * 2.0\nk = 0\nwhile k < 4 and u[3] < 0.3:\n    k += 1\n    u, w = w, u\n    u[0] += 0.01\n"
    "return np.sum(u * x) + k",
    "u = np.sin(x)\nk = 0\nwhile k < 7 and u[0] > -0.8:\n    k += 1\n    u = u[::-1]\nreturn np.sum(u * x) + k",
    "u = np.sin(x)\nv = x * 2.0\nw = x * 0.1\nk = 0\nwhile k < 7 and raised(w) < 16.1 and u[3] < 0.3:\n    k += 1\n"
    "    u, v, w = v, w, u\nreturn np.sum(u * x) + np.sum(v * w) + k",
    # two names of one array, which both get another one before either is written to
    "u = np.sin(x)\nw = u\nfor i in range(3):\n    u = u * 0.5\n    w = u\n    w[0] = x[1] * x[i]\n"
    "return np.sum(u * x)",
    "u = np.sin(x)\nw = u\nfor i in range(3):\n    w = u * 0.5\n    u = w + x\n    u[0] = x[1] * x[i]\n"
    "return np.sum(u * w)",
    # an array of whose entries none is read isn't read by the loop
    "y = np.sin(x)\ns = 0.0\nfor a, b in zip(x, y):\n    y[0] += a\n    y = y * 0.5\n    s += y[0]\n"
    "return s + np.sum(y)",
    # arrays returned from loops
    "def g(v):\n    for i in range(5):\n        if v[i] > 0.9:\n            return v * v[i]\n    return v + 1.0\n"
    "return np.sum(g(x) * x) + np.sum(g(x * 0.5)) + np.sum(g(np.sin(x)) ** 2)",
    "def g(v):\n    i = 0\n    while i < 5:\n        i += 1\n        for j in range(i):\n            if v[j] * i > 2.0:"
    "\n                return v, v[j] * i\n    return v + 1.0, 0.3\n"
    "y, t = g(x)\nz, s = g(x * 9.0)\nreturn np.sum(y * t) + np.sum(z[1:] * s)",
    "for i in range(3):\n    u = x * i\nreturn np.sum(u * x)",
    "y = np.sin(x)\nreturn np.sum(y * 2.0 + filled(y))",
    "y = np.sin(x)\nreturn y[0] + raised(y) * y[0]",
    "y = np.sin(x)\nreturn np.sum(y * 2.0) * raised(y) + np.sum((y + 1.0) * raised(y))",
    "y = np.sin(x)\nreturn scaled(y * 2.0, raised(y))",
    "y = np.sin(x)\ny += raised(y)\nreturn np.sum(y * x)",
    "y = np.sin(x)\nw = x * 1.0\nw[1] += raised(y)\nw[2] *= scaled(x, y[0])\nreturn np.sum(w * y)",
    "y = np.sin(x)\nz = (y * 2.0, raised(y))\nreturn np.sum(z[0]) + z[1]",
    "y = np.sin(x)\ns = 0.0\nfor v in y:\n    y[4] = x[0]\n    s += v * v\nreturn s",
    "y = np.sin(x)\ns = 0.0\nfor i, v in enumerate(y):\n    y = y * 0.5\n    s += v * v\nreturn s",
    "i = 0\ny = np.zeros(3)\ni, y[i] = 1, x[0]\nreturn y[0] + 2.0 * y[1] ** 2",
    "y = np.sin(x)\ny[0], y[1] = y[1], y[0]\nreturn y[0] * 2.0 + y[1]",
    "y = np.sin(x)\ny[:2], y[2:4] = y[2:4], y[:2]\nreturn np.sum(y * x)",
    "M = np.outer(x, x)\nM[0], M[1] = M[1], M[0]\nreturn np.sum(M[0] * x)",
    "M = np.outer(x, x)\ns = 0.0\nfor row in M:\n    row[0] = x[1]\n    s += np.sum(row)\nreturn s + np.sum(M)",
    "M = np.outer(x, x)\nreturn M[1][2] + M[1, ...][2] + M[..., 1][2] + M[-1, -2]",
    "M = np.zeros((2, 5))\nM[:] = x\nM += x * x\nM[1] *= 2.0\nreturn np.sum(M)",
    "y = np.zeros(5)\ny[np.array([0, 0, 1])] = x[:3]\nreturn np.sum(y * x)",
    "k = -2\nreturn np.sum(x[k:] * x[:2]) + x[k] + np.sum(x[::k])",
    "return x[0] if x[0] > 0 and 1.0 / x[1] < 0 else 0.0",
    "return x[0] if not (x[0] > 3 and x[1] < 0.0) else -x[1]",
    "return 2 ** x[0] + x[2] ** x[0] - x[0] ** 2 + 2.0 ** -x[1] ** 2",
    "return x[0] * (1 if None is None else 2)",
    "r = x[0]\ns = 0.0\nfor i in range(3):\n    t = r\n    for j in range(2):\n        t *= x[j]\n    s += t\nreturn s",
]


@pytest.mark.parametrize("body", DONE_AS_PYTHON_DOES)
def test_done_as_python_does(body):
    function, _ = function_of(body)
    errors = judge(function, (X.copy(),), derive(function, (X.copy(),)))
    assert errors.value <= 1e-13
    assert errors.gradient <= 1e-10
    assert errors.forward <= (1e-10 if errors.analytic else 1e-6)


@pytest.mark.parametrize(
    "body", ["assert x[0] < 0, 'negative'\nreturn x[1]", "if x[0] > 0:\n    raise ValueError('negative')\nreturn x[1]"]
)
def test_what_raises_still_raises(body):
    function, _ = function_of(body)
    with pytest.raises(ValueError, match="negative"):
        derive(function, (X.copy(),)).gradient(X, np.empty(5))


@pytest.mark.parametrize("body", ["return np.sum(x[:3] + x[:2])", "y = np.zeros(4)\ny[:] = x\nreturn np.sum(y)"])
def test_lengths_that_differ_raise(body):
    function, _ = function_of(body)
    with pytest.raises(ValueError, match="different lengths"):
        derive(function, (X.copy(),)).gradient(X, np.empty(5))
