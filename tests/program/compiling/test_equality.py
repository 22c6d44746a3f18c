"""A compiled function cannot be told from the function itself: results, errors, warnings, and what it prints."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.program.backends.llvm import closed_code, step_calls
from tests.program.comparing import BACKENDS, HAS_LLVM
from tests.program.observing import (
    assert_equal_values,
    assert_observed_alike,
    assert_owned,
    kinds_of,
    observed,
    unchanged,
)

Array = Any

# ---- results ----

SCALARS: list[Any] = [1.5, 3, 1 + 2j, True, None, "text", np.float64(1.5), np.float32(1.5), np.float16(1.5)]
SCALARS += [np.int64(3), np.int8(3), np.uint8(3), np.bool_(True), np.complex64(1 + 2j), np.array(1.5), np.array(3)]
VECTOR = np.array([0.5, 1.5, -2.0])
MATRIX = np.arange(6.0).reshape(2, 3) / 4 + 0.5
CUBE = np.arange(24.0).reshape(2, 3, 4) / 8 + 0.5
ARRAYS: list[Array] = [np.array(True), np.zeros(0), np.ones(1), VECTOR, np.array([np.nan, np.inf, -np.inf, 0.0, -0.0])]
ARRAYS += [VECTOR.astype(kind) for kind in "efgFD?iblBL"] + [VECTOR.astype(">f8")]
ARRAYS += [MATRIX, np.asfortranarray(MATRIX), MATRIX.T, MATRIX[::-1], MATRIX[:, ::2], CUBE.transpose(1, 0, 2)]
ARRAYS += [CUBE.transpose(2, 0, 1), np.asfortranarray(MATRIX.astype(np.float32)), np.broadcast_to(1.5, (2, 3))]
ARRAYS += [np.zeros((0, 3)), np.linspace(0.1, 3, 5000), np.asfortranarray(np.arange(6).reshape(2, 3))]

RESULTS: dict[str, Callable[[Any], Any]] = {
    "itself": lambda x: x,
    "twice": lambda x: (x, [x, {"a": x}], None, "a"),
    "constants": lambda x: (3, 2.5, np.float32(1), np.array(2.0), np.ones((2, 3), order="F"), True),
    "sum of itself": lambda x: x + x,
    "with a float": lambda x: (x * 2.5, 1.5 - x, x / 2),
    "with an integer": lambda x: (x * 2, 3 - x, x + True),
    "with a float32": lambda x: x * np.float32(2),
    "comparisons": lambda x: (x == 1.5, x != 1, x == x),
    "orders": lambda x: (x > 1, x < 2.5, 1 <= x, x >= np.float64(1)),
    "truths of orders": lambda x: ((x > 1) & (x < 2), (x > 1) | (x < 2), (x > 1) ^ True),
    "numbers of truths": lambda x: ((x > 1) + (x < 2), (x > 1) * x, (x > 1) * np.ones(1, np.float32)),
    "quotients": lambda x: (x // 2, x % 2, divmod(x, 2), divmod(7, x + 1)),
    "signs": lambda x: (-x, +x, abs(x)),
    "powers": lambda x: (x**2, x**3, 2**x),
    "elementary": lambda x: (tnp.exp(x), tnp.sin(x) * tnp.cos(x) + x, tnp.tanh(x)),
    "missing bounds": lambda x: (tnp.clip((x > 1) * 3, None, 2), tnp.clip((x > 1) * np.int8(3), [1000], None)),
    "settings by position": lambda x: ((x > 1).all(None), tnp.searchsorted(np.arange(3.0), x, "right")),
    "parts": lambda x: (tnp.real(x), tnp.imag(x), tnp.conj(x)),
    "reductions": lambda x: (tnp.sum(x), tnp.mean(x), tnp.sum(x, keepdims=True), tnp.any(x), tnp.prod(x)),
    "cumulative": lambda x: (tnp.cumsum(x), tnp.ravel(x), tnp.atleast_1d(x)),
    "as arrays": lambda x: (tnp.asarray(x), tnp.array(x), tnp.copy(x), tnp.asarray(x).astype(complex)),
    "arrangement": lambda x: (tnp.transpose(x), tnp.squeeze(x), tnp.reshape(x, (-1,)), tnp.stack([x, x])),
    "like": lambda x: (tnp.zeros_like(x), tnp.ones_like(x)),
    "choices": lambda x: (tnp.where(x != 1, x, 0), tnp.maximum(x, 1), tnp.sign(x)),
    "shapes": lambda x: (np.shape(x), np.ndim(x), np.size(x)),
    "tests": lambda x: (tnp.isnan(x), tnp.array_equal(x, x), tnp.allclose(x, 1)),
    "text": lambda x: tnp.array_str(x),
    "no arrays": lambda x: (np.dtype("f4"), float, b"bytes", slice(1, None), range(3), np.ndim(x)),
    "repetition": lambda x: ["a", "b"] * 2,
    "integers alone": lambda x: tnp.nan_to_num(tnp.angle(x)) if np.size(x) else x,
    "gradient": lambda x: tn.grad(lambda y: tnp.sum(tnp.real(y * y)))(x),
    "value and gradient": lambda x: tn.value_and_grad(lambda y: tnp.sum(tnp.real(y * y)))(x),
    "pushforward": lambda x: tn.jvp(lambda y: y * 2.5, (x,), (x,)),
    "mapped": lambda x: tn.vmap(lambda y: y * 2.5)(x),
}


def varied(x: Any, factor: float) -> Any:
    """The same argument with other numbers, of the same type, dtype and order in memory."""
    if isinstance(x, bool | str | None.__class__) or getattr(x, "dtype", np.dtype(float)).kind == "b":
        return x
    if type(x) in (int, float, complex):
        return x + 1 if type(x) is int else x * factor
    if x.dtype.kind in "iu" or not np.shape(x):
        return x
    return np.multiply(x, x.dtype.type(factor)).astype(x.dtype, copy=False) if x.flags.owndata else x


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", RESULTS)
@settings(max_examples=8)
@given(x=st.sampled_from([*SCALARS, *ARRAYS]))
def test_results_are_of_the_same_kind(name: str, backend: Any, x: Any) -> None:
    f = RESULTS[name]
    compiled: Any = tn.compile(f, backend=backend)
    for factor in (1.0, 1.25, 0.75):
        given_x = varied(x, factor)
        with unchanged(*[given_x] * isinstance(given_x, np.ndarray)):
            expected, found = (observed(own, given_x, errors="ignore") for own in (f, compiled))
        assert (found.error is None) == (expected.error is None)
        if expected.error is None:
            assert kinds_of(found.result) == kinds_of(expected.result)
            assert_equal_values(found.result, expected.result)
            assert_owned(found.result, [given_x])


# ---- numbers of Python's ----

NUMBERS: dict[str, Callable[[Array, int], Any]] = {
    "itself": lambda x, n: (n, n + 1, n / 2, n % 2, divmod(n, 2), n & 1, 1 << n, ~n, -n, round(n), round(n / 3, 1)),
    "comparisons": lambda x, n: (n == 3, n > 2, 1 < n < 4, (n > 1) & (n < 3), not n, max(n, 2)),
    "repetition": lambda x, n: ([x] * n, n * (1,), "ab" * n),
    "a loop": lambda x, n: [x * i for i in range(n)],
    "indices": lambda x, n: (x[n], x[:n], x[n:] * 1, [1, 2, 3, 4, 5][n]),
    "text": lambda x, n: (f"{n}-{n:03d}", str(n), bin(n)),
    "keys": lambda x, n: {1: x, 2: x + 1}.get(n, x * 3),
    "keys of the result": lambda x, n: {n: x},
    "classes": lambda x, n: x if isinstance(n, int) else -x,
    "members": lambda x, n: x if n in (1, 3) else -x,
    "methods": lambda x, n: n.bit_length() * x,
    "shapes": lambda x, n: (tnp.tile(x, n), tnp.repeat(x, n), np.zeros((n, 2)) + x.sum(), np.eye(n)),
    "powers": lambda x, n: (x**n, (x * n).astype(np.float32), x.astype(np.float32) * n),
    "rounding": lambda x, n: tnp.round(x, n),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_vary_are_numbers(name: str, backend: Any) -> None:
    f = NUMBERS[name]
    compiled: Any = tn.compile(f, backend=backend)
    for n in (1, 2, 3, 4, 2):
        expected, found = (observed(own, np.arange(5.0), n, errors="ignore") for own in (f, compiled))
        assert (found.error, expected.error) == (None, None)
        assert kinds_of(found.result) == kinds_of(expected.result)
        assert_equal_values(found.result, expected.result)
        assert str(found.result) == str(expected.result)


# ---- floating-point exceptions ----

LONG = 4000
UP = np.linspace(0.1, 1, LONG)
EXCEPTIONAL: dict[str, tuple[Callable[[Array], Any], Array]] = {
    "overflow of exp": (lambda x: tnp.exp(x) * 2 + 1, 1000 * UP),
    "overflow of expm1": (lambda x: tnp.expm1(x) * 2 + 1, 1000 * UP),
    "overflow of a product": (lambda x: x * 1e30 * x * x * 1e8 + 1, 1e30 * UP),
    "a logarithm of 0": (lambda x: tnp.log(x) * 2 + 1, np.where(UP < 0.5, 0, UP)),
    "a logarithm of negative numbers": (lambda x: tnp.log(x) * 2 + 1, -UP),
    "a logarithm of 1 - 1": (lambda x: tnp.log1p(x) * 2 + 1, np.where(UP < 0.5, -1, UP)),
    "a root of negative numbers": (lambda x: tnp.sqrt(x) * 2 + 1, -UP),
    "division by 0": (lambda x: 1 / x * 2 + 1, np.where(UP < 0.5, 0, UP)),
    "0 / 0": (lambda x: x / abs(x) + 1, np.where(UP < 0.5, 0, UP)),
    "inf - inf": (lambda x: (x - x) * 2 + 1, np.where(UP < 0.5, np.inf, UP)),
    "a sine of infinity": (lambda x: tnp.sin(x) * 2 + 1, np.where(UP < 0.5, np.inf, UP)),
    "what is not chosen": (lambda x: tnp.where(x > 0.5, tnp.log(x), 0.0) * 2, UP - 0.5),
    "a sum of squares": (lambda x: tnp.sum((x * 1e30) ** 2 * x * x), 1e30 * UP),
    "a derivative of a root": (tn.grad(lambda x: tnp.sum(tnp.sqrt(x))), np.where(UP < 0.5, 0, UP)),
    "a closed product": (lambda x: tnp.exp(x.reshape(80, 50) @ np.ones((50, 300))), 100 * UP),
    "small arrays": (lambda x: tnp.log(x[:3]) / x[1:4] + tnp.tanh(x[:3]), UP - UP[0]),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", EXCEPTIONAL)
def test_exceptions_are_reported_as_numpy_says(name: str, backend: Any, dtype: Any) -> None:
    f, far = EXCEPTIONAL[name]
    f = functools.partial(f)
    near, far = UP.astype(dtype), far.astype(dtype)
    compiled: Any = tn.compile(f, backend=backend)
    for x in (near, near, far, near):
        with np.errstate(all="ignore"):  # recorded without
            observed(compiled, x, errors="ignore")
        expected, found = (observed(own, x) for own in (f, compiled))
        assert {text for _, text, _ in found.warned} == {text for _, text, _ in expected.warned}
        assert_equal_values(found.result, expected.result)
        raised, ours = (observed(own, x, errors="raise") for own in (f, compiled))
        assert (ours.error is None) == (raised.error is None)
        if raised.error is not None and ours.error is not None:
            assert ours.error[:2] == raised.error[:2]
        assert not observed(compiled, x, errors="ignore").warned
    assert len(compiled.programs) == 1


@pytest.mark.skipif(not HAS_LLVM, reason="llvmlite is not installed")
def test_usual_numbers_are_computed_once(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    repeated: list[int] = []
    for module in (step_calls, closed_code):
        monkeypatch.setattr(module, "is_to_be_repeated", lambda met, states: repeated.append(met))
    functions = (tnp.expm1, tnp.sin, tnp.tanh, tn.nn.sigmoid, tn.nn.softplus, tn.nn.gelu, tnp.arctan, tnp.log)
    for f in functions:
        compiled: Any = tn.compile(tn.value_and_grad(lambda x, f=f: tnp.sum(f(x) * x)), backend="llvm")
        for dtype in (np.float32, np.float64):
            for size in (3, 17):
                for _ in range(3):
                    compiled(rng.uniform(0.5, 60, size).astype(dtype))
    assert not repeated


def _ignoring(x: Array) -> Array:
    with np.errstate(divide="ignore"):
        y = tnp.log(x) * 2
    return y + 1 / x


def _raising(x: Array) -> Array:
    with np.errstate(all="raise"):
        y = tnp.log(x) * 2
    return y + 1 / x


@pytest.mark.parametrize("size", [5, 5000, 100_000])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("f", [_ignoring, _raising, tn.value_and_grad(lambda x: tnp.sum(_ignoring(x)))])
def test_errors_are_reported_as_the_function_says_inside(f: Any, backend: Any, size: int) -> None:
    compiled: Any = tn.compile(f, backend=backend)
    near = np.linspace(0.1, 1, size)
    for x in (near, near, np.where(near < 0.5, 0, near)):
        for errors in ("warn", "ignore", "raise"):
            expected, found = (observed(own, x, errors=errors) for own in (f, compiled))
            assert sorted(text for _, text, _ in found.warned) == sorted(text for _, text, _ in expected.warned)
            assert (found.error is None) == (expected.error is None)
            if found.error is not None and expected.error is not None:
                assert found.error[:2] == expected.error[:2]
            assert_equal_values(found.result, expected.result)
    assert len(compiled.programs) == 1


# ---- lines ----


def _inverse(x: Array) -> Array:
    y = x * 2
    z = 1 / y
    return tnp.linalg.inv(z) + z[tnp.argmax(x[0]) * 2]


@pytest.mark.parametrize("backend", BACKENDS)
def test_warnings_and_errors_are_of_the_lines_of_the_function(backend: Any) -> None:
    compiled: Any = tn.compile(_inverse, backend=backend)
    usual = np.array([[2.0, 1.0], [1.0, 3.0]])
    for _ in range(3):
        compiled(usual - 0.5 * np.eye(2))
    for x in (np.ones((2, 2)), np.array([[0.0, 2.0], [3.0, 1.0]]), -usual):
        expected, found = (observed(own, x) for own in (_inverse, compiled))
        assert found.error == expected.error
        assert {x[1:] for x in found.warned if "divide by zero" in x[1]} == {
            x[1:] for x in expected.warned if "divide by zero" in x[1]
        }
    assert len(compiled.programs) == 1


# ---- calls ----


class Pair(NamedTuple):
    first: Any
    second: Any


@attrs.frozen
class Model:
    weight: Any
    bias: Any = None
    kind: str = attrs.field(default="plain", metadata={"static": True})


@dataclasses.dataclass
class Data:
    values: Any
    count: int = 2


FACTOR = 2.0


def _of_everything(x: Array, *rest: Array, scale: Any = 3.0, **more: Array) -> Any:
    return x * scale * FACTOR + sum(rest) + sum(more.values())


def _too_large(x: Array) -> Array:
    if x[0] > 2:
        raise ValueError(f"too large: {x[0]}")
    return x * 2


def _caught(x: Array) -> Any:
    try:
        return _too_large(x), ""
    except ValueError as error:
        return x, str(error)


V = np.arange(3.0) + 1
CALLS: dict[str, tuple[Callable[..., Any], list[tuple[tuple[Any, ...], dict[str, Any]]]]] = {
    "everything": (
        _of_everything,
        [
            ((V,), {}),
            ((V, V), {"scale": 2}),
            ((V, 1.5), {"y": V}),
            ((V, 2.5), {"y": V * 2}),
            ((), {}),
            ((V,), {"y": "a"}),
        ],
    ),
    "a named tuple": (lambda p: Pair(p.second, p.first * 2), [((Pair(V, n),), {}) for n in (1.0, 2.0, None, V)]),
    "an attrs class": (
        lambda m: attrs.evolve(m, weight=m.weight * (2 if m.kind == "plain" else 3)),
        [((Model(V, bias, kind),), {}) for bias in (None, V, 1) for kind in ("plain", "other")],
    ),
    "a dataclass": (
        lambda d: dataclasses.replace(d, values=d.values * d.count),
        [((Data(V, n),), {}) for n in (1, 2, 3)],
    ),
    "containers": (
        lambda tree: {"sum": tree["a"][0] + tree["a"][1], "none": None, "text": tree["b"], "all": [tree]},
        [(({"a": (V, x), "b": text},), {}) for x in (V, 1.0, 2.0) for text in ("x", "y")],
    ),
    "an error that values decide": (_too_large, [((V * n,), {}) for n in (1, 1.5, 3, 1, 4)]),
    "an error that is caught": (_caught, [((V * n,), {}) for n in (1, 1.5, 3, 1, 4)]),
    "a loop over elements": (
        lambda x: (sum(a * b for a, b in zip(x, x, strict=True)), max(x), [*x]),
        [((V * n,), {}) for n in (1, 2)],
    ),
    "a loop that values end": (
        lambda x: len([x := x * 2 for _ in range(9) if x.sum() < 99]),
        [((V * n,), {}) for n in (1, 2, 9)],
    ),
    "conversions": (
        lambda x: (float(x[0]), int(x[1]), bool(x[2]), f"{x[0]:.2f}", x.tolist()),
        [((V * n,), {}) for n in (1, 2, 1)],
    ),
    "attributes": (
        lambda x: (x.shape, x.ndim, x.size, x.dtype, len(x), x.T, x.sum(), x.argmax()),
        [((V * n,), {}) for n in (1, 2)],
    ),
    "functions of NumPy": (
        lambda x: (np.sin(x), np.where(x > 1, x, 0), np.concatenate([x, x])),
        [((V * n,), {}) for n in (1, 2)],
    ),
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CALLS)
def test_calls_cannot_be_told_apart(name: str, backend: Any) -> None:
    f, calls = CALLS[name]
    compiled: Any = tn.compile(f, backend=backend)
    for _ in range(2):
        for args, kwargs in calls:
            assert_observed_alike(observed(compiled, *args, **kwargs), observed(f, *args, **kwargs))
