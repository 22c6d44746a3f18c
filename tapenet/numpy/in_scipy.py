"""Tensors in SciPy's own code: what to write in place of the function that was called, and errors that reach the user.

SciPy's Python code asks something of a value before its compiled code gets it: whether it is NaN, an array of it, its
namespace. Compiled code, and `except (TypeError, ValueError)`, hide what a conversion raises. So the question itself
raises, with an error that is neither.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from types import FrameType, FunctionType
from typing import Any

import numpy as np

import tapenet.numpy as tnp
from tapenet.core.primitive import Array
from tapenet.core.provided import provided
from tapenet.core.source_lines import module_of
from tapenet.errors import ArgumentTypeError, ForeignCodeError

_OF_COMPILED = "give a function of compiled code a derivative by tn.primitive or tn.custom_vjp."


# ---- which function was called ----


def _frames(asking: FrameType | None, *packages: str) -> Iterator[FrameType]:
    """Give the frame that asks and its callers, as long as they are of these packages."""
    while asking is not None and module_of(asking).startswith(packages):
        yield asking
        asking = asking.f_back


def _public_module(name: str) -> str:
    """Return the public part of a module's name: "sparse.linalg" of "scipy.sparse.linalg._isolve.iterative"."""
    parts: list[str] = []
    for part in name.split(".")[1:]:
        if part.startswith("_"):
            break
        parts.append(part)
    return ".".join(parts)


def _calls_of(frame: FrameType) -> Iterator[tuple[str, str]]:
    """Give the module and the name of the function that runs in a frame, of what it wraps, and of its object."""
    if "self" in frame.f_locals:  # a method, of a distribution say
        of = frame.f_locals["self"]
        distribution = getattr(of, "dist", of)
        names = (getattr(distribution, "name", None), getattr(of, "__name__", None), type(distribution).__name__)
        name = next(x for x in names if isinstance(x, str)).removesuffix("_gen").removesuffix("_frozen")
        method = frame.f_code.co_name
        yield _public_module(type(of).__module__), name if method.startswith("_") else f"{name}.{method}"
    yield _public_module(module_of(frame)), frame.f_code.co_qualname.partition(".")[0]
    for value in [*frame.f_locals.values()]:
        if isinstance(value, FunctionType) and str(value.__module__).startswith("scipy."):  # it may be None
            yield _public_module(value.__module__), value.__name__


def _is_public(module: str, name: str) -> bool:
    found = sys.modules.get(f"scipy.{module}")
    return bool(module) and not name.startswith("_") and hasattr(found, name.partition(".")[0])


def _called(asking: FrameType) -> tuple[str, str] | None:
    """Return the module and the name of SciPy's function that the user called."""
    found = None
    for frame in _frames(asking, "scipy.", "numpy.", "tapenet."):
        if module_of(frame).startswith("scipy."):
            found = next((call for call in _calls_of(frame) if _is_public(*call)), found)
    return found


def _in_ours(module: str, name: str) -> Any:
    """Return our function of a name, None where there is none."""
    try:
        of: Any = provided.scipy()
        for part in (*module.split("."), *name.split(".")):
            of = getattr(of, part)
    except AttributeError:
        return None
    return of


def advice_in_scipy(asking: FrameType) -> str:
    """Return what to write in place of a function of SciPy's, as the user's code called it."""
    if not module_of(asking).startswith(("scipy.", "numpy.")):
        return ""
    call = _called(asking)
    if call is None:
        return f"In place of it {_OF_COMPILED}" if is_of_scipy(asking) else ""
    module, name = call
    ours = _in_ours(module, name)
    if ours is None:
        name = name.partition(".")[0]
        ours = _in_ours(module, name)
    if ours is None or ours is getattr(sys.modules[f"scipy.{module}"], name, None):
        return _of_none(module)
    instead: str | None = getattr(ours, "instead", None)
    if instead is not None:
        return re.sub(rf"(?<![\w.])({'|'.join(provided.scipy().MODULES)})\.", r"tapenet.scipy.\1.", instead)
    frames = _frames(asking, "scipy.", "numpy.", "tapenet.")
    if any(module_of(x).startswith("tapenet.scipy.") for x in frames):
        return (
            f"tapenet.scipy.{module}.{name} differentiates by its arguments, and not by what its function takes from "
            "outside: pass x as an argument, args=(x,)."
        )
    return f"Write tapenet.scipy.{module}.{name}."


