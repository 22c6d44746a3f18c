"""Writes the stubs of `tapenet.numpy`, which say to type checkers and editors what is in it, and of which types.

    python docs/generate_stubs.py

A function that is recorded gives a Tensor for a Tensor and an ndarray for anything else that NumPy takes for an array.
What gives plain values in any case, or is NumPy's own, has the types of NumPy's own stubs. Parameters are read from the
functions' signatures.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from inspect import Parameter
from pathlib import Path
from types import ModuleType
from typing import Any

import tapenet.numpy as tnp
from tapenet.numpy import reexports

FOLDER = Path(tnp.__file__).parent
NAMESPACES: dict[str, ModuleType] = {"__init__": tnp, "linalg": tnp.linalg, "fft": tnp.fft}
UNTYPED = frozenset("float128 complex256".split())  # which only some platforms have

HEADER = '''"""{title}, for type checkers. Written by `python docs/generate_stubs.py`."""

import builtins
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, overload

from numpy.typing import ArrayLike

{imports}
from tapenet.core.array_types import Array
from tapenet.core.tensor import Tensor

Axis = int | Sequence[int] | None
Norm = Literal["backward", "ortho", "forward"] | None

class Eigen(NamedTuple):
    eigenvalues: Array
    eigenvectors: Array

class SignAndLogarithm(NamedTuple):
    sign: Array
    logabsdet: Array

{elementwise}
{declarations}'''

OPTIONS = "/, *, out: {out} = None, where: ArrayLike = True, dtype: Any = None, **keywords: Any"
# Annotations of the functions' own modules, in terms of what the stub imports.
WRITTEN = {
    "Axes": "Sequence[int] | None",
    "int | Axes": "int | Sequence[int] | None",
    "Norm | None": "Norm",
    "Order": "Any",
    "Callable[..., Array]": "Callable[..., Any]",
}
ELEMENTWISE = {"Unary": ("x",), "Binary": ("x1", "x2")}
# What is not a plain array, or is one but where a keyword asks for more.
RETURNED = {"average": "Array", "linspace": "Array", "eig": "Eigen", "eigh": "Eigen", "slogdet": "SignAndLogarithm"}
ATLEAST = """@overload
def {name}(ary: Tensor, /) -> Tensor: ...
@overload
def {name}(ary: ArrayLike, /) -> Array: ...
@overload
def {name}(ary: ArrayLike, other: ArrayLike, /, *others: ArrayLike) -> tuple[Array, ...]: ...
"""
WHERE = """@overload
def {name}(condition: ArrayLike) -> tuple[Array, ...]: ...
@overload
def {name}(condition: ArrayLike, x: Tensor, y: ArrayLike) -> Tensor: ...
@overload
def {name}(condition: ArrayLike, x: ArrayLike, y: Tensor) -> Tensor: ...
@overload
def {name}(condition: ArrayLike, x: ArrayLike, y: ArrayLike) -> Array: ...
"""
BY_HAND = {"where": WHERE, "atleast_1d": ATLEAST, "atleast_2d": ATLEAST, "atleast_3d": ATLEAST}  # by how many arrays
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


def stub(name: str) -> str:
    """Write the stub of one namespace."""
    module = NAMESPACES[name]
    own, theirs, untyped = [], [], []
    for public in sorted(public_names(module)):
        value = getattr(module, public, None)
        if isinstance(value, ModuleType) and value.__name__.startswith("tapenet."):
            theirs.append(f"from tapenet.numpy import {public} as {public}")
        elif public != "finfo" and is_recorded(value):
            own.append(declaration(public, value))
        elif public in UNTYPED:
            untyped.append(f"{public}: Any\n")
        else:
            theirs.append(f"from {numpy_name(module)} import {public} as {public}")
    return HEADER.format(
        title=f"`{module.__name__}`",
        imports="\n".join(theirs),
        elementwise="\n".join(elementwise_protocol(kind) for kind in ELEMENTWISE),
        declarations="".join([*untyped, *own]),
    )


def elementwise_protocol(kind: str) -> str:
    """Write the type of an elementwise function: a Tensor where an operand is one."""
    names = ELEMENTWISE[kind]

    def call(place: int | None) -> str:
        operands = ", ".join(f"{x}: {'Tensor' if i == place else 'ArrayLike'}" for i, x in enumerate(names))
        options = OPTIONS.format(out="Any" if place is None else "None")
        result = "Array" if place is None else "Tensor"
        return f"    @overload\n    def __call__(self, {operands}, {options}) -> {result}: ...\n"

    return f"class {kind}(Protocol):\n" + "".join(call(place) for place in (*range(len(names)), None))


def public_names(module: ModuleType) -> Iterator[str]:
    """Give the names of a namespace, of NumPy's own all that any version of NumPy has."""
    if module is tnp:
        yield from {*tnp.__all__, *(name for names in reexports.GROUPS.values() for name in names.split())}
    else:
        yield from (name for name in vars(module) if name[0] != "_" and callable(getattr(module, name)))


