"""What is held of a program: NumPy's value, both modes of differentiation, finite differences, vmap and replay."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.fuzz.programs import Expression, Program

Array = Any


class Difference(AssertionError):
    """Something that tapenet answers in another way, with the script that shows it."""


class Unanswered(Exception):
    """NumPy refuses the program, or it has no answer to hold tapenet to."""


def hold(program: Program, through: Any = tnp) -> str:
    """Raise `Difference` where tapenet differs from what it is held to; say how far the program was held.

    Args:
        program: what to hold.
        through: the namespace that Tensors meet, tapenet's or NumPy's own.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if any(map(_is_quirk, program.calls)):
            raise Unanswered
        try:
            expected = tree_leaves(program.run(np))
        except Exception as error:  # whatever NumPy raises
            raise Unanswered from error
        try:
            return _held(program, through, expected)
        except Difference as difference:
            raise Difference(f"{difference}\n\n{program!r}") from None
        except Exception as error:
            if is_documented(error):
                return f"refused: {error}"
            raise Difference(f"{type(error).__name__}: {error}\n\n{program!r}") from error


def _held(program: Program, through: Any, expected: Sequence[Array]) -> str:
    with tn.GradientTape() as tape:
        watched = tape.watch(program.varied)
        results = tree_leaves(program.run(through, watched))
        found = [x.value if type(x) is tn.Tensor else x for x in results]
    is_held = len(program.calls) == 1 and program.calls[0].name not in _GIVE_SCALARS_AS_THEY_ARE
    _same_values(found, expected, is_held, program)
    outputs = [i for i, x in enumerate(expected) if np.asarray(x).dtype.kind in "fc" and type(results[i]) is tn.Tensor]
    if not outputs or not all(np.all(np.isfinite(x)) for x in (*program.varied, *(expected[i] for i in outputs))):
        return "values"

    def scalar(*xs: Array) -> Array:
        leaves = tree_leaves(program.run(through, xs))
        return sum(tnp.sum(tnp.real(leaves[i]) * _weights(leaves[i]) + tnp.imag(leaves[i])) for i in outputs)

    is_smooth = _modes_agree(scalar, program)
    if not any(call.keywords.get("order") in ("A", "K") for call in program.calls):  # others lie otherwise in memory
        _vmap_agrees(scalar, program)
        _replay_agrees(scalar, program)
    if not is_smooth:
        return "derivatives"
    _second_order_agrees(scalar, program)
    return "second derivatives"


# ---- what is not held ----


def _is_quirk(call: Any) -> bool:
    """Whether NumPy answers a call in a way of its own: another for scalars than for arrays, or for no elements."""
    return (call.name in ("nanmin", "nanmax") and "initial" in call.keywords) or call.name == "linalg.tensorsolve"


# What tapenet refuses though NumPy answers: the class of the error, and a part of its text. Each is documented.
REFUSALS: tuple[tuple[type[Exception], str], ...] = (
    (tn.errors.ConversionError, r"^numpy.asarray\(x\)"),  # np.array, np.asarray and their like, which do not dispatch
    (tn.errors.AssignmentError, r"^copyto:"),  # np.full, which does not dispatch its value
    (tn.errors.LinAlgError, r"^qr: r must be nonsingular where it is differentiated"),
    (tn.errors.ArgumentError, r"^qr: mode must be"),  # two modes of NumPy that are deprecated, or raw LAPACK's
)


def is_documented(error: Exception) -> bool:
    """Whether an error is one of those that tapenet's documents name."""
    return any(isinstance(error, kind) and re.search(text, str(error)) for kind, text in REFUSALS)


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
    "asarray_chkfinite",
    "fft.fftn",
    "fft.ifftn",
    "expand_dims",
    "squeeze",
    "fft.fft2",
    "fft.ifft2",
    "xp.asarray_chkfinite({0})",
    "xp.piecewise({0}, [{0} > 0, {0} <= 0], [lambda t: t * t, lambda t: 2 * t])",
    "xp.piecewise({0}, [{0} > 1], [3.5, lambda t: -t])",
}


_SUMS_INFINITIES = re.compile("odd|quantile|percentile")
# Products of matrices, in which BLAS may pass over infinity times zero, and take the sum of the rest.
_OF_BLAS = ("cov", "corrcoef", "inner", "dot", "matmul", "matvec", "vecmat", "einsum", "@", "dense", "conv")


def _largest(x: Array) -> float:
    x = np.asarray(x)
    return float(np.max(np.abs(x[np.isfinite(x)]), initial=0)) if x.dtype.kind in "fc" else 0.0