def _of_none(module: str) -> str:
    if module == "optimize":
        return f"For the solution of equations write tn.root; {_OF_COMPILED}"
    if module.partition(".")[0] not in provided.scipy().MODULES:
        return f"In place of it {_OF_COMPILED}"
    return f"Write its counterpart in tapenet.scipy.{module}; where there is none, {_OF_COMPILED}"


# ---- errors ----


def is_of_scipy(asking: FrameType) -> bool:
    """Return whether a frame is of SciPy's Python code."""
    return any(module_of(frame).startswith("scipy.") for frame in _frames(asking, "scipy.", "numpy."))


def dropped(asking: FrameType) -> ForeignCodeError:
    """Return the error for a Tensor that a function of SciPy's is about to drop off its tape."""
    call = _called(asking)
    name = f"scipy.{'.'.join(call)}" if call else asking.f_code.co_name
    return ForeignCodeError(
        f"{name}: got a Tensor of an open tape, and would drop it off the tape. {advice_in_scipy(asking)} "
        "For a constant in the computation pass x.value."
    )


# ---- questions ----


def _asked(function: Callable[..., Any], *askers: tuple[str, str]) -> Callable[..., Any]:
    """Return a function that raises where one of these of SciPy's, by module and name, asks it of a Tensor."""

    def answer(*operands: Any, **keywords: Any) -> Array:
        asking: Any = sys._getframe(1)
        while module_of(asking).startswith("tapenet."):
            asking = asking.f_back
        if (module_of(asking), asking.f_code.co_name) in askers:
            raise dropped(asking)
        return function(*operands, **keywords)

    return answer


QUESTIONS: dict[Any, Callable[..., Any]] = {
    np.isnan: _asked(tnp.isnan, ("scipy.optimize._zeros_py", "f_raise")),
    np.atleast_1d: _asked(
        tnp.atleast_1d,
        ("scipy.optimize._minpack_py", "_check_func"),
        ("scipy.optimize._milp", "_milp_iv"),
        ("scipy.signal._signaltools", "lfilter"),
    ),
}


def is_bracket(asking: FrameType) -> bool:
    """Return whether compiled code asks for the end of a bracket, which a root does not depend on.

    It asks for the function's values by `numpy.isnan` first, so that none of them gets there.
    """
    return module_of(asking) == "scipy.optimize._zeros_py" and asking.f_code.co_name in _BRACKETING


_BRACKETING = {"brentq", "brenth", "bisect", "ridder"}


def check_is_no_operator(asking: FrameType) -> None:
    """Raise where SciPy asks whether a Tensor is a linear operator, as it does not take one for a matrix."""
    if asking.f_code.co_name == "aslinearoperator" and is_of_scipy(asking):
        raise dropped(asking)


def refuse_beside_plain_arrays(asking: FrameType) -> None:
    """Raise where the namespace of Tensors is shown as one of several: there is a Tensor beside a plain array."""
    if "array_api_compat" in module_of(asking):
        call = _called(asking)
        name = f"scipy.{'.'.join(call)}" if call else "array_namespace"
        advice = advice_in_scipy(asking) if call else "Make Tensors of the arrays: add 0 * x to each."
        raise ArgumentTypeError(
            f"{name}: in the array API mode all arrays must be Tensors, or none; got a Tensor beside a plain array. "
            f"{advice}"
        )
