"""Recurrent networks: sequences against cells step by step, masks, directions, dtypes, and derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn

KINDS = {"rnn": (nn.rnn, nn.rnn_cell, 1), "gru": (nn.gru, nn.gru_cell, 3), "lstm": (nn.lstm, nn.lstm_cell, 4)}
SETTINGS = settings(max_examples=15, deadline=None)

over_kinds = pytest.mark.parametrize("kind", KINDS)


def weights_of(kind, c, h, rng, dtype=np.float64):
    gates = KINDS[kind][2]
    shapes = [(c, gates * h), (h, gates * h), (gates * h,), *([(h,)] if kind == "gru" else [])]
    return [rng.normal(size=shape).astype(dtype) for shape in shapes]


def state_of(kind, n, h, rng):
    first, second = rng.normal(size=(2, n, h))
    return (first, second) if kind == "lstm" else first


def by_cells(kind, x, weights, state, mask, reverse):
    """The sequence as a loop over cells."""
    cell = KINDS[kind][1]
    outputs = np.zeros((*x.shape[:2], len(weights[1])))
    for step in reversed(range(x.shape[1])) if reverse else range(x.shape[1]):
        moves = mask[:, step, None]
        new = cell(x[:, step], state, *weights)
        if kind == "lstm":
            state = tuple(np.where(moves, *pair) for pair in zip(new, state, strict=True))
            outputs[:, step] = np.where(moves, state[0], 0)
        else:
            state = np.where(moves, new, state)
            outputs[:, step] = np.where(moves, state, 0)
    return outputs, state


@over_kinds
@SETTINGS
@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.booleans(), st.booleans())
def test_sequences_are_cells_in_a_row(kind, steps, n, c, h, reverse, masked):
    rng = np.random.default_rng(0)
    x, weights, state = rng.normal(size=(n, steps, c)), weights_of(kind, c, h, rng), state_of(kind, n, h, rng)
    mask = rng.random((n, steps)) < 0.6 if masked else np.ones((n, steps), bool)
    expected_y, expected_state = by_cells(kind, x, weights, state, mask, reverse)
    y, after = KINDS[kind][0](x, *weights, state=state, mask=mask if masked else None, reverse=reverse)
    np.testing.assert_allclose(y, expected_y, rtol=1e-11, atol=1e-14)
    for found, expected in zip(np.atleast_3d(after), np.atleast_3d(expected_state), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)


@over_kinds
@pytest.mark.parametrize("masked", [False, True])
def test_derivatives(kind, masked, rng, check_derivatives):
    x, weights = rng.normal(size=(2, 3, 2)), weights_of(kind, 2, 3, rng)
    mask = nn.length_mask([3, 1], 3) if masked else None
    states = state_of(kind, 2, 3, rng)

    def outputs(x, *rest):
        count = 2 if kind == "lstm" else 1
        state = rest[:count] if kind == "lstm" else rest[0]
        y, after = KINDS[kind][0](x, *rest[count:], state=state, mask=mask)
        return (y, *after) if kind == "lstm" else (y, after)

    check_derivatives(outputs, x, *(states if kind == "lstm" else (states,)), *weights)


@over_kinds
def test_the_walk_of_a_recorded_derivative_agrees(kind, rng):
    x, weights = rng.normal(size=(2, 3, 2)), weights_of(kind, 2, 3, rng)
    plain = tn.grad(lambda x: (KINDS[kind][0](x, *weights)[0] ** 2).sum())(x)
    with tn.GradientTape() as tape:
        watched = tape.watch(x)
        y = (KINDS[kind][0](watched, *weights)[0] ** 2).sum()
        inside = tape.gradient(y, watched)
    np.testing.assert_allclose(inside.value, plain, rtol=1e-12)
    names = {record.primitive.name for record in tape.records}
    assert f"{kind}_sequence_pullback" in names


@over_kinds
def test_vmap_makes_one_batch_of_several(kind, rng):
    run, _, _ = KINDS[kind]
    x, weights = rng.normal(size=(3, 2, 4, 2)), weights_of(kind, 2, 3, rng)
    mask = rng.random((2, 4)) < 0.6
    expected = np.stack([run(part, *weights, mask=mask)[0] for part in x])
    np.testing.assert_allclose(tn.vmap(lambda x: run(x, *weights, mask=mask)[0])(x), expected, rtol=1e-12)
    kernels = rng.normal(size=(3, *weights[0].shape))
    expected = np.stack([run(x[0], kernel, *weights[1:])[0] for kernel in kernels])
    found = tn.vmap(lambda kernel: run(x[0], kernel, *weights[1:])[0])(kernels)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    gradients = tn.vmap(tn.grad(lambda x: run(x, *weights)[0].sum()))(x)
    np.testing.assert_allclose(gradients[1], tn.grad(lambda x: run(x, *weights)[0].sum())(x[1]), rtol=1e-12)


@over_kinds
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtypes_stay(kind, dtype, rng):
    x, weights = rng.normal(size=(2, 3, 2)).astype(dtype), weights_of(kind, 2, 3, rng, dtype)
    run = KINDS[kind][0]
    y, pullback = tn.vjp(lambda *a: run(*a)[0], x, *weights)
    assert y.dtype == run(x, *weights)[0].dtype == dtype
    assert {bar.dtype for bar in pullback(np.ones_like(y))} == {np.dtype(dtype)}
    exact = run(x.astype(float), *(w.astype(float) for w in weights))[0]
    np.testing.assert_allclose(y, exact, rtol=1e-2 if dtype == np.float16 else 1e-5, atol=1e-3)


@over_kinds
def test_far_out_gates_are_shut_and_not_nan(kind, rng):
    x, weights = np.full((1, 2, 1), 1e4, np.float32), weights_of(kind, 1, 2, rng, np.float32)
    y, pullback = tn.vjp(lambda x: KINDS[kind][0](x, *weights)[0], x)
    assert np.isfinite(y).all()
    assert np.isfinite(pullback(np.ones_like(y))[0]).all()


@over_kinds
def test_threads_share_the_examples(kind, rng):
    x, weights = rng.normal(size=(64, 4, 2)), weights_of(kind, 2, 300, rng)
    f = tn.value_and_grad(lambda w: (KINDS[kind][0](x, *w)[0] ** 2).mean())
    before = tn.num_threads()
    try:
        found = []
        for threads in (1, 2):
            tn.set_num_threads(threads)
            found.append(f(weights))
    finally:
        tn.set_num_threads(before)
    np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-12)
    for one, two in zip(found[0][1], found[1][1], strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


def test_lengths_make_padding_irrelevant(rng):
    x, weights = rng.normal(size=(2, 5, 2)), weights_of("lstm", 2, 3, rng)
    mask = nn.length_mask([5, 2], 5)
    y, (h, _) = nn.lstm(x, *weights, mask=mask)
    short, (short_h, _) = nn.lstm(x[1:, :2], *weights)
    np.testing.assert_allclose(y[1, :2], short[0], rtol=1e-12)
    np.testing.assert_allclose(h[1], short_h[0], rtol=1e-12)
    assert not y[1, 2:].any()
    gradient = tn.grad(lambda x: (nn.lstm(x, *weights, mask=mask)[0] ** 2).sum())(x)
    assert not gradient[1, 2:].any()


# ---- layers ----


@pytest.mark.parametrize("layer_class", [nn.RNN, nn.GRU, nn.LSTM])
def test_layers_run_their_cells(layer_class, rng):
    layer = layer_class(3, 4, rng=rng, dtype=np.float64)
    x = rng.normal(size=(2, 5, 3))
    y, after = layer.with_state(x)
    state = layer.cell.start(x)
    for step in range(5):
        state = layer.cell(x[:, step], state)
        np.testing.assert_allclose(y[:, step], state[0] if layer_class is nn.LSTM else state, rtol=1e-11)
    np.testing.assert_allclose(after, state, rtol=1e-11)
    np.testing.assert_array_equal(layer(x), y)
    first, middle = layer.with_state(x[:, :2])
    rest, end = layer.with_state(x[:, 2:], middle)
    np.testing.assert_allclose(np.concatenate([first, rest], 1), y, rtol=1e-12)
    np.testing.assert_allclose(end, after, rtol=1e-12)
    backward = layer_class(3, 4, rng=np.random.default_rng(0), reverse=True, dtype=np.float64)
    forward = layer_class(3, 4, rng=np.random.default_rng(0), dtype=np.float64)
    np.testing.assert_allclose(backward(x)[:, ::-1], forward(x[:, ::-1]), rtol=1e-12)
    assert layer_class(3, 4, rng=rng, bias=False).cell.bias is None
    model = nn.Sequential(layer_class(3, 4, rng=rng), nn.Dense(4, 1, rng=rng))
    assert tn.grad(lambda model: model(np.float32(x)).sum())(model)[0].cell.kernel.shape == layer.cell.kernel.shape


def test_an_lstm_remembers_at_first(rng):
    np.testing.assert_array_equal(nn.LSTMCell(2, 3, rng=rng).bias, np.repeat([0, 1, 0, 0], 3))


# ---- errors ----

X, KERNEL, RECURRENT = np.ones((2, 3, 4)), np.ones((4, 20)), np.ones((5, 20))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: nn.lstm(X[0], KERNEL, RECURRENT),
            r"lstm: x must have shape \(N, L, C\), of at least one step; got \(3, 4\)",
        ),
        (lambda: nn.lstm(X[:, :0], KERNEL, RECURRENT), r"lstm: x must have shape \(N, L, C\), of at least one step"),
        (lambda: nn.lstm(X, KERNEL, KERNEL), r"lstm: recurrent must have shape \(H, 4 H\); got \(4, 20\)"),
        (lambda: nn.lstm(X, RECURRENT, RECURRENT), r"lstm: kernel must have shape \(4, 20\), for x of 4 features"),
        (lambda: nn.lstm(X, KERNEL, RECURRENT, np.ones(5)), r"lstm: bias must have shape \(20,\)"),
        (lambda: nn.lstm(X, KERNEL, RECURRENT, state=np.ones((2, 5))), r"lstm: state must be a pair \(h, c\)"),
        (
            lambda: nn.lstm(X, KERNEL, RECURRENT, state=(np.ones((2, 5)), np.ones((2, 4)))),
            r"lstm: state\[1\] must have shape \(2, 5\); got \(2, 4\)",
        ),
        (
            lambda: nn.lstm(X, KERNEL, RECURRENT, mask=np.ones((2, 3))),
            "lstm: mask must be of truth values; got float64",
        ),
        (lambda: nn.lstm(X, KERNEL, RECURRENT, mask=np.ones((3, 2), bool)), r"lstm: mask must have shape \(2, 3\)"),
        (lambda: nn.lstm(1j * X, KERNEL, RECURRENT), "lstm: x must be real; got complex128"),
        (lambda: nn.rnn_cell(X, X, KERNEL, RECURRENT), r"rnn_cell: x must have shape \(N, C\); got \(2, 3, 4\)"),
        (lambda: nn.length_mask([4], 3), r"length_mask: lengths must be in \[0, 3\]; got 4"),
        (lambda: nn.length_mask([[1]], 3), r"length_mask: lengths must have shape \(N,\); got \(1, 1\)"),
    ],
)
def test_errors(call, text):
    with pytest.raises(tn.TapenetError, match=text):
        call()
