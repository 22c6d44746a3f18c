"""Filters along an axis: recursive ones by all of their coefficients, signals and initial states.

A recursive filter is the solution y of a linear equation, a * y = b * x plus the initial state at the first elements.
By x and the state it is linear, with the filter of the reversed signal for its transpose; by b it is a filter without
b, and by a one of its own result.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.signal

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, axis_of, check_is_count, collected
from tapenet.core.batch_rules import leading_axes
from tapenet.core.families import general
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import Array, Primitive
from tapenet.core.record import Parameters
from tapenet.errors import ArgumentError
from tapenet.scipy.convolution import convolved, extended
from tapenet.scipy.placing import counterpart

# ---- the recursion ----


def _of_batch(
    primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Parameters
) -> Any:
    return leading_axes(1, 1, 1, 1)(primitive, arrays, mapped, size, parameters)


def _rest(like: Array) -> Array:
    """Return the state of a filter without a past."""
    return np.zeros(like.shape[-1] - 1, like.dtype)


def _unit(like: Array) -> Array:
    return np.eye(1, like.shape[-1], dtype=like.dtype)[0]


def _back(b: Array, a: Array, t: Array) -> Array:
    """Filter from the last element to the first: the transpose of the filter."""
    return tnp.flip(_recursion(b, a, tnp.flip(t, -1), _rest(a)), -1)


def _lagged(v: Array, x: Array, count: int) -> Array:
    """Return the sums of v[n] x[n - k] over n, for k below a count."""
    v, x = _alike(v, x)
    if x.shape[-1] == 0:
        return np.zeros((*x.shape[:-1], count), x.dtype)
    longer = tnp.concatenate([v, np.zeros((*v.shape[:-1], count - 1), v.dtype)], -1)
    return convolved(longer, tnp.flip(x, -1), axes=1, valid=True, method="direct")


def _alike(v: Array, x: Array) -> tuple[Array, Array]:
    shape = np.broadcast_shapes(v.shape, x.shape)
    return tnp.broadcast_to(v, shape), tnp.broadcast_to(x, shape)


def _a_bar(t: Array, a: Array, out: Array) -> Array:
    sums = _lagged(_back(_unit(a), a, t), out, a.shape[-1])
    return -sums * (np.arange(a.shape[-1]) > 0)


def _zi_bar(t: Array, a: Array) -> Array:
    order, v = a.shape[-1] - 1, _back(_unit(a), a, t)
    missing = max(order - v.shape[-1], 0)
    return tnp.concatenate([v[..., :order], np.zeros((*v.shape[:-1], missing), v.dtype)], -1)


def _by_a(t: Array, a: Array, out: Array) -> Array:
    return -_recursion(t * (np.arange(a.shape[-1]) > 0), a, out, _rest(a))


def _by_zi(t: Array, a: Array, out: Array) -> Array:
    n = out.shape[-1]
    missing = max(n - t.shape[-1], 0)
    signal = tnp.concatenate([t[..., :n], np.zeros((*t.shape[:-1], missing), t.dtype)], -1)
    return _recursion(_unit(a), a, signal, _rest(a))


@general(
    name="signal.lfilter",
    pullbacks=[
        lambda t, a, x: _lagged(_back(_unit(a), a, t), x, a.shape[-1]),
        _a_bar,
        lambda t, b, a: _back(b, a, t),
        _zi_bar,
    ],
    pushforwards=[
        lambda t, a, x: _recursion(t, a, x, _rest(a)),
        _by_a,
        lambda t, b, a: _recursion(b, a, t, _rest(a)),
        _by_zi,
    ],
    batch=_of_batch,
)
def _recursion(b: Array, a: Array, x: Array, zi: Array) -> Array:
    """Filter along the last axis by coefficients of one length, of which the first of a is 1."""
    shape = np.broadcast_shapes(*(z.shape[:-1] for z in (b, a, x, zi)))
    x, zi = np.broadcast_to(x, (*shape, x.shape[-1])), np.broadcast_to(zi, (*shape, zi.shape[-1]))
    if b.ndim == a.ndim == 1:
        return np.asarray(scipy.signal.lfilter(b, a, x, zi=zi)[0])
    b, a = (np.broadcast_to(c, (*shape, c.shape[-1])) for c in (b, a))
    rows = itertools.product(*(range(n) for n in shape))
    filtered = [scipy.signal.lfilter(b[i], a[i], x[i], zi=zi[i])[0] for i in rows]
    return np.reshape(np.stack(filtered), x.shape)


# ---- lfilter ----


@branch_condition
def _is_zero(a: Array) -> bool:
    return bool(np.any(np.asarray(a) == 0))


@branch_condition
def _is_one(a: Array) -> bool:
    return bool(np.all(np.asarray(a) == 1))


def floating(x: Any) -> Array:
    """Return an argument as an array of floats."""
    x = as_array(collected(x))
    return x if x.dtype.kind in "fc" else x.astype(float)


def _coefficients(name: str, b: Any, a: Any) -> tuple[Array, Array]:
    b, a = (tnp.atleast_1d(floating(c)) for c in (b, a))
    if b.ndim != 1 or a.ndim != 1:
        raise ArgumentError(f"{name}: b and a must be 1-D; got shapes {b.shape} and {a.shape}.")
    return b, a


def _normalized(name: str, b: Array, a: Array) -> tuple[Array, Array]:
    """Return coefficients of one length, divided by the first of a."""
    if _is_zero(a[0]):
        raise ArgumentError(f"{name}: filter coefficient a[0] == 0 not supported yet.")
    length = max(b.shape[0], a.shape[0])
    b, a = (tnp.concatenate([c, np.zeros(length - c.shape[0], c.dtype)]) if c.shape[0] < length else c for c in (b, a))
    return b / a[0], a / a[0]


def _tail(c: Array, x: Array, order: int) -> Array:
    """Return what a convolution of c and x has behind the end of x."""
    last = x[..., -order:]
    missing = order - last.shape[-1]
    last = tnp.concatenate([np.zeros((*x.shape[:-1], missing), x.dtype), last], -1) if missing else last
    return convolved(last, c, axes=1, valid=False, method="direct")[..., order:]


def filtered(b: Array, a: Array, x: Array, zi: Array | None) -> tuple[Array, Array]:
    """Filter along the last axis by normalized coefficients; return the result, and a state to go on with."""
    order, n = a.shape[-1] - 1, x.shape[-1]
    state = np.zeros((*x.shape[:-1], order), x.dtype) if zi is None else zi
    if order == 0:
        return b * x, state
    y = _recursion(b, a, x, state)
    final = _tail(b, x, order) - _tail(a, y, order)
    if n < order:
        final = final + tnp.concatenate([state[..., n:], np.zeros((*state.shape[:-1], n), state.dtype)], -1)
    return y, final


def _moving_sums(b: Array, x: Array, zi: Array | None) -> tuple[Array, Array]:
    """Filter without recursion."""
    order, n = b.shape[0] - 1, x.shape[-1]
    out = convolved(x, b, axes=1, valid=False, method="direct")
    if zi is not None:
        missing = max(n + order - zi.shape[-1], 0)
        out = out + tnp.concatenate([zi, np.zeros((*zi.shape[:-1], missing), zi.dtype)], -1)
    return out[..., :n], out[..., n:]


def _state(name: str, zi: Any, shape: tuple[int, ...], axis: int, order: int) -> Array:
    zi = floating(zi)
    expected = (*shape[:axis], order, *shape[axis + 1 :])
    if zi.ndim != len(shape) or any(have not in (1, want) for have, want in zip(zi.shape, expected, strict=True)):
        raise ArgumentError(f"{name}: unexpected shape for zi: expected {expected}, found {zi.shape}.")
    if zi.shape[axis] != order:
        raise ArgumentError(f"{name}: unexpected shape for zi: expected {expected}, found {zi.shape}.")
    zi = tnp.moveaxis(zi, axis, -1)
    return tnp.broadcast_to(zi, (*shape[:axis], *shape[axis + 1 :], order))


@counterpart(scipy.signal, "Derivatives: by b, a, x and zi, filters themselves.")
def lfilter(b: Any, a: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    name = "signal.lfilter"
    b, a = _coefficients(name, b, a)
    x = floating(x)
    axis = axis_of(name, axis, x.ndim)
    along = tnp.moveaxis(x, axis, -1)
    order = max(b.shape[0], a.shape[0]) - 1
    state = None if zi is None else _state(name, zi, x.shape, axis, order)
    is_recursive = a.shape[0] > 1
    b, a = _normalized(name, b, a)
    y, final = filtered(b, a, along, state) if is_recursive else _moving_sums(b, along, state)
    y = tnp.moveaxis(y, -1, axis)
    return y if zi is None else (y, tnp.moveaxis(final, -1, axis))


def _steady(b: Array, a: Array) -> Array:
    """Return the state of a filter whose input has been 1 for ever, by normalized coefficients."""
    rises = b[1:] - a[1:] * b[0]
    first = tnp.sum(rises) / tnp.sum(a)
    later = tnp.cumsum(a)[1:-1] * first - tnp.cumsum(rises)[:-1]
    return tnp.concatenate([first[None], later])


@counterpart(scipy.signal, "Derivatives: by b and a, those of the steady state.")
def lfilter_zi(b: Any, a: Any) -> Array:
    b, a = _normalized("signal.lfilter_zi", *_coefficients("signal.lfilter_zi", b, a))
    return _steady(b, a) if a.shape[0] > 1 else np.zeros(0)


# ---- sections ----


def _sections(name: str, sos: Any) -> Array:
    sos = tnp.atleast_2d(floating(sos))
    if sos.ndim != 2 or sos.shape[1] != 6:
        raise ArgumentError(f"{name}: sos array must be shape (n_sections, 6); got {sos.shape}.")
    if not _is_one(sos[:, 3]):
        raise ArgumentError(f"{name}: sos[:, 3] should be all ones.")
    return sos


@counterpart(scipy.signal, "Derivatives: by the sections, x and zi, those of one filter behind the other.")
def sosfilt(sos: Any, x: Any, axis: int = -1, zi: Any = None) -> Any:
    name = "signal.sosfilt"
    sos, x = _sections(name, sos), floating(x)
    axis = axis_of(name, axis, x.ndim)
    along = tnp.moveaxis(x, axis, -1)
    expected = (sos.shape[0], *x.shape[:axis], 2, *x.shape[axis + 1 :])
    states: list[Any] = [None] * sos.shape[0]
    if zi is not None:
        zi = floating(zi)
        if zi.shape != expected:
            raise ArgumentError(f"{name}: invalid zi shape; with axis={axis} it must be {expected}, got {zi.shape}.")
        states = [tnp.moveaxis(zi[i], axis, -1) for i in range(sos.shape[0])]
    finals = []
    for i, state in enumerate(states):
        along, final = filtered(sos[i, :3], sos[i, 3:], along, state)
        finals.append(tnp.moveaxis(final, -1, axis))
    y = tnp.moveaxis(along, -1, axis)
    return y if zi is None else (y, tnp.stack(finals))


@counterpart(scipy.signal, "Derivatives: by the sections, those of the steady state.")
def sosfilt_zi(sos: Any) -> Array:
    sos = _sections("signal.sosfilt_zi", sos)
    scale: Any = 1.0
    states = []
    for i in range(sos.shape[0]):
        b, a = sos[i, :3], sos[i, 3:]
        states.append(scale * _steady(b, a))
        scale = scale * tnp.sum(b) / tnp.sum(a)
    return tnp.stack(states)


# ---- forward and back ----


def _odd(x: Array, n: int) -> Array:
    left = 2 * x[..., :1] - tnp.flip(x[..., 1 : n + 1], -1)
    right = 2 * x[..., -1:] - tnp.flip(x[..., -n - 1 : -1], -1)
    return tnp.concatenate([left, x, right], -1)


def lengthened(x: Array, n: int, kind: str | None) -> Array:
    """Extend a signal at both ends of its last axis: "odd", "even", "constant" or "zeros"."""
    if n == 0 or kind is None:
        return x
    if kind == "odd":
        return _odd(x, n)
    mode = {"even": "mirror", "constant": "nearest"}.get(kind, "constant")
    return extended(x, n, n, x.ndim - 1, mode)


def _edge(name: str, x: Array, padtype: str | None, padlen: int | None, ntaps: int) -> int:
    if padtype not in ("even", "odd", "constant", None):
        raise ArgumentError(
            f"{name}: unknown value {padtype!r} given to padtype; it must be 'even', 'odd' or 'constant'."
        )
    edge = 0 if padtype is None else ntaps * 3 if padlen is None else operator.index(padlen)
    if edge < 0:
        raise ArgumentError(f"{name}: padlen must not be negative; got {padlen}.")
    if x.shape[-1] <= edge:
        raise ArgumentError(
            f"{name}: the length of the input vector x must be greater than padlen, which is {edge}; got {x.shape[-1]}."
        )
    return edge


def _of_both_orders(b: Array, a: Array, x: Array, irlen: int | None) -> Array:
    """Filter forward and back from initial states for which the two orders differ least.

    Source: Gustafsson (1996), Determining the initial states in forward-backward filtering, IEEE TSP 46(4).
    """
    order, n = a.shape[0] - 1, x.shape[-1]
    if order == 0:
        return b[0] * b[0] * x
    m = n if irlen is None or n <= 2 * irlen else operator.index(irlen)
    if m < 1:
        raise ArgumentError(f"signal.filtfilt: irlen must be positive, and x not empty; got {irlen} and length {n}.")

    def back(y: Array) -> Array:
        return tnp.flip(filtered(b, a, tnp.flip(y, -1), None)[0], -1)

    # Rows: the output of each state by itself, along the first m or, reversed, the last m elements.
    pulse = filtered(_unit(a), a, np.eye(1, m, dtype=a.dtype)[0], None)[0]
    states = tnp.stack([tnp.concatenate([np.zeros(min(k, m)), pulse[: max(m - k, 0)]]) for k in range(order)])
    late = tnp.flip(states, -1)
    early = back(states)
    differ, correct = [early - states, late - tnp.flip(early, -1)], [early, late]
    forward_first = back(filtered(b, a, x, None)[0])
    apart = filtered(b, a, back(x), None)[0] - forward_first
    if m < n:
        zero = np.zeros((order, m))
        differ, correct = (
            [tnp.concatenate([first, zero], -1), tnp.concatenate([zero, last], -1)] for first, last in (differ, correct)
        )
        apart = tnp.concatenate([apart[..., :m], apart[..., -m:]], -1)
    rows = tnp.reshape(apart, (-1, apart.shape[-1])).T
    weights = tnp.linalg.lstsq(tnp.concatenate(differ, 0).T, rows)[0]
    change = tnp.reshape(tnp.matmul(tnp.concatenate(correct, 0).T, weights).T, apart.shape)
    if m < n:
        between = np.zeros((*x.shape[:-1], n - 2 * m))
        change = tnp.concatenate([change[..., :m], between, change[..., m:]], -1)
    return forward_first + change


@counterpart(scipy.signal, "Derivatives: by b, a and x, those of two filters, forward and back.")
def filtfilt(
    b: Any,
    a: Any,
    x: Any,
    axis: int = -1,
    padtype: str | None = "odd",
    padlen: int | None = None,
    method: str = "pad",
    irlen: int | None = None,
) -> Array:
    name = "signal.filtfilt"
    if method not in ("pad", "gust"):
        raise ArgumentError(f"{name}: method must be 'pad' or 'gust'; got {method!r}.")
    b, a = _normalized(name, *_coefficients(name, b, a))
    x = floating(x)
    axis = axis_of(name, axis, x.ndim)
    along = tnp.moveaxis(x, axis, -1)
    if method == "gust":
        return tnp.moveaxis(_of_both_orders(b, a, along, irlen), -1, axis)
    edge = _edge(name, along, padtype, padlen, a.shape[0])
    y = lengthened(along, edge, padtype)
    zi = _steady(b, a) if a.shape[0] > 1 else np.zeros(0)
    for _ in range(2):
        y = tnp.flip(filtered(b, a, y, zi * y[..., :1])[0], -1)
    return tnp.moveaxis(y[..., edge : y.shape[-1] - edge], -1, axis)


@counterpart(scipy.signal, "Derivatives: by the sections and x, those of two filters, forward and back.")
def sosfiltfilt(sos: Any, x: Any, axis: int = -1, padtype: str | None = "odd", padlen: int | None = None) -> Array:
    name = "signal.sosfiltfilt"
    sos, x = _sections(name, sos), floating(x)
    axis = axis_of(name, axis, x.ndim)
    along = tnp.moveaxis(x, axis, -1)
    ntaps = 2 * sos.shape[0] + 1 - min(_zeros_in(sos[:, 2]), _zeros_in(sos[:, 5]))
    edge = _edge(name, along, padtype, padlen, ntaps)
    y = lengthened(along, edge, padtype)
    zi = sosfilt_zi(sos)
    for _ in range(2):
        first = y[..., :1]
        for i in range(sos.shape[0]):
            y, _ = filtered(sos[i, :3], sos[i, 3:], y, zi[i] * first)
        y = tnp.flip(y, -1)
    return tnp.moveaxis(y[..., edge : y.shape[-1] - edge], -1, axis)


@branch_condition
def _is_finite(x: Array) -> bool:
    return bool(np.all(np.isfinite(x)))


@branch_condition
def _zeros_in(x: Array) -> int:
    return int(np.count_nonzero(np.asarray(x) == 0))


# ---- Savitzky and Golay, trends ----


def _fits(window_length: int, polyorder: int, deriv: int, at: Array) -> Array:
    """Return the matrix that gives the derivative of the polynomial fit of a window at places."""
    powers = np.polyfit(np.arange(window_length), np.eye(window_length), polyorder)
    rows = [np.polyval(np.polyder(column, deriv), at) for column in powers.T]
    return np.stack(rows, -1) if deriv <= polyorder else np.zeros((len(at), window_length))


@counterpart(scipy.signal, "Derivatives: those of sums with constant weights, by x, delta and cval.")
def savgol_filter(
    x: Any,
    window_length: int,
    polyorder: int,
    deriv: int = 0,
    delta: Any = 1.0,
    axis: int = -1,
    mode: str = "interp",
    cval: Any = 0.0,
) -> Array:
    name = "signal.savgol_filter"
    for label, count in (("window_length", window_length), ("polyorder", polyorder), ("deriv", deriv)):
        check_is_count(name, label, count)
    if mode not in ("mirror", "constant", "nearest", "interp", "wrap"):
        raise ArgumentError(f"{name}: mode must be 'mirror', 'constant', 'nearest' 'wrap' or 'interp'; got {mode!r}.")
    if polyorder >= window_length:
        raise ArgumentError(f"{name}: polyorder must be less than window_length; got {polyorder} and {window_length}.")
    x = floating(x)
    along = tnp.moveaxis(x, axis_of(name, axis, x.ndim), -1)
    n, half = along.shape[-1], window_length // 2
    if mode == "interp" and window_length > n:
        raise ArgumentError(
            f"{name}: If mode is 'interp', window_length must be less than or equal to the size of x; got "
            f"{window_length} and {n}."
        )
    weights = scipy.signal.savgol_coeffs(window_length, polyorder, deriv=deriv).astype(along.dtype)
    before = window_length - 1 - half if window_length % 2 else half - 1
    longer = extended(along, before, window_length - 1 - before, along.ndim - 1, mode, cval)
    out = convolved(longer, weights, axes=1, valid=True, method="direct")
    if mode == "interp":
        places = np.arange(window_length)
        first = _fits(window_length, polyorder, deriv, places[:half]).astype(along.dtype)
        last = _fits(window_length, polyorder, deriv, places[window_length - half :]).astype(along.dtype)
        starts = tnp.matmul(along[..., :window_length], first.T)
        ends = tnp.matmul(along[..., n - window_length :], last.T)
        out = tnp.concatenate([starts, out[..., half : n - half], ends], -1)
    scale = 1.0 if deriv == 0 else delta**-deriv
    return tnp.moveaxis(out * scale, -1, axis)


@counterpart(scipy.signal, "Derivative: that of what is left of x beside its trend, which is linear in it.")
def detrend(data: Any, axis: int = -1, type: str = "linear", bp: Any = 0, overwrite_data: bool = False) -> Array:
    name = "signal.detrend"
    if type not in ("linear", "l", "constant", "c"):
        raise ArgumentError(f"{name}: trend type must be 'linear' or 'constant'; got {type!r}.")
    data = floating(data)
    along = tnp.moveaxis(data, axis_of(name, axis, data.ndim), -1)
    if type in ("constant", "c"):
        return tnp.moveaxis(along - tnp.mean(along, -1, keepdims=True), -1, axis)
    n = along.shape[-1]
    if not _is_finite(along):
        raise ArgumentError(f"{name}: data must not contain infs or NaNs for type={type!r}.")
    ends = np.unique(np.concatenate([[0], np.atleast_1d(bp), [n]])).astype(int)
    if np.any(ends > n):
        raise ArgumentError(f"{name}: Breakpoints must be less than length of data along given axis; got {bp}.")
    parts = []
    for start, stop in itertools.pairwise(ends):
        lines = np.stack([np.arange(1, stop - start + 1) / (stop - start), np.ones(stop - start)], -1)
        lines, inverse = lines.astype(along.dtype), np.linalg.pinv(lines).astype(along.dtype)
        part = along[..., start:stop]
        parts.append(part - tnp.matmul(tnp.matmul(part, inverse.T), lines.T))
    return tnp.moveaxis(tnp.concatenate(parts, -1), -1, axis)


@counterpart(scipy.signal, "Derivative: the analytic signal of the tangent.")
def hilbert(x: Any, N: int | None = None, axis: int = -1) -> Array:
    x = floating(x)
    if x.dtype.kind == "c":
        raise ArgumentError("signal.hilbert: x must be real; got a complex array.")
    along = tnp.moveaxis(x, axis_of("signal.hilbert", axis, x.ndim), -1)
    n = along.shape[-1] if N is None else N
    if n <= 0:
        raise ArgumentError(f"signal.hilbert: N must be positive; got {n}.")
    weights = np.zeros(n)
    weights[0] = 1
    weights[1 : (n + 1) // 2] = 2
    weights[n // 2] = 1 if n % 2 == 0 else weights[n // 2]
    across = tnp.fft.fft(along, n) * weights.astype(along.dtype)
    return tnp.moveaxis(tnp.fft.ifft(across), -1, axis)
