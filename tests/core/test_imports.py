"""What importing tapenet imports, and which module may import which: downward only, in no circle, public names only."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import pytest

import tapenet

ROOT = Path(__file__).parents[2]

HEAVY = (
    "numpy.f2py numpy.ma numpy.polynomial numpy.ctypeslib numpy.typing hypothesis scipy torch jax tqdm matplotlib PIL "
    "importlib.metadata email"
)

# The rooms from the bottom up. A room imports from its own line and from those above it in this list. Rooms on one
# line may import each other in one direction.
LAYERS = [
    ["tapenet.errors"],
    ["tapenet.core"],
    ["tapenet.kernels"],
    ["tapenet.ops.elementwise"],
    ["tapenet.ops.special"],
    ["tapenet.ops.arrays"],
    ["tapenet.ops.reductions"],
    ["tapenet.ops.linalg"],
    ["tapenet.ops.signal"],
    ["tapenet.ops.nn"],
    ["tapenet.walks"],
    ["tapenet.series"],
    ["tapenet.diagnostics"],
    ["tapenet.views"],
    ["tapenet.tape"],
    ["tapenet.extend"],
    ["tapenet.transforms", "tapenet.numpy"],
    ["tapenet.saving"],
    ["tapenet.files", "tapenet.tree"],
    ["tapenet.program"],
    ["tapenet.program.passes"],
    ["tapenet.program.fusion"],
    ["tapenet.program.backends.llvm", "tapenet.program.backends.c"],
    ["tapenet.program.backends"],
    ["tapenet.program.recording"],
    ["tapenet.program.compiling"],
    ["tapenet.program.loops"],
    ["tapenet.uncertainty", "tapenet.operators"],
    ["tapenet.nn", "tapenet.optim", "tapenet.models", "tapenet.data"],
    ["tapenet.training"],
    ["tapenet.scipy"],
    ["tapenet.testing"],
    ["tapenet"],
    ["compat", "numpynet"],
]
RANKS = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}

# Names that begin with an underscore and are documented as public.
PUBLIC_UNDERSCORES = {
    "_replace": "named tuples",
    "_fields": "named tuples",
    "_getframe": "sys",
    "_repr_html_": "IPython",
}
# Private names that are used outside of the module that defines them, with the reason.
REASONED = {
    "_node": "autograd's attribute of a box, which `compat.autograd` gives to Tensors",
    "_value": "a Tensor's slot, read directly where a property would cost a call for each small operation",
}


# ---- reading the sources ----


def sources(*packages: str) -> dict[str, Path]:
    """Every module of these packages, by its name."""
    found = {}
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = sources("tapenet", "compat", "numpynet")
TREES = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in MODULES.items()}


def run_time_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, but those that type checkers alone read."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            yield from run_time_nodes(ast.Module(child.orelse, []))
        else:
            yield child
            yield from run_time_nodes(child)


def absolute(module: str, node: ast.ImportFrom) -> str:
    """The name that an import names, relative ones from the package of `module`."""
    if not node.level:
        return node.module or ""
    package = module.split(".") if MODULES.get(module, Path()).name == "__init__.py" else module.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def is_import_by_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) in ("importlib.import_module", "import_module")


def imported_names(module: str, tree: ast.AST) -> Iterator[str]:
    """What a module imports, at the top, within functions and by `importlib` with a literal name."""
    for node in run_time_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{absolute(module, node)}.{alias.name}" for alias in node.names)
        elif is_import_by_name(node) and isinstance(node.args[0], ast.Constant):
            yield str(node.args[0].value)


def owner(name: str, modules: Collection[str]) -> str | None:
    """The module that a dotted name is, or is in."""
    while name and name not in modules:
        name = name.rpartition(".")[0]
    return name or None


def import_graph(trees: Mapping[str, ast.AST]) -> dict[str, set[str]]:
    """The modules that each module imports."""
    graph = {}
    for module, tree in trees.items():
        targets = {owner(name, trees) for name in imported_names(module, tree)}
        graph[module] = {target for target in targets if target is not None and target != module}
    return graph


def room(module: str) -> str:
    """The room of a module: its longest prefix among the layers."""
    found = owner(module, RANKS)
    assert found is not None
    return found


def graph_of_rooms(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    rooms: dict[str, set[str]] = {name: set() for name in RANKS}
    for module, targets in graph.items():
        rooms[room(module)] |= {room(target) for target in targets} - {room(module)}
    return rooms


def without_ends(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """The graph without modules that import none of it, nor those that import only such, and so on."""
    left = dict(graph)
    while ends := [module for module, targets in left.items() if not targets & left.keys()]:
        for module in ends:
            del left[module]
    return left


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """Modules that are on circles of imports, or on a path between two circles."""
    left = without_ends(graph)
    reverse = {module: {other for other, targets in left.items() if module in targets} for module in left}
    return sorted(without_ends(reverse))


def upward_arrows(graph: Mapping[str, set[str]]) -> list[str]:
    return sorted(
        f"{module} -> {target}"
        for module, targets in graph.items()
        for target in targets
        if RANKS[room(target)] > RANKS[room(module)]
    )


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def defined_names(tree: ast.AST) -> set[str]:
    """Names that a module defines itself: functions, classes, variables, fields, slots and attributes of `self`."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id == "self":
                found.add(node.attr)
    return found


