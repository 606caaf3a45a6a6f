"""The shape of the package, read from its source: who imports whom, and what every file of a kind must have."""

import ast
import importlib
import inspect
import pathlib
import re

import pytest

import secondorder
from secondorder import LINE_SEARCHES, METHODS
from secondorder.escapes import ESCAPES
from secondorder.fits import FITS
from secondorder.line_searches.memory import SearchOptions
from secondorder.options import RunOptions
from secondorder.updates import UPDATES, subsampled_newton_cg
from secondorder.updates.treatment import CommonOptions

PACKAGE = pathlib.Path(secondorder.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = {path: ".".join(path.relative_to(PACKAGE).with_suffix("").parts) for path in FILES}

# What each part may import of the package, beside itself.
PARTS = {
    "status": set(),
    "precision": set(),
    "linalg": {"precision", "jit"},
    "elementary": {"jit"},
    "jit": {"lean"},
    "lean": set(),
    "problems": set(),
    "control": {"linalg", "status", "jit"},
    "line_searches": {"precision", "control", "linalg", "status", "jit"},
    "subproblems": {"precision", "control", "krylov", "linalg", "status", "jit"},
    "krylov": {"precision", "control", "linalg", "status", "jit"},
    "escapes": {"control", "linalg", "jit", "subproblems"},
    "methods": {"precision", "control", "krylov", "line_searches", "linalg", "status", "jit", "subproblems"},
    "fits": {"precision", "control", "elementary", "jit", "linalg", "status"},
    "updates": {"control", "jit", "linalg", "status"},
    "losses": {"jit"},
    "derivatives": {"elementary", "jit", "lean", "precision", "single"},
    "result": {"status", "control"},
    "options": {"precision", "escapes", "jit", "line_searches"},
    "objective": {"derivatives", "jit"},
    "residual": {"derivatives", "jit", "objective"},
    "adapters": {"objective"},
    "checking": {"derivatives", "objective"},
    "backends": {
        "precision",
        "control",
        "derivatives",
        "escapes",
        "fits",
        "jit",
        "krylov",
        "line_searches",
        "linalg",
        "result",
        "status",
        "subproblems",
        "updates",
    },
    "schedules": {"backends", "updates"},
    "finite_sum": {"backends", "derivatives", "jit", "minimize", "objective"},
    "fitting": {
        "averages",
        "backends",
        "control",
        "derivatives",
        "finite_sum",
        "jit",
        "methods",
        "minimize",
        "objective",
        "options",
        "schedules",
        "status",
        "update",
        "updates",
    },
    "averages": {"backends", "jit", "schedules", "update", "updates"},
    "chaining": {"minimize", "status"},
    "tuning": {"finite_sum", "fitting", "minimize", "options", "schedules", "update"},
    "update": {"backends", "jit", "options", "schedules", "updates"},
    "choice": {"derivatives", "jit", "objective"},
    "minimize": {
        "backends",
        "choice",
        "checking",
        "control",
        "derivatives",
        "fits",
        "jit",
        "line_searches",
        "methods",
        "objective",
        "options",
        "result",
        "status",
        "update",
    },
    "batch": {
        "backends",
        "certificate",
        "control",
        "derivatives",
        "jit",
        "kernels",
        "minimize",
        "objective",
        "places",
        "result",
        "starts",
        "status",
    },
    "device": {"backends", "control", "line_searches", "minimize", "options", "result", "status"},
    "fit_batch": {
        "backends",
        "batch",
        "derivatives",
        "fit_kernels",
        "jit",
        "least_squares",
        "minimize",
        "objective",
        "places",
        "residual",
        "status",
    },
    "single": {"elementary", "jit", "precision"},
    "workspace": {"backends", "control", "jit", "linalg", "options", "precision", "single", "status"},
    "fit_kernels": {
        "backends",
        "control",
        "derivatives",
        "fits",
        "jit",
        "least_squares",
        "options",
        "workspace",
    },
    "kernels": {
        "backends",
        "derivatives",
        "fit_kernels",
        "fits",
        "jit",
        "line_searches",
        "methods",
        "minimize",
        "objective",
        "options",
        "status",
        "workspace",
    },
    "certificate": {"control", "minimize", "result", "status", "subproblems"},
    "places": {"backends"},
    "perturbing": {"backends", "jit", "subproblems"},
    "operators": {"backends", "derivatives", "jit", "krylov", "objective"},
    "matrix_free": {"backends", "control", "jit", "krylov", "linalg", "minimize", "operators", "status"},
    "least_squares": {
        "backends",
        "control",
        "derivatives",
        "fits",
        "jit",
        "minimize",
        "objective",
        "options",
        "residual",
        "result",
        "status",
    },
    "starts": {"minimize", "options"},
    "scipy_interface": {"minimize", "options", "methods"},
    "compare": {
        "__init__",
        "backends",
        "derivatives",
        "jit",
        "line_searches",
        "methods",
        "minimize",
        "objective",
        "options",
        "plots",
        "problems",
        "result",
        "status",
    },
    "plots": {"compare", "problems", "result", "status"},
    "__main__": {
        "__init__",
        "backends",
        "compare",
        "finite_sum",
        "fitting",
        "jit",
        "line_searches",
        "methods",
        "minimize",
        "objective",
        "options",
        "plots",
        "problems",
        "update",
        "updates",
    },
    "__init__": {
        "adapters",
        "averages",
        "certificate",
        "chaining",
        "compare",
        "finite_sum",
        "fitting",
        "least_squares",
        "line_searches",
        "losses",
        "matrix_free",
        "methods",
        "minimize",
        "starts",
        "objective",
        "operators",
        "problems",
        "result",
        "schedules",
        "scipy_interface",
        "tuning",
        "update",
        "updates",
    },
}

NUMBA = {"jit", "lean", "derivatives", "backends"}
HEAVY = {"matplotlib", "distributed", "tqdm", "pandas", "jax", "torch", "autograd"}


def imports(path):
    """(module, name) of every import in a file, those in functions included."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, None
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            for alias in node.names:
                yield node.module, alias.name


def own_imports(path):
    """Names of the package's modules that a file imports, without `secondorder.`"""
    for module, name in imports(path):
        if module == "secondorder":
            yield name if name is not None and not hasattr(secondorder, name) else name or "__init__"
        elif module.startswith("secondorder."):
            yield module.removeprefix("secondorder.")


def part(name):
    return name.split(".")[0]


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_imports_go_downwards_only(path):
    here = part(NAMES[path])
    assert here in PARTS, f"{here} is a new part: say in PARTS what it may import"
    allowed = PARTS[here] | {here}
    for name in own_imports(path):
        target = part(name)
        if (PACKAGE / f"{target}.py").exists() or (PACKAGE / target).is_dir():
            assert target in allowed, f"{NAMES[path]} imports {name}"


def test_the_parts_have_no_cycle():
    left = {name: set(below) & set(PARTS) for name, below in PARTS.items()}
    left["plots"] -= {"compare"}  # types only
    left["__init__"] -= {"compare", "problems"}  # on use
    while left:
        bottom = {name for name, below in left.items() if not below & set(left)}
        assert bottom, f"a cycle among {sorted(left)}"
        for name in bottom:
            del left[name]


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_numba_is_imported_where_it_is_allowed_only(path):
    for module, _ in imports(path):
        if module.split(".")[0] in ("numba", "llvmlite"):
            assert part(NAMES[path]) in NUMBA, f"{NAMES[path]} imports {module}"
        assert not module.startswith("numba.cuda") or NAMES[path] == "backends.cuda"


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_heavy_packages_are_imported_on_use_only(path):
    top = ast.parse(path.read_text()).body
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in top
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    for name in names:
        assert name.split(".")[0] not in HEAVY, f"{NAMES[path]}: {name}"
        assert not name.startswith(("scipy.optimize", "numba.cuda")), f"{NAMES[path]}: {name}"


@pytest.mark.parametrize("family", ["methods", "line_searches", "fits", "escapes", "updates"])
def test_members_of_a_family_import_no_other_member(family):
    tables = {"methods": METHODS, "line_searches": LINE_SEARCHES, "fits": FITS, "escapes": ESCAPES, "updates": UPDATES}
    table = tables[family]
    members = {module.__name__.removeprefix("secondorder.") for module in table.values()}
    for path in sorted((PACKAGE / family).glob("*.py")):
        if NAMES[path] in members:
            shared = {"armijo"} if family == "line_searches" else set()  # backtracking: one loop for three searches
            others = members - {NAMES[path]} - {f"{family}.{name}" for name in shared}
            assert not others & set(own_imports(path)), NAMES[path]


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_no_file_has_a_name_that_says_nothing(path):
    words = set(re.split(r"[_./]", NAMES[path]))
    assert not words & {"utils", "util", "helpers", "helper", "misc", "core", "common", "base"}
    assert "gpu" not in NAMES[path]


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_every_module_class_and_function_says_what_it_is(path):
    tree = ast.parse(path.read_text())
    if tree.body:
        assert ast.get_docstring(tree), f"{NAMES[path]} has no docstring"
    if NAMES[path].startswith("problems."):
        return  # problem.py says what the three functions of a problem do
    for node in tree.body:
        public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
        assert not public or ast.get_docstring(node), f"{NAMES[path]}.{node.name} has no docstring"


@pytest.mark.parametrize("name", secondorder.__all__)
def test_every_public_name_is_there_and_documented(name):
    value = getattr(secondorder, name)
    if not isinstance(value, dict):
        assert inspect.getdoc(value)
        assert inspect.getdoc(value) != inspect.getdoc(dict)
    assert name in dir(secondorder) or name in secondorder._ON_USE


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        secondorder.no_such_name  # noqa: B018


# ------------------------------------------------------------------------------------------------------ options


def fields_of(cls):
    """(name, comment) of each field of a NamedTuple, from its source."""
    lines, _ = inspect.getsourcelines(cls)
    tree = ast.parse("\n".join(line[len(lines[0]) - len(lines[0].lstrip()) :].rstrip("\n") for line in lines))
    for node in tree.body[0].body:
        if isinstance(node, ast.AnnAssign):
            yield node.target.id, lines[node.lineno - 1].partition("#")[2].strip()


MODULES = (*METHODS.values(), *FITS.values(), *UPDATES.values())
OPTIONS = [
    RunOptions,
    SearchOptions,
    CommonOptions,
    subsampled_newton_cg.Options,
    *(module.Options for module in MODULES),
]
FIELDS = [(cls, name, comment) for cls in OPTIONS for name, comment in fields_of(cls)]


@pytest.mark.parametrize(
    ("cls", "name", "comment"), FIELDS, ids=[f"{cls.__module__.split('.')[-1]}.{name}" for cls, name, _ in FIELDS]
)
def test_every_option_says_its_law_or_its_source(cls, name, comment):
    assert len(comment) >= 8, f"{cls.__qualname__}.{name} has no comment with its law and source"


@pytest.mark.parametrize("cls", OPTIONS)
def test_options_are_numbers_that_compiled_code_can_hold(cls):
    kinds = (int, float, bool, str) if cls is RunOptions else (int, float, bool)
    assert all(kind in kinds for kind in cls.__annotations__.values())
    assert all(isinstance(value, int | float | bool | str) for value in cls())
    assert cls.__doc__


def test_an_option_name_means_one_thing_only(method):
    own = set(METHODS[method].Options._fields)
    assert not own & set(RunOptions._fields)
    assert not own & set(SearchOptions._fields)


# ------------------------------------------------------------------------------------------- methods and searches

SKELETON = [
    "fun",
    "fun_grad",
    "hvp or hess",
    "search",
    "search_options",
    "options",
    "x",
    "work",
    "memory",
    "control",
    "data",
]
SEARCH = ["fun", "fun_grad", "x", "f", "slope", "d", "alpha0", "xt", "gt", "memory", "options", "control", "data"]


def arguments(function):
    return list(inspect.signature(getattr(function, "py_func", function)).parameters)


def test_a_method_has_the_skeleton(method):
    module = METHODS[method]
    assert set(module.NEEDS) <= {"grad", "hvp", "hess"}
    if module.SEARCH is not None:
        assert set(module.SEARCH) <= {"line_search", "initial_step", *SearchOptions._fields}
        assert module.SEARCH["line_search"] in LINE_SEARCHES
    assert issubclass(module.Options, tuple)
    second = [need for need in module.NEEDS if need != "grad"]
    assert len(second) <= 1
    assert arguments(module.solve) == [*SKELETON[:2], *second, *SKELETON[3:]]
    assert arguments(module.n_work) == arguments(module.n_memory) == ["n", "options"]
    for n in (1, 2, 10):
        assert module.n_work(n, module.Options()) >= 1
        assert module.n_memory(n, module.Options()) >= 1
    text = inspect.getdoc(module)
    assert "References\n----------\n[1]" in text
    assert re.search(r"^ *1\. ", text, re.MULTILINE), "the docstring is the algorithm, in numbered steps"
    assert "Cost of an iteration" in text
    assert "Memory" in text


def test_a_method_is_called_what_its_file_is_called(method):
    assert METHODS[method].__name__ == f"secondorder.methods.{method.replace('-', '_')}"


@pytest.mark.parametrize("name", LINE_SEARCHES)
def test_a_search_has_the_skeleton(name):
    module = LINE_SEARCHES[name]
    assert arguments(module.search) == SEARCH
    assert isinstance(module.NEEDS_FUN, bool)
    assert "References\n----------\n[1]" in inspect.getdoc(module)
    assert module.__name__ == f"secondorder.line_searches.{name.replace('-', '_')}"


def test_every_method_file_is_in_the_table():
    files = {path.stem.replace("_", "-") for path in (PACKAGE / "methods").glob("*.py")} - {"--init--"}
    assert files - {"step", "region"} == set(METHODS)


def test_every_update_file_is_in_the_table():
    files = {path.stem for path in (PACKAGE / "updates").glob("*.py")} - {"__init__"}
    members = {module.__name__.rpartition(".")[2] for module in UPDATES.values()}
    shared = {
        "averaging",
        "descent",
        "epochs",
        "moments",
        "resilient",
        "schedules",
        "subsampled_newton_cg",
        "sweep",
        "treatment",
    }
    assert files - shared == members


def test_every_search_file_is_in_the_table():
    files = {path.stem.replace("_", "-") for path in (PACKAGE / "line_searches").glob("*.py")} - {"--init--"}
    assert files - {"memory", "trial", "initial-step"} == set(LINE_SEARCHES)


LEAVE = [
    *("fun_grad", "found", "strict", "tolerance", "floor", "noise"),
    *("x", "f", "seed", "stream", "work", "control", "data"),
]


@pytest.mark.parametrize("name", ESCAPES)
def test_an_escape_has_the_skeleton(name):
    module = ESCAPES[name]
    assert arguments(module.leave) == LEAVE
    assert module.NEEDS in ("second derivatives", "gradients")
    assert module.N_WORK >= 5
    assert "References\n----------\n[1]" in inspect.getdoc(module)
    assert module.__name__ == f"secondorder.escapes.{name.replace('-', '_')}"


def test_every_escape_file_is_in_the_table():
    files = {path.stem.replace("_", "-") for path in (PACKAGE / "escapes").glob("*.py")} - {"--init--"}
    assert files == set(ESCAPES)


KERNELS = [
    path
    for path in FILES
    if part(NAMES[path])
    in ("escapes", "fits", "methods", "updates", "subproblems", "line_searches", "linalg", "krylov", "elementary")
]


@pytest.mark.parametrize("path", KERNELS, ids=NAMES.get)
def test_kernels_allocate_nothing_raise_nothing_print_nothing(path):
    for node in ast.walk(ast.parse(path.read_text())):
        assert not isinstance(node, ast.Raise | ast.Try | ast.With | ast.Assert), f"{NAMES[path]}:{node.lineno}"
        if isinstance(node, ast.Name):
            assert node.id not in ("print", "np", "numpy", "open"), f"{NAMES[path]}:{node.lineno} uses {node.id}"


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_no_fastmath_and_no_callbacks_that_swallow_exceptions(path):
    code = "\n".join(line.partition("#")[0] for line in path.read_text().splitlines())
    tree = ast.parse(path.read_text())
    keywords = {word.arg for node in ast.walk(tree) if isinstance(node, ast.Call) for word in node.keywords}
    assert "fastmath" not in keywords
    called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert not called & {"cfunc", "CFUNCTYPE"}
    assert "import *" not in code


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_functions_fit_on_a_screen_or_two(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            assert node.end_lineno - first.lineno < 100, f"{NAMES[path]}.{node.name}"


@pytest.mark.parametrize("path", FILES, ids=NAMES.get)
def test_every_module_can_be_imported_alone(path):
    if NAMES[path] not in ("__main__",) and not NAMES[path].endswith("__main__"):
        name = NAMES[path].removesuffix(".__init__")
        importlib.import_module("secondorder" if name == "__init__" else f"secondorder.{name}")
