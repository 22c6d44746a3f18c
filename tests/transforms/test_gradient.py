"""`grad` and `value_and_grad` by one leaf, which have a way of their own: the same as by a pytree of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

LEAVES = {
    "float": 0.7,
    "complex": 0.7 + 0.2j,
    "float64": np.float64(0.7),
    "float32": np.float32(0.7),
    "complex64": np.complex64(0.7 + 0.2j),
    "array of shape ()": np.array(0.7),
    "array": np.array([0.7, -0.2]),
    "array of float16": np.array([0.7, -0.2], np.float16),
    "array of complex128": np.array([0.7 + 0.1j, -0.2]),
    "array of another byte order": np.array([0.7, -0.2], ">f8"),
    "empty array": np.zeros(0),
}

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "a composition": lambda x: tnp.sum(tnp.sin(x) * x).real,
    "itself": lambda x: tnp.sum(x).real,
    "twice the same": lambda x: tnp.sum(x + x).real,
    "a constant": lambda x: 2.5,
    "a constant of an outer function": lambda x: tn.grad(lambda y: y * y)(1.0),
    "an inner gradient": lambda x: tn.grad(lambda y: y**3 * tnp.sum(x).real)(1.5),
}


@pytest.mark.parametrize("f", FUNCTIONS.values(), ids=FUNCTIONS)
@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_a_leaf_has_the_gradient_of_a_pytree_of_it(leaf: Any, f: Callable[[Any], Any]) -> None:
    y, gradient = tn.value_and_grad(f)(leaf)
    expected_y, (expected,) = tn.value_and_grad(lambda x: f(x[0]))((leaf,))
    assert type(gradient) is type(expected)
    assert type(y) is type(expected_y)
    np.testing.assert_array_equal(gradient, expected)
    assert np.asarray(gradient).dtype == np.asarray(leaf).dtype
    assert gradient is not leaf
    assert np.isclose(y, expected_y)
    if isinstance(gradient, np.ndarray):
        assert gradient.flags.writeable
        assert not np.shares_memory(gradient, leaf)


@pytest.mark.parametrize("f", [lambda x: (tnp.sin(x) * x).real, tnp.real, lambda x: 2.5, lambda x: tnp.abs(x) ** 2])
@pytest.mark.parametrize("leaf", LEAVES.values(), ids=LEAVES)
def test_a_leaf_has_the_elementwise_gradient_of_a_pytree_of_it(leaf: Any, f: Callable[[Any], Any]) -> None:
    gradient = tn.elementwise_grad(f)(leaf)
    (expected,) = tn.elementwise_grad(lambda x: f(x[0]))((leaf,))
    assert type(gradient) is type(expected)
    np.testing.assert_array_equal(gradient, expected)
    assert np.asarray(gradient).dtype == np.asarray(leaf).dtype
    assert not isinstance(gradient, np.ndarray) or not np.shares_memory(gradient, leaf)


@pytest.mark.parametrize("shape", [(), (1,), (2,), (2, 2), (3, 0)])
def test_small_jacobians_row_by_row_are_those_of_all_rows_at_once(shape: tuple[int, ...]) -> None:
    x, c = np.array([0.3, -0.2]), np.linspace(0.1, 1.0, int(np.prod(shape))).reshape(shape)

    def f(x: Any, z: Any) -> Any:
        return tnp.sin(x[0] * c) * x[1] + 0 * z, z * c

    args = x, np.float64(0.7)
    found, together = (tn.jacobian(f, (0, 1), chunk_size=size)(*args) for size in (None, 100))
    for own, other in zip(tn.tree.leaves(found), tn.tree.leaves(together), strict=True):
        assert type(own) is type(other)
        np.testing.assert_array_equal(own, other)
    mapped = tn.vmap(lambda x: tn.jacobian(f)(x, 0.7)[0])(np.stack([x, x]))
    np.testing.assert_allclose(mapped, [found[0][0]] * 2, rtol=1e-14)


@pytest.mark.parametrize(
    ("f", "error", "message"),
    [
        (lambda x: x, tn.ArgumentError, r"grad: y must be a scalar, of shape \(\); got shape \(2,\)"),
        (lambda x: (x, x), tn.ArgumentError, "grad: y must be one scalar; got a pytree of 2 leaves"),
        (lambda x: x.sum() * 1j, tn.ArgumentTypeError, "grad: y must be real; got complex128"),
        (lambda x: tnp.argmax(x), tn.ArgumentTypeError, "grad: y must be floating; got int64"),
        (lambda x: "y", tn.ArgumentTypeError, "grad: y must be an array or a number; got str 'y'"),
        (lambda x: None, tn.ArgumentError, "grad: y must be one scalar; got None"),
    ],
)
def test_results_that_are_not_scalars_are_refused(f: Callable[..., Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        tn.grad(f)(np.array([1.0, 2.0]))


def test_gradients_of_gradients_by_a_leaf() -> None:
    third = tn.grad(tn.grad(tn.grad(lambda x, k: tnp.exp(k * x))))
    np.testing.assert_allclose(third(0.5, 2.0), 8 * np.exp(1.0), rtol=1e-14)
    np.testing.assert_allclose(tn.vmap(tn.grad(lambda x: x**3))(np.arange(3.0)), 3 * np.arange(3.0) ** 2)


def test_what_transforms_return_has_the_name_and_attributes_of_a_function() -> None:
    def f(x: float) -> float:
        """Square."""
        return x * x

    f.unit = "m"  # type: ignore[attr-defined]  # functions may have attributes
    made: Any = tn.grad(f)
    assert (made.__name__, made.__qualname__, made.__doc__) == (f.__name__, f.__qualname__, "Square.")
    assert made.unit == "m"
    assert made.__module__ == __name__
    assert made.__wrapped__ is f
    assert made.__annotations__ == f.__annotations__
    partial: Any = tn.grad(functools.partial(f))
    assert partial(3.0) == 6.0
    assert partial.__name__ == "gradient_of"
