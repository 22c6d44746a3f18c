"""Arrays of another library that are registered: `tapenet.extend.register_array_type`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.extend import register_array_type

X = np.array([0.3, -1.2, 2.0])
M = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.5], [2.0, 1.0, 1.0]])


class Boxed(np.lib.mixins.NDArrayOperatorsMixin):
    """An array type that follows NumPy's protocols, and computes by NumPy."""

    def __init__(self, array: Any) -> None:
        self.array = np.asarray(array)
        self.shape, self.dtype, self.ndim = self.array.shape, self.array.dtype, self.array.ndim

    shape: Any = ()
    dtype: Any = np.dtype(float)
    ndim = 0

    def copy(self) -> Boxed:
        return type(self)(self.array.copy())

    def astype(self, dtype: Any) -> Boxed:
        return type(self)(self.array.astype(dtype))

    def __len__(self) -> int:
        return len(self.array)

    def __bool__(self) -> bool:
        return bool(self.array)

    def __getitem__(self, index: Any) -> Boxed:
        return type(self)(self.array[index])

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray[Any, Any]:
        return np.array(self.array, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **keywords: Any) -> Any:
        if any(type(x) is tn.Tensor for x in inputs):
            return NotImplemented
        return self._wrapped(getattr(ufunc, method)(*map(_inside, inputs), **keywords))

    def __array_function__(self, function: Any, types: Any, args: Any, keywords: Any) -> Any:
        if tn.Tensor in types:
            return NotImplemented
        return self._wrapped(function(*_inside(args), **_inside(keywords)))

    def _wrapped(self, x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(self._wrapped, x))
        return type(self)(x) if isinstance(x, np.ndarray | np.generic) else x


class Unconverted(Boxed):
    """The same, without a way from NumPy's arrays to it."""


def _inside(x: Any) -> Any:
    if isinstance(x, Boxed):
        return x.array
    if isinstance(x, tuple | list):
        return type(x)(map(_inside, x))
    return {key: _inside(value) for key, value in x.items()} if isinstance(x, dict) else x


register_array_type(Boxed, from_numpy=Boxed)
register_array_type(Unconverted)

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "sum": lambda x: tnp.sum(x),
    "sine": lambda x: tnp.sum(tnp.sin(x) * x),
    "constants in both orders": lambda x: tnp.sum(2 * x + X * x - x / X),
    "an array of the type as a constant": lambda x: tnp.sum(Boxed(X) * x + x * Boxed(X)),
    "plain NumPy": lambda x: np.sum(np.exp(x)),
    "mean of a power": lambda x: tnp.mean(x**2),
    "elements": lambda x: x[0] * x[1],
    "a slice": lambda x: tnp.sum(x[1:] ** 3),
    "maximum": lambda x: tnp.max(x) ** 2,
    "product with a matrix": lambda x: tnp.sum((M @ x) ** 2),
    "norm": lambda x: tnp.linalg.norm(x),
    "where": lambda x: tnp.sum(tnp.where(x > 0, x * x, 0.0)),
    "concatenate": lambda x: tnp.sum(tnp.concatenate([x, x * x]) ** 2),
    "softmax": lambda x: tn.nn.softmax(x)[1],
    "a branch": lambda x: tnp.sum(x * x if x[0] < 0 else x**3),
    "reshape": lambda x: tnp.sum(tnp.reshape(x, (3, 1)) * x),
    "cumsum": lambda x: tnp.sum(tnp.cumsum(x) ** 2),
    "sort": lambda x: tnp.sum(tnp.sort(x) ** 2 * X),
    "einsum": lambda x: tnp.einsum("i,i->", x, x),
}
over_functions = pytest.mark.parametrize("f", FUNCTIONS.values(), ids=list(FUNCTIONS))


