"""Recurrent networks over whole sequences: simple, GRU and LSTM, forward and backward.

Arrays are time first: x has shape (T, N, C), a state (N, H), the kernel (C, gates * H), the recurrent kernel
(H, gates * H), the bias (gates * H,). A mask, shape (T, N), or None, says at which steps a state moves; at the others
it stays.

What does not depend on the step before is computed for all steps at once: the inputs' part of the gates is one product
of matrices, and so are the cotangents of the kernels. A step is a product and a few passes over arrays that stay in
cache, or one pass by machine code (`recurrent_code`), where all steps are one call. Threads share the examples, since
steps follow each other. Forward functions return the states after all steps, and behind them what the backward ones
read: the states with that at the start, and by-products of the steps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from tapenet.kernels.gemm import gemm_for
from tapenet.kernels.memory import address, empty
from tapenet.kernels.products import matmul, multiply, share_with_products
from tapenet.kernels.threads import share
from tapenet.kernels.vector_functions import functions_for
from tapenet.kernels.windows import Array, computing_dtype

Mask = Array | None
States = tuple[Array, ...]  # at the start and after each step, (T + 1, N, H), for each kind of state

# Bytes of gates that are worth a thread: each step wakes NumPy some ten times.
WORTH_SHARING = 2**21

# Steps whose slopes are computed at once: few enough for the cache.
BLOCK = 4

# Numbers of gates from which on all steps are one call of machine code, and what a gate takes, in multiplications.
FEWEST = 2**10
GATE_COST = 32


def _operands(*arrays: Array) -> tuple[list[Array], np.dtype[Any]]:
    """Return arrays in C order and in the dtype to compute in, and the dtype of the result."""
    dtype = np.result_type(*arrays)
    return [np.ascontiguousarray(x, computing_dtype(dtype)) for x in arrays], dtype


def _states(steps: int, *starts: Array) -> States:
    """Make arrays for states, with the first ones in."""
    made = tuple(empty((steps + 1, *start.shape), start.dtype) for start in starts)
    for states, start in zip(made, starts, strict=True):
        states[0] = start
    return made


def _given(states: States, dtype: np.dtype[Any]) -> tuple[Array, ...]:
    """Return the states after each step, in the dtype of the result."""
    return tuple(x[1:].astype(dtype, copy=False) for x in states)


def _rows(x: Array) -> Array:
    """Join steps and examples."""
    return x.reshape(-1, x.shape[-1])


def _of_inputs(x: Array, kernel: Array) -> Array:
    """Compute the inputs' part of the gates, of all steps at once."""
    return np.asarray(matmul(_rows(x), kernel)).reshape(*x.shape[:2], kernel.shape[1])


def _share(work: Callable[[slice], None], gates: Array) -> None:
    with np.errstate(over="ignore"):  # 1 / (1 + e^-x) is 0 where e^-x overflows
        share(work, gates.shape[1], gates.nbytes, WORTH_SHARING)


def _steps_at_once(kind: str, name: str, arrays: Sequence[Array | None], mask: Mask, gates: Array, width: int) -> bool:
    """Do all steps by machine code, and return whether there is code for them.

    Args:
        kind: of the network.
        name: of its function, of which `arrays` in C order are the first arguments.
    """
    if gates.size < FEWEST:
        return False
    functions, gemm = functions_for(gates.dtype, "tapenet.kernels.recurrent_code", kind), gemm_for(gates.dtype)
    if functions is None or gemm is None:
        return False
    moves = None if mask is None else np.ascontiguousarray(mask, bool)
    function, places = functions.by_name[name], [0 if x is None else address(x) for x in (*arrays, moves)]
    steps, examples = gates.shape[:2]

    def work(part: slice) -> int:
        lengths = (steps, examples, part.start, part.stop - part.start, width)
        return int(function(*places, gemm.address, *gemm.packed.addresses, *lengths))

    share_with_products(gemm, work, examples, gates.size * (width + GATE_COST))
    return True


def _stay(mask: Mask, step: int, part: slice, *states: Array) -> None:
    """Keep the states of examples that do not move."""
    if mask is not None:
        still = ~mask[step, part, None]
        for x in states:
            np.copyto(x[step + 1, part], x[step, part], where=still)


def _bars(t: Array | None, like: Array) -> Array:
    return np.zeros(like.shape, like.dtype) if t is None else np.ascontiguousarray(t, like.dtype)


def _moved(bar: Array, mask: Mask, step: int, part: slice) -> tuple[Array, Array | None]:
    """Split a cotangent into that of examples that move at a step, and that of those that do not."""
    if mask is None:
        return bar, None
    moves = mask[step, part, None]
    return bar * moves, bar * ~moves


