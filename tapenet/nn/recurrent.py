"""Recurrent networks: cells, which take one step, and whole sequences of steps, as functions."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tapenet.core.argument_checks import check_real, checked_array, checked_count, checked_flag, shown
from tapenet.core.array_types import Array
from tapenet.core.batch_rules import broadcast_examples
from tapenet.core.batching import one_by_one
from tapenet.core.nondifferentiable import branch_condition
from tapenet.core.primitive import BatchRule, Primitive
from tapenet.core.provided import provided
from tapenet.core.tensor import read_value
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.kernels import recurrent as kernels
from tapenet.nn.activations import sigmoid, tanh
from tapenet.nn.functions import as_result, note_precision, shaped, widened
from tapenet.nn.fused import Fused
from tapenet.nn.geometry import missing_axis
from tapenet.ops.arrays.shaping import flip, moveaxis, reshape, stack, swapaxes
from tapenet.ops.elementwise.arithmetic import add, multiply, subtract, where
from tapenet.ops.elementwise.choices import less
from tapenet.ops.linalg.products import matmul

LSTMState = tuple[Array, Array]

# ---- one step, from the inputs' part of the gates ----


def _rnn_step(z: Array, h: Array, kernel: Array) -> Array:
    return tanh(add(z, matmul(h, kernel)))


def _lstm_step(z: Array, h: Array, c: Array, kernel: Array) -> LSTMState:
    gates = add(z, matmul(h, kernel))
    width = h.shape[-1]
    i, f, g, o = (gates[..., k * width : (k + 1) * width] for k in range(4))
    c = add(multiply(sigmoid(f), c), multiply(sigmoid(i), tanh(g)))
    return multiply(sigmoid(o), tanh(c)), c


def _gru_step(z: Array, h: Array, kernel: Array, bias: Array) -> Array:
    hidden = matmul(h, kernel)
    width = h.shape[-1]
    both = sigmoid(add(z[..., : 2 * width], hidden[..., : 2 * width]))
    r, u = both[..., :width], both[..., width:]
    n = tanh(add(z[..., 2 * width :], multiply(r, add(hidden[..., 2 * width :], bias))))
    return add(n, multiply(u, subtract(h, n)))


# ---- all steps, time first ----


# A loop takes a step `(states, (z, mask)) -> (states, states)`, states, and z and mask with the steps along axis 0.

Loop = Callable[[Callable[..., Any], tuple[Array, ...], tuple[Array, Any]], tuple[Any, Any]]


def _unrolled(
    step: Callable[..., Any], states: tuple[Array, ...], xs: tuple[Array, Any]
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Take the steps one by one, as `scan` does, but each with operations of its own."""
    z, mask = xs
    rows = []
    for i in range(z.shape[0]):
        states, row = step(states, (z[i], None if mask is None else mask[i]))
        rows.append(row)
    return states, tuple(map(stack, zip(*rows, strict=True)))