def _same_values(found: Sequence[Array], expected: Sequence[Array], with_types: bool, program: Program) -> None:
    if len(found) != len(expected):
        raise Difference(f"{len(found)} results; NumPy gives {len(expected)}")
    scale = max((_largest(x) for x in expected), default=0.0)
    for ours, theirs in zip(found, expected, strict=True):
        if with_types and type(ours) is not type(theirs) and type(theirs) not in (float, complex, int):
            raise Difference(f"type {type(ours).__name__}; NumPy gives {type(theirs).__name__}")
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        if ours.dtype != theirs.dtype or ours.shape != theirs.shape:
            raise Difference(f"{ours.dtype} of shape {ours.shape}; NumPy gives {theirs.dtype} of shape {theirs.shape}")
        tolerance = max(_tolerance(theirs.dtype), 64 * _coarsest(program) if theirs.dtype.kind in "fc" else 0)
        is_complex = any(map(np.iscomplexobj, (*program.inputs, theirs)))
        if theirs.dtype.kind in "fc" and (is_complex or any(map(_SUMS_INFINITIES.search, map(repr, program.calls)))):
            # Which part of an infinite product, or sum of infinities, is infinite depends on how it is computed.
            ours, theirs = (np.where(np.isfinite(x), x, np.nan) for x in (ours, theirs))
        if any(part in call.name for call in program.calls for part in _OF_BLAS):
            ours, theirs = (np.where(np.isfinite(ours) & np.isfinite(theirs), x, np.nan) for x in (ours, theirs))
        if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(scale), equal_nan=True):
            raise Difference(f"value {ours}; NumPy gives {theirs}")


# ---- derivatives ----


def _weights(x: Array) -> Array:
    return np.cos(np.arange(1.0, np.size(x) + 1)).reshape(np.shape(x))


def _directions(inputs: Sequence[Array]) -> tuple[Array, ...]:
    return tuple(
        (np.sin(np.arange(1.0, np.size(x) + 1)).reshape(np.shape(x))).astype(np.asarray(x).dtype)[()] for x in inputs
    )


def _inner(cotangents: Sequence[Array], tangents: Sequence[Array]) -> float:
    return float(sum(np.sum((np.asarray(c) * np.asarray(t)).real) for c, t in zip(cotangents, tangents, strict=True)))


def _modes_agree(scalar: Callable[..., Array], program: Program) -> bool:
    """Hold both modes to each other, and to differences where there are such; return whether there are."""
    inputs, along = program.varied, _directions(program.varied)
    places = tuple(range(len(inputs)))
    gradients = tn.grad(scalar, places)(*inputs)
    for x, g in zip(inputs, gradients, strict=True):
        if np.shape(g) != np.shape(x) or np.asarray(g).dtype != np.asarray(x).dtype:
            raise Difference(f"gradient of {np.asarray(g).dtype}, shape {np.shape(g)}, for {np.asarray(x).dtype}")
    pushed = float(tn.jvp(scalar, inputs, along)[1])
    pulled = _inner(gradients, along)
    size = max(_size(gradients), abs(pushed), 1.0)
    if not np.isfinite(size):
        return False
    coarse = _coarsest(program)
    off = abs(pushed - pulled)
    if off > 1e3 * coarse * size and off > _change(scalar, inputs, along, coarse, pushed, pulled):
        raise Difference(f"forward mode gives {pushed}, reverse mode {pulled}")
    if (
        coarse > 1e-10
        or not all(map(is_regular, inputs))
        or any(call.name in ORDERS_OF_EQUALS or call.keywords.get("order") in ("A", "K") for call in program.calls)
        or not abs(float(np.asarray(scalar(*inputs)))) < 1e9
    ):
        return False
    estimate = _slope(scalar, inputs, along)
    if estimate is not None and abs(estimate - pushed) > 1e-4 * max(size, abs(estimate)):
        raise Difference(f"derivative {pushed}; finite differences give {estimate}")
    return estimate is not None


def _change(
    scalar: Callable[..., Array],
    inputs: Sequence[Array],
    along: Sequence[Array],
    eps: float,
    pushed: float,
    pulled: float,
) -> float:
    """How far derivatives change between inputs that differ by rounding: what differs more is no rounding error."""
    nudged = tuple(_like(x, np.asarray(x) * (1 + 64 * eps * _weights(x))) for x in inputs)
    changes = (
        float(tn.jvp(scalar, nudged, along)[1]) - pushed,
        _inner(tn.grad(scalar, tuple(range(len(nudged))))(*nudged), along) - pulled,
    )
    return 100 * max(map(abs, changes))


def is_regular(x: Array) -> bool:
    """Whether elements, and their parts, are neither large nor near zero, where kinks and branch cuts are."""
    parts = [np.real(x), np.imag(x)] if np.iscomplexobj(x) else [x]
    return all(bool(np.all((np.abs(part) < 100) & (np.abs(part) > 1e-3))) for part in parts)


