"""Every public function, called with wrong values for each of its parameters.

The answer must be an error of the library's own that names the function and the parameter. Wrong values go by the kind
of a parameter, and that by its annotation. `CASES` has for each function a call that is right; a public function that
it lacks fails the test. What a case calls `fine` is right for its parameter.
"""

from __future__ import annotations

import importlib
import inspect
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import compat
import tapenet as tn
from tapenet.testing import strategies

MODULES = [
    "tapenet",
    "tapenet.data",
    "tapenet.extend",
    "tapenet.models",
    "tapenet.nn",
    "tapenet.nn.init",
    "tapenet.operators",
    "tapenet.optim",
    "tapenet.testing",
    "tapenet.testing.strategies",
    "tapenet.training",
    "tapenet.tree",
    "compat",
]

# ---- wrong values ----

OBJECT = object()
RAGGED = [[1.0], [1.0, 2.0]]
TEXTS = np.array(["a", "b"])
MASKED = np.ma.array([[1.0, 2.0], [3.0, 4.0]], mask=[[0, 1], [0, 0]])
with warnings.catch_warnings():
    warnings.simplefilter("ignore", PendingDeprecationWarning)
    MATRIX = np.matrix([[1.0, 2.0], [3.0, 4.0]])
HUGE = 10**30
X_AND_MORE = [np.ones((2, 2)), 1.0, 2.0]
NAN, INF = float("nan"), float("inf")

WRONG: dict[str, list[Any]] = {
    "number": ["a", None, NAN, INF, -INF, -1.0, 1j, True, [1.0, 2.0], np.ones(2), OBJECT, 10**400, TEXTS],
    "count": ["a", None, NAN, 2.5, 0, -1, HUGE, True, (1, 2), np.ones(2), OBJECT, 1j],
    "flag": ["yes", None, 2, NAN, OBJECT, [True]],
    "choice": ["abc", "", None, 3, OBJECT, ["mean"], NAN],
    "pair": ["ab", None, NAN, 1.5, (), (1,), (1, 2, 3), (1, 2.5), (1, None), 0, -1, (2, -2), True, OBJECT, HUGE],
    "padding": ["full", None, NAN, 1.5, (), (1, 2, 3), ((1, 2), (3,)), -1, (0, -1), True, OBJECT, HUGE],
    "line padding": ["full", None, NAN, 1.5, (), (1, 2, 3), ((1, 2), (3, 4)), -1, (0, -1), True, OBJECT, HUGE],
    "block": ["ab", None, NAN, 1.5, (), (1,), (1, 2), (1, 2, 2.5), (1, 2, None), 0, -1, (2, 1, -2), True, OBJECT, HUGE],
    "block padding": ["full", None, NAN, 1.5, (), (1, 2), ((1, 2), (3,)), -1, (0, 1, -1), True, OBJECT, HUGE],
    "shape": ["ab", None, 2.5, NAN, (2, -3), (2, 2.5), (2, None), True, OBJECT, HUGE, (2**40, 2**40), {"a": 1}],
    "dtype": ["abc", None, 3, OBJECT, "U5", object, "datetime64[s]", (1, 2)],
    "float dtype": ["abc", None, 3, OBJECT, "U5", object, int, bool, complex, (1, 2)],
    "rng": ["a", 0, None, OBJECT, np.random, 1.5],
    "function": ["a", 0, None, OBJECT, 1.5, np.ones(2)],
    "array": ["a", None, OBJECT, RAGGED, TEXTS, np.array([OBJECT]), MASKED, MATRIX, {"a": 1.0}, lambda x: x],
    "mask": [
        "a",
        OBJECT,
        RAGGED,
        TEXTS,
        MASKED,
        MATRIX,
        np.ones((1, 4)),
        np.ones((1, 4), int),
        np.ones((3, 3, 3), bool),
    ],
    "tree": ["a", OBJECT, TEXTS, np.array([OBJECT]), MASKED, MATRIX, np.arange(3), 3, True, {"a": "b"}, [1.0, 2]],
    "arguments": ["a", OBJECT, None, (TEXTS,), (MASKED,), (MATRIX,), (np.arange(3),), 1.5, [OBJECT]],
    "argnums": ["nope", None, 1.5, 7, -7, (0, 7), (0, 1.5), OBJECT, NAN, True],
    "axis": ["a", 1.5, 7, -7, (0, 7), (0, 0), OBJECT, NAN, None],
    "axes": ["a", 1.5, 7, OBJECT, NAN],
    "name": [3, OBJECT, "nope", "", NAN],
    "variable": ["a", None, OBJECT, 1.5, np.ones(2), [1.0]],
    "data": ["a", None, OBJECT, RAGGED, TEXTS, MASKED, MATRIX, {"a": 1.0}],
    "link": ["a", OBJECT, 1.5, np.ones(2), [1.0]],
    "operator": ["a", None, OBJECT, 1.5, compat.Dot, [1.0]],
    "variables": ["a", OBJECT, 1.5, {}, {"w1": 1.0}, [1.0]],
    "mapped": ["a", OBJECT, RAGGED, TEXTS, MASKED, MATRIX, 1.5],
    "points": ["ab", None, 2.5, NAN, (2, None), (1, "a"), (NAN,), True, OBJECT, ([1.0],)],
    "strategy": ["a", OBJECT, 1.5],
    "examples": ["a", None, OBJECT, 3, 1.5, (), {}, np.array(1.0), MASKED, (np.ones(2), np.ones(3)), {"a": 1.0}],
    "batches": ["a", None, OBJECT, 1.5],
    "metrics": ["a", 3, None, OBJECT, [3], ["a"], {"a": 3}],
    "folder": [3, OBJECT, 1.5, ["a"], b"a", None],
    "monitor": [3, OBJECT, "", 1.5],
    "optimizer": ["a", None, OBJECT, 1.5, tn.optim.adam, tn.optim.scale(1.0)],
    "path": [None, 3, 1.5, b"a", ["a"], OBJECT, ""],
    "other tree": ["a", None, OBJECT, [], [1.0], {"a": 1.0}, [1.0, [2.0]], X_AND_MORE],
    "vector": ["a", None, OBJECT, 1.0, np.ones(3), np.ones((2, 2)), TEXTS, np.ones(4, complex), RAGGED],
    "leaf": [OBJECT, TEXTS, np.array([OBJECT]), MASKED, MATRIX, [{"a": OBJECT}], b"a", {1, 2}],
    "state": ["a", 3, None, OBJECT, ["a"], {1: np.ones(2)}, {"a": 1j, "b": "x"}, {"a": OBJECT}],
    "covariance": ["a", None, OBJECT, RAGGED, TEXTS, MASKED, -1.0, NAN, 1j, np.ones(3), np.ones((2, 3)), {"a": 1.0}],
    "order": ["a", None, OBJECT, 0, 3, 1.5, True, NAN, [1]],
    "share": ["a", None, OBJECT, 0.0, 1.0, -0.1, 95, NAN, True],
    "operator matrix": [
        "a",
        None,
        OBJECT,
        1.5,
        RAGGED,
        TEXTS,
        np.ones(2),
        np.arange(4).reshape(2, 2),
        np.ones((2, 2, 2)),
    ],
    "right side": ["a", None, OBJECT, RAGGED, TEXTS, np.ones(3), {"a": np.ones(2)}, (np.ones(2), 1.0)],
    "texts": ["a", 3, OBJECT, ["a"], {"a": 1}, {1: "a"}, {"tapenet": "a"}],
}