def _scanned(
    step: Callable[..., Any], states: tuple[Array, ...], xs: tuple[Array, Any]
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Take the steps in a loop."""
    made: tuple[Any, Any] = provided.scan(step, states, xs)
    return made


def _all_steps(
    loop: Loop, step: Callable[..., tuple[Array, ...]], states: tuple[Array, ...], z: Array, mask: Any
) -> tuple[Array, ...]:
    """Compute the states after each step; where the mask does not hold they stay."""

    def moved(states: tuple[Array, ...], x: tuple[Array, Any]) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
        own, holds = x
        new = step(own, *states)
        if holds is not None:
            new = tuple(where(holds[..., None], after, before) for after, before in zip(new, states, strict=True))
        return new, new

    found: tuple[Array, ...] = loop(moved, states, (z, mask))[1]
    return found


def _rnn_written_out(
    loop: Loop, x: Array, h: Array, kernel: Array, recurrent: Array, bias: Array, mask: Any
) -> tuple[Array, ...]:
    return _all_steps(loop, lambda z, h: (_rnn_step(z, h, recurrent),), (h,), _gates(x, kernel, bias), mask)


def _lstm_written_out(
    loop: Loop, x: Array, h: Array, c: Array, kernel: Array, recurrent: Array, bias: Array, mask: Any
) -> tuple[Array, ...]:
    return _all_steps(loop, lambda z, h, c: _lstm_step(z, h, c, recurrent), (h, c), _gates(x, kernel, bias), mask)


def _gru_written_out(
    loop: Loop, x: Array, h: Array, kernel: Array, recurrent: Array, bias: Array, recurrent_bias: Array, mask: Any
) -> tuple[Array, ...]:
    def step(z: Array, h: Array) -> tuple[Array, ...]:
        return (_gru_step(z, h, recurrent, recurrent_bias),)

    return _all_steps(loop, step, (h,), _gates(x, kernel, bias), mask)


def _gates(x: Array, kernel: Array, bias: Array) -> Array:
    """Compute the inputs' part of the gates, of one step or of all at once."""
    return add(matmul(x, kernel), bias)


def _by_sequences(states: int) -> BatchRule:
    """Make the batch rule of a loop with so many states: batches of sequences become one, if the weights are shared."""

    def rule(
        primitive: Primitive, arrays: Sequence[Array], mapped: Sequence[bool], size: int, parameters: Mapping[str, Any]
    ) -> Any:
        if any(mapped[1 + states : -1]):
            return one_by_one(primitive, arrays, mapped, size, parameters)

        def merged(x: Array, is_mapped: bool) -> Array:
            """Bring the examples of (size, ..., n, features) into its n."""
            x = moveaxis(broadcast_examples(x, is_mapped, size), 0, -3)
            return reshape(x, (*x.shape[:-3], x.shape[-3] * x.shape[-2], x.shape[-1]))

        moving = [merged(x, is_mapped) for x, is_mapped in zip(arrays[: 1 + states], mapped, strict=False)]
        mask = arrays[-1] if arrays[-1] is None else merged(arrays[-1][..., None], mapped[-1])[..., 0]
        out = primitive(*moving, *arrays[1 + states : -1], mask, **parameters)
        return tuple(moveaxis(reshape(x, (len(x), size, x.shape[1] // size, x.shape[2])), 1, 0) for x in out)

    return rule


def _sequence(name: str, count: int, states: int, kernel: Any, backward: Any, written_out: Any) -> Primitive:
    return Fused(
        name,
        count,
        states,
        kernel,
        backward,
        functools.partial(written_out, _unrolled),
        _by_sequences(states),
        functools.partial(written_out, _scanned),
    ).primitive()


_rnn_loop = _sequence("rnn_sequence", 5, 1, kernels.rnn, kernels.rnn_backward, _rnn_written_out)
_gru_loop = _sequence("gru_sequence", 6, 1, kernels.gru, kernels.gru_backward, _gru_written_out)
_lstm_loop = _sequence("lstm_sequence", 6, 2, kernels.lstm, kernels.lstm_backward, _lstm_written_out)


# ---- cells ----


def rnn_cell(x: Array, state: Array, kernel: Array, recurrent: Array, bias: Array | None = None) -> Array:
    """Take one step of a simple recurrent network: h' = tanh(x kernel + h recurrent + bias).

    Derivatives: those of the formula.

    Args:
        x: float array, shape (N, C).
        state: h, float array, shape (N, H).
        kernel: float array, shape (C, H).
        recurrent: float array, shape (H, H).
        bias: float array, shape (H,), or None for none.

    Returns:
        h', an array, shape (N, H).

    Raises:
        ArgumentError: shapes that do not fit.
        ArgumentTypeError: an argument that is not numeric, or complex.

    Source: Elman, "Finding structure in time", Cognitive Science 14 (1990).

    >>> tn.nn.rnn_cell(np.zeros((1, 2)), np.zeros((1, 1)), np.ones((2, 1)), np.ones((1, 1)))
    array([[0.]])
    """
    x = _checked_step("rnn_cell", x)
    kernel, recurrent, bias, width = _weights("rnn_cell", x, kernel, recurrent, bias, 1)
    h = _checked_state("rnn_cell", "state", state, x, width)
    z = _gates(widened(x), widened(kernel), widened(bias))
    return as_result(_rnn_step(z, widened(h), widened(recurrent)), x, kernel, recurrent, bias, h)


def lstm_cell(x: Array, state: LSTMState, kernel: Array, recurrent: Array, bias: Array | None = None) -> LSTMState:
    """Take one step of a long short-term memory: c' = f c + i g and h' = o tanh(c').

    The gates [i, f, g, o] = x kernel + h recurrent + bias go through sigmoid, but for g, which goes through tanh.

    Derivatives: those of the formula.

    Args:
        x: float array, shape (N, C).
        state: (h, c), float arrays, shape (N, H) each.
        kernel: float array, shape (C, 4 H), of the gates i, f, g and o side by side, as in PyTorch.
        recurrent: float array, shape (H, 4 H).
        bias: float array, shape (4 H,), or None for none.

    Returns:
        (h', c'), arrays, shape (N, H) each.

    Raises:
        ArgumentError: shapes that do not fit; a state that is not a pair.
        ArgumentTypeError: an argument that is not numeric, or complex.

    Source: Hochreiter and Schmidhuber, "Long short-term memory", Neural Computation 9 (1997), with the forget gate of
    Gers, Schmidhuber and Cummins (2000).

    >>> h, c = tn.nn.lstm_cell(np.zeros((1, 2)), (np.zeros((1, 1)), np.ones((1, 1))), np.ones((2, 4)), np.ones((1, 4)))
    >>> float(c[0, 0])
    0.5
    """
    x = _checked_step("lstm_cell", x)
    kernel, recurrent, bias, width = _weights("lstm_cell", x, kernel, recurrent, bias, 4)
    h, c = _checked_pair_of_states("lstm_cell", state, x, width)
    z = _gates(widened(x), widened(kernel), widened(bias))
    after = _lstm_step(z, widened(h), widened(c), widened(recurrent))
    h_next, c_next = (as_result(y, x, kernel, recurrent, bias, h, c) for y in after)
    return h_next, c_next


def gru_cell(
    x: Array,
    state: Array,
    kernel: Array,
    recurrent: Array,
    bias: Array | None = None,
    recurrent_bias: Array | None = None,
) -> Array:
    """Take one step of a gated recurrent unit: h' = (1 - u) n + u h.

    [r, u] = sigmoid(x kernel + h recurrent + bias) for the first two thirds of these, and for the last
    n = tanh(x kernel + bias + r (h recurrent + recurrent_bias)).

    Derivatives: those of the formula.

    Args:
        x: float array, shape (N, C).
        state: h, float array, shape (N, H).
        kernel: float array, shape (C, 3 H), of the gates r, u and n side by side, as in PyTorch.
        recurrent: float array, shape (H, 3 H).
        bias: float array, shape (3 H,), or None for none.
        recurrent_bias: float array, shape (H,), or None for none.

    Returns:
        h', an array, shape (N, H).

    Raises:
        ArgumentError: shapes that do not fit.
        ArgumentTypeError: an argument that is not numeric, or complex.

    Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", arXiv:1406.1078, with r after the
    product, as in cuDNN and PyTorch.

    >>> tn.nn.gru_cell(np.zeros((1, 2)), np.ones((1, 1)), np.ones((2, 3)), np.zeros((1, 3)))
    array([[0.5]])
    """
    x = _checked_step("gru_cell", x)
    kernel, recurrent, bias, width = _weights("gru_cell", x, kernel, recurrent, bias, 3)
    h = _checked_state("gru_cell", "state", state, x, width)
    inner = _recurrent_bias("gru_cell", recurrent_bias, width, recurrent)
    z = _gates(widened(x), widened(kernel), widened(bias))
    after = _gru_step(z, widened(h), widened(recurrent), widened(inner))
    return as_result(after, x, kernel, recurrent, bias, h, inner)


# ---- sequences ----


def rnn(
    x: Array,
    kernel: Array,
    recurrent: Array,
    bias: Array | None = None,
    state: Array | None = None,
    *,
    mask: Array | None = None,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """Take all steps of a simple recurrent network over sequences: `rnn_cell`, from the first step to the last.

    Derivatives: those of the formula; none for the mask.

    Args:
        x: sequences, float array, shape (N, L, C), of at least one step.
        kernel, recurrent, bias: as for `rnn_cell`.
        state: the state before the first step, float array, shape (N, H); zeros by default.
        mask: truth values, shape (N, L), or None for True everywhere. At a step where it is False an example's state
            stays and its output is 0: `length_mask` makes it for sequences of several lengths.
        reverse: whether to go from the last step to the first.

    Returns:
        y, the states after each step, shape (N, L, H), and the state at the end, shape (N, H).

    Raises:
        ArgumentError: shapes that do not fit.
        ArgumentTypeError: an argument that is not numeric, or complex; a mask of other than truth values.

    >>> y, state = tn.nn.rnn(np.ones((1, 3, 2)), np.zeros((2, 4)), np.zeros((4, 4)))
    >>> y.shape, state.shape
    ((1, 3, 4), (1, 4))
    """
    x = _checked_sequence("rnn", x, kernel)
    kernel, recurrent, bias, width = _weights("rnn", x, kernel, recurrent, bias, 1)
    h = _start("rnn", "state", state, x, width, kernel)
    mask, reverse = _time_first_mask("rnn", mask, x, reverse)
    given = (x, h, kernel, recurrent, bias)
    hs, *_ = _rnn_loop(_time_first(widened(x), reverse), *map(widened, given[1:]), mask)
    return _outputs(hs, mask, reverse, *given), as_result(hs[-1], *given)


def lstm(
    x: Array,
    kernel: Array,
    recurrent: Array,
    bias: Array | None = None,
    state: LSTMState | None = None,
    *,
    mask: Array | None = None,
    reverse: bool = False,
) -> tuple[Array, LSTMState]:
    """Take all steps of a long short-term memory over sequences: `lstm_cell`, from the first step to the last.

    Derivatives: those of the formula; none for the mask.

    Args:
        x: sequences, float array, shape (N, L, C), of at least one step.
        kernel, recurrent, bias: as for `lstm_cell`.
        state: (h, c) before the first step, float arrays, shape (N, H) each; zeros by default.
        mask: truth values, shape (N, L), or None for True everywhere. At a step where it is False an example's state
            stays and its output is 0: `length_mask` makes it for sequences of several lengths.
        reverse: whether to go from the last step to the first.

    Returns:
        y, h after each step, shape (N, L, H), and (h, c) at the end, shape (N, H) each.

    Raises:
        ArgumentError: shapes that do not fit; a state that is not a pair.
        ArgumentTypeError: an argument that is not numeric, or complex; a mask of other than truth values.

    >>> y, (h, c) = tn.nn.lstm(np.ones((1, 3, 2)), np.zeros((2, 16)), np.zeros((4, 16)))
    >>> y.shape, h.shape, c.shape
    ((1, 3, 4), (1, 4), (1, 4))
    """
    x = _checked_sequence("lstm", x, kernel)
    kernel, recurrent, bias, width = _weights("lstm", x, kernel, recurrent, bias, 4)
    if state is None:
        h = c = _start("lstm", "state", None, x, width, kernel)
    else:
        h, c = _checked_pair_of_states("lstm", state, x, width)
    mask, reverse = _time_first_mask("lstm", mask, x, reverse)
    given = (x, h, c, kernel, recurrent, bias)
    hs, cs, *_ = _lstm_loop(_time_first(widened(x), reverse), *map(widened, given[1:]), mask)
    return _outputs(hs, mask, reverse, *given), (as_result(hs[-1], *given), as_result(cs[-1], *given))


def gru(
    x: Array,
    kernel: Array,
    recurrent: Array,
    bias: Array | None = None,
    recurrent_bias: Array | None = None,
    state: Array | None = None,
    *,
    mask: Array | None = None,
    reverse: bool = False,
) -> tuple[Array, Array]:
    """Take all steps of a gated recurrent unit over sequences: `gru_cell`, from the first step to the last.

    Derivatives: those of the formula; none for the mask.

    Args:
        x: sequences, float array, shape (N, L, C), of at least one step.
        kernel, recurrent, bias, recurrent_bias: as for `gru_cell`.
        state: the state before the first step, float array, shape (N, H); zeros by default.
        mask: truth values, shape (N, L), or None for True everywhere. At a step where it is False an example's state
            stays and its output is 0: `length_mask` makes it for sequences of several lengths.
        reverse: whether to go from the last step to the first.

    Returns:
        y, the states after each step, shape (N, L, H), and the state at the end, shape (N, H).

    Raises:
        ArgumentError: shapes that do not fit.
        ArgumentTypeError: an argument that is not numeric, or complex; a mask of other than truth values.

    >>> y, state = tn.nn.gru(np.ones((1, 3, 2)), np.zeros((2, 12)), np.zeros((4, 12)))
    >>> y.shape, state.shape
    ((1, 3, 4), (1, 4))
    """
    x = _checked_sequence("gru", x, kernel)
    kernel, recurrent, bias, width = _weights("gru", x, kernel, recurrent, bias, 3)
    inner = _recurrent_bias("gru", recurrent_bias, width, recurrent)
    h = _start("gru", "state", state, x, width, kernel)
    mask, reverse = _time_first_mask("gru", mask, x, reverse)
    given = (x, h, kernel, recurrent, bias, inner)
    hs, *_ = _gru_loop(_time_first(widened(x), reverse), *map(widened, given[1:]), mask)
    return _outputs(hs, mask, reverse, *given), as_result(hs[-1], *given)


def length_mask(lengths: Array, steps: int) -> Array:
    """Say which steps belong to sequences of several lengths that are padded at their ends: step < length.

    Recurrent layers take it as it is; attention takes `length_mask(lengths, steps)[:, None, None, :]`.

    No derivative: the lengths are integers, and the result is of truth values.

    Args:
        lengths: integers in [0, steps], shape (N,).
        steps: the length of the padded sequences; positive.

    Returns:
        Truth values, shape (N, steps).

    Raises:
        ArgumentError: a length out of range; lengths of another shape; steps that are not positive.
        ArgumentTypeError: lengths or steps that are not integers.

    >>> tn.nn.length_mask([1, 3], 3)
    array([[ True, False, False],
           [ True,  True,  True]])
    """
    steps = checked_count("length_mask", "steps", steps)
    lengths = read_value(checked_array("length_mask", "lengths", lengths))
    if lengths.dtype.kind not in "iu":
        raise ArgumentTypeError(f"length_mask: lengths must be integers; got {lengths.dtype}.")
    if lengths.ndim != 1:
        raise ArgumentError(f"length_mask: lengths must have shape (N,); got {lengths.shape}.")
    wrong = _length_out_of_range(lengths, steps)
    if wrong is not None:
        raise ArgumentError(f"length_mask: lengths must be in [0, {steps}]; got {wrong}.")
    return less(np.arange(steps), lengths[:, None])


@branch_condition
def _length_out_of_range(lengths: Array, steps: int) -> Any:
    wrong = lengths[(lengths < 0) | (lengths > steps)]
    return wrong[0] if wrong.size else None


# ---- arguments ----


def _checked_step(function: str, x: Array) -> Array:
    x = check_real(function, "x", checked_array(function, "x", x))
    if x.ndim != 2:
        raise ArgumentError(f"{function}: x must have shape (N, C); got {x.shape}.")
    return x


def _checked_sequence(function: str, x: Array, kernel: Array) -> Array:
    x = check_real(function, "x", checked_array(function, "x", x))
    if x.ndim != 3 or x.shape[1] == 0:
        shape = np.shape(kernel)
        features = shape[0] if len(shape) == 2 else None
        hint = missing_axis(x.shape, features, "an axis of features") if x.ndim == 2 else ""
        raise ArgumentError(f"{function}: x must have shape (N, L, C), of at least one step; got {x.shape}.{hint}")
    return x


def _weights(
    function: str, x: Array, kernel: Array, recurrent: Array, bias: Array | None, gates: int
) -> tuple[Array, Array, Array, int]:
    """Check the weights of so many gates, and return them, zeros for no bias, with the width of the state."""
    kernel = check_real(function, "kernel", checked_array(function, "kernel", kernel))
    recurrent = check_real(function, "recurrent", checked_array(function, "recurrent", recurrent))
    wide = "H" if gates == 1 else f"{gates} H"
    width = recurrent.shape[0] if recurrent.ndim == 2 else 0
    if recurrent.ndim != 2 or recurrent.shape[1] != gates * width:
        raise ArgumentError(f"{function}: recurrent must have shape (H, {wide}); got {recurrent.shape}.")
    if kernel.shape != (x.shape[-1], gates * width):
        raise ArgumentError(
            f"{function}: kernel must have shape ({x.shape[-1]}, {gates * width}), for x of {x.shape[-1]} features and "
            f"a state of {width}; got {kernel.shape}."
        )
    note_precision(function, x, kernel)
    if bias is None:
        return kernel, recurrent, np.zeros(gates * width, kernel.dtype), width
    bias = shaped(function, "bias", bias, (gates * width,), "one number for each gate and feature")
    return kernel, recurrent, check_real(function, "bias", bias), width


def _recurrent_bias(function: str, bias: Array | None, width: int, like: Array) -> Array:
    if bias is None:
        return np.zeros(width, like.dtype)
    bias = shaped(function, "recurrent_bias", bias, (width,), "one number for each feature of the state")
    return check_real(function, "recurrent_bias", bias)


def _checked_state(function: str, name: str, state: Array, x: Array, width: int) -> Array:
    state = check_real(function, name, checked_array(function, name, state))
    if state.shape != (x.shape[0], width):
        raise ArgumentError(f"{function}: {name} must have shape {(x.shape[0], width)}; got {state.shape}.")
    return state


def _checked_pair_of_states(function: str, state: LSTMState, x: Array, width: int) -> LSTMState:
    if not isinstance(state, tuple | list) or len(state) != 2:
        raise ArgumentTypeError(f"{function}: state must be a pair (h, c); got {shown(state)}.")
    h, c = (
        _checked_state(function, name, y, x, width) for name, y in zip(("state[0]", "state[1]"), state, strict=True)
    )
    return h, c


def _start(function: str, name: str, state: Array | None, x: Array, width: int, kernel: Array) -> Array:
    """Return the state before the first step."""
    if state is None:
        return np.zeros((x.shape[0], width), np.result_type(x.dtype, kernel.dtype, np.float16))
    return _checked_state(function, name, state, x, width)


def _time_first_mask(function: str, mask: Array | None, x: Array, reverse: bool) -> tuple[Array | None, bool]:
    reverse = checked_flag(function, "reverse", reverse)
    if mask is None:
        return None, reverse
    mask = read_value(checked_array(function, "mask", mask))
    if mask.dtype.kind != "b":
        raise ArgumentTypeError(f"{function}: mask must be of truth values; got {mask.dtype}.")
    if mask.shape != x.shape[:2]:
        raise ArgumentError(f"{function}: mask must have shape {x.shape[:2]}; got {mask.shape}.")
    return _time_first(mask, reverse), reverse


def _time_first(x: Array, reverse: bool) -> Array:
    """Bring the steps to the front, in the order in which they are taken."""
    x = swapaxes(x, 0, 1)
    return flip(x, 0) if reverse else x


def _outputs(hs: Array, mask: Array | None, reverse: bool, *given: Array | None) -> Array:
    """Return the states after each step as the outputs, in the order and the dtype of what was given."""
    if mask is not None:
        hs = where(mask[..., None], hs, 0)
    x, *others = given
    assert x is not None
    return as_result(swapaxes(flip(hs, 0) if reverse else hs, 0, 1), x, *others)