def _weight_bars(x: Array, kernel: Array, slopes: Array, wanted: Sequence[bool]) -> tuple[Array | None, Array, Array]:
    """Compute the cotangents of x, where it is wanted, the kernel and the bias from those of the gates."""
    rows = _rows(slopes)
    x_bar = _of_inputs(slopes, kernel.T) if wanted[0] else None
    return x_bar, np.asarray(matmul(_rows(x).T, rows)), np.add.reduce(rows, 0)


def _recurrent_bar(hs: Array, slopes: Array) -> Array:
    """Compute the cotangent of the recurrent kernel from those of the states' part of the gates."""
    return np.asarray(matmul(_rows(hs[:-1]).T, _rows(slopes)))


# ---- simple ----


def rnn(x: Array, h: Array, kernel: Array, recurrent: Array, bias: Array, mask: Mask) -> tuple[Array, ...]:
    """Compute h' = tanh(x kernel + h recurrent + bias) at each step."""
    (x, h, kernel, recurrent, bias), dtype = _operands(x, h, kernel, recurrent, bias)
    states = _states(len(x), h)
    (hs,) = states
    z = _of_inputs(x, kernel)
    if _steps_at_once("rnn", "rnn", (z, hs, recurrent, bias), mask, z, len(bias)):
        return (*_given(states, dtype), hs)

    def work(part: slice) -> None:
        product = np.empty((part.stop - part.start, len(bias)), z.dtype)
        for step in range(len(z)):
            multiply(hs[step, part], recurrent, product)
            product += z[step, part]
            product += bias
            np.tanh(product, out=hs[step + 1, part])
            _stay(mask, step, part, hs)

    _share(work, z)
    return (*_given(states, dtype), hs)


def rnn_backward(
    operands: Sequence[Array], given: Sequence[Array], wanted: Sequence[bool], hs_bar: Array | None
) -> tuple[Array | None, ...]:
    """Compute the cotangents of x, h, the kernels and the bias."""
    (x, _, kernel, recurrent, _), _ = _operands(*operands[:-1])
    mask, hs = operands[-1], given[1]
    bars = _bars(hs_bar, hs[1:])
    slopes = empty(bars.shape, hs.dtype)
    h_bar = np.zeros(hs.shape[1:], hs.dtype)
    turned = np.ascontiguousarray(recurrent.T)

    def work(part: slice) -> None:
        # By the output: the slope of tanh is 1 - h^2. States that stayed have a slope, too; `moving` is 0 there.
        np.square(hs[1:, part], out=slopes[:, part])
        np.subtract(1, slopes[:, part], out=slopes[:, part])
        bar = h_bar[part]
        for step in reversed(range(len(slopes))):
            bar += bars[step, part]
            moving, still = _moved(bar, mask, step, part)
            slope = slopes[step, part]
            slope *= moving
            # Without a mask `moving` is `bar` itself, and is read before the product overwrites it.
            multiply(slope, turned, bar)
            if still is not None:
                bar += still

    if not _steps_at_once("rnn", "rnn_backward", (hs, slopes, bars, turned, h_bar), mask, slopes, hs.shape[2]):
        _share(work, slopes)
    x_bar, kernel_bar, bias_bar = _weight_bars(x, kernel, slopes, wanted)
    return x_bar, h_bar, kernel_bar, _recurrent_bar(hs, slopes), bias_bar


# ---- long short-term memory: gates i, f, g, o ----