# What the annotation of a parameter says of its kind; None is wrong unless it says so too.
KINDS = {
    "float": "number",
    "float | Schedule": "number",
    "int": "count",
    "Order": "count",
    "bool": "flag",
    "Window": "pair",
    "Padding": "padding",
    "LinePadding": "line padding",
    "Block": "block",
    "BlockPadding": "block padding",
    "DTypeLike": "float dtype",
    "Shape": "shape",
    "Sequence[int]": "shape",
    "np.random.Generator": "rng",
    "Array": "array",
    "Tree": "tree",
    "Sequence[Tree]": "arguments",
    "Argnums": "argnums",
    "Reduction": "choice",
    "Average": "choice",
    "Loss": "function",
    "Data": "batches",
    "Optimizer": "optimizer",
    "Method": "choice",
    "Family": "choice",
    "Axes": "axes",
    "int | Sequence[int]": "axis",
    "Variable": "variable",
    "Variable | Array": "data",
    "Link": "link",
    "Mapping[str, Variable]": "variables",
    "tuple[int, int]": "pair",
    "Function": "function",
    "Solver": "function",
    "str": "name",
    "Sequence[str]": "choice",
    "Scope": "choice",
    "Mode": "choice",
    "Kind": "choice",
    "str | os.PathLike[str]": "path",
    "Mapping[str, str]": "texts",
}


# ---- calls that are right ----


@attrs.frozen(eq=False)
class Case:
    """A call of a public function.

    Attributes:
        name: what errors call the function.
        call: takes the arguments by the names of its parameters.
        valid: arguments that are right.
        kinds: the kind of each parameter that is tried.
        named: what errors call a parameter, where it is not its own name.
        fine: values of the kind's that are right for a parameter.
        more: further wrong values of a parameter.
    """

    name: str
    call: Callable[..., Any]
    valid: dict[str, Any]
    kinds: dict[str, str]
    named: dict[str, str] = attrs.field(factory=dict)
    fine: dict[str, tuple[Any, ...]] = attrs.field(factory=dict)
    more: dict[str, tuple[Any, ...]] = attrs.field(factory=dict)

    def wrong(self) -> Iterator[tuple[str, Any]]:
        for parameter, kind in self.kinds.items():
            for value in (*WRONG[kind], *self.more.get(parameter, ())):
                if not any(value is right or same(value, right) for right in self.fine.get(parameter, ())):
                    yield parameter, value


def same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and isinstance(a, int | float | str | tuple | list) and a == b


def case(target: Callable[..., Any], name: str = "", call: Any = None, /, **options: Any) -> Case:
    """The case of a function with annotations; `kinds` given by hand come before what these say.

    Args:
        target: the function or class.
        name: for errors; its own by default.
        call: what is called instead, with its parameters; for functions that return functions.
        options: right arguments by parameter; and `kinds`, `named`, `fine` and `more` of `Case`.
    """
    given = {key: options.pop(key, {}) for key in ("kinds", "named", "fine", "more")}
    kinds: dict[str, str] = {}
    fine = {key: tuple(values) for key, values in given["fine"].items()}
    for parameter in inspect.signature(target).parameters.values():
        kind = given["kinds"].get(parameter.name, kind_of(parameter))
        if kind:
            kinds[parameter.name] = kind
        if parameter.default is None or "None" in str(parameter.annotation):
            fine[parameter.name] = (*fine.get(parameter.name, ()), None)
    kinds |= {key: kind for key, kind in given["kinds"].items() if kind and key not in kinds}
    return Case(name or target.__name__, call or target, options, kinds, given["named"], fine, given["more"])


def kind_of(parameter: inspect.Parameter) -> str | None:
    annotation = str(parameter.annotation).removesuffix(" | None")
    if annotation.startswith("Callable["):
        return "function"
    return KINDS.get(annotation)


FOLDER = tempfile.TemporaryDirectory()  # removed as the process ends
FILE = str(Path(FOLDER.name) / "x.safetensors")
tn.save(FILE, [np.ones((2, 2))])


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


X = np.array([[1.0, 2.0], [3.0, 4.0]])
IMAGES = np.ones((1, 4, 4, 2))
STATE = np.ones((2, 3))
LINES = np.ones((1, 4, 2))
VOLUMES = np.ones((1, 4, 4, 4, 2))
CHANNELS_FIRST = np.ones((2, 1, 4, 4))


def scalar(x: Any) -> Any:
    return (x * x).sum()


def transform(make: Callable[..., Any], *, scalar_f: bool = True, **options: Any) -> Case:
    """A function that makes a function of f, which is called too."""

    def call(f: Any, **rest: Any) -> Any:
        return make(f, **rest)(X.copy())

    f = scalar if scalar_f else np.square
    return case(make, "", call, f=f, fine={"chunk_size": (HUGE,)}, **options)


def on_tape(method: str, **options: Any) -> Case:
    """A method of a tape, of y = sum(x^2) and x on it."""

    def call(**given: Any) -> Any:
        with tn.GradientTape() as tape:
            x = tape.watch(X)
            y = scalar(x)
        places = {"y": y, "x": x}
        given = {key: places[key] if value is ... else value for key, value in given.items()}
        return getattr(tape, method)(**given)

    target = getattr(tn.GradientTape, method)
    return case(target, f"tape.{method}", call, **options)


