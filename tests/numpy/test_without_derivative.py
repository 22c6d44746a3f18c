"""Functions without a derivative: plain arrays, of the values that NumPy gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tests.docs.coverage import coverage

Array = Any
X = np.array([[0.5, -1.5, 0.0], [1.25, 0.5, np.nan]])
Y = np.array([0.5, 2.0, -1.0])
I = np.array([[3, 4, 12], [7, 0, 1]])  # noqa: E741  # integers: what a comparison of Tensors may have given

COMPARISONS = "equal not_equal less less_equal greater greater_equal logical_and logical_or logical_xor"
TESTS = """isnan isinf isfinite isposinf isneginf isreal iscomplex isrealobj iscomplexobj signbit logical_not all any
    argwhere nonzero flatnonzero count_nonzero shape ndim size isfortran min_scalar_type array_repr array_str
    array2string argsort argmax argmin nanargmax nanargmin"""
OF_INTEGERS = "gcd lcm bitwise_and bitwise_or bitwise_xor left_shift right_shift bitwise_left_shift bitwise_right_shift"

CALLS: dict[str, Callable[[Any, Array, Array], Any]] = {
    **{name: lambda xp, x, y, name=name: getattr(xp, name)(x, y) for name in COMPARISONS.split()},
    **{name: lambda xp, x, y, name=name: getattr(xp, name)(x) for name in TESTS.split()},
    **{name: lambda xp, x, y, name=name: getattr(xp, name)(I, (x > 0) * 2) for name in OF_INTEGERS.split()},
    **{name: lambda xp, x, y, name=name: getattr(xp, name)(x > 0) for name in ("invert", "bitwise_not")},
    "bitwise_invert": lambda xp, x, y: xp.bitwise_invert(x > 0),
    "bitwise_count": lambda xp, x, y: xp.bitwise_count((x > 0) * 3),
    "packbits": lambda xp, x, y: xp.packbits(x > 0, axis=-1),
    "unpackbits": lambda xp, x, y: xp.unpackbits((x > 0).astype(np.uint8)),
    "isclose": lambda xp, x, y: xp.isclose(x, y, equal_nan=True),
    "allclose": lambda xp, x, y: xp.allclose(y, y + 1e-12),
    "array_equal": lambda xp, x, y: xp.array_equal(x, x, equal_nan=True),
    "array_equiv": lambda xp, x, y: xp.array_equiv(y, y[None]),
    "argpartition": lambda xp, x, y: xp.argpartition(y, 1)[1],
    "searchsorted": lambda xp, x, y: xp.searchsorted([-1.0, 0.5, 3.0], y, side="right"),
    "digitize": lambda xp, x, y: xp.digitize(y, [-1.0, 0.5, 3.0]),
    "lexsort": lambda xp, x, y: xp.lexsort((y, np.array([0, 0, 1]))),
    "isin": lambda xp, x, y: xp.isin(x, [0.5, 1.25]),
    "ix_": lambda xp, x, y: xp.ix_(y > 0, [0, 1]),
    "unravel_index": lambda xp, x, y: xp.unravel_index(xp.argmax(y), (1, 3)),
    "ravel_multi_index": lambda xp, x, y: xp.ravel_multi_index((y > 0, y > 1), (2, 2)),
    "diag_indices_from": lambda xp, x, y: xp.diag_indices_from(x[:, :2]),
    "tril_indices_from": lambda xp, x, y: xp.tril_indices_from(x),
    "triu_indices_from": lambda xp, x, y: xp.triu_indices_from(x, 1),
    "einsum_path": lambda xp, x, y: xp.einsum_path("ij,j", x, y)[0],
    "histogram": lambda xp, x, y: xp.histogram(y, bins=3, weights=[1.0, 2.0, 3.0]),
    "histogram2d": lambda xp, x, y: xp.histogram2d(y, y * y, bins=2),
    "histogramdd": lambda xp, x, y: xp.histogramdd([y, y * y], bins=2)[0],
    "histogram_bin_edges": lambda xp, x, y: xp.histogram_bin_edges(y, bins=4),
    "result_type": lambda xp, x, y: str(xp.result_type(x, np.float32)),
    "can_cast": lambda xp, x, y: xp.can_cast(x, np.float32),
    "common_type": lambda xp, x, y: xp.common_type(x, y).__name__,
    "may_share_memory": lambda xp, x, y: xp.may_share_memory(x, y),
    "shares_memory": lambda xp, x, y: xp.shares_memory(x, y),
    "zeros_like": lambda xp, x, y: xp.zeros_like(x),
    "ones_like": lambda xp, x, y: xp.ones_like(x, shape=(2,)),
    "empty_like": lambda xp, x, y: xp.empty_like(x).shape,
    "format_float_positional": lambda xp, x, y: xp.format_float_positional(y[1]),
    "format_float_scientific": lambda xp, x, y: xp.format_float_scientific(y[1]),
}

PLACED = {row.name for row in coverage.rows("", strict=False) if row.kind == coverage.PLAIN}
missing = PLACED - CALLS.keys()
if missing:
    raise LookupError(f"functions without a call: {', '.join(sorted(missing))}")


ASKS_NO_TENSOR = {"format_float_positional", "format_float_scientific", "isfortran"}  # NumPy's do not dispatch


def assert_plain_and_equal(found: Any, expected: Any) -> None:
    for ours, theirs in zip(tree_leaves(found), tree_leaves(expected), strict=True):
        assert type(ours) is type(theirs)
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", sorted(PLACED))
@pytest.mark.parametrize("namespace", [tnp, np])
def test_gives_what_numpy_gives(name: str, namespace: Any) -> None:
    if not hasattr(np, name):
        pytest.skip("this NumPy has none")
    expected = CALLS[name](np, X, Y)
    assert_plain_and_equal(CALLS[name](tnp, X, Y), expected)
    with tn.GradientTape() as tape:
        x, y = tape.watch((X, Y))
        if namespace is np and name in ASKS_NO_TENSOR:
            with pytest.raises(tn.errors.ConversionError, match=r"x is a Tensor of an open tape"):
                CALLS[name](np, x, y)
        else:
            assert_plain_and_equal(CALLS[name](namespace, x, y), expected)


def test_the_smallest_dtype_of_a_number_is_that_of_its_value() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(1e30)
        assert tnp.min_scalar_type(x) == np.min_scalar_type(1e30)


def test_a_truth_of_a_tensor_decides() -> None:
    def f(x: Array) -> Array:
        return x * x if x > 0 else -x

    assert tn.grad(f)(3.0) == 6
    assert tn.grad(f)(-3.0) == -1