@over_functions
def test_gradients_and_tangents_are_of_the_type(f: Any) -> None:
    value, gradient = tn.value_and_grad(f)(Boxed(X))
    assert type(gradient) is Boxed
    assert gradient.dtype == np.float64
    np.testing.assert_allclose(value, f(X), rtol=1e-14)
    np.testing.assert_allclose(gradient.array, tn.grad(f)(X), rtol=1e-14)
    tangent = tn.jvp(f, (Boxed(X),), (Boxed(np.ones(3)),))[1]
    assert type(tangent) is Boxed
    np.testing.assert_allclose(tangent.array, tn.jvp(f, (X,), (np.ones(3),))[1], rtol=1e-14)


@over_functions
def test_second_derivatives(f: Any) -> None:
    np.testing.assert_allclose(tn.hvp(f)(Boxed(X), Boxed(X)), tn.hvp(f)(X, X), rtol=1e-13, atol=1e-14, strict=False)
    np.testing.assert_allclose(tn.hessian(f)(Boxed(X)), tn.hessian(f)(X), rtol=1e-13, atol=1e-14)


@over_functions
def test_without_a_way_from_numpy_the_numbers_are_right_still(f: Any) -> None:
    gradient = tn.grad(f)(Unconverted(X))
    assert type(gradient) in (Unconverted, Boxed, np.ndarray)
    np.testing.assert_allclose(_inside(gradient), tn.grad(f)(X), rtol=1e-14)
    assert type(tn.grad(lambda x: tnp.sum(tnp.sin(x)))(Unconverted(X))) is Unconverted


def test_single_precision_stays_single() -> None:
    gradient = tn.grad(lambda x: tnp.sum(tnp.sin(x) * np.float64(2.0)))(Boxed(X.astype(np.float32)))
    assert gradient.dtype == np.float32


def test_gradients_share_no_memory() -> None:
    x, seed = Boxed(X.copy()), Boxed(np.ones(3))
    held = Boxed(np.ones(3))
    identity = tn.custom_vjp(lambda x: x * 1.0, lambda x: (x * 1.0, None), lambda _, t: (held,))
    with tn.GradientTape() as tape:
        a, b = tape.watch((x, x))
        y, z = a + b, identity(a)
    first, second = tape.gradient(y, (a, b), output_gradients=seed)
    third = tape.gradient(z, a, output_gradients=seed)
    arrays = [x.array, seed.array, held.array, first.array, second.array, third.array]
    assert not any(np.shares_memory(one, other) for i, one in enumerate(arrays) for other in arrays[:i])


def test_a_tape_of_it_replays() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(Boxed(X))
        gradient = tape.gradient(tnp.sum(tnp.sin(x) * x), x)
    replayed = tape.replay(Boxed(X + 1), gradient)
    np.testing.assert_allclose(replayed, np.sin(X + 1) + (X + 1) * np.cos(X + 1), rtol=1e-13)


def test_unused_sources_have_zeros_of_the_type() -> None:
    gradient = tn.grad(lambda x, y: tnp.sum(x), argnums=1)(Boxed(X), Boxed(X))
    assert type(gradient) is Boxed
    np.testing.assert_array_equal(gradient, np.zeros(3))


def test_what_the_type_must_have() -> None:
    class Bare:
        shape = ()

    text = re.escape(
        "register_array_type: of must be a class with __array_ufunc__, __array_function__, __array__, __bool__, "
        "__len__, __getitem__, shape, ndim, dtype, copy, astype; got Bare."
    )
    with pytest.raises(tn.ArgumentTypeError, match=f"^{text}$"):
        register_array_type(Bare)
    with pytest.raises(tn.ArgumentTypeError, match="register_array_type: of must be a class"):
        register_array_type(Boxed(X))  # type: ignore[arg-type]
    with pytest.raises(
        tn.ArgumentTypeError, match="register_array_type: from_numpy must be a function, or None; got int"
    ):
        register_array_type(Boxed, from_numpy=3)  # type: ignore[arg-type]