def private_reaches(tree: ast.AST) -> set[str]:
    """Private names of others that a module imports, or reads or writes as attributes."""
    own = defined_names(tree)
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found |= {node.attr} - own
        elif isinstance(node, ast.ImportFrom):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("getattr", "setattr", "hasattr", "delattr"):
            found |= {str(x.value) for x in node.args[1:2] if isinstance(x, ast.Constant)} - own
    return {name for name in found if is_private(name)} - PUBLIC_UNDERSCORES.keys()


GRAPH = import_graph(TREES)


# ---- the architecture ----


def test_every_module_has_a_layer() -> None:
    loose = [module for module in MODULES if room(module) == "tapenet" and module not in ("tapenet", "tapenet.ops")]
    assert loose == [], "place them in LAYERS"
    assert [name for name in RANKS if name not in MODULES] == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    assert circle(GRAPH) == []


def test_no_rooms_import_each_other_in_a_circle() -> None:
    assert circle(graph_of_rooms(GRAPH)) == []


def test_imports_run_downward() -> None:
    assert upward_arrows(GRAPH) == []


def test_no_module_uses_a_private_name_of_another() -> None:
    reaches = {module: private_reaches(tree) - REASONED.keys() for module, tree in TREES.items()}
    assert {module: names for module, names in reaches.items() if names} == {}


def test_every_reasoned_private_name_is_used() -> None:
    used = set().union(*map(private_reaches, TREES.values()))
    assert REASONED.keys() - used == set()


# ---- the test of this test ----


def parsed(**modules: str) -> dict[str, ast.AST]:
    return {name.replace("_in_", "."): ast.parse(text) for name, text in modules.items()}


@pytest.mark.parametrize(
    "lower",
    [
        "import tapenet.nn",
        "from tapenet import nn",
        "from tapenet.nn import conv",
        "def late():\n    from tapenet.nn import conv",
        "def late():\n    return importlib.import_module('tapenet.nn')",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import tapenet.nn",
    ],
)
def test_an_upward_import_and_a_circle_are_found_however_they_are_written(lower: str) -> None:
    graph = import_graph(parsed(tapenet_in_core=lower, tapenet_in_nn="import tapenet.core", tapenet=""))
    assert "tapenet.core -> tapenet.nn" in upward_arrows(graph)
    assert {"tapenet.core", "tapenet.nn"} <= set(circle(graph))


def test_an_import_for_types_alone_is_none() -> None:
    trees = parsed(tapenet_in_core="if TYPE_CHECKING:\n    import tapenet.nn", tapenet_in_nn="import tapenet.core")
    assert circle(import_graph(trees)) == []
    assert upward_arrows(import_graph(trees)) == []


@pytest.mark.parametrize(
    "text",
    [
        "from tapenet.core import _secret",
        "from tapenet import core\ncore._secret",
        "def f(x):\n    x._secret = 1",
        "def f(x):\n    return getattr(x, '_secret')",
    ],
)
def test_a_private_reach_is_found(text: str) -> None:
    assert private_reaches(ast.parse(text)) == {"_secret"}


@pytest.mark.parametrize(
    "text",
    [
        "class A:\n    def _secret(self): ...\ndef f(a):\n    return a._secret()",
        "class A:\n    _secret: int\ndef f(a):\n    return a._secret",
        "class A:\n    def __init__(self):\n        self._secret = 1\ndef f(a):\n    return a._secret",
        "x.__class__, pair._replace(a=1)",
    ],
)
def test_private_names_of_its_own_are_a_modules_to_use(text: str) -> None:
    assert private_reaches(ast.parse(text)) == set()


# ---- what an import loads ----


def loaded_by(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_tapenet_imports_nothing_heavy() -> None:
    imported = loaded_by(
        "import sys, numpy; before = set(sys.modules); import tapenet; print(*(set(sys.modules) - before))"
    )
    assert "tapenet.tape" in imported
    assert not imported & set(HEAVY.split())


def test_importing_tapenet_imports_nothing_that_stands_on_it() -> None:
    loaded = loaded_by("import sys, tapenet; print(*sys.modules)")
    above = ("tapenet.nn", "tapenet.optim", "tapenet.models", "tapenet.scipy", "tapenet.testing", "compat", "numpynet")
    assert not [name for name in loaded if name.startswith(above)]


AT_ONCE = """
import random, sys, threading
import tapenet as tn, tapenet.numpy as tnp

sys.setswitchinterval(1e-6)
found, barrier = [], threading.Barrier(6)

def use(seed):
    names = [(space, name) for space in (tn, tnp) for name in space.__all__]
    random.Random(seed).shuffle(names)
    barrier.wait()
    found.append({(space.__name__, name): getattr(space, name) for space, name in names})

threads = [threading.Thread(target=use, args=(seed,)) for seed in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
for other in found[1:]:
    assert other.keys() == found[0].keys() and all(other[key] is found[0][key] for key in other)
for value in found[0].values():
    assert (getattr(value, "__doc__", None) or "").count("\\nReturns\\n-------") <= 1, value
print("done")
"""


def test_threads_that_use_names_for_the_first_time_at_once_get_the_same() -> None:
    assert loaded_by(AT_ONCE) == {"done"}


def test_what_is_imported_at_first_use_is_what_type_checkers_see() -> None:
    tree = TREES["tapenet"]
    assert isinstance(tree, ast.Module)
    late = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    seen = {
        alias.name: str(node.module).removeprefix("tapenet.")
        for node in late.body
        if isinstance(node, ast.ImportFrom) and node.module != "tapenet"
        for alias in node.names
    }
    assert tapenet._MODULE_OF == seen
