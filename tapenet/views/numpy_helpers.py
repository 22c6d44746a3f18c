"""Functions of plain NumPy that a derivation's source brings along, for operations of more than one line.

Their sources are copied into it, without annotations: they use nothing but `np` and each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any
Pair = tuple[int, int]


def outside(x: Array, mask: Array) -> Array:
    """Return 0 where the mask holds, and x elsewhere; NaN stays."""
    return np.where(mask & ~np.isnan(x), 0, x)


def direction(x: Array, y: Array) -> Array:
    """Return x / hypot(x, y), and 0 at the origin."""
    radius = np.hypot(x, y)
    return x / np.where(radius == 0, 1, radius)


def inverse_direction(x: Array, y: Array) -> Array:
    """Return x / (x**2 + y**2), and 0 at the origin."""
    radius = np.hypot(x, y)
    radius = np.where(radius == 0, 1, radius)
    return x / radius / radius


def sinc_slope(x: Array, order: int) -> Array:
    """Return the derivative of sin(pi x) / (pi x) of an order: by its power series near 0, else by recurrence."""
    is_near = np.abs(x) * np.pi < order + 0.5
    near, far = np.where(is_near, x, 0), np.where(is_near, 1, x)
    series, slope = 0 * near, np.sinc(far)
    for k in range(60):
        sign = (1, 0, -1, 0)[(order + k) % 4]
        series = series + np.pi ** (order + k) * sign * near**k / (order + k + 1) / factorial(k)
    for n in range(1, order + 1):
        slope = (np.pi ** (n - 1) * np.sin(np.pi * far + n * np.pi / 2) - n * slope) / far
    return np.where(is_near, series, slope)[()]


def factorial(n: int) -> float:
    """Return 1 * 2 * ... * n."""
    return float(np.prod(np.arange(1.0, n + 1)))


def recurrence(a: Array, b: Array, axis: int) -> Array:
    """Return s_k = a_k s_(k-1) + b_k along an axis."""
    s = np.array(b, np.result_type(a, b))
    factors, sums = np.moveaxis(a, axis, 0), np.moveaxis(s, axis, 0)
    for k in range(1, len(sums)):
        sums[k] += factors[k] * sums[k - 1]
    return s


def softmax(x: Array, axis: Any) -> Array:
    """Return exp(x) / sum(exp(x)) along axes."""
    weights = np.exp(x - np.max(x, axis=axis, keepdims=True))
    return weights / np.sum(weights, axis=axis, keepdims=True)


def log_softmax(x: Array, axis: Any) -> Array:
    """Return x - log(sum(exp(x))) along axes."""
    less = x - np.max(x, axis=axis, keepdims=True)
    return less - np.log(np.sum(np.exp(less), axis=axis, keepdims=True))


def winners(x: Array, out: Array, axis: Any, keepdims: bool, skips_nan: bool) -> Array:
    """Return the share of each element in the extremum `out`: evenly among those equal to it."""
    best = np.reshape(out, np.shape(np.sum(x, axis=axis, keepdims=True)))
    won = (x == best) if skips_nan else (x == best) | (x != x)
    return (won / np.maximum(np.sum(won, axis=axis, keepdims=True), 1)).astype(np.asarray(x).dtype)


def placed(x: Array, index: Any, shape: tuple[int, ...]) -> Array:
    """Return zeros with x added at an index: the transpose of reading at it."""
    zeros = np.zeros(shape, x.dtype)
    np.add.at(zeros, index, x)
    return zeros


def changed(x: Array, index: Any, value: Array) -> Array:
    """Return a copy of x with a value set at an index."""
    copy = np.array(x)
    copy[index] = value
    return copy


def lasting(index: Any, shape: tuple[int, ...]) -> Array:
    """Return which elements of a value remain after it is set at an index that may repeat places."""
    order = np.arange(np.zeros(shape, bool)[index].size).reshape(np.zeros(shape, bool)[index].shape)
    last = np.full(shape, -1)
    last[index] = order
    return last[index] == order


def largest_size(x: Array, axis: Any) -> Array:
    """Return the largest absolute value along axes; 1 where that is 0 or infinite."""
    size = np.max(np.abs(x), axis=axis, keepdims=True, initial=0)
    return np.where((size == 0) | ~np.isfinite(size), 1, size).astype(size.dtype)


def row_slices(size: int, start: int, count: int, stride: int) -> tuple[slice, slice]:
    """Return which of `count` windows have place `start` + stride * k inside of the input, and these places."""
    first = max(0, -(start // stride))
    last = min(count, (size - 1 - start) // stride + 1)
    inside = slice(first, max(first, last))
    begin = start + stride * first
    return inside, slice(begin, begin + stride * (inside.stop - inside.start), stride)


def windows(
    size: Pair, window: Pair, stride: Pair, padding: tuple[Pair, Pair], dilation: Pair = (1, 1)
) -> tuple[Pair, list[tuple[int, int, Any, Any]]]:
    """Return the number of windows along both axes and, for each tap, the windows and the places that it meets."""
    counts = [
        (n + sum(pad) - (w - 1) * d - 1) // s + 1
        for n, w, s, pad, d in zip(size, window, stride, padding, dilation, strict=True)
    ]
    taps = []
    for i in range(window[0]):
        for j in range(window[1]):
            rows = row_slices(size[0], i * dilation[0] - padding[0][0], counts[0], stride[0])
            columns = row_slices(size[1], j * dilation[1] - padding[1][0], counts[1], stride[1])
            outputs = (slice(None), rows[0], columns[0])
            places = (slice(None), rows[1], columns[1])
            taps.append((i, j, outputs, places))
    return (counts[0], counts[1]), taps


def grouped(x: Array, groups: int) -> Array:
    """Return an array with its last axis cut into groups."""
    return x.reshape(*x.shape[:-1], groups, -1)


def conv(x: Array, kernel: Array, stride: Pair, padding: Any, dilation: Pair, groups: int) -> Array:
    """Return the cross-correlation of images (N, H, W, C) with a kernel (kh, kw, C / groups, O)."""
    counts, taps = windows(x.shape[1:3], kernel.shape[:2], stride, padding, dilation)
    y = np.zeros((len(x), *counts, groups, kernel.shape[3] // groups), np.result_type(x, kernel))
    for i, j, outputs, places in taps:
        y[outputs] += np.einsum("nhwgc,cgo->nhwgo", grouped(x[places], groups), grouped(kernel[i, j], groups))
    return y.reshape(*y.shape[:3], -1)


def conv_input(
    y_bar: Array, kernel: Array, input_size: Pair, stride: Pair, padding: Any, dilation: Pair, groups: int
) -> Array:
    """Return the cotangent of the images of `conv`."""
    _, taps = windows(input_size, kernel.shape[:2], stride, padding, dilation)
    x_bar = np.zeros((len(y_bar), *input_size, groups, kernel.shape[2]), np.result_type(y_bar, kernel))
    for i, j, outputs, places in taps:
        x_bar[places] += np.einsum("nhwgo,cgo->nhwgc", grouped(y_bar[outputs], groups), grouped(kernel[i, j], groups))
    return x_bar.reshape(*x_bar.shape[:3], -1)


def conv_kernel(
    x: Array, y_bar: Array, kernel_size: Pair, stride: Pair, padding: Any, dilation: Pair, groups: int
) -> Array:
    """Return the cotangent of the kernel of `conv`."""
    _, taps = windows(x.shape[1:3], kernel_size, stride, padding, dilation)
    inner, outer = x.shape[3] // groups, y_bar.shape[3] // groups
    kernel_bar = np.zeros((*kernel_size, inner, groups, outer), np.result_type(x, y_bar))
    for i, j, outputs, places in taps:
        kernel_bar[i, j] = np.einsum("nhwgc,nhwgo->cgo", grouped(x[places], groups), grouped(y_bar[outputs], groups))
    return kernel_bar.reshape(*kernel_size, inner, -1)


def max_pool_winners(x: Array, window: Pair, stride: Pair, padding: Any) -> Array:
    """Return which tap of each window has its largest element, the first of equal ones; the first NaN wins."""
    counts, taps = windows(x.shape[1:3], window, stride, padding)
    best = np.full((len(x), *counts, x.shape[3]), -np.inf, x.dtype)
    found = np.full(best.shape, -1)
    for i, j, outputs, places in taps:
        own = x[places]
        wins = (found[outputs] < 0) | (own > best[outputs]) | (np.isnan(own) & ~np.isnan(best[outputs]))
        best[outputs] = np.where(wins, own, best[outputs])
        found[outputs] = np.where(wins, i * window[1] + j, found[outputs])
    return found


def pool_gather(x: Array, taken: Array, window: Pair, stride: Pair, padding: Any) -> Array:
    """Return the element of each window that a tap takes."""
    _, taps = windows(x.shape[1:3], window, stride, padding)
    y = np.zeros(taken.shape, x.dtype)
    for i, j, outputs, places in taps:
        y[outputs] += np.where(taken[outputs] == i * window[1] + j, x[places], 0)
    return y


def pool_scatter(y_bar: Array, taken: Array, input_size: Pair, window: Pair, stride: Pair, padding: Any) -> Array:
    """Return zeros with each cotangent added where its window took an element."""
    _, taps = windows(input_size, window, stride, padding)
    x_bar = np.zeros((len(y_bar), *input_size, y_bar.shape[3]), y_bar.dtype)
    for i, j, outputs, places in taps:
        x_bar[places] += np.where(taken[outputs] == i * window[1] + j, y_bar[outputs], 0)
    return x_bar


def max_pool(x: Array, window: Pair, stride: Pair, padding: Any) -> Array:
    """Return the largest element of each window."""
    return pool_gather(x, max_pool_winners(x, window, stride, padding), window, stride, padding)


def window_sizes(input_size: Pair, window: Pair, stride: Pair, padding: Any) -> Array:
    """Return how many elements of the input lie in each window."""
    counts, taps = windows(input_size, window, stride, padding)
    sizes = np.zeros((1, *counts, 1))
    for _, _, outputs, _ in taps:
        sizes[outputs] += 1
    return sizes


def avg_pool(x: Array, window: Pair, stride: Pair, padding: Any) -> Array:
    """Return the mean of the elements of each window; padding is not counted."""
    counts, taps = windows(x.shape[1:3], window, stride, padding)
    y = np.zeros((len(x), *counts, x.shape[3]), x.dtype)
    for _, _, outputs, places in taps:
        y[outputs] += x[places]
    return (y / window_sizes(x.shape[1:3], window, stride, padding)).astype(x.dtype)


def avg_pool_input(y_bar: Array, input_size: Pair, window: Pair, stride: Pair, padding: Any) -> Array:
    """Return the cotangent of the images of `avg_pool`."""
    _, taps = windows(input_size, window, stride, padding)
    shares = (y_bar / window_sizes(input_size, window, stride, padding)).astype(y_bar.dtype)
    x_bar = np.zeros((len(y_bar), *input_size, y_bar.shape[3]), y_bar.dtype)
    for _, _, outputs, places in taps:
        x_bar[places] += shares[outputs]
    return x_bar


def batch_norm(x: Array, scale: Array, offset: Array, eps: float) -> tuple[Array, ...]:
    """Return scale (x - mean) / sqrt(var + eps) + offset of columns, mean, var and 1 / sqrt(var + eps)."""
    mean, var = np.mean(x, axis=0), np.var(x, axis=0)
    inverse = 1 / np.sqrt(var + eps)
    return scale * (x - mean) * inverse + offset, mean, var, inverse


def batch_norm_pullback(
    x: Array, scale: Array, mean: Array, inverse: Array, y_bar: Any, mean_bar: Any, var_bar: Any
) -> tuple[Array, ...]:
    """Return the cotangents of x, scale and offset of `batch_norm`."""
    count = len(x)
    y_bar = np.zeros_like(x) if y_bar is None else y_bar
    normal = (x - mean) * inverse
    scale_bar, offset_bar = np.sum(y_bar * normal, axis=0), np.sum(y_bar, axis=0)
    x_bar = scale * inverse * (y_bar - offset_bar / count - normal * scale_bar / count)
    if mean_bar is not None:
        x_bar = x_bar + mean_bar / count
    if var_bar is not None:
        x_bar = x_bar + 2 * (x - mean) * var_bar / count
    return x_bar, scale_bar, offset_bar


def layer_norm(x: Array, scale: Array, offset: Array, eps: float) -> tuple[Array, ...]:
    """Return scale (x - mean) / sqrt(var + eps) + offset of rows, mean and 1 / sqrt(var + eps)."""
    mean = np.mean(x, axis=1, keepdims=True)
    inverse = 1 / np.sqrt(np.var(x, axis=1, keepdims=True) + eps)
    return scale * (x - mean) * inverse + offset, mean, inverse


def layer_norm_pullback(x: Array, scale: Array, mean: Array, inverse: Array, y_bar: Array) -> tuple[Array, ...]:
    """Return the cotangents of x, scale and offset of `layer_norm`."""
    normal = (x - mean) * inverse
    normal_bar = y_bar * scale
    own = np.mean(normal_bar, axis=1, keepdims=True)
    along = np.mean(normal_bar * normal, axis=1, keepdims=True)
    return inverse * (normal_bar - own - normal * along), np.sum(y_bar * normal, axis=0), np.sum(y_bar, axis=0)


def attention_scores(q: Array, k: Array, mask: Any, causal: bool) -> Array:
    """Return q k^T / sqrt(features), minus infinity where a query may not look at a key."""
    scores = q @ np.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    if causal:
        queries, keys = scores.shape[-2:]
        scores = np.where(np.arange(keys) <= np.arange(queries)[:, None], scores, -np.inf)
    return scores


def attention(q: Array, k: Array, v: Array, mask: Any, causal: bool) -> tuple[Array, Array]:
    """Return the values that queries gather, and the logarithms of the sums of exponentials."""
    scores = attention_scores(q, k, mask, causal)
    largest = np.max(scores, axis=-1, keepdims=True)
    largest = np.where(largest == -np.inf, 0, largest)
    weights = np.exp(scores - largest)
    total = np.sum(weights, axis=-1, keepdims=True)
    total = np.where(total == 0, 1, total)
    return weights @ v / total, (np.log(total) + largest)[..., 0]


def attention_pullback(
    q: Array, k: Array, v: Array, mask: Any, out: Array, sums: Array, out_bar: Array, causal: bool
) -> tuple[Array, ...]:
    """Return the cotangents of queries, keys and values of `attention`."""
    weights = np.exp(attention_scores(q, k, mask, causal) - sums[..., None])
    slopes = out_bar @ np.swapaxes(v, -1, -2) - np.sum(out_bar * out, axis=-1, keepdims=True)
    slopes = slopes * weights / q.shape[-1] ** 0.5
    return slopes @ k, np.swapaxes(slopes, -1, -2) @ q, np.swapaxes(weights, -1, -2) @ out_bar


def cholesky_pullback(bar: Array, lower: Array) -> Array:
    """Return the cotangent of the lower triangle of a matrix from that of its Cholesky factor."""
    inverse = np.linalg.inv(lower)
    moved = np.swapaxes(np.conj(lower), -1, -2) @ np.tril(np.conj(bar))
    half = np.tril(moved, -1) + np.tril(np.triu(moved)) / 2
    whole = np.swapaxes(np.conj(inverse), -1, -2) @ half @ inverse
    both = whole + np.swapaxes(np.conj(whole), -1, -2)
    return np.conj(np.tril(both, -1) + np.tril(np.triu(both)) / 2)


def check(holds: Any, read: str) -> None:
    """Raise where a read of values gives another answer than when the computation was recorded."""
    if not holds:
        raise ValueError(f"{read} gives another answer than when it was recorded")
