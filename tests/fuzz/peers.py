"""Random programs beside JAX: values and gradients, where both answer and the point is no special one."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.fuzz.comparisons import ORDERS_OF_EQUALS, Difference, Unanswered, is_regular
from tests.fuzz.programs import Call, Program

Array = Any

# JAX has another function, value or convention by these names; each was looked at.
OTHERWISE = {
    *("fft.hfft", "fft.ihfft"),  # whose input is a half of a spectrum: JAX differentiates by both of its halves
    *("nan_to_num", "frexp", "ldexp", "spacing", "nextafter"),
    *("acosh", "arccosh"),  # JAX has the other sign of the derivative left of the imaginary axis
    "linalg.cond",  # JAX has the smallest singular value in another way, where it is rounding
    "real_if_close",
}


def hold_to_jax(program: Program) -> str:
    """Raise `Difference` where value or gradient is another than JAX's; say how far the program was held."""
    jax = _jax()
    if not all(isinstance(call, Call) and call.name not in OTHERWISE | ORDERS_OF_EQUALS for call in program.calls):
        raise Unanswered
    if any(np.asarray(x).dtype not in (np.float64, np.complex128) or not is_regular(x) for x in program.varied):
        raise Unanswered
    if any(call.keywords.get("dtype", "float64") not in ("float64", "complex128") for call in program.calls):
        raise Unanswered  # computed in another precision, in which rounding errors are others
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            theirs = [np.asarray(x) for x in tree_leaves(program.run(jax.numpy))]
        except Exception as error:  # of many classes: what JAX lacks, or takes in another form
            raise Unanswered from error
        try:
            ours = [np.asarray(x) for x in tree_leaves(program.run(tnp))]
        except Exception as error:
            raise Unanswered from error
        _hold_values(program, ours, theirs)
        floats = [i for i, x in enumerate(theirs) if x.dtype.kind in "fc"]
        if not floats or not all(np.all(np.isfinite(theirs[i])) for i in floats):
            return "values"
        _hold_gradients(program, jax, floats)
    return "gradients"


def _jax() -> Any:
    import jax

    return jax


def _hold_values(program: Program, ours: list[Array], theirs: list[Array]) -> None:
    if [x.shape for x in ours] != [x.shape for x in theirs]:
        raise Unanswered  # as NumPy does, which is what values are held to
    for found, expected in zip(ours, theirs, strict=True):
        if not _close(found, expected):
            raise Unanswered


def _hold_gradients(program: Program, jax: Any, floats: list[int]) -> None:
    def scalar(xp: Any, *xs: Array) -> Array:
        leaves = tree_leaves(program.run(xp, xs))
        parts = [leaves[i] for i in floats]
        return sum(xp.sum(xp.real(x) * np.cos(np.arange(1.0, np.size(x) + 1)).reshape(np.shape(x))) for x in parts)

    places = tuple(range(len(program.varied)))
    try:
        theirs = jax.grad(lambda *xs: scalar(jax.numpy, *xs), places)(*map(jax.numpy.asarray, program.varied))
    except Exception as error:  # what JAX does not differentiate
        raise Unanswered from error
    ours = tn.grad(lambda *xs: scalar(tnp, *xs), places)(*program.varied)
    for found, expected in zip(ours, theirs, strict=True):
        if np.all(np.isfinite(expected)) and not _close(np.asarray(found), np.asarray(expected)):
            raise Difference(f"gradient {found}; JAX gives {expected}\n\n{program!r}")


def _close(found: Array, expected: Array) -> bool:
    if found.dtype.kind not in "fc":
        return bool(np.array_equal(found, expected))
    scale = float(np.max(np.abs(expected[np.isfinite(expected)]), initial=1))
    return bool(np.allclose(found, expected, rtol=1e-8, atol=1e-8 * scale, equal_nan=True))
