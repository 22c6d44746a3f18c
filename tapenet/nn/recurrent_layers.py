"""Recurrent layers: cells, and layers that run a cell over sequences."""

from __future__ import annotations

import math
from typing import Any

import attrs
import numpy as np
from numpy.typing import DTypeLike

from tapenet.core.argument_checks import checked_count, checked_dtype, checked_flag, checked_rng
from tapenet.core.array_types import Array
from tapenet.core.pytrees import static_field
from tapenet.nn import init, recurrent
from tapenet.nn.describing import Described
from tapenet.nn.layers import Stateless, zero_bias
from tapenet.nn.recurrent import LSTMState


def _weights(
    layer: str, inputs: int, features: int, gates: int, rng: np.random.Generator, bias: bool, dtype: DTypeLike
) -> tuple[Array, Array, Array | None]:
    """Draw the kernel, Glorot-uniform, and the recurrent one, uniform within 1 / sqrt(features)."""
    inputs, features = checked_count(layer, "inputs", inputs), checked_count(layer, "features", features)
    rng, kind = checked_rng(layer, rng), checked_dtype(layer, "dtype", dtype)
    # Each gate has inputs and features of its own.
    kernel = np.concatenate([init.glorot_uniform(rng, (inputs, features), kind) for _ in range(gates)], 1)
    bound = 1 / math.sqrt(features)
    own = init.uniform(rng, (features, gates * features), -bound, bound, kind)
    return kernel, own, zero_bias(layer, bias, gates * features, kind)


def _sizes(cell: Any) -> str:
    return f"{cell.kernel.shape[0]} -> {cell.recurrent.shape[0]}"


def _zeros(x: Array, kernel: Array, features: int) -> Array:
    return np.zeros((len(x), features), np.result_type(x.dtype, kernel.dtype))


# ---- cells ----


@attrs.frozen(init=False, eq=False)
class RNNCell(Described):
    """One step of a simple recurrent network, `nn.rnn_cell`: from (N, inputs) and a state (N, features) to the next.

    Args:
        inputs, features: numbers of features of x and of the state.
        rng: draws the kernels; the bias starts at zero.
        bias: whether there is one.
        dtype: of the parameters.

    >>> cell = RNNCell(2, 3, rng=np.random.default_rng(0))
    >>> x = np.ones((5, 2), np.float32)
    >>> cell(x, cell.start(x)).shape
    (5, 3)
    """

    kernel: Array
    recurrent: Array
    bias: Array | None

    def __init__(
        self, inputs: int, features: int, *, rng: np.random.Generator, bias: bool = True, dtype: DTypeLike = np.float32
    ) -> None:
        self.__attrs_init__(*_weights("RNNCell", inputs, features, 1, rng, bias, dtype))

    def __call__(self, x: Array, state: Array) -> Array:
        """Take one step."""
        return recurrent.rnn_cell(x, state, self.kernel, self.recurrent, self.bias)

    def start(self, x: Array) -> Array:
        """Return a state of zeros, for as many examples as x has."""
        return _zeros(x, self.kernel, self.recurrent.shape[0])


@attrs.frozen(init=False, eq=False)
class LSTMCell(Described):
    """One step of a long short-term memory, `nn.lstm_cell`: from (N, inputs) and a state (h, c) to the next.

    Args:
        inputs, features: numbers of features of x and of h.
        rng: draws the kernels; the bias starts at zero, but for 1 at the forget gate, so that it remembers at first.
        bias: whether there is one.
        dtype: of the parameters.

    Source: Jozefowicz, Zaremba and Sutskever, "An empirical exploration of recurrent network architectures", ICML
    2015, for the bias.

    >>> cell = LSTMCell(2, 3, rng=np.random.default_rng(0))
    >>> x = np.ones((5, 2), np.float32)
    >>> h, c = cell(x, cell.start(x))
    >>> h.shape
    (5, 3)
    """

    kernel: Array
    recurrent: Array
    bias: Array | None

    def __init__(
        self, inputs: int, features: int, *, rng: np.random.Generator, bias: bool = True, dtype: DTypeLike = np.float32
    ) -> None:
        kernel, own, added = _weights("LSTMCell", inputs, features, 4, rng, bias, dtype)
        if added is not None:
            added[features : 2 * features] = 1
        self.__attrs_init__(kernel, own, added)

    def __call__(self, x: Array, state: LSTMState) -> LSTMState:
        """Take one step."""
        return recurrent.lstm_cell(x, state, self.kernel, self.recurrent, self.bias)

    def start(self, x: Array) -> LSTMState:
        """Return a state of zeros, for as many examples as x has."""
        zeros = _zeros(x, self.kernel, self.recurrent.shape[0])
        return zeros, zeros


@attrs.frozen(init=False, eq=False)
class GRUCell(Described):
    """One step of a gated recurrent unit, `nn.gru_cell`: from (N, inputs) and a state (N, features) to the next.

    Args:
        inputs, features: numbers of features of x and of the state.
        rng: draws the kernels; the biases start at zero.
        bias: whether there are any.
        dtype: of the parameters.

    >>> cell = GRUCell(2, 3, rng=np.random.default_rng(0))
    >>> x = np.ones((5, 2), np.float32)
    >>> cell(x, cell.start(x)).shape
    (5, 3)
    """

    kernel: Array
    recurrent: Array
    bias: Array | None
    recurrent_bias: Array | None

    def __init__(
        self, inputs: int, features: int, *, rng: np.random.Generator, bias: bool = True, dtype: DTypeLike = np.float32
    ) -> None:
        kernel, own, added = _weights("GRUCell", inputs, features, 3, rng, bias, dtype)
        self.__attrs_init__(kernel, own, added, None if added is None else added[:features].copy())

    def __call__(self, x: Array, state: Array) -> Array:
        """Take one step."""
        return recurrent.gru_cell(x, state, self.kernel, self.recurrent, self.bias, self.recurrent_bias)

    def start(self, x: Array) -> Array:
        """Return a state of zeros, for as many examples as x has."""
        return _zeros(x, self.kernel, self.recurrent.shape[0])