def lstm(x: Array, h: Array, c: Array, kernel: Array, recurrent: Array, bias: Array, mask: Mask) -> tuple[Array, ...]:
    """Compute c' = f c + i g and h' = o tanh(c') at each step."""
    (x, h, c, kernel, recurrent, bias), dtype = _operands(x, h, c, kernel, recurrent, bias)
    width = h.shape[1]
    states = _states(len(x), h, c)
    hs, cs = states
    shown = empty(cs[1:].shape, x.dtype)
    gates = _of_inputs(x, kernel)
    if _steps_at_once("lstm", "lstm", (gates, hs, cs, shown, recurrent, bias), mask, gates, width):
        return (*_given(states, dtype), hs, cs, gates, shown)
    signs = np.full(4 * width, -1, x.dtype)  # of the gates, which are 1 / (1 + e^-x)
    signs[2 * width : 3 * width] = 1
    # Negated in the weights, once: a step takes e^-x of the gates by one exp, without a pass that negates.
    signed, added = recurrent * signs, bias * signs
    gates *= signs

    def work(part: slice) -> None:
        count = part.stop - part.start
        product, new = np.empty((count, 4 * width), x.dtype), np.empty((count, width), x.dtype)
        for step in range(len(x)):
            gate, c_next, tanh_c = gates[step, part], cs[step + 1, part], shown[step, part]
            multiply(hs[step, part], signed, product)
            gate += product
            gate += added
            np.tanh(gate[:, 2 * width : 3 * width], out=new)
            # All gates together, in one long pass, although that of g is thrown away.
            np.exp(gate, out=gate)
            gate += 1
            np.reciprocal(gate, out=gate)
            gate[:, 2 * width : 3 * width] = new
            np.multiply(gate[:, width : 2 * width], cs[step, part], out=c_next)
            new *= gate[:, :width]
            c_next += new
            np.tanh(c_next, out=tanh_c)
            np.multiply(gate[:, 3 * width :], tanh_c, out=hs[step + 1, part])
            _stay(mask, step, part, hs, cs)

    _share(work, gates)
    return (*_given(states, dtype), hs, cs, gates, shown)


def lstm_backward(
    operands: Sequence[Array],
    given: Sequence[Array],
    wanted: Sequence[bool],
    hs_bar: Array | None,
    cs_bar: Array | None,
) -> tuple[Array | None, ...]:
    """Compute the cotangents of x, h, c, the kernels and the bias."""
    (x, _, _, kernel, recurrent, _), _ = _operands(*operands[:-1])
    mask, (_, _, hs, cs, gates, shown) = operands[-1], given
    width = cs.shape[2]
    bars, c_bars = _bars(hs_bar, hs[1:]), None if cs_bar is None else _bars(cs_bar, cs[1:])
    slopes = empty(gates.shape, gates.dtype)
    h_bar, c_bar = np.zeros(hs.shape[1:], hs.dtype), np.zeros(hs.shape[1:], hs.dtype)
    turned = np.ascontiguousarray(recurrent.T)

    def work(part: slice) -> None:
        bar, memory = h_bar[part], c_bar[part]
        for block in _blocks(len(gates)):
            inner = _lstm_slopes(gates[block, part], shown[block, part], cs[block, part], slopes[block, part])
            for step in reversed(range(block.start, block.stop)):
                bar += bars[step, part]
                if c_bars is not None:
                    memory += c_bars[step, part]
                moving, still = _moved(bar, mask, step, part)
                own, kept = _moved(memory, mask, step, part)
                slope, of_c = slopes[step, part], inner[step - block.start]
                of_c *= moving
                of_c += own  # the cotangent of c'
                three = slope[:, : 3 * width].reshape(len(slope), 3, width)
                three *= of_c[:, None]
                slope[:, 3 * width :] *= moving
                np.multiply(of_c, gates[step, part, width : 2 * width], out=memory)
                multiply(slope, turned, bar)
                if still is not None and kept is not None:
                    bar += still
                    memory += kept

    arrays = (gates, cs, shown, slopes, bars, c_bars, turned, h_bar, c_bar)
    if not _steps_at_once("lstm", "lstm_backward", arrays, mask, gates, width):
        _share(work, gates)
    x_bar, kernel_bar, bias_bar = _weight_bars(x, kernel, slopes, wanted)
    return x_bar, h_bar, c_bar, kernel_bar, _recurrent_bar(hs, slopes), bias_bar


def _lstm_slopes(gates: Array, shown: Array, before: Array, slopes: Array) -> Array:
    """Write the slopes of c' by the gates i, f and g, and of h' by o; return that of h' by c'. Of several steps."""
    width = shown.shape[2]
    i, _, g, o = (gates[..., k * width : (k + 1) * width] for k in range(4))
    i_slope, f_slope, g_slope, o_slope = (slopes[..., k * width : (k + 1) * width] for k in range(4))
    np.subtract(1, gates, out=slopes)
    slopes *= gates
    i_slope *= g
    f_slope *= before
    np.square(g, out=g_slope)
    np.subtract(1, g_slope, out=g_slope)
    g_slope *= i
    o_slope *= shown
    inner = np.square(shown)
    np.subtract(1, inner, out=inner)
    inner *= o
    return inner


def _blocks(steps: int) -> Iterator[slice]:
    """Cut steps into blocks, from the last to the first."""
    for stop in range(steps, 0, -BLOCK):
        yield slice(max(0, stop - BLOCK), stop)


# ---- gated recurrent unit: gates r, u, n ----


