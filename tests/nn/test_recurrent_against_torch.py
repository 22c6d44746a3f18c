"""Recurrent layers against PyTorch's: outputs, states at the end, and gradients by inputs, states and weights."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from tapenet import nn
from tests.against_torch import assert_same

torch = pytest.importorskip("torch")

SIZES = st.integers(1, 4)


def their_run(module, x, state, kernel, recurrent, bias, recurrent_bias, lengths=None):
    """PyTorch's layer with our weights: outputs and states as one array."""
    weights = {"weight_ih_l0": kernel.T, "weight_hh_l0": recurrent.T, "bias_ih_l0": bias, "bias_hh_l0": recurrent_bias}
    count = x.shape[1]
    if lengths is not None:
        pack = torch.nn.utils.rnn.pack_padded_sequence
        x = pack(x, torch.tensor(lengths), batch_first=True, enforce_sorted=False)
    states = tuple(s[None] for s in state)
    y, after = torch.func.functional_call(module, weights, (x, states if len(states) > 1 else states[0]))
    if lengths is not None:
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=count)
    after = after if isinstance(after, tuple) else (after,)
    return torch.cat([y.flatten(), *(s.flatten() for s in after)])


def our_run(run, state_count):
    def joined(x, *operands):
        state = operands[:state_count]
        y, after = run(x, *operands[state_count:], state=state if state_count > 1 else state[0])
        after = after if state_count > 1 else (after,)
        return np.concatenate([y.ravel(), *(s.ravel() for s in after)])

    return joined


@pytest.mark.parametrize("with_lengths", [False, True])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
@settings(max_examples=10, deadline=None)
@given(n=SIZES, steps=SIZES, c=SIZES, h=SIZES)
def test_layers(kind, with_lengths, n, steps, c, h):
    gates, states = {"rnn": (1, 1), "gru": (3, 1), "lstm": (4, 2)}[kind]
    module = getattr(torch.nn, kind.upper())(c, h, batch_first=True, dtype=torch.float64)
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, steps + 1, n) if with_lengths else None
    mask = nn.length_mask(lengths, steps) if with_lengths else None
    shapes = [(n, steps, c), *[(n, h)] * states, (c, gates * h), (h, gates * h), (gates * h,)]
    operands = [rng.normal(size=shape) for shape in shapes]
    zeros = torch.zeros(gates * h, dtype=torch.float64)
    run = getattr(nn, kind)
    if kind == "gru":
        operands.append(rng.normal(size=h))

    def theirs(x, *rest):
        state, (kernel, recurrent, bias, *more) = rest[:states], rest[states:]
        recurrent_bias = torch.cat([zeros[: 2 * h], more[0]]) if more else zeros
        return their_run(module, x, state, kernel, recurrent, bias, recurrent_bias, lengths)

    def ours(*args, **options):
        return run(*args, mask=mask, **options)

    assert_same(our_run(ours, states), theirs, *operands, tolerance=1e-9)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_reversed_layer_is_half_of_pytorchs_bidirectional_one(kind, rng):
    theirs = getattr(torch.nn, kind)(3, 4, batch_first=True, bidirectional=True, dtype=torch.float64)
    halves = {"": {}, "_reverse": {}}
    for name, value in theirs.state_dict().items():
        reverse = "_reverse" if name.endswith("_reverse") else ""
        halves[reverse][name] = value
    for i, (reverse, state) in enumerate(halves.items()):
        layer = getattr(nn, kind)(3, 4, rng=rng, reverse=bool(reverse), dtype=np.float64)
        layer = nn.from_torch_state(layer, state)
        own = slice(4 * i, 4 * i + 4)
        assert_same(layer, lambda x, own=own: theirs(x)[0][..., own], rng.normal(size=(2, 5, 3)), tolerance=1e-9)