VARIABLES = {key: compat.Variable(np.ones((3, 3, 1, 1))) for key in ("w1", "w2", "w")}
VARIABLES |= {key: compat.Variable(np.ones((1, 1))) for key in ("b1", "b2", "b", "gamma1", "beta1", "gamma2", "beta2")}
ZERO = (0,)
SEVERAL = ([1.0, 2.0], WRONG["number"][9])  # one for each channel
ANY_SIGN = (-1.0,)
INTEGERS = (0, -1, HUGE)
NUMBERS = (3, True)
ON_TAPE = {"y": "", "x": ""}
MATRICES = (strategies.orthogonal, strategies.positive_definite, strategies.symmetric, strategies.well_conditioned)


EVALUATED = {"model": "function", "data": "batches", "metrics": "metrics"}


def batch_loss(model: Any, x: Any, rng: Any) -> Any:
    return (model * x).sum(), model


SHIFTS = {"fill": ANY_SIGN, "most": (0,)}
CROPS = {"fill": ANY_SIGN, "padding": (0,)}


def graph() -> compat.Graph:
    made = compat.Graph()
    W = compat.Variable(np.ones((2, 2)), lr=0.1)
    made.add_var(W)
    made.add_op(compat.Op(compat.Dot(), compat.Placeholder(), W))
    made.add_loss(compat.Loss(compat.MSE()))
    made.add_optimizer(compat.SGD())
    made.forward(X)
    return made


def on_graph(method: str, **options: Any) -> Case:
    return case(getattr(compat.Graph, method), method, lambda **given: getattr(graph(), method)(**given), **options)


def optimizer(make: Callable[..., Any]) -> Case:
    return case(make, more={"b1": (1.0,), "b2": (1.0,), "momentum": (1.5,), "rho": (1.5,), "decay": (1.5,)})


def updates(make: Callable[[], Any]) -> Case:
    """The case of an optimizer's `update`."""

    def updated(gradients: Any, state: Any, params: Any, donate: bool) -> Any:
        made = make()
        return made.update(gradients, made.init([X]) if state is ... else state, params, donate=donate)

    valid = {"gradients": [X], "state": ..., "params": [X], "donate": False}
    kinds = {"gradients": "tree", "state": "tree", "params": "tree", "donate": "flag"}
    return Case(f"{make().name}.update", updated, valid, kinds)


def check(x: Any) -> Any:
    return tn.nn.normalize(x, 0.0, 1.0)


MATRIX_A = np.array([[2.0, 1.0], [1.0, 3.0]])
RNG = np.random.default_rng(0)
SOLVES = {"tolerance": "share"}
SMALL: dict[str, Any] = {}

