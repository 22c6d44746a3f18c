"""Products, normalization, dropout and look-ups against closed forms."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
from tapenet import nn

# ---- dense ----


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3), max_size=3), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_dense(check_derivatives, leading, inputs, outputs, with_bias):
    rng = np.random.default_rng(0)
    x, kernel, bias = (
        rng.normal(size=(*leading, inputs)),
        rng.normal(size=(inputs, outputs)),
        rng.normal(size=outputs),
    )
    operands = (x, kernel, bias) if with_bias else (x, kernel)
    expected = np.einsum("...i,io->...o", x, kernel) + (bias if with_bias else 0)
    np.testing.assert_allclose(nn.dense(*operands), expected, rtol=1e-12, atol=1e-12)
    check_derivatives(nn.dense, *operands)


def test_dense_takes_lists():
    np.testing.assert_array_equal(nn.dense([[1.0, 2.0]], [[1.0], [10.0]], [0.5]), [[21.5]])


# ---- normalization ----


@pytest.mark.parametrize("shape", [(6, 3), (2, 5, 3), (2, 3, 4, 3)])
def test_batch_norm(shape, rng, check_derivatives):
    x = rng.normal(3, 2, size=shape)
    scale, offset = rng.normal(size=shape[-1:]), rng.normal(size=shape[-1:])
    y, stats = nn.batch_norm(x, scale, offset, eps=1e-3)
    rows = x.reshape(-1, shape[-1])
    mean, var = rows.mean(0), ((rows - rows.mean(0)) ** 2).mean(0)
    assert isinstance(stats, nn.BatchStatistics)
    np.testing.assert_allclose(stats.mean, mean, rtol=1e-12)
    np.testing.assert_allclose(stats.var, var, rtol=1e-12)
    np.testing.assert_allclose(y, scale * (x - mean) / np.sqrt(var + 1e-3) + offset, rtol=1e-12, atol=1e-12)
    check_derivatives(lambda *operands: nn.batch_norm(*operands, eps=1e-3), x, scale, offset, tolerance=1e-5)


def test_batch_norm_without_scale_or_offset(rng):
    x = rng.normal(size=(50, 2))
    plain, _ = nn.batch_norm(x, eps=0.0)
    np.testing.assert_allclose(plain.mean(0), 0, atol=1e-14)
    np.testing.assert_allclose(plain.var(0), 1, rtol=1e-12)
    np.testing.assert_allclose(nn.batch_norm(x, np.full(2, 3.0), eps=0.0)[0], 3 * plain)
    np.testing.assert_allclose(nn.batch_norm(x, offset=np.full(2, 3.0), eps=0.0)[0], 3 + plain)


def test_batch_norm_of_equal_elements():
    y, stats = nn.batch_norm(np.full((4, 2), 5.0))
    np.testing.assert_array_equal(y, np.zeros((4, 2)))
    np.testing.assert_array_equal(stats.var, [0, 0])
    gradient = tn.grad(lambda x: nn.batch_norm(x)[0][0, 0])(np.full((4, 2), 5.0))
    np.testing.assert_allclose(gradient[:, 0], np.array([0.75, -0.25, -0.25, -0.25]) / np.sqrt(1e-5))


def test_batch_norm_gradient_is_orthogonal_to_shift_and_scale(rng):
    x, w = rng.normal(size=(8, 3)), rng.normal(size=(8, 3))
    gradient = tn.grad(lambda x: (nn.batch_norm(x, eps=0.0)[0] * w).sum())(x)
    np.testing.assert_allclose(gradient.sum(0), 0, atol=1e-12)
    np.testing.assert_allclose((gradient * x).sum(0), 0, atol=1e-12)


def test_normalize(rng, check_derivatives):
    x, mean, scale, offset = rng.normal(size=(5, 3)), *rng.normal(size=(3, 3))
    var = rng.uniform(0.5, 2, size=3)
    y = nn.normalize(x, mean, var, scale, offset, eps=0.1)
    np.testing.assert_allclose(y, scale * (x - mean) / np.sqrt(var + 0.1) + offset, rtol=1e-12)
    check_derivatives(lambda *operands: nn.normalize(*operands, eps=0.1), x, mean, var, scale, offset)


def test_normalize_by_the_batch_is_batch_norm(rng):
    x, scale, offset = rng.normal(size=(7, 3)), rng.normal(size=3), rng.normal(size=3)
    y, stats = nn.batch_norm(x, scale, offset)
    np.testing.assert_allclose(nn.normalize(x, *stats, scale, offset), y, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("axis", [-1, 0, 1, (1, 2), [-2, -1], (0, 1, 2)])
def test_layer_norm(axis, rng, check_derivatives):
    x = rng.normal(2, 3, size=(2, 3, 4))
    scale, offset = rng.normal(size=4), rng.normal(size=4)
    axes = tuple(axis) if isinstance(axis, tuple | list) else axis
    deviation = x - x.mean(axes, keepdims=True)
    expected = scale * deviation / np.sqrt(x.var(axes, keepdims=True) + 1e-3) + offset
    np.testing.assert_allclose(nn.layer_norm(x, scale, offset, axis=axis, eps=1e-3), expected, rtol=1e-12, atol=1e-12)
    check_derivatives(lambda *operands: nn.layer_norm(*operands, axis=axis, eps=1e-3), x, scale, offset, tolerance=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_dtype_stays(dtype, check_dtype, rng):
    x, row = rng.normal(size=(6, 4)), np.linspace(0.5, 1, 4)
    check_dtype(nn.dense, x, rng.normal(size=(4, 2)), rng.normal(size=2), dtype=dtype)
    check_dtype(lambda *operands: nn.batch_norm(*operands, eps=1e-2)[0], x, row, row, dtype=dtype)
    statistics = nn.batch_norm(x.astype(dtype))[1]
    assert statistics.mean.dtype == statistics.var.dtype == np.promote_types(dtype, np.float32)
    check_dtype(lambda *operands: nn.layer_norm(*operands, eps=1e-2), x, row, row, dtype=dtype)
    check_dtype(lambda x: nn.layer_norm(x, eps=1e-2), row, dtype=dtype)
    check_dtype(nn.normalize, x, row, row, row, row, dtype=dtype)
    check_dtype(lambda x: nn.normalize(x, 1.0, 4.0, 2.0, 1), x, dtype=dtype)
    check_dtype(lambda x: nn.normalize(x, 1, 4), x, dtype=dtype)
    check_dtype(lambda x: nn.dropout(x, 0.3, np.random.default_rng(0)), x, dtype=dtype)
    check_dtype(lambda table: nn.embedding(table, [1, 1, 0]), x, dtype=dtype)


# ---- dropout ----


def test_dropout_zeroes_and_scales(rng):
    y = nn.dropout(np.ones(100_000), 0.25, rng)
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert abs((y == 0).mean() - 0.25) < 0.01
    assert abs(y.mean() - 1) < 0.01


def test_dropout_depends_on_its_generator_alone():
    x = np.ones(64)
    rng = np.random.default_rng(7)
    first, second = nn.dropout(x, 0.5, rng), nn.dropout(x, 0.5, rng)
    np.testing.assert_array_equal(first, nn.dropout(x, 0.5, np.random.default_rng(7)))
    assert np.any(first != second)


def test_dropout_of_rate_zero_changes_and_draws_nothing(rng):
    x = np.arange(4.0)
    state = rng.bit_generator.state
    np.testing.assert_array_equal(nn.dropout(x, 0, rng), x)
    assert rng.bit_generator.state == state


def test_dropout_gradient_is_the_mask():
    def dropped(x):
        return nn.dropout(x, 0.5, np.random.default_rng(1))

    gradient = tn.elementwise_grad(dropped)(np.full(32, 3.0))
    np.testing.assert_array_equal(gradient * 3, dropped(np.full(32, 3.0)))


def test_dropout_derivatives(check_derivatives, rng):
    check_derivatives(lambda x: nn.dropout(x, 0.4, np.random.default_rng(1)) ** 3, rng.normal(size=(3, 4)))


def test_dropout_of_integers_does_not_divide_by_zero(rng):
    assert set(nn.dropout(np.ones(64, int), 0.5, rng)) == {0.0, 2.0}


# ---- look-ups ----


@pytest.mark.parametrize("indices", [2, [0, 2], [[1, 1], [2, 1]], np.zeros((2, 0), int), np.uint8([3, 3])])
def test_embedding_is_a_product_with_one_hot_rows(indices, rng, check_derivatives):
    table = rng.normal(size=(4, 3))
    expected = nn.one_hot(indices, 4, np.float64) @ table
    np.testing.assert_array_equal(nn.embedding(table, indices), expected)
    check_derivatives(lambda table: nn.embedding(table, indices) ** 2, table)


def test_embedding_adds_up_over_a_repeated_index():
    gradient = tn.grad(lambda table: nn.embedding(table, [1, 1, 2, 1]).sum())(np.zeros((4, 2)))
    np.testing.assert_array_equal(gradient, [[0, 0], [3, 3], [1, 1], [0, 0]])


def test_one_hot():
    y = nn.one_hot([[0, 2], [1, 1]], 3)
    assert y.dtype == np.float32
    np.testing.assert_array_equal(y, np.eye(3)[[[0, 2], [1, 1]]])
    assert nn.one_hot(1, 2, bool).tolist() == [False, True]
    assert nn.one_hot(np.zeros((0, 2), int), 5).shape == (0, 2, 5)