# Factors of matrices are unique but for signs or phases, which differences do not hold fixed.
# Of equal elements in sets any one may stand for all.
ORDERS_OF_EQUALS = {
    *("linalg.svd", "linalg.eigh", "linalg.eig", "linalg.qr"),
    *("setxor1d", "union1d", "intersect1d", "setdiff1d"),
    *("unique", "unique_all", "unique_counts", "unique_inverse", "unique_values"),
}


def _second_order_agrees(scalar: Callable[..., Array], program: Program) -> None:
    """Hold the second derivative along a direction, by forward mode twice, to reverse mode and to differences."""
    inputs, along = program.varied, _directions(program.varied)

    def slope(*xs: Array) -> Array:
        return tn.jvp(scalar, xs, along)[1]

    pushed = float(tn.jvp(slope, inputs, along)[1])
    gradients = tn.grad(slope, tuple(range(len(inputs))))(*inputs)
    size = max(_size(gradients), abs(pushed), 1.0)
    if not np.isfinite(size):
        return
    if abs(pushed - _inner(gradients, along)) > 1e-9 * size:
        raise Difference(f"second derivative {pushed} forward, {_inner(gradients, along)} in reverse")
    estimate = _slope(slope, inputs, along)
    if estimate is not None and abs(estimate - pushed) > 1e-4 * max(size, abs(estimate)):
        raise Difference(f"second derivative {pushed}; finite differences of the first give {estimate}")


def _coarsest(program: Program) -> float:
    """The largest eps of the dtypes that a program computes in."""
    dtypes: list[Any] = [np.asarray(x).dtype for x in program.inputs]
    dtypes += [call.keywords.get("dtype") for call in program.calls]
    dtypes += [np.float64 for call in program.calls if isinstance(call, Expression)]  # they hold lists of such numbers
    return max(float(np.finfo(x).eps) for x in dtypes if x is not None and np.dtype(x).kind in "fc")


def _like(x: Array, value: Array) -> Array:
    """A value in the dtype of x: an array where x is one, else a scalar."""
    cast = np.asarray(value).astype(np.asarray(x).dtype)
    return cast if isinstance(x, np.ndarray) else cast[()]


def _size(gradients: Sequence[Array]) -> float:
    return float(max((np.max(np.abs(g), initial=0) for g in gradients), default=0))


def _slope(scalar: Callable[..., Array], inputs: Sequence[Array], along: Sequence[Array]) -> float | None:
    """The derivative along a direction by differences; None where those of two steps, or of two sides, disagree."""

    def at(h: float) -> float:
        moved = (_like(x, x + h * v) for x, v in zip(inputs, along, strict=True))
        return float(np.asarray(scalar(*moved)))

    slopes = [(at(h) - at(0)) / h for h in (1e-6, -1e-6, 2e-6, 1e-5)]
    center = slopes[0]
    is_smooth = all(abs(slope - center) <= 1e-3 * max(abs(center), 1e-3) for slope in slopes)
    return (slopes[0] + slopes[1]) / 2 if is_smooth else None


def _vmap_agrees(scalar: Callable[..., Array], program: Program) -> None:
    others = _others(program)
    stacks = tuple(np.stack([x, other]) for x, other in zip(program.varied, others, strict=True))
    places = tuple(range(len(stacks)))
    gradient = tn.grad(scalar, places)
    try:
        mapped = tn.vmap(gradient)(*stacks)
    except tn.MappedValueError:
        return
    except tn.errors.ArgumentTypeError as error:
        if "Cannot cast ufunc" in str(error):  # NumPy casts a root to integers for one example, and not for arrays
            return
        raise
    for row, inputs in enumerate((program.varied, others)):
        for ours, theirs in zip(mapped, gradient(*inputs), strict=True):
            _same_gradient(ours[row], theirs, "vmap", _coarsest(program))


def _replay_agrees(scalar: Callable[..., Array], program: Program) -> None:
    others = _others(program)
    with tn.GradientTape() as tape:
        watched = tape.watch(program.varied)
        gradients = tape.gradient(scalar(*watched), watched, unconnected="zero")
    try:
        replayed = tape.replay(others, gradients)
    except tn.ReplayError:
        return
    places = tuple(range(len(others)))
    for ours, theirs in zip(replayed, tn.grad(scalar, places)(*others), strict=True):
        _same_gradient(ours, theirs, "replay", _coarsest(program))


def _others(program: Program) -> tuple[Array, ...]:
    return tuple(np.asarray(np.roll(x, 1) * x.dtype.type(1.25)) for x in map(np.asarray, program.varied))


def _same_gradient(ours: Array, theirs: Array, by: str, eps: float) -> None:
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    tolerance = 4096 * eps
    scale = float(np.max(np.abs(theirs[np.isfinite(theirs)]), initial=1))
    if not np.allclose(ours, theirs, rtol=tolerance, atol=tolerance * scale, equal_nan=True):
        raise Difference(f"{by} gives the gradient {ours}, and not {theirs}")