CASES = [
    # tapenet
    case(tn.GradientTape),
    case(tn.checks, "checks", lambda **given: tn.checks(**given).__enter__()),
    transform(tn.grad),
    transform(tn.value_and_grad),
    transform(tn.elementwise_grad, scalar_f=False),
    transform(tn.jacobian),
    transform(tn.jacfwd),
    transform(tn.hessian),
    case(tn.hvp, "hvp", lambda f, **rest: tn.hvp(f, **rest)(X, X), f=scalar),
    Case("hvp", lambda v: tn.hvp(scalar)(X, v), {}, {"v": "tree"}, fine={"v": NUMBERS}),
    transform(tn.sparsity),
    transform(tn.sparse_jacobian, kinds={"pattern": "vector"}),
    transform(tn.sparse_hessian, kinds={"pattern": "vector"}),
    case(tn.color, pattern=np.eye(2), kinds={"pattern": "vector"}, fine={"pattern": (WRONG["vector"][5],)}),
    case(tn.jet, f=scalar, primals=(X,), series=([X],)),
    case(
        tn.directional, "directional", lambda f, **rest: tn.directional(f, **rest)(X, X), f=scalar, fine={"order": (0,)}
    ),
    Case("directional", lambda v: tn.directional(scalar)(X, v), {}, {"v": "tree"}, fine={"v": NUMBERS}),
    transform(tn.hessian_diagonal),
    transform(tn.laplacian),
    transform(tn.vmap, scalar_f=False),
    transform(tn.checkpoint),
    transform(tn.compile, scalar_f=False),
    case(tn.scan, body=lambda carry, x: (carry, x), carry=0.5, xs=X, kinds={"carry": "leaf", "xs": "leaf"}),
    case(tn.checkpointed_loop, step=lambda c, i: c, carry=0.5, n_or_xs=2, kinds={"carry": "leaf"}),
    case(tn.while_loop, cond=lambda carry: False, body=lambda c: c, carry=0.5, kinds={"carry": "leaf"}),
    Case("vmap", lambda x: tn.vmap(np.square)(x), {}, {"x": "mapped"}, {"x": "args"}),
    case(tn.vjp, "vjp", lambda f, args, **rest: tn.vjp(f, args, **rest), f=scalar, args=X, named={"args": "args[0]"}),
    Case("pullback", lambda y_bar: tn.vjp(scalar, X)[1](y_bar), {}, {"y_bar": "tree"}, fine={"y_bar": NUMBERS}),
    case(tn.jvp, f=scalar, args=(X,), tangents=(X,)),
    case(tn.linearize, "linearize", lambda f, args: tn.linearize(f, args), f=scalar, args=X, named={"args": "args[0]"}),
    # solvers of tapenet.optim
    case(
        tn.optim.newton_cg,
        f=scalar,
        x0=X,
        kinds={"x0": "tree", "tolerance": "share"},
        fine={"x0": (), "max_steps": (HUGE,)},
    ),
    case(
        tn.optim.levenberg_marquardt,
        f=lambda x: x - 1.0,
        x0=X,
        kinds={"x0": "tree", "tolerance": "share"},
    ),
    # tapenet.operators
    case(
        tn.linear_operator,
        f=np.square,
        x=X,
        kind="jacobian",
        kinds={"kind": "choice"},
        fine={"x": ()},
    ),
    case(tn.gauss_newton, "", lambda f, **rest: tn.gauss_newton(f, **rest)(X), f=np.square),
    case(
        tn.operators.fisher,
        "",
        lambda log_likelihoods: tn.operators.fisher(log_likelihoods)(X),
        log_likelihoods=np.square,
    ),
    *(
        case(solver, a=MATRIX_A, b=np.ones(2), kinds={"a": "operator matrix", "b": "right side", **SOLVES})
        for solver in (tn.operators.cg, tn.operators.minres, tn.operators.gmres)
    ),
    case(tn.operators.lsqr, a=MATRIX_A, b=np.ones(2), kinds={"a": "operator matrix", "b": "right side", **SOLVES}),
    case(tn.operators.eigsh, a=MATRIX_A, k=1, which="LA", kinds={"a": "operator matrix", "which": "choice", **SOLVES}),
    case(tn.operators.svds, a=MATRIX_A, k=1, kinds={"a": "operator matrix", **SOLVES}),
    case(tn.operators.trace, a=MATRIX_A, rng=RNG, kinds={"a": "operator matrix"}, more={"samples": (1,)}, fine=SMALL),
    case(
        tn.operators.diagonal, a=MATRIX_A, rng=RNG, kinds={"a": "operator matrix"}, more={"samples": (1,)}, fine=SMALL
    ),
    case(
        tn.operators.logdet,
        a=MATRIX_A,
        rng=RNG,
        kinds={"a": "operator matrix", "tolerance": "share"},
        more={"samples": (1,)},
        fine={**SMALL, "steps": (HUGE,)},
    ),
    case(
        tn.propagate,
        f=np.square,
        mean=X,
        covariance=np.ones((2, 2)),
        kinds={"covariance": "covariance", "order": "order"},
        fine={"mean": ()},
    ),
    case(
        tn.rounding_error,
        "",
        lambda f, **rest: tn.rounding_error(f, **rest)(X),
        f=np.square,
    ),
    case(
        tn.delta_method,
        f=np.square,
        estimate=X,
        covariance=np.ones((2, 2)),
        kinds={"covariance": "covariance", "order": "order", "level": "share"},
    ),
    case(tn.root, "root", lambda f, x0, **rest: tn.root(f, x0, **rest), f=lambda x: x - 1, x0=0.5, fine={"x0": ()}),
    case(tn.fixed_point, "fixed_point", lambda f, x0, **rest: tn.fixed_point(f, x0, **rest), f=np.cos, x0=0.5),
    case(
        tn.extend.register_array_type,
        of=type("Own", (np.ndarray,), {}),
        from_numpy=np.asarray,
        kinds={"of": "function", "from_numpy": "function"},
        fine={"from_numpy": (None,)},
    ),
    case(
        tn.primitive,
        "primitive",
        lambda **given: tn.primitive(given.pop("forward"), lambda t, x: t, **given),
        forward=lambda x: x,
        kinds={"name": "name"},
        fine={"name": ("nope",), "operands": (["mean"],)},
    ),
    case(tn.custom_vjp, "custom_vjp", f=np.sin, forward=lambda x: (x, x), backward=lambda r, t: (t,)),
    case(tn.custom_jvp, "custom_jvp", f=np.sin, rule=lambda p, t: (p[0], t[0])),
    case(tn.use_backend),
    case(tn.set_num_threads, fine={"n": (HUGE,)}),
    case(tn.keep_freed_memory, fine={"size": (0, HUGE)}),
    case(tn.save, path=FILE, tree=[X], kinds={"tree": ""}),
    Case("save", lambda tree: tn.save(FILE, tree), {}, {"tree": "leaf"}),
    case(tn.load, path=FILE),
    case(tn.load_metadata, path=FILE),
    Case("watch", lambda x: tn.GradientTape().__enter__().watch(x), {"x": X}, {"x": "tree"}),
    on_tape("gradient", y=..., x=..., kinds=ON_TAPE | {"unconnected": "choice"}, fine={"output_gradients": NUMBERS}),
    on_tape("jvp", y=..., x=..., tangents=X, kinds=ON_TAPE),
    on_tape("jacobian", y=..., x=..., kinds=ON_TAPE | {"unconnected": "choice"}, fine={"chunk_size": (HUGE,)}),
    on_tape("replay", inputs=X, kinds={"y": ""}, fine={"inputs": ()}),
    on_tape("profile", inputs=X, kinds={"y": ""}),
    # tapenet.tree
    case(tn.tree.map, "tree.map", function=np.negative, tree=[X], kinds={"tree": "", "rest": ""}),
    Case("tree.map", lambda rest: tn.tree.map(np.add, [1.0, {"a": 2.0}], rest), {}, {"rest": "other tree"}),
    case(
        tn.tree.map_with_path,
        "tree.map_with_path",
        function=lambda path, x: x,
        tree=[X],
        kinds={"tree": "", "rest": ""},
    ),
    Case("tree.leaves", tn.tree.leaves, {}, {}),
    Case("tree.paths", tn.tree.paths, {}, {}),
    case(tn.tree.ravel, "tree.ravel", tree=[X]),
    Case("unravel", lambda vector: tn.tree.ravel([X])[1](vector), {"vector": np.ones(4)}, {"vector": "vector"}),
    case(tn.tree.size, "tree.size", tree=[X], kinds={"tree": "leaf"}),
    case(tn.tree.norm, "tree.norm", tree=[X], kinds={"tree": "leaf"}),
    case(tn.tree.allclose, "tree.allclose", tree=[X], other=[X], kinds={"tree": "", "other": "other tree"}),
    case(tn.tree.replace, "tree.replace", tree=[X], path="0", value=1.0, kinds={"tree": "", "value": ""}),
    # tapenet.models
    case(
        tn.models.LeNet,
        num_classes=2,
        rng=rng(),
        image_size=16,
        dropout=0.5,
        dtype=np.float32,
        more={"dropout": (1.0,)},
    ),
    case(tn.models.MLP, inputs=2, hidden=3, outputs=2, rng=rng(), kinds={"hidden": "shape"}, more={"dropout": (1.0,)}),
    case(
        tn.models.ResNet,
        depth=18,
        num_classes=2,
        rng=rng(),
        width=1,
        kinds={"stem": "choice"},
        more={"depth": (20,)},
    ),
    case(
        tn.models.Transformer,
        symbols=3,
        rng=rng(),
        features=4,
        layers=1,
        heads=2,
        more={"dropout": (1.0,), "heads": (3,)},
    ),
    case(tn.models.Autoencoder, code=2, rng=rng(), image_size=8, width=1, more={"image_size": (9,)}),
    case(tn.models.UNet, num_classes=2, rng=rng(), depth=1, width=1),
    case(tn.models.VGG16, num_classes=2, rng=rng(), image_size=32, width=1, more={"dropout": (1.0,)}),
    # tapenet.nn
    *(case(f, f.__name__, lambda x, f=f: f(x), x=X) for f in (tn.nn.relu, tn.nn.sigmoid)),
    Case("tanh", tn.nn.tanh, {}, {}),  # that of tapenet.numpy: off a tape it is NumPy's, with NumPy's errors
    *(case(f, x=X) for f in (tn.nn.silu, tn.nn.softplus, tn.nn.gelu)),
    case(tn.nn.elu, x=X, fine={"alpha": (*ANY_SIGN, *SEVERAL)}),
    case(tn.nn.leaky_relu, x=X, fine={"slope": (*ANY_SIGN, *SEVERAL)}),
    *(case(f, x=X) for f in (tn.nn.relu6, tn.nn.hardswish, tn.nn.selu, tn.nn.mish, tn.nn.logsigmoid)),
    case(tn.nn.celu, x=X, more={"alpha": (0.0,)}),
    case(tn.nn.prelu, x=X, slope=0.5, more={"slope": (np.ones(3),)}),
    *(case(f, x=X, low=-2.0, high=2.0, fine={"low": ANY_SIGN, "high": ANY_SIGN}) for f in (tn.nn.clip, tn.nn.hardtanh)),
    *(case(f, x=X, kinds={"axis": "axis"}, more={"x": (np.ones((2, 3)),)}) for f in (tn.nn.glu, tn.nn.swiglu)),
    case(tn.nn.softmax, x=X, kinds={"axis": "axis"}, fine={"axis": (None,)}),
    case(tn.nn.log_softmax, x=X, kinds={"axis": "axis"}, fine={"axis": (None,)}),
    case(tn.nn.avg_pool, x=IMAGES, window=2),
    case(tn.nn.max_pool, x=IMAGES, window=2),
    case(tn.nn.batch_norm, x=X),
    case(tn.nn.layer_norm, x=X, more={"scale": (np.ones(3),), "offset": (np.ones(3),)}),
    case(tn.nn.normalize, x=X, mean=0.0, var=1.0),
    case(tn.nn.dense, x=X, kernel=X),
    case(tn.nn.conv, x=IMAGES, kernel=np.ones((2, 2, 2, 1))),
    case(tn.nn.conv1d, x=LINES, kernel=np.ones((2, 2, 1))),
    case(tn.nn.conv3d, x=VOLUMES, kernel=np.ones((2, 2, 2, 2, 1))),
    case(tn.nn.conv_transpose, x=IMAGES, kernel=np.ones((2, 2, 1, 2)), fine={"output_padding": ZERO}),
    case(tn.nn.conv_transpose1d, x=LINES, kernel=np.ones((2, 1, 2)), fine={"output_padding": ZERO}),
    *(case(f, x=LINES, window=2) for f in (tn.nn.max_pool1d, tn.nn.avg_pool1d)),
    *(case(f, x=VOLUMES, window=2) for f in (tn.nn.max_pool3d, tn.nn.avg_pool3d)),
    case(tn.nn.global_avg_pool, x=IMAGES, more={"x": (X,)}),
    case(tn.nn.adaptive_avg_pool, x=VOLUMES, size=2, more={"x": (X,)}),
    case(tn.nn.group_norm, x=X, groups=2, more={"scale": (np.ones(3),), "offset": (np.ones(3),)}),
    case(tn.nn.instance_norm, x=LINES, more={"x": (X,)}),
    case(tn.nn.rms_norm, x=X, more={"scale": (np.ones(3),)}),
    *(
        case(f, x=X, rate=0.5, rng=rng(), more={"rate": (1.0,)})
        for f in (tn.nn.dropout, tn.nn.spatial_dropout, tn.nn.stochastic_depth)
    ),
    case(tn.nn.embedding, table=X, indices=[0]),
    case(tn.nn.one_hot, labels=[0], num_classes=2, kinds={"dtype": "dtype"}),
    case(tn.nn.AvgPool, window=2),
    case(tn.nn.MaxPool, window=2),
    case(tn.nn.BatchNorm, channels=2, more={"momentum": (1.5,)}),
    case(tn.nn.LayerNorm, features=2),
    case(tn.nn.Conv, inputs=2, outputs=2, window=2, rng=rng()),
    *(
        case(run, x=LINES, kernel=np.ones((2, 3 * gates)), recurrent=np.ones((3, 3 * gates)), kinds={"mask": "mask"})
        for run, gates in ((tn.nn.rnn, 1), (tn.nn.gru, 3), (tn.nn.lstm, 4))
    ),
    *(
        case(cell, x=X, state=STATE, kernel=np.ones((2, 3 * gates)), recurrent=np.ones((3, 3 * gates)))
        for cell, gates in ((tn.nn.rnn_cell, 1), (tn.nn.gru_cell, 3))
    ),
    case(
        tn.nn.lstm_cell,
        x=X,
        state=(STATE, STATE),
        kernel=np.ones((2, 12)),
        recurrent=np.ones((3, 12)),
        kinds={"state": "array"},
        more={"state": ((STATE,), (STATE, X))},
    ),
    case(
        tn.nn.scaled_dot_product_attention,
        q=LINES,
        k=LINES,
        v=LINES,
        kinds={"mask": "mask"},
        fine={"mask": (WRONG["mask"][6],)},
    ),
    case(tn.nn.rotary, x=LINES, positions=[0, 1, 2, 3], more={"positions": ([1, 2],)}),
    case(tn.nn.sinusoidal_positions, length=2, features=2),
    case(tn.nn.MultiHeadAttention, features=2, heads=1, rng=rng()),
    case(tn.nn.TransformerBlock, features=2, heads=1, rng=rng(), more={"dropout": (1.0,)}),
    case(tn.nn.length_mask, lengths=[1, 2], steps=3, more={"lengths": ([4], [-1], [1.0], 2)}),
    *(
        case(f, inputs=2, features=2, rng=rng())
        for f in (tn.nn.RNN, tn.nn.GRU, tn.nn.LSTM, tn.nn.RNNCell, tn.nn.GRUCell, tn.nn.LSTMCell)
    ),
    *(case(f, inputs=2, outputs=2, window=2, rng=rng()) for f in (tn.nn.Conv1d, tn.nn.Conv3d)),
    *(
        case(f, inputs=2, outputs=2, window=2, rng=rng(), fine={"output_padding": ZERO})
        for f in (tn.nn.ConvTranspose, tn.nn.ConvTranspose1d)
    ),
    *(case(f, window=2) for f in (tn.nn.MaxPool1d, tn.nn.AvgPool1d, tn.nn.MaxPool3d, tn.nn.AvgPool3d)),
    case(tn.nn.AdaptiveAvgPool, size=2, fine={"size": ((1,), (1, 2))}),
    Case("GlobalAvgPool", lambda: tn.nn.GlobalAvgPool()(IMAGES), {}, {}),
    case(tn.nn.GroupNorm, channels=2, groups=2),
    case(tn.nn.InstanceNorm, channels=2),
    case(tn.nn.RMSNorm, features=2),
    case(tn.nn.PReLU, fine={"slope": ANY_SIGN}),
    *(case(f, rate=0.5, more={"rate": (1.0,)}) for f in (tn.nn.SpatialDropout, tn.nn.StochasticDepth)),
    case(tn.nn.Residual, inside=np.abs, kinds={"inside": "function", "shortcut": "function"}),
    case(tn.nn.Dense, inputs=2, outputs=2, rng=rng()),
    case(tn.nn.Embedding, rows=2, features=2, rng=rng()),
    case(tn.nn.Dropout, rate=0.5, more={"rate": (1.0,)}),
    case(tn.nn.Function, function=np.abs),
    Case("Sequential", tn.nn.Sequential, {}, {}),
    Case("Sequential", lambda layers: tn.nn.Sequential(layers), {}, {"layers": "function"}),
    Case("Flatten", lambda x: tn.nn.Flatten()(x), {}, {"x": "array"}, fine={"x": ()}),
    case(tn.nn.binary_cross_entropy, logits=X, labels=np.ones((2, 2))),
    case(
        tn.nn.cross_entropy,
        logits=X,
        labels=[0, 1],
        weights=np.ones(2),
        fine={"ignored": INTEGERS},
        more={"smoothing": (1.5,), "ignored": (True,)},
    ),
    case(tn.nn.nll, log_probabilities=X, labels=[0, 1], weights=np.ones(2), fine={"ignored": INTEGERS}),
    case(tn.nn.kl_div, log_predictions=X, targets=np.ones((2, 2)), more={"targets": (-np.ones((2, 2)),)}),
    case(tn.nn.focal, logits=X, labels=np.ones((2, 2)), more={"alpha": (1.5,)}),
    case(tn.nn.hinge, predictions=X, labels=np.ones((2, 2)), more={"margin": (0.0,), "labels": (X,)}),
    case(
        tn.nn.cosine,
        predictions=X,
        targets=X,
        labels=np.ones(2),
        fine={"margin": ANY_SIGN},
        more={"margin": (1.5,), "labels": (np.ones(3), np.zeros(2))},
    ),
    case(tn.nn.triplet, anchors=X, positives=X, negatives=X, more={"margin": (0.0,)}),
    case(tn.nn.contrastive, x=X, y=X, more={"temperature": (0.0,)}),
    case(
        tn.nn.ctc,
        logits=np.zeros((1, 2, 3)),
        labels=[[1]],
        lengths=[2],
        label_lengths=[1],
        fine={"blank": ZERO},
        more={"lengths": ([0], [1.5], [1, 2]), "label_lengths": ([2], [0.5]), "labels": ([[0]], [[3]], [1])},
    ),
    case(tn.nn.mean_squared_error, predictions=X, targets=X),
    case(
        tn.nn.summary,
        model=tn.nn.Flatten(),
        x=X,
        kinds={"model": "function", "more": ""},
        more={"model": (abs,)},
        fine={"x": ()},
    ),
    *(
        case(
            f,
            model=tn.nn.Flatten(),
            **{name: {"params": {}} if name == "variables" else {}},
            by="name",
            kinds={"model": "function", name: "state", "by": "choice", "names": "state"},
            more={"model": (abs,)},
        )
        for f, name in ((tn.nn.from_torch_state, "state"), (tn.nn.from_flax_state, "variables"))
    ),
    *(
        case(f, model=tn.nn.Flatten(), kinds={"model": "function", "names": "state"}, more={"model": (abs,)})
        for f in (tn.nn.to_torch_state, tn.nn.to_flax_state)
    ),
    case(tn.nn.huber, predictions=X, targets=X, more={"delta": (0.0,)}),
    # tapenet.nn.init
    case(tn.nn.init.uniform, rng=rng(), shape=(2, 2), fine={"low": ANY_SIGN, "high": ANY_SIGN}),
    case(tn.nn.init.normal, rng=rng(), shape=(2, 2), fine={"mean": ANY_SIGN}),
    *(
        case(f, rng=rng(), shape=(2, 2))
        for f in (tn.nn.init.glorot_uniform, tn.nn.init.glorot_normal, tn.nn.init.he_uniform, tn.nn.init.he_normal)
    ),
    # tapenet.optim
    *map(
        optimizer,
        (
            tn.optim.sgd,
            tn.optim.momentum,
            tn.optim.nesterov,
            tn.optim.adagrad,
            tn.optim.adadelta,
            tn.optim.rmsprop,
            tn.optim.adam,
            tn.optim.adamw,
            tn.optim.adamax,
            tn.optim.nadam,
            tn.optim.radam,
            tn.optim.lion,
            tn.optim.lamb,
            tn.optim.rprop,
        ),
    ),
    case(
        tn.optim.adafactor,
        fine={"b2_power": ANY_SIGN},
        more={"b2_power": (1.0,), "clip": (0.5,)},
    ),
    case(tn.optim.lbfgs, fine={"memory": (HUGE,)}),
    case(tn.optim.clip_by_value, limit=1.0),
    case(tn.optim.clip_by_global_norm, limit=1.0),
    case(tn.optim.scale, factor=1.0, fine={"factor": ANY_SIGN}),
    Case("scale_by_schedule", tn.optim.scale_by_schedule, {}, {"schedule": "function"}),
    case(tn.optim.plateau, fine={"patience": ZERO, "cooldown": ZERO}),
    case(tn.optim.add_decayed_weights, weight_decay=0.1, kinds={"mask": ""}),
    case(tn.optim.ema, decay=0.9),
    case(tn.optim.average_params, decay=0.9),
    case(tn.optim.accumulate, steps=2),
    case(tn.optim.skip_nonfinite, fine={"limit": ZERO}),
    Case("chain", lambda parts: tn.optim.chain(parts), {}, {"parts": "function"}),
    case(tn.optim.partition, labels="a", optimizers={"a": tn.optim.sgd()}, kinds={"optimizers": "variables"}),
    case(tn.optim.constant, value=0.1),
    case(tn.optim.cosine_decay, init=0.1, steps=2),
    case(tn.optim.linear_decay, init=0.1, steps=2),
    case(tn.optim.exponential_decay, init=0.1, rate=0.5, steps=2, more={"rate": (1.5,)}),
    case(tn.optim.polynomial_decay, init=0.1, steps=2, more={"power": (0.0,)}),
    case(tn.optim.step_decay, init=0.1, rate=0.5, steps=2, more={"rate": (1.5,)}),
    case(
        tn.optim.multistep_decay,
        init=0.1,
        rate=0.5,
        at=[1, 2],
        fine={"at": ((2**40, 2**40),)},
        more={"rate": (1.5,), "at": (2,)},
    ),
    case(tn.optim.cosine_restarts, init=0.1, steps=2),
    case(tn.optim.one_cycle, peak=0.1, steps=2, kinds={"shape": "choice"}, more={"rise": (1.5,)}),
    case(
        tn.optim.joined,
        schedules=[tn.optim.constant(1.0)] * 3,
        at=[1, 2],
        kinds={"schedules": "arguments"},
        more={"at": (2, [2, 1])},
    ),
    case(tn.optim.warmup, schedule=0.1, steps=2, fine={"steps": ZERO}),
    Case("adam.init", tn.optim.adam().init, {}, {"params": "tree"}),
    *map(
        updates,
        (
            tn.optim.adam,
            tn.optim.lamb,
            tn.optim.adafactor,
            tn.optim.freeze,
            lambda: tn.optim.lbfgs(line_search=False),
            lambda: tn.optim.chain(tn.optim.clip_by_value(1.0), tn.optim.sgd(), tn.optim.average_params(0.5)),
            lambda: tn.optim.partition("a", {"a": tn.optim.adam()}),
        ),
    ),
    *(
        Case(f"{made.name}.init", made.init, {"params": [X]}, {"params": "tree"})
        for made in (
            tn.optim.lamb(),
            tn.optim.adafactor(),
            tn.optim.freeze(),
            tn.optim.lbfgs(),
            tn.optim.chain(tn.optim.ema(0.5), tn.optim.sgd()),
            tn.optim.partition("a", {"a": tn.optim.adam()}),
        )
    ),
    Case(
        "step",
        lambda rng: tn.training.make_step(batch_loss, tn.optim.sgd())(X, tn.optim.sgd().init(X), X, rng),
        {"rng": rng()},
        {"rng": "rng"},
    ),
    # tapenet.data
    case(
        tn.data.batches,
        arrays=X,
        size=2,
        kinds={"arrays": "examples", "shuffle": "flag"},
        fine={"prefetch": (0, HUGE), "size": (HUGE,), "shuffle": (None,)},
        more={"shuffle": (True,), "prefetch": (-1,)},
    ),
    case(tn.data.prefetch, data=[1], kinds={"data": "batches"}, fine={"size": (HUGE,)}),
    case(tn.data.transformed, data=[1], function=np.square, kinds={"data": "batches"}),
    case(tn.data.random_shift, images=IMAGES, rng=rng(), kinds={"most": "pair"}, fine=SHIFTS),
    case(tn.data.random_crop, images=IMAGES, rng=rng(), size=2, kinds={"size": "pair", "padding": "pair"}, fine=CROPS),
    case(tn.data.random_flip, images=IMAGES, rng=rng(), kinds={"axis": "choice"}, more={"rate": (1.5,)}),
    case(tn.data.cutout, images=IMAGES, rng=rng(), size=2, kinds={"size": "pair"}, fine={"fill": (-1.0,)}),
    # tapenet.training
    *(
        case(metric, outputs=X, labels=[0, 1])
        for metric in (
            tn.training.accuracy,
            tn.training.top_k,
            tn.training.confusion_matrix,
            tn.training.precision,
            tn.training.recall,
            tn.training.f1,
            tn.training.auc,
        )
    ),
    case(
        tn.training.fit,
        model=X,
        loss=batch_loss,
        optimizer=tn.optim.sgd(),
        data=[X],
        epochs=1,
        rng=rng(),
        kinds={"model": "tree", "metrics": "metrics", "callbacks": "metrics", "checkpoint": "folder"},
        fine={"epochs": ZERO, "checkpoint": (None,), "validation": (None,)},
        more={"resume": (True,)},
    ),
    case(tn.training.make_step, loss=batch_loss, optimizer=tn.optim.sgd()),
    case(
        tn.training.evaluate,
        model=np.abs,
        data=[(X, X)],
        metrics=[np.subtract],
        kinds=EVALUATED,
        fine={"loss": (None,)},
    ),
    case(tn.training.epoch_rng, rng=rng()),
    case(tn.training.Checkpoints, folder="run", kinds={"folder": "folder", "monitor": "monitor", "mode": "choice"}),
    case(tn.training.early_stopping, kinds={"monitor": "monitor", "mode": "choice"}),
    case(tn.training.keep_best, kinds={"monitor": "monitor", "mode": "choice"}),
    case(tn.training.tensorboard, folder="run", kinds={"folder": "folder"}),
    case(tn.training.perplexity, logits=X, labels=[0, 1]),
    case(tn.training.r2, outputs=X, targets=X),
    # tapenet.testing
    case(tn.testing.check_grads, f=check, args=(X,), kinds={"argnums": "argnums"}),
    case(tn.testing.assert_same_gradient, f=check, g=check, args=(X,), fine={"order": ZERO}),
    Case("gradient_test", lambda f: tn.testing.gradient_test(f, X)(), {}, {"f": "function"}),
    Case("assert_same_as_jax", tn.testing.assert_same_as_jax, {}, {}),
    Case("assert_same_as_torch", tn.testing.assert_same_as_torch, {}, {}),
    # tapenet.testing.strategies
    case(
        strategies.arrays,
        kinds={"shape": "shape", "away_from": "points"},
        fine={"low": ANY_SIGN, "high": ANY_SIGN, "dtype": (complex,)},
    ),
    case(strategies.numbers, kinds={"away_from": "points"}, fine={"low": ANY_SIGN, "high": ANY_SIGN}),
    case(strategies.shapes, fine={"min_dims": ZERO, "max_dims": ZERO, "min_side": ZERO}),
    case(strategies.broadcastable_shapes, fine={"max_dims": ZERO, "min_side": ZERO}),
    case(strategies.broadcastable_arrays, fine={"max_dims": ZERO, "min_side": ZERO, "dtype": (complex,)}),
    *(case(f, kinds={"batch": "shape"}, fine={"dtype": (complex,), "n": ZERO, "batch": (None,)}) for f in MATRICES),
    case(strategies.axes, ndim=2, kinds={"ndim": "shape"}),
    case(strategies.indices, shape=(2, 2)),
    case(strategies.pytrees, kinds={"leaves": "strategy"}),
    # compat
    case(compat.Variable, initial=X, kinds={"initial": "data"}, fine={"initial": (1.5,)}),
    case(compat.UniformInit, shape=(2, 2), fine={"low": ANY_SIGN, "high": ANY_SIGN}),
    case(compat.NormalInit, shape=(2, 2), fine={"loc": ANY_SIGN}),
    case(compat.Op, operation=compat.Add(), kinds={"operation": "operator"}),
    case(compat.Layer, activator=compat.Relu(), kinds={"activator": "operator"}),
    case(compat.Loss, lossfunc=compat.MSE(), kinds={"lossfunc": "operator"}),
    case(compat.Conv2d, kinds={"padding": "choice"}, fine={"pad": ZERO}),
    case(compat.MaxPooling, filter_h=2, filter_w=2, fine={"pad": ZERO}),
    case(compat.Dropout, p=0.5, more={"p": (0.0, 1.5)}),
    case(compat.BatchNorm, gamma=VARIABLES["b"], beta=VARIABLES["b"]),
    case(compat.ResBlock, X1=compat.Placeholder(), X2s=VARIABLES),
    case(compat.MomentumOptimizer, more={"beta1": (1.5,)}),
    case(compat.AdaDeltaOptimizer, more={"beta2": (1.5,)}),
    case(compat.RMSPropOptimizer, more={"beta2": (1.5,)}),
    case(compat.AdamOptimizer, more={"beta1": (1.5,), "beta2": (1.5,)}),
    case(compat.LeNet, imagesize=(1, 1, 28, 28), flatten_size=1024, num_labels=2),
    case(compat.VGG16, imagesize=(1, 1, 32, 32), flatten_size=512, num_labels=2),
    case(compat.onehot, label=[[1], [2]], kinds={"label": ""}, fine={}),
    case(compat.miniBatch, X=X, Y=X),
    case(compat.randomshuffle, X=X, Y=X),
    case(compat.scaleallimage, X=CHANNELS_FIRST, size=(2, 2)),
    on_graph("add_var", var=VARIABLES["b"]),
    on_graph("forward", X=X),
    on_graph("save", path=FILE),
    Case("load", lambda path: graph().load(path), {}, {"path": "path"}),
    on_graph("calc_loss", Y=X),
    on_graph("predict", X=X),
]

