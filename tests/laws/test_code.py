"""House rules that a syntax tree can check: kernels, randomness, clocks, assertions, handlers, printing."""

from __future__ import annotations

import ast
from fnmatch import fnmatch

import pytest

# The door of the command line turns what nobody foresaw into a sentence and an exit code.
# Live code is audited; the others call what a user has written.
BROAD_HANDLERS = ("quantlab.live", "quantlab.cli._door", "quantlab.study._ask")
RANDOM_HOME = "quantlab.core.rng"
CLOCKS = {
    "time.time",
    "time.time_ns",
    "time.monotonic",
    "time.perf_counter",
    "time.localtime",
    "time.gmtime",
    "time.strftime",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "date.today",
}


def dotted(node: ast.AST) -> str:
    """The text of a chain of attributes: np.random.seed."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def kernels_outside(module):
    if fnmatch(module.stem, "_*kernels") or module.name == "quantlab.core._kernel":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef):
            for decorator in node.decorator_list:
                called = decorator.func if isinstance(decorator, ast.Call) else decorator
                if dotted(called).rpartition(".")[2] in ("kernel", "njit", "jit", "vectorize", "guvectorize"):
                    yield node, f"{node.name} is compiled; kernels live in files named _*kernels.py"
        elif isinstance(node, ast.Call) and dotted(node.func).rpartition(".")[2] in ("kernel", "njit"):
            yield node, "compiles a function; kernels live in files named _*kernels.py"


def global_randomness(module):
    for node in ast.walk(module.tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module]
            if "random" in names or "numpy.random" in names:
                yield node, "imports a random module; draw from quantlab.core.rng"
        if isinstance(node, ast.Attribute) and dotted(node.value) in ("np.random", "numpy.random"):
            if node.attr != "Generator" and module.name != RANDOM_HOME:
                yield node, f"np.random.{node.attr}; draw from quantlab.core.rng by (seed, replicate)"
            elif node.attr not in ("Generator", "Philox", "SeedSequence"):
                yield node, f"np.random.{node.attr} is global or unseeded"


def assertions(module):
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Assert):
            yield node, "assert; raise an error of quantlab, since -O drops assertions"


def broad_handlers(module):
    """Handlers that catch everything. One that ends by raising the same error again hides nothing."""
    if module.name.startswith(BROAD_HANDLERS):
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler):
            caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            broad = any(kind is None or dotted(kind) in ("Exception", "BaseException") for kind in caught)
            last = node.body[-1]
            if broad and not (isinstance(last, ast.Raise) and last.exc is None):
                yield node, "catches everything; name the errors that are expected"
        if isinstance(node, ast.Call) and dotted(node.func).endswith("suppress"):
            kinds = [dotted(argument) for argument in node.args]
            if "Exception" in kinds or "BaseException" in kinds:
                yield node, "suppresses everything; name the errors that are expected"


def printing(module):
    if module.room == "cli":
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and dotted(node.func) == "print":
            yield node, "print; return the text, and let the command line print it"


# The moment of a commit is a fact about the world, and the store's one; everybody else is told the time. The age of a
# process says whether its compiled code may be cached, and changes no number.
CLOCK_ROOMS, CLOCK_MODULES = (
    ("cli", "live"),
    (
        "quantlab.data.store._clock",
        "quantlab.core._kernel",
        "quantlab.core._stopwatch",
    ),
)


def clocks(module):
    if module.room in CLOCK_ROOMS or module.name in CLOCK_MODULES:
        return
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute):
            text = ".".join(dotted(node).split(".")[-2:])
            if text in CLOCKS:
                yield node, f"{text} reads the clock; results depend on inputs and seed alone"
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            names = {f"time.{alias.name}" for alias in node.names}
            if names & CLOCKS:
                yield node, "imports a clock; results depend on inputs and seed alone"
        if isinstance(node, ast.Call) and dotted(node.func).endswith("datetime64"):
            words = {getattr(argument, "value", None) for argument in node.args}
            if words & {"now", "today"}:
                yield node, "reads the clock; results depend on inputs and seed alone"


RULES = [kernels_outside, global_randomness, assertions, broad_handlers, printing, clocks]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_no_module_breaks_the_rule(modules, rule):
    found = [f"{module.at(node)}: {sentence}." for module in modules for node, sentence in rule(module)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (kernels_outside, "quantlab.signals._momentum", "@kernel\ndef f(x):\n    return x"),
        (kernels_outside, "quantlab.signals._momentum", "@numba.njit(cache=True)\ndef f(x):\n    return x"),
        (kernels_outside, "quantlab.signals._kernel", "f = kernel(g)"),
        (global_randomness, "quantlab.validation._x", "np.random.seed(3)"),
        (global_randomness, "quantlab.validation._x", "draw = np.random.default_rng()"),
        (global_randomness, "quantlab.validation._x", "from numpy.random import normal"),
        (global_randomness, "quantlab.validation._x", "import random"),
        (global_randomness, "quantlab.core.rng", "np.random.normal()"),
        (assertions, "quantlab.core._x", "def f(x):\n    assert x"),
        (broad_handlers, "quantlab.core._x", "try:\n    f()\nexcept:\n    pass"),
        (broad_handlers, "quantlab.core._x", "try:\n    f()\nexcept (ValueError, Exception) as e:\n    g(e)"),
        (broad_handlers, "quantlab.core._x", "with contextlib.suppress(Exception):\n    f()"),
        (printing, "quantlab.report._x", "print('done')"),
        (clocks, "quantlab.report._x", "import datetime\ndatetime.datetime.now()"),
        (clocks, "quantlab.report._x", "import time\nstart = time.perf_counter()"),
        (clocks, "quantlab.report._x", "from time import time"),
        (clocks, "quantlab.report._x", "np.datetime64('today')"),
    ],
)
def test_the_rule_sees_a_violation(planted, rule, name, text):
    assert list(rule(planted(name, text)))


@pytest.mark.parametrize(
    ("rule", "name", "text"),
    [
        (kernels_outside, "quantlab.signals._momentum_kernels", "@kernel\ndef f(x):\n    return x"),
        (global_randomness, "quantlab.core.rng", "np.random.Generator(np.random.Philox(key=key))"),
        (global_randomness, "quantlab.validation._x", "def f(draw: np.random.Generator): ..."),
        (broad_handlers, "quantlab.core._x", "try:\n    f()\nexcept Exception as e:\n    e.add_note('x')\n    raise"),
        (broad_handlers, "quantlab.live._x", "try:\n    f()\nexcept Exception:\n    log()"),
        (printing, "quantlab.cli._x", "print('done')"),
        (clocks, "quantlab.live._x", "datetime.now()"),
        (clocks, "quantlab.data.store._clock", "datetime.now(UTC)"),
    ],
)
def test_the_rule_lets_the_legal_pass(planted, rule, name, text):
    assert not list(rule(planted(name, text)))
