"""What is held of a program: NumPy's value, both modes of differentiation, finite differences, vmap and replay."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.fuzz.programs import Program

Array = Any


class Difference(AssertionError):
    """Something that tapenet answers in another way, with the script that shows it."""


class Unanswered(Exception):
    """NumPy refuses the program, or it has no answer to hold tapenet to."""


def hold(program: Program) -> str:
    """Raise `Difference` where tapenet differs from what it is held to; say how far the program was held."""
    if np.iscomplexobj(program.inputs[0]) or np.iscomplexobj(program.inputs[-1]):
        if any(np.dtype(call.keywords.get("dtype", complex)).kind != "c" for call in program.calls):
            raise Unanswered  # NumPy drops imaginary parts, here and there
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            expected = tree_leaves(program.run(np))
        except Exception as error:  # whatever NumPy raises
            raise Unanswered from error
        try:
            return _held(program, expected)
        except Difference as difference:
            raise Difference(f"{difference}\n\n{program!r}") from None
        except tn.TapenetError as error:
            return f"refused: {error}"
        except Exception as error:
            raise Difference(f"{type(error).__name__}: {error}\n\n{program!r}") from error


def _held(program: Program, expected: Sequence[Array]) -> str:
    with tn.GradientTape() as tape:
        watched = tape.watch(program.inputs)
        results = tree_leaves(program.run(tnp, watched))
        found = [x.value if type(x) is tn.Tensor else x for x in results]
    is_held = len(program.calls) == 1 and program.calls[0].name not in _GIVE_SCALARS_AS_THEY_ARE
    _same_values(found, expected, with_types=is_held)
    outputs = [i for i, x in enumerate(expected) if np.asarray(x).dtype.kind in "fc" and type(results[i]) is tn.Tensor]
    if not outputs or not all(np.all(np.isfinite(x)) for x in (*program.inputs, *(expected[i] for i in outputs))):
        return "values"

    def scalar(*xs: Array) -> Array:
        leaves = tree_leaves(program.run(tnp, xs))
        return sum(tnp.sum(tnp.real(leaves[i]) * _weights(leaves[i]) + tnp.imag(leaves[i])) for i in outputs)

    _modes_agree(scalar, program)
    _vmap_agrees(scalar, program)
    _replay_agrees(scalar, program)
    return "derivatives"


# ---- values ----


def _tolerance(dtype: Any) -> float:
    return 64 * float(np.finfo(dtype).eps) if dtype.kind in "fc" else 0.0


# On a tape they give a scalar where NumPy has an array of no axes.
_GIVE_SCALARS_AS_THEY_ARE = {
    "i0",
    "array",
    "asarray",
    "asanyarray",
    "ascontiguousarray",
    "asfortranarray",
    "copy",
    "astype",
    "real_if_close",
}


def _same_values(found: Sequence[Array], expected: Sequence[Array], with_types: bool) -> None:
    if len(found) != len(expected):
        raise Difference(f"{len(found)} results; NumPy gives {len(expected)}")
    for ours, theirs in zip(found, expected, strict=True):
        if with_types and type(ours) is not type(theirs) and type(theirs) not in (float, complex, int):
            raise Difference(f"type {type(ours).__name__}; NumPy gives {type(theirs).__name__}")
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        is_undefined = theirs.dtype.kind in "fc" and bool(np.all(np.isnan(theirs)))  # NumPy's dtype may be another then
        if (ours.dtype != theirs.dtype and not is_undefined) or ours.shape != theirs.shape:
            raise Difference(f"{ours.dtype} of shape {ours.shape}; NumPy gives {theirs.dtype} of shape {theirs.shape}")
        scale = np.max(np.abs(theirs[np.isfinite(theirs)]), initial=0) if theirs.dtype.kind in "fc" else 0
        tolerance = _tolerance(theirs.dtype)
        if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(scale), equal_nan=True):
            raise Difference(f"value {ours}; NumPy gives {theirs}")


# ---- derivatives ----


def _weights(x: Array) -> Array:
    return np.cos(np.arange(1.0, x.size + 1)).reshape(x.shape)


def _directions(inputs: Sequence[Array]) -> tuple[Array, ...]:
    return tuple((np.sin(np.arange(1.0, np.size(x) + 1)).reshape(np.shape(x))).astype(x.dtype)[()] for x in inputs)


def _inner(cotangents: Sequence[Array], tangents: Sequence[Array]) -> float:
    return float(sum(np.sum((np.asarray(c) * np.asarray(t)).real) for c, t in zip(cotangents, tangents, strict=True)))


def _modes_agree(scalar: Callable[..., Array], program: Program) -> None:
    inputs, along = program.inputs, _directions(program.inputs)
    places = tuple(range(len(inputs)))
    gradients = tn.grad(scalar, places)(*inputs)
    for x, g in zip(inputs, gradients, strict=True):
        if np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype:
            raise Difference(f"gradient of {np.asarray(g).dtype}, shape {np.shape(g)}, for {np.asarray(x).dtype}")
    pushed = float(tn.jvp(scalar, inputs, along)[1])
    pulled = _inner(gradients, along)
    size = max(_size(gradients), abs(pushed), 1.0)
    if not np.isfinite(size):
        return
    coarse = _coarsest(program)
    if abs(pushed - pulled) > 1e3 * coarse * size:
        raise Difference(f"forward mode gives {pushed}, reverse mode {pulled}")
    if coarse > 1e-10 or not all(np.all((np.abs(x) < 100) & (np.abs(x) > 1e-3)) for x in inputs):
        return
    estimate = _slope(scalar, inputs, along)
    if estimate is not None and abs(estimate - pushed) > 1e-4 * max(size, abs(estimate)):
        raise Difference(f"derivative {pushed}; finite differences give {estimate}")


def _coarsest(program: Program) -> float:
    """The largest eps of the dtypes that a program computes in."""
    dtypes = [np.asarray(x).dtype for x in program.inputs] + [call.keywords.get("dtype") for call in program.calls]
    return max(float(np.finfo(x).eps) for x in dtypes if x is not None and np.dtype(x).kind in "fc")


def _size(gradients: Sequence[Array]) -> float:
    return float(max((np.max(np.abs(g), initial=0) for g in gradients), default=0))


def _slope(scalar: Callable[..., Array], inputs: Sequence[Array], along: Sequence[Array]) -> float | None:
    """The derivative along a direction by differences; None where those of two steps, or of two sides, disagree."""

    def at(h: float) -> float:
        return float(np.asarray(scalar(*((x + h * v).astype(x.dtype) for x, v in zip(inputs, along, strict=True)))))

    slopes = [(at(h) - at(0)) / h for h in (1e-6, -1e-6, 2e-6, 1e-5)]
    center = slopes[0]
    is_smooth = all(abs(slope - center) <= 1e-3 * max(abs(center), 1e-3) for slope in slopes)
    return (slopes[0] + slopes[1]) / 2 if is_smooth else None


def _vmap_agrees(scalar: Callable[..., Array], program: Program) -> None:
    others = _others(program)
    stacks = tuple(np.stack([x, other]) for x, other in zip(program.inputs, others, strict=True))
    places = tuple(range(len(stacks)))
    gradient = tn.grad(scalar, places)
    try:
        mapped = tn.vmap(gradient)(*stacks)
    except tn.MappedValueError:
        return
    for row, inputs in enumerate((program.inputs, others)):
        for ours, theirs in zip(mapped, gradient(*inputs), strict=True):
            _same_gradient(ours[row], theirs, "vmap", _coarsest(program))


def _replay_agrees(scalar: Callable[..., Array], program: Program) -> None:
    others = _others(program)
    with tn.GradientTape() as tape:
        watched = tape.watch(program.inputs)
        gradients = tape.gradient(scalar(*watched), watched, unconnected="zero")
    try:
        replayed = tape.replay(others, gradients)
    except tn.ReplayError:
        return
    places = tuple(range(len(others)))
    for ours, theirs in zip(replayed, tn.grad(scalar, places)(*others), strict=True):
        _same_gradient(ours, theirs, "replay", _coarsest(program))


def _others(program: Program) -> tuple[Array, ...]:
    return tuple(np.asarray(np.roll(x, 1) * x.dtype.type(1.25)) for x in map(np.asarray, program.inputs))


def _same_gradient(ours: Array, theirs: Array, by: str, eps: float) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    tolerance = 4096 * eps
    scale = float(np.max(np.abs(theirs[np.isfinite(theirs)]), initial=1))
    if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
        raise Difference(f"{by} gives the gradient {ours}, and not {theirs}")