NOT_CALLED = {  # public names that have no arguments, or none of their own
    "tapenet": "Tensor Record at jacrev stop_gradient static_field empty_cache show_config num_threads",
    # declarations, which trust the author of an operation; primitive is the one that checks
    "tapenet.extend": "elementwise linear multilinear general joint piecewise_constant Primitive choice "
    "nondifferentiable elementwise_rule leading shifted reordered with_examples untouched broadcast_rule "
    "leading_axes along_axis over_operand into_images one_by_one refused",
    "tapenet.data": "Batches Prefetched",
    "tapenet.nn": "BatchStatistics Layer LayerSummary ModelSummary Stateless",
    "tapenet.training": "Run History Callback inference",
    "tapenet.operators": "LinearOperator EighResult SVDResult Estimate",
    "tapenet.optim": "Optimizer Schedule Part Solution freeze",
    "compat": "Placeholder Add Identity Dot Flatten ReluActivator IdentityActivator SigmoidActivator TanhActivator "
    "MSE Softmax SGDOptimizer AdaGramOptimizer Graph",
}


# ---- the tests ----


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: f"{CASES[number].name}-{number}")
def test_wrong_values_are_answered_by_name(number: int) -> None:
    case = CASES[number]
    if case.valid:
        case.call(**case.valid)
    wrong = [problem for parameter, value in case.wrong() if (problem := answer_to(case, parameter, value))]
    assert wrong == []


def answer_to(case: Case, parameter: str, value: Any) -> str | None:
    """What is wrong with the answer to a wrong value; None where nothing is."""
    call = f"{case.name}({parameter}={value!r:.60})"
    try:
        case.call(**{**case.valid, parameter: value})
    except tn.TapenetError as error:
        named = case.name in str(error) and case.named.get(parameter, parameter) in str(error)
        return None if named else f"{call}: {error}"
    except Exception as error:
        return f"{call}: {type(error).__name__}: {error}"
    return f"{call} was accepted"


def test_wrong_values_are_many() -> None:
    assert sum(1 for case in CASES for _ in case.wrong()) > 3500


@pytest.mark.parametrize("module", MODULES)
def test_every_public_function_is_called(module: str) -> None:
    found = importlib.import_module(module)
    called = {case.name for case in CASES}
    left_out = NOT_CALLED.get(module, "").split()
    missing = [
        name
        for name in found.__all__
        if callable(value := getattr(found, name))
        and not (isinstance(value, type) and issubclass(value, Exception))
        and not {name, getattr(value, "__name__", name), f"{module.split('.')[-1]}.{name}"} & {*called, *left_out}
    ]
    assert missing == []