def numpy_name(module: ModuleType) -> str:
    return module.__name__.removeprefix("tapenet.")


def is_recorded(value: Any) -> bool:
    """Whether a function is ours, and not NumPy's for plain values."""
    if hasattr(value, "primitive"):
        return True
    if not inspect.isfunction(value) or not value.__module__.startswith("tapenet."):
        return False
    return inspect.signature(value).return_annotation is not Parameter.empty


def declaration(name: str, function: Any) -> str:
    """Declare a recorded function."""
    if name in BY_HAND:
        return BY_HAND[name].format(name=name)
    parameters = list(inspect.signature(function).parameters.values())
    if parameters[0].annotation is Parameter.empty:  # as a ufunc's
        count = sum(p.kind in POSITIONAL for p in parameters)
        return f"{name}: {'Unary' if count == 1 else 'Binary'}\n"
    returned = RETURNED.get(name, str(inspect.signature(function).return_annotation))
    if "Array" not in returned:
        return f"def {name}({', '.join(written(parameters, None))}) -> {returned}: ...\n"
    recorded = returned.replace("Array", "Tensor")
    kinds = [(place, recorded) for place in array_places(parameters)] + [(None, returned)]
    lines = (f"def {name}({', '.join(written(parameters, place))}) -> {result}: ...\n" for place, result in kinds)
    return "".join(f"@overload\n{line}" if len(kinds) > 1 else line for line in lines)


def array_places(parameters: list[Parameter]) -> list[int]:
    """Find the parameters of which a Tensor makes the result one: the arrays that must be given."""
    arrays = [
        i for i, p in enumerate(parameters) if "Array" in str(p.annotation) and "Callable" not in str(p.annotation)
    ]
    required = [i for i in arrays if parameters[i].default is Parameter.empty]
    return required[:3] or arrays[:1]


def written(parameters: list[Parameter], of_tensor: int | None) -> Iterator[str]:
    """Write parameters, of which that at `of_tensor` is a Tensor, or a sequence of Tensors."""
    kind_before = None
    for place, parameter in enumerate(parameters):
        if kind_before is Parameter.POSITIONAL_ONLY is not parameter.kind:
            yield "/"
        if parameter.kind is Parameter.KEYWORD_ONLY and kind_before not in (
            Parameter.KEYWORD_ONLY,
            Parameter.VAR_POSITIONAL,
        ):
            yield "*"
        star = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        annotation = type_of(parameter, place == of_tensor)
        default = "" if parameter.default is Parameter.empty or place == of_tensor else f" = {shown(parameter.default)}"
        yield f"{star}{parameter.name}: {annotation}{default}"
        kind_before = parameter.kind
    if kind_before is Parameter.POSITIONAL_ONLY:
        yield "/"


def type_of(parameter: Parameter, of_tensor: bool) -> str:
    annotation = WRITTEN.get(str(parameter.annotation), str(parameter.annotation))
    annotation = re.sub(r"\bbool\b", "builtins.bool", annotation)  # as the namespace has NumPy's
    if "Array" not in annotation:
        return annotation
    written = annotation.replace("Array", "Tensor" if of_tensor else "ArrayLike")
    if not of_tensor and annotation == "Sequence[Array]":
        written = "Sequence[ArrayLike] | ArrayLike"
    is_optional = not of_tensor and parameter.default is not Parameter.empty
    return f"{written} | None" if is_optional else written


def shown(default: Any) -> str:
    return repr(default) if isinstance(default, bool | int | float | str | tuple | None.__class__) else "..."


if __name__ == "__main__":
    for name in NAMESPACES:
        (FOLDER / f"{name}.pyi").write_text(stub(name), encoding="utf-8")