def gru(
    x: Array, h: Array, kernel: Array, recurrent: Array, bias: Array, recurrent_bias: Array, mask: Mask
) -> tuple[Array, ...]:
    """Compute h' = (1 - u) n + u h at each step, with n = tanh(x kernel_n + bias_n + r (h recurrent_n + its bias))."""
    operands, dtype = _operands(x, h, kernel, recurrent, bias, recurrent_bias)
    x, h, kernel, recurrent, bias, recurrent_bias = operands
    width = h.shape[1]
    states = _states(len(x), h)
    (hs,) = states
    gates, inner = _of_inputs(x, kernel), empty((*x.shape[:2], width), x.dtype)
    if _steps_at_once("gru", "gru", (gates, inner, hs, recurrent, bias, recurrent_bias), mask, gates, width):
        return (*_given(states, dtype), hs, gates, inner)

    def work(part: slice) -> None:
        product = np.empty((part.stop - part.start, 3 * width), x.dtype)
        for step in range(len(x)):
            gate, before, after = gates[step, part], hs[step, part], hs[step + 1, part]
            both, new, hidden = gate[:, : 2 * width], gate[:, 2 * width :], inner[step, part]
            multiply(before, recurrent, product)
            gate += bias
            both += product[:, : 2 * width]
            np.negative(both, out=both)
            np.exp(both, out=both)
            both += 1
            np.reciprocal(both, out=both)
            np.add(product[:, 2 * width :], recurrent_bias, out=hidden)
            np.multiply(gate[:, :width], hidden, out=after)  # the place of the next state serves as a buffer
            new += after
            np.tanh(new, out=new)
            # n + u (h - n): one product less than (1 - u) n + u h.
            np.subtract(before, new, out=after)
            after *= gate[:, width : 2 * width]
            after += new
            _stay(mask, step, part, hs)

    _share(work, gates)
    return (*_given(states, dtype), hs, gates, inner)


def gru_backward(
    operands: Sequence[Array], given: Sequence[Array], wanted: Sequence[bool], hs_bar: Array | None
) -> tuple[Array | None, ...]:
    """Compute the cotangents of x, h, the kernels and the biases."""
    (x, _, kernel, recurrent, _, _), _ = _operands(*operands[:-1])
    mask, (_, hs, gates, inner) = operands[-1], given
    width = hs.shape[2]
    bars = _bars(hs_bar, hs[1:])
    slopes = empty(gates.shape, gates.dtype)  # of the inputs' part
    own = empty(gates.shape, gates.dtype)  # of the states' part, which differs by the factor r
    h_bar = np.zeros(hs.shape[1:], hs.dtype)
    turned = np.ascontiguousarray(recurrent.T)

    def work(part: slice) -> None:
        bar = h_bar[part]
        product = np.empty_like(bar)
        for block in _blocks(len(gates)):
            _gru_slopes(gates[block, part], inner[block, part], hs[block, part], slopes[block, part])
            for step in reversed(range(block.start, block.stop)):
                bar += bars[step, part]
                moving, still = _moved(bar, mask, step, part)
                gate, slope, of_state = gates[step, part], slopes[step, part], own[step, part]
                three = slope.reshape(len(slope), 3, width)
                three *= moving[:, None]
                of_state[...] = slope
                of_state[:, 2 * width :] *= gate[:, :width]
                multiply(of_state, turned, product)
                np.multiply(moving, gate[:, width : 2 * width], out=bar)
                bar += product
                if still is not None:
                    bar += still

    arrays = (gates, inner, hs, slopes, own, bars, turned, h_bar)
    if not _steps_at_once("gru", "gru_backward", arrays, mask, gates, width):
        _share(work, gates)
    x_bar, kernel_bar, bias_bar = _weight_bars(x, kernel, slopes, wanted)
    return x_bar, h_bar, kernel_bar, _recurrent_bar(hs, own), bias_bar, np.add.reduce(own[:, :, 2 * width :], (0, 1))


def _gru_slopes(gates: Array, inner: Array, before: Array, slopes: Array) -> None:
    """Write the slopes of h' by the gates. Of several steps."""
    width = before.shape[2]
    u, n = gates[..., width : 2 * width], gates[..., 2 * width :]
    r_slope, u_slope, n_slope = (slopes[..., k * width : (k + 1) * width] for k in range(3))
    np.subtract(1, gates, out=slopes)
    slopes[..., : 2 * width] *= gates[..., : 2 * width]
    u_slope *= before - n
    np.square(n, out=n_slope)
    np.subtract(1, n_slope, out=n_slope)
    n_slope *= 1 - u
    r_slope *= inner
    r_slope *= n_slope
