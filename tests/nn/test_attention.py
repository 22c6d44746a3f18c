"""Attention against its formula, masks and positions, layers, and derivatives of both orders."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn

SMALL = st.integers(1, 4)


def by_formula(q, k, v, allowed):
    scores = q @ k.swapaxes(-1, -2) / np.sqrt(q.shape[-1])
    weights = np.where(allowed, np.exp(scores - scores.max(-1, keepdims=True)), 0)
    total = weights.sum(-1, keepdims=True)
    return weights / np.where(total == 0, 1, total) @ v


def operands(rng, leading=(2, 3), queries=4, keys=5, features=2, outputs=3):
    shapes = (queries, features), (keys, features), (keys, outputs)
    return [rng.normal(size=(*leading, *shape)) for shape in shapes]


@settings(max_examples=25, deadline=None)
@given(st.lists(SMALL, max_size=2), SMALL, SMALL, SMALL, SMALL, st.booleans(), st.sampled_from([None, "all", "keys"]))
def test_it_is_its_formula(leading, queries, keys, features, outputs, causal, masked):
    rng = np.random.default_rng(0)
    q, k, v = operands(rng, leading, queries, keys, features, outputs)
    shape = (*leading, queries, keys) if masked == "all" else (keys,)
    mask = None if masked is None else rng.random(shape) < 0.6
    allowed = np.ones((queries, keys), bool) if mask is None else mask
    allowed = allowed & np.tri(queries, keys, dtype=bool) if causal else allowed
    found = nn.scaled_dot_product_attention(q, k, v, mask, causal=causal)
    np.testing.assert_allclose(found, by_formula(q, k, v, allowed), rtol=1e-11, atol=1e-14)
    if mask is not None and not masked == "keys":
        numbers = np.where(mask, 0.0, -1e9)
        everywhere = mask.any(-1, keepdims=True)
        added = nn.scaled_dot_product_attention(q, k, v, numbers)
        expected = nn.scaled_dot_product_attention(q, k, v, mask)
        np.testing.assert_allclose(np.where(everywhere, added, 0), expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_derivatives(causal, masked, rng, check_derivatives):
    mask = rng.random((2, 1, 4, 5)) < 0.5 if masked else None
    check_derivatives(lambda q, k, v: nn.scaled_dot_product_attention(q, k, v, mask, causal=causal), *operands(rng))


@pytest.mark.parametrize("n", [3, 5])
def test_a_mask_of_lengths(n, rng):
    layer, lengths = nn.MultiHeadAttention(8, 2, rng=rng, dtype=float), [5, 2, 4, 1, 3][:n]
    x, mask = rng.normal(size=(n, 5, 8)), nn.length_mask(lengths, 5)
    y = layer(x, mask=mask[:, None, None, :])
    for i, length in enumerate(lengths):
        np.testing.assert_allclose(y[i, :length], layer(x[i : i + 1, :length])[0], rtol=1e-10)
    if n == 5:  # two axes are queries and keys, of every example
        np.testing.assert_array_equal(layer(x, mask=mask), layer(x, mask=mask[None, None]))
    else:
        with pytest.raises(tn.ArgumentError, match=r"got \(3, 5\)\. .* pass mask\[:, None, None, :\]\.$"):
            layer(x, mask=mask)


def test_derivatives_by_a_mask_of_numbers(rng, check_derivatives):
    check_derivatives(
        lambda q, k, v, mask: nn.scaled_dot_product_attention(q, k, v, mask, causal=True),
        *operands(rng),
        rng.normal(size=(3, 4, 5)),
    )


def test_leading_axes_broadcast(rng, check_derivatives):
    q, (_, k, v) = rng.normal(size=(2, 1, 4, 2)), operands(rng, (3,))
    expected = nn.scaled_dot_product_attention(
        np.broadcast_to(q, (2, 3, 4, 2)), *(np.broadcast_to(x, (2, *x.shape)) for x in (k, v))
    )
    np.testing.assert_allclose(nn.scaled_dot_product_attention(q, k, v), expected, rtol=1e-12)
    check_derivatives(nn.scaled_dot_product_attention, q, k, v)


def test_a_query_that_may_look_at_nothing_gets_zeros(rng):
    q, k, v = operands(rng)
    mask = np.ones((4, 5), bool)
    mask[1] = False
    y, pullback = tn.vjp(lambda *x: nn.scaled_dot_product_attention(*x, mask), q, k, v)
    assert not y[..., 1, :].any()
    q_bar, k_bar, _ = pullback(np.ones_like(y))
    assert not q_bar[..., 1, :].any()
    assert np.isfinite(k_bar).all()


def test_long_sequences_are_computed_in_pieces(rng):
    q, k, v = operands(rng, (3, 3), 200, 300, 8, 8)
    found, pullback = tn.vjp(lambda *x: nn.scaled_dot_product_attention(*x, causal=True), q, k, v)
    np.testing.assert_allclose(found, by_formula(q, k, v, np.tri(200, 300, dtype=bool)), rtol=1e-9, atol=1e-12)
    t = rng.normal(size=found.shape)
    for mine, theirs in zip(pullback(t), written_out_pullback(q, k, v, t), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)


def written_out_pullback(q, k, v, t):
    def f(q, k, v):
        scores = q @ tn.numpy.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
        return nn.softmax(tn.numpy.where(np.tri(200, 300, dtype=bool), scores, -np.inf)) @ v

    return tn.vjp(f, q, k, v)[1](t)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_dtypes_stay_and_large_scores_do_not_overflow(dtype, rng, check_dtype):
    q, k, v = (x.astype(dtype) for x in operands(rng))
    check_dtype(nn.scaled_dot_product_attention, q, k, v, dtype=dtype)
    y = nn.scaled_dot_product_attention(200 * q, 200 * k, v)
    assert y.dtype == dtype
    assert np.isfinite(y).all()


def test_vmap_and_a_recorded_derivative(rng):
    q, k, v = operands(rng, (3, 2))
    mask = rng.random((3, 2, 4, 5)) < 0.6

    def f(q, k, v, mask):
        return (nn.scaled_dot_product_attention(q, k, v, mask) ** 2).sum()

    expected = [tn.grad(f)(*parts) for parts in zip(q, k, v, mask, strict=True)]
    np.testing.assert_allclose(tn.vmap(tn.grad(f))(q, k, v, mask), expected, rtol=1e-10)
    np.testing.assert_allclose(
        tn.vmap(lambda q: nn.scaled_dot_product_attention(q, k[0], v[0]))(q),
        [nn.scaled_dot_product_attention(part, k[0], v[0]) for part in q],
        rtol=1e-12,
    )
    with tn.GradientTape() as tape:
        x = tape.watch(q)
        inside = tape.gradient(f(x, k, v, mask), x)
    np.testing.assert_allclose(inside.value, tn.grad(f)(q, k, v, mask), rtol=1e-12)
    assert "attention_pullback" in {record.primitive.name for record in tape.records}


# ---- positions ----


@settings(max_examples=15, deadline=None)
@given(SMALL, SMALL, st.lists(SMALL, max_size=2))
def test_rotary_turns_complex_numbers(length, half, leading):
    x = np.random.default_rng(0).normal(size=(*leading, length, 2 * half))
    z = x[..., :half] + 1j * x[..., half:]
    turned = z * np.exp(1j * np.arange(length)[:, None] * 100.0 ** (-np.arange(half) / half))
    expected = np.concatenate([turned.real, turned.imag], -1)
    np.testing.assert_allclose(nn.rotary(x, base=100.0), expected, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(nn.rotary(nn.rotary(x), -np.arange(length)), x, rtol=1e-11, atol=1e-13)
    tn.testing.check_grads(nn.rotary, (x,))


def test_rotary_products_depend_on_the_distance(rng):
    q, k = rng.normal(size=(2, 1, 6))
    near = nn.rotary(q, [2]) @ nn.rotary(k, [5]).T
    np.testing.assert_allclose(nn.rotary(q, [102]) @ nn.rotary(k, [105]).T, near, rtol=1e-9)


def test_sinusoidal_positions():
    rows = nn.sinusoidal_positions(6, 5, base=50.0, dtype=np.float64)
    for p, j in np.ndindex(6, 5):
        angle = p * 50.0 ** (-2 * (j // 2) / 5)
        np.testing.assert_allclose(rows[p, j], np.cos(angle) if j % 2 else np.sin(angle), rtol=1e-12)
    assert nn.sinusoidal_positions(2, 4).dtype == np.float32


# ---- layers ----


@pytest.mark.parametrize("options", [{}, {"causal": True}, {"rotary": True}, {"bias": False}])
def test_several_heads(options, rng, check_derivatives):
    layer = nn.MultiHeadAttention(8, 2, rng=rng, dtype=np.float64, **options)
    x = rng.normal(size=(3, 5, 8))
    parts = np.split(layer.inputs(x), 3, -1)
    q, k, v = (z.reshape(3, 5, 2, 4).swapaxes(1, 2) for z in parts)
    if options.get("rotary"):
        q, k = nn.rotary(q), nn.rotary(k)
    y = nn.scaled_dot_product_attention(q, k, v, causal=options.get("causal", False))
    expected = layer.output(y.swapaxes(1, 2).reshape(3, 5, 8))
    np.testing.assert_allclose(layer(x), expected, rtol=1e-11, atol=1e-13)
    if not options.get("causal"):
        np.testing.assert_allclose(layer(x, x), expected, rtol=1e-11, atol=1e-13)
        assert layer(x, rng.normal(size=(3, 7, 8))).shape == x.shape
    check_derivatives(lambda x: layer(x), x)
    mask = rng.random((3, 1, 1, 5)) < 0.6
    assert layer(x, mask=mask).shape == x.shape


def test_a_causal_block_does_not_look_ahead(rng):
    block = nn.TransformerBlock(8, 2, rng=rng, causal=True, rotary=True, dtype=np.float64)
    x = rng.normal(size=(2, 6, 8))
    changed = x.copy()
    changed[:, 4:] += 1
    np.testing.assert_allclose(block(x)[:, :4], block(changed)[:, :4], rtol=1e-12)
    assert np.abs(block(x)[:, 4:] - block(changed)[:, 4:]).min() > 0


def test_a_block_is_its_formula(rng):
    block = nn.TransformerBlock(8, 2, rng=rng, hidden=5, activation=np.tanh, dtype=np.float64)
    x = rng.normal(size=(2, 6, 8))
    y = x + block.attention(block.first_norm(x))
    expected = y + block.mlp(block.second_norm(y))
    np.testing.assert_allclose(block(x), expected, rtol=1e-12)
    trained, after = block.train(x, rng)
    np.testing.assert_allclose(trained, expected, rtol=1e-12)
    assert after is block
    assert tn.grad(lambda block: block(x).sum())(block).mlp[0].kernel.shape == (8, 5)
    mask = np.ones((2, 1, 1, 6), bool)
    mask[..., 5:] = False
    changed = x.copy()
    changed[:, 5] = 7
    np.testing.assert_allclose(block(x, mask)[:, :5], block(changed, mask)[:, :5], rtol=1e-12)


def test_dropout_of_a_block(rng):
    block = nn.TransformerBlock(8, 2, rng=rng, dropout=0.5, dtype=np.float64)
    x = rng.normal(size=(2, 6, 8))
    one, two = (block.train(x, np.random.default_rng(seed))[0] for seed in (0, 1))
    assert np.abs(one - two).max() > 0
    np.testing.assert_array_equal(block.train(x, np.random.default_rng(0))[0], one)


# ---- errors ----

Q = np.ones((2, 3, 4))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: nn.scaled_dot_product_attention(Q[0, 0], Q, Q), r"q must have shape \(..., heads, length, features\)"),
        (
            lambda: nn.scaled_dot_product_attention(Q[..., :0, :], Q, Q),
            r"q must .*, length and features at least 1; got",
        ),
        (
            lambda: nn.scaled_dot_product_attention(Q, Q[..., :0, :], Q),
            r"k must .*, length and features at least 1; got",
        ),
        (lambda: nn.scaled_dot_product_attention(Q, Q, Q[..., :0]), r"v must .*, length and features at least 1; got"),
        (lambda: nn.scaled_dot_product_attention(Q, np.ones((2, 3, 5)), Q), "k must have as many features as q, 4"),
        (lambda: nn.scaled_dot_product_attention(Q, Q, np.ones((2, 2, 4))), "v must be as long as k, 3"),
        (lambda: nn.scaled_dot_product_attention(Q, np.ones((3, 3, 4)), np.ones((3, 3, 4))), "must have leading axes"),
        (lambda: nn.scaled_dot_product_attention(Q, Q, Q, np.ones((4, 3, 3), bool)), r"must broadcast to \(2, 3, 3\)"),
        (lambda: nn.scaled_dot_product_attention(Q, Q, Q, np.ones((3, 3), int)), "mask must be of truth values"),
        (lambda: nn.rotary(np.ones((2, 3))), "rotary: x must have shape"),
        (lambda: nn.rotary(Q, np.ones(2)), r"rotary: positions must broadcast to \(2, 3\)"),
        (lambda: nn.MultiHeadAttention(6, 4, rng=np.random.default_rng(0)), "heads must divide features, 6; got 4"),
        (
            lambda: nn.MultiHeadAttention(6, 2, rng=np.random.default_rng(0), rotary=True),
            "heads must have an even number of features for rotary; got 2 heads",
        ),
        (lambda: nn.MultiHeadAttention(4, 2, rng=np.random.default_rng(0))(Q[0]), r"x must have shape \(N, L, 4\)"),
    ],
)
def test_errors(call, text):
    with pytest.raises(tn.TapenetError, match=text):
        call()
