"""Filters as zeros, poles and a gain, as quotients of polynomials, and as sections of the second order.

Coefficients are polynomials of their roots, and roots move by -dp / p'. Which roots are in which section, and whether
coefficients are real, is piecewise constant.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, collected
from tapenet.core.nondifferentiable import branch_condition, choice
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError
from tapenet.scipy.placing import counterpart
from tapenet.scipy.signal.filters import floating
from tapenet.scipy.signal.rows import without_zeros_in_front

_BY_ROOTS = "Derivatives: by zeros, poles and the gain, those of the products of (s - root)."
_OF_ROOTS = "Derivatives: by the coefficients, -dp(r) / p'(r) of a root r, infinite where roots coincide."


@branch_condition
def _comes_in_pairs(roots: Array) -> bool:
    """Return whether complex roots are those of a real polynomial."""
    roots = np.asarray(roots)
    return bool(np.all(np.sort(roots, -1) == np.sort(np.conj(roots), -1)))


def polynomial(roots: Array) -> Array:
    """Return the coefficients of the product of (s - root), real ones where the roots come in pairs."""
    coefficients: Array = np.ones(1, roots.dtype)
    for i in range(roots.shape[0]):
        shifted = tnp.concatenate([np.zeros(1, roots.dtype), coefficients * roots[i]])
        coefficients = tnp.concatenate([coefficients, np.zeros(1, roots.dtype)]) - shifted
    return tnp.real(coefficients) if roots.dtype.kind == "c" and _comes_in_pairs(roots) else coefficients


def roots_of(name: str, label: str, roots: Any) -> Array:
    """Return zeros or poles as a vector."""
    roots = tnp.atleast_1d(floating(roots))
    if roots.ndim != 1:
        raise ArgumentError(f"{name}: {label} must be a vector on a tape; got shape {roots.shape}.")
    return roots


@counterpart(scipy.signal, _BY_ROOTS)
def zpk2tf(z: Any, p: Any, k: Any) -> tuple[Array, Array]:
    z, p = roots_of("signal.zpk2tf", "z", z), roots_of("signal.zpk2tf", "p", p)
    return as_array(collected(k)) * polynomial(z), polynomial(p)


@branch_condition
def _is_tiny(x: Array) -> bool:
    return bool(np.all(np.abs(x) <= 1e-14))


@counterpart(scipy.signal, "Derivatives: those of the division by the leading coefficient of a.")
def normalize(b: Any, a: Any) -> tuple[Array, Array]:
    name = "signal.normalize"
    b, a = tnp.atleast_1d(floating(b)), tnp.atleast_1d(floating(a))
    if a.ndim != 1 or b.ndim > 2:
        raise ArgumentError(f"{name}: a must be a vector, and b a vector or rows; got shapes {a.shape} and {b.shape}.")
    a = without_zeros_in_front(a)
    if a.shape[0] == 0:
        raise ArgumentError(f"{name}: a must have at least one nonzero element; got none.")
    b, a = b / a[0], a / a[0]
    count = 0
    while count < b.shape[-1] - 1 and _is_tiny(b[..., count]):
        count += 1
    if count:
        scipy.signal.normalize([0.0, 1.0], 1.0)  # SciPy's warning
    b = b[..., count:]
    return (b[0] if b.ndim == 2 and b.shape[0] == 1 else b), a


@counterpart(scipy.signal, _OF_ROOTS)
def tf2zpk(b: Any, a: Any) -> tuple[Array, Array, Array]:
    b, a = normalize(b, a)
    if b.ndim != 1:
        raise ArgumentError(f"signal.tf2zpk: b must be a vector on a tape; got shape {b.shape}.")
    return tnp.roots(b / b[0]), tnp.roots(a), b[0]


# ---- sections ----


def _assigned(found: Array, given: Array) -> Array:
    """Return which of given roots each of the same ones is that a section has."""
    return scipy.optimize.linear_sum_assignment(np.abs(found[:, None] - given))[1]


def _chosen_places(z: Array, p: Array, *, pairing: str | None, analog: bool) -> Array:
    """Return the numbers of the zeros and of the poles of each section, -1 where there are fewer than two."""
    sos = scipy.signal.zpk2sos(z, p, 1.0, pairing, analog=analog)
    return np.stack([_places(sos[:, :3], z), _places(sos[:, 3:], p)])


def _places(coefficients: Array, given: Array) -> Array:
    sections = [np.roots(row) for row in coefficients]
    found = np.concatenate(sections)
    padded = np.concatenate([given, np.zeros(max(len(found) - len(given), 0))])
    which = np.minimum(_assigned(found, padded), len(given))
    places = np.full((len(sections), 2), -1)
    parts = np.split(which, np.cumsum([len(roots) for roots in sections])[:-1])
    for row, part in zip(places, parts, strict=True):
        row[: len(part)] = part
    return places


_places_of_roots = choice(_chosen_places, name="signal.places_of_roots")


def _section_polynomials(roots: Array, places: Array) -> Array:
    """Return the coefficients of each section's (s - r1) (s - r2), or of what is left of it where roots are missing.

    Args:
        roots: all of them.
        places: of the roots of each section, their number for a root at 0, -1 for none.
    """
    padded = tnp.concatenate([roots, np.zeros(1, roots.dtype)])
    first, second = (tnp.take(padded, places[:, i], 0) for i in (0, 1))
    none, single = places[:, 0] < 0, (places[:, 0] >= 0) & (places[:, 1] < 0)
    both = tnp.stack([tnp.ones_like(first), -first - second, first * second], -1)
    one = tnp.stack([tnp.zeros_like(first), tnp.ones_like(first), -first], -1)
    out = tnp.where(single[:, None], one, both)
    return tnp.real(tnp.where(none[:, None], np.array([0.0, 0.0, 1.0]), out))


@branch_condition
def _is_real(k: Array) -> bool:
    return bool(np.all(np.isreal(k)))


@counterpart(
    scipy.signal,
    "Derivatives: by zeros, poles and the gain, those of the products of (s - root); which roots are in which section "
    "is piecewise constant.",
)
def zpk2sos(z: Any, p: Any, k: Any, pairing: str | None = None, *, analog: bool = False) -> Array:
    name = "signal.zpk2sos"
    if pairing not in (None, "nearest", "keep_odd", "minimal"):
        raise ArgumentError(f"{name}: pairing must be 'nearest', 'keep_odd' or 'minimal'; got {pairing!r}.")
    if analog and pairing not in (None, "minimal"):
        raise ArgumentError(f"{name}: pairing must be 'minimal' for an analog filter; got {pairing!r}.")
    z, p, k = roots_of(name, "z", z), roots_of(name, "p", p), as_array(collected(k))
    if analog and p.shape[0] < z.shape[0]:
        raise ArgumentError(f"{name}: an analog filter must have at most as many zeros as poles.")
    if not _is_real(k):
        raise ArgumentError(f"{name}: k must be real; got a complex number.")
    k = tnp.real(k)
    if z.shape[0] == p.shape[0] == 0:
        return tnp.reshape(k, (1, 1)) * np.eye(1, 6, 2 * analog) + np.eye(1, 6, 5 if analog else 3)
    places = _places_of_roots(z, p, pairing=pairing, analog=bool(analog))
    above, below = _section_polynomials(z, places[0]), _section_polynomials(p, places[1])
    above = tnp.concatenate([above[:1] * k, above[1:]], 0)
    return tnp.concatenate([above, below], 1)


@counterpart(scipy.signal, f"{_OF_ROOTS[:-1]}; which are in which section is piecewise constant.")
def tf2sos(b: Any, a: Any, pairing: str | None = None, *, analog: bool = False) -> Array:
    return zpk2sos(*tf2zpk(b, a), pairing, analog=analog)


def _checked_sections(name: str, sos: Any) -> Array:
    sos = floating(sos)
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ArgumentError(f"{name}: sos must have shape (n_sections, 6); got {sos.shape}.")
    return sos


@counterpart(scipy.signal, "Derivatives: those of the products of the sections' polynomials.")
def sos2tf(sos: Any) -> tuple[Array, Array]:
    sos = _checked_sections("signal.sos2tf", sos)
    b = a = np.ones(1, sos.dtype)
    for i in range(sos.shape[0]):
        b, a = tnp.polymul(b, sos[i, :3]), tnp.polymul(a, sos[i, 3:])
    return b, a


@counterpart(scipy.signal, f"{_OF_ROOTS[:-1]} in a section.")
def sos2zpk(sos: Any) -> tuple[Array, Array, Array]:
    sos = _checked_sections("signal.sos2zpk", sos)
    zeros, poles, gain = [], [], 1.0
    for i in range(sos.shape[0]):
        z, p, k = tf2zpk(sos[i, :3], sos[i, 3:])
        zeros.append(tnp.concatenate([z, np.zeros(2 - z.shape[0], complex)]))
        poles.append(tnp.concatenate([p, np.zeros(2 - p.shape[0], complex)]))
        gain = gain * k
    return tnp.concatenate(zeros), tnp.concatenate(poles), gain