# ---- sequences ----


def _renamed(cell: Any, layer: str, *given: Any, **options: Any) -> Any:
    """Make a cell, whose errors name the layer."""
    inputs, features = given
    checked_count(layer, "inputs", inputs)
    checked_count(layer, "features", features)
    checked_rng(layer, options["rng"])
    checked_flag(layer, "bias", options["bias"])
    checked_dtype(layer, "dtype", options["dtype"])
    return cell(*given, **options)


@attrs.frozen(init=False, eq=False)
class RNN(Stateless):
    """A simple recurrent network over sequences, `nn.rnn`: from (N, L, inputs) to the states (N, L, features).

    Args:
        inputs, features: numbers of features of x and of the state.
        rng: draws the kernels; the bias starts at zero.
        reverse: whether to go from the last step to the first.
        bias: whether there is one.
        dtype: of the parameters.

    >>> RNN(2, 3, rng=np.random.default_rng(0))(np.ones((5, 7, 2), np.float32)).shape
    (5, 7, 3)
    """

    cell: RNNCell
    reverse: bool = static_field()

    def __init__(
        self,
        inputs: int,
        features: int,
        *,
        rng: np.random.Generator,
        reverse: bool = False,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        cell = _renamed(RNNCell, "RNN", inputs, features, rng=rng, bias=bias, dtype=dtype)
        self.__attrs_init__(cell, checked_flag("RNN", "reverse", reverse))

    def description(self) -> str:
        """Describe the layer in a few words."""
        return _sizes(self.cell) + (", reverse" if self.reverse else "")

    def __call__(self, x: Array, state: Array | None = None, mask: Array | None = None) -> Array:
        """Compute the states after each step."""
        return self.with_state(x, state, mask)[0]

    def with_state(self, x: Array, state: Array | None = None, mask: Array | None = None) -> tuple[Array, Array]:
        """Compute the states after each step, and that at the end, from which a next call may go on."""
        cell = self.cell
        return recurrent.rnn(x, cell.kernel, cell.recurrent, cell.bias, state, mask=mask, reverse=self.reverse)


@attrs.frozen(init=False, eq=False)
class LSTM(Stateless):
    """A long short-term memory over sequences, `nn.lstm`: from (N, L, inputs) to h at each step, (N, L, features).

    Args:
        inputs, features: numbers of features of x and of h.
        rng: draws the kernels; the bias starts at zero, but for 1 at the forget gate.
        reverse: whether to go from the last step to the first.
        bias: whether there is one.
        dtype: of the parameters.

    >>> LSTM(2, 3, rng=np.random.default_rng(0))(np.ones((5, 7, 2), np.float32)).shape
    (5, 7, 3)
    """

    cell: LSTMCell
    reverse: bool = static_field()

    def __init__(
        self,
        inputs: int,
        features: int,
        *,
        rng: np.random.Generator,
        reverse: bool = False,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        cell = _renamed(LSTMCell, "LSTM", inputs, features, rng=rng, bias=bias, dtype=dtype)
        self.__attrs_init__(cell, checked_flag("LSTM", "reverse", reverse))

    def description(self) -> str:
        """Describe the layer in a few words."""
        return _sizes(self.cell) + (", reverse" if self.reverse else "")

    def __call__(self, x: Array, state: LSTMState | None = None, mask: Array | None = None) -> Array:
        """Compute h after each step."""
        return self.with_state(x, state, mask)[0]

    def with_state(
        self, x: Array, state: LSTMState | None = None, mask: Array | None = None
    ) -> tuple[Array, LSTMState]:
        """Compute h after each step, and (h, c) at the end, from which a next call may go on."""
        cell = self.cell
        return recurrent.lstm(x, cell.kernel, cell.recurrent, cell.bias, state, mask=mask, reverse=self.reverse)


@attrs.frozen(init=False, eq=False)
class GRU(Stateless):
    """A gated recurrent unit over sequences, `nn.gru`: from (N, L, inputs) to the states (N, L, features).

    Args:
        inputs, features: numbers of features of x and of the state.
        rng: draws the kernels; the biases start at zero.
        reverse: whether to go from the last step to the first.
        bias: whether there are any.
        dtype: of the parameters.

    >>> GRU(2, 3, rng=np.random.default_rng(0))(np.ones((5, 7, 2), np.float32)).shape
    (5, 7, 3)
    """

    cell: GRUCell
    reverse: bool = static_field()

    def __init__(
        self,
        inputs: int,
        features: int,
        *,
        rng: np.random.Generator,
        reverse: bool = False,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
    ) -> None:
        cell = _renamed(GRUCell, "GRU", inputs, features, rng=rng, bias=bias, dtype=dtype)
        self.__attrs_init__(cell, checked_flag("GRU", "reverse", reverse))

    def description(self) -> str:
        """Describe the layer in a few words."""
        return _sizes(self.cell) + (", reverse" if self.reverse else "")

    def __call__(self, x: Array, state: Array | None = None, mask: Array | None = None) -> Array:
        """Compute the states after each step."""
        return self.with_state(x, state, mask)[0]

    def with_state(self, x: Array, state: Array | None = None, mask: Array | None = None) -> tuple[Array, Array]:
        """Compute the states after each step, and that at the end, from which a next call may go on."""
        cell = self.cell
        weights = cell.kernel, cell.recurrent, cell.bias, cell.recurrent_bias
        return recurrent.gru(x, *weights, state, mask=mask, reverse=self.reverse)
