"""The back end that LLVM compiles: its elementary functions in ulp, and everything that is compiled, on it too."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.kernels.vector_math import FARTHEST, LIMITED
from tapenet.ops.special.functions import erf, gelu, normal_cdf as distribution
from tapenet.program.backends import llvm_code
from tapenet.program.backends.llvm import fusing
from tapenet.program.backends.llvm.kernel_code import kernel_of
from tests.program.comparing import assert_same, varied
from tests.program.compiling.test_over_functions import TRANSFORMS
from tests.transforms.programs import program_of

pytest.importorskip("llvmlite")
mpmath = pytest.importorskip("mpmath")

Array = Any
RNG = np.random.default_rng(0)


def compiled(f: Any, *calls: Any, **tolerance: Any) -> Any:
    """The function compiled by LLVM, after it gave what the function does in each call; three times the first."""
    made: Any = tn.compile(f, backend="llvm")
    for call in (calls[0], calls[0], *calls):
        assert_same(made(*call), f(*call), **({"scale": 4} | tolerance))
    return made


def kernels_of(f: Any, *args: Any) -> int:
    """How many kernels the program of a function has."""
    program = tn.compile(f).lower(*args)
    steps = fusing.steps_of(program)
    return sum(kernel_of(step, program) is not None for step in steps if hasattr(step, "instructions"))


# ---- elementary functions ----


def sigmoid(x: Any) -> Any:
    return 1 / (1 + mpmath.exp(-x))


def normal_cdf(x: Any) -> Any:
    x = max(min(x, mpmath.mpf(100)), mpmath.mpf(-100))  # beyond it, it is 0 and 1, and mpmath's fails
    return mpmath.erfc(-x / mpmath.sqrt(2)) / 2


FUNCTIONS = {
    "tan": (tnp.tan, mpmath.tan),
    "arctan": (tnp.arctan, mpmath.atan),
    "softplus": (tn.nn.softplus, lambda x: mpmath.log1p(mpmath.exp(x))),
    "share": (tn.elementwise_grad(tn.nn.softplus), sigmoid),
    "erf": (erf, mpmath.erf),
    "normal_cdf": (distribution, normal_cdf),
    "normal_density": (tn.elementwise_grad(distribution), lambda x: mpmath.npdf(x)),
    "exp": (tnp.exp, mpmath.exp),
    "expm1": (tnp.expm1, mpmath.expm1),
    "log": (tnp.log, mpmath.log),
    "log1p": (tnp.log1p, mpmath.log1p),
    "sin": (tnp.sin, mpmath.sin),
    "cos": (tnp.cos, mpmath.cos),
    "tanh": (tnp.tanh, mpmath.tanh),
    "sigmoid": (tn.nn.sigmoid, sigmoid),
    "gelu": (gelu, lambda x: x * normal_cdf(x)),
}
ULPS = {np.float32: 2.0, np.float64: 3.0}
PRODUCTS = {"gelu"}  # of one of the others: one rounding more, of a result whose unit may be half as large
ENDS = {
    "tan": [0.0, -0.0, np.nan, np.nan],
    "arctan": [0.0, -0.0, np.pi / 2, -np.pi / 2],
    "softplus": [np.log(2.0), np.log(2.0), np.inf, 0.0],
    "share": [0.5, 0.5, 1.0, 0.0],
    "erf": [0.0, -0.0, 1.0, -1.0],
    "normal_cdf": [0.5, 0.5, 1.0, 0.0],
    "normal_density": [1 / np.sqrt(2 * np.pi), 1 / np.sqrt(2 * np.pi), 0.0, 0.0],
    "exp": [1.0, 1.0, np.inf, 0.0],
    "expm1": [0.0, -0.0, np.inf, -1.0],
    "log": [-np.inf, -np.inf, np.inf, np.nan],
    "log1p": [0.0, -0.0, np.inf, np.nan],
    "sin": [0.0, -0.0, np.nan, np.nan],
    "cos": [1.0, 1.0, np.nan, np.nan],
    "tanh": [0.0, -0.0, 1.0, -1.0],
    "sigmoid": [0.5, 0.5, 1.0, 0.0],
    "gelu": [0.0, -0.0, np.inf, -0.0],
}


def points(dtype: Any, count: int) -> Array:
    """Numbers of all sizes: of random bits, and near where functions change."""
    kind = {np.float32: np.uint32, np.float64: np.uint64}[dtype]
    bits = RNG.integers(0, np.iinfo(kind).max, count, kind, endpoint=True).view(dtype)
    info = np.finfo(dtype)
    edges = [info.tiny, info.smallest_subnormal, 0.625, 0.3466, 0.7072, 1.0, 88.7, 709.7, -103.9, -745.1, -0.9999]
    spread = [RNG.uniform(-size, size, count).astype(dtype) for size in (1.0, 20.0, 800.0, 9000.0)]
    return np.concatenate([bits, *spread, np.array([*edges, *np.negative(edges)], dtype)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@np.errstate(all="ignore")
def test_functions_are_right_to_a_few_units_in_the_last_place(name: str, dtype: Any) -> None:
    ours, exact = FUNCTIONS[name]
    x = points(dtype, 300)
    x = x[np.isfinite(x) & (np.abs(x) < (FARTHEST[np.dtype(dtype).char] if name in LIMITED else np.inf))]
    x = x[x > 0] if name == "log" else x[x > -1] if name == "log1p" else x
    made = compiled(ours, (x,), scale=1.0)
    assert kernels_of(ours, x) == 1
    found = made(x)
    with mpmath.workdps(40):
        wanted = [exact(mpmath.mpf(float(value))) for value in x]
        largest = float(np.finfo(dtype).max)
        for y, value in zip(found, wanted, strict=True):
            if abs(value) > largest:
                assert abs(y) >= largest
            else:
                unit = float(np.spacing(np.abs(dtype(float(value)))))
                assert abs(mpmath.mpf(float(y)) - value) <= (ULPS[dtype] + (name in PRODUCTS)) * unit


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(FUNCTIONS))
@np.errstate(all="ignore")
def test_functions_of_zeros_infinities_and_nan(name: str, dtype: Any) -> None:
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    made = compiled(FUNCTIONS[name][0], (x,))
    found = made(x)
    expected = np.array([*ENDS[name], np.nan], dtype)
    np.testing.assert_array_equal(found, expected)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[is_number]), np.signbit(expected[is_number]))


def test_angles_too_large_to_be_reduced_are_numpys() -> None:
    x = np.array([1e30, -1e7, 3.0, np.nan, 12345678.9])
    compiled(lambda x: tnp.sin(x) * tnp.cos(x) + 1, (x,))
    x[:] = 0.5
    compiled(lambda x: tnp.sin(x) * tnp.cos(x) + 1, (x,), (x * 1e9,), (x,))


@np.errstate(all="ignore")
def test_operations_are_numpys_bit_for_bit() -> None:
    special = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e-310, 1e300])
    x, y = (part.ravel() for part in np.meshgrid(special, special))

    def f(x: Array, y: Array) -> Any:
        return (
            *(x + y, x - y, x * y, x / y, -x, tnp.square(x), tnp.sqrt(x), tnp.reciprocal(x), abs(x), tnp.fabs(y)),
            *(tnp.rint(x), tnp.floor(x), tnp.ceil(x), tnp.trunc(x)),
            *(x > y, x >= y, x < y, x <= y, x == y, x != y, (x > 0) & (y > 0), (x > 0) | (y > 0), ~(x > y)),
            *(tnp.where(x > y, x, 2 * y), tnp.where(x != x, 0.0, x), tnp.where(x > 0, 1.0, y)),
        )

    made: Any = tn.compile(f, backend="llvm")
    assert kernels_of(f, x, y) == 1
    for _ in range(3):
        for ours, expected in zip(made(x, y), f(x, y), strict=True):
            np.testing.assert_array_equal(ours, expected)
            assert ours.dtype == expected.dtype
            is_zero = expected == 0
            if ours.dtype != bool:
                np.testing.assert_array_equal(np.signbit(ours[is_zero]), np.signbit(expected[is_zero]))


@np.errstate(all="ignore")
def test_extrema_are_numpys() -> None:
    special = np.array([0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e-310])
    x, y = (part.ravel() for part in np.meshgrid(special, special))
    compiled(lambda x, y: (tnp.maximum(x, y), tnp.minimum(x, y), tn.nn.relu(x) * 1.0), (x, y), scale=0)


def test_what_numpy_computes_in_another_order_of_memory_is_read_in_its_own() -> None:
    x = np.asfortranarray(RNG.normal(size=(4, 5)))

    def f(x: Array) -> Array:
        single = x + 1.0
        return tnp.sum(single, 0) + tnp.exp(single * 2.0) * x

    compiled(f, (x,), (np.ascontiguousarray(x),), (x,))


@np.errstate(all="ignore")
def test_choices_and_powers_are_numpys() -> None:
    special = np.array([0.0, -0.0, 1.5, -2.5, np.inf, -np.inf, np.nan, 1e-310, 1e300, 1e-160])
    x, y = (part.ravel() for part in np.meshgrid(special, special))

    def f(x: Array, y: Array) -> Any:
        return (
            *(tnp.sign(x), tnp.clip(x, -1.0, y), tnp.copysign(x, y), tnp.isnan(x), tnp.isinf(x), tnp.isfinite(y)),
            *(tnp.astype(x > y, x.dtype), tn.elementwise_grad(tnp.arctan)(x), tn.stop_gradient(x) * 1.0),
            *(x**3, x**4, x**-1, x**-2.0, tn.elementwise_grad(abs)(x), tn.elementwise_grad(lambda x: x**3)(y)),
        )

    assert kernels_of(f, x, y) == 1
    compiled(f, (x, y), (y, x))


def test_truth_values_are_numbers_where_they_are_used_as_such() -> None:
    x = np.array([0.0, 1.0, -2.0, np.nan, 3.0, -0.0])

    def f(x: Array, m: Array) -> Any:
        return (
            *(x * m, (x > 0) * x + m, tnp.maximum(m, x), (x > 1) == m, m != 1.0, m < x),
            *(tnp.logical_and(x, m), tnp.logical_or(x, 0.0), tnp.logical_not(x), tnp.where(m, m, x), -(x * True)),
        )

    assert kernels_of(f, x, x > 0) == 1
    compiled(f, (x, x > 0), (x, x < 0))


def test_constants_of_one_element_with_axes() -> None:
    x = RNG.normal(size=(3, 4))
    f = lambda x: tnp.exp(x * np.full((1, 1), 2.0)) + np.ones(1) - np.full((1,), True)  # noqa: E731
    assert kernels_of(f, x) == 1
    compiled(f, (x,), (-x,))


def test_exponents_that_are_not_multiplied_out_are_numpys() -> None:
    x = np.linspace(0.1, 3, 40)
    compiled(lambda x: (x**2.5 + x**7, x**0.5 * 2, 2.0**x), (x,))


# ---- shapes ----


def mixed(x: Array, y: Array) -> Any:
    a = tnp.tanh(x) * y + 0.5
    return a, tnp.where(a > y, a * x, y - 1.0), a > 0.2


@settings(max_examples=30)
@given(data=st.data())
def test_shapes_broadcast(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 19), min_size=1, max_size=3)))
    start = data.draw(st.integers(0, len(shape)))
    own = tuple(length if data.draw(st.booleans()) else 1 for length in shape[start:])
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    x, y = (RNG.normal(size=size).astype(dtype) for size in (shape, own))
    compiled(mixed, (x, y), (y, x))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 15, 16, 17, 33, 64, 2**15 + 5, 2**19 + 3])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_number_of_elements(size: int, dtype: Any) -> None:
    x = np.linspace(-2, 2, size).astype(dtype)
    compiled(mixed, (x, x + 1), (x[::-1], x))


def test_arrays_in_any_order_of_memory_and_numbers() -> None:
    x = RNG.normal(size=(6, 20))
    f = lambda x, s, k: (tnp.exp(x * s) + k, x.T * k - s)  # noqa: E731
    compiled(
        f, (x, np.float64(0.5), 2.0), (np.asfortranarray(x), np.float64(0.25), 3.0), (x[:, ::-1], np.float64(1), 4.0)
    )
    compiled(lambda x, m: tnp.where(m, x, -x) * x, (x, x > 0), (x, x < 0))


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    x = np.linspace(-3, 3, 2**20 + 7, dtype=np.float32).reshape(-1, 1)
    row = np.ones(3, np.float32)
    made: Any = tn.compile(lambda x, row: (tnp.sin(x) * row + x, tnp.exp(x) - x * x), backend="llvm")
    before = tn.num_threads()
    found = []
    try:
        for count in (1, 2, 3):
            tn.set_num_threads(count)
            for _ in range(3):
                result = made(x, row)
            found.append(result)
    finally:
        tn.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


# ---- whole programs ----


@pytest.mark.parametrize("transform", sorted(TRANSFORMS))
@pytest.mark.parametrize("seed", [1, 2])
def test_transforms_of_random_programs(transform: str, seed: int) -> None:
    program, x = program_of(seed)
    f = TRANSFORMS[transform](lambda x: program.run(tnp, x))
    compiled(f, *[varied((x,), factor) for factor in (1.0, 1.01)], scale=2**10, floor=1.0)


def test_a_training_step() -> None:
    optimizer = tn.optim.adam(0.01)

    def step(params: Any, state: Any, x: Array, labels: Array, rng: Any) -> Any:
        def loss(params: Any) -> Array:
            h = tn.nn.dropout(tn.nn.relu(x @ params[0] + params[1]), 0.5, rng)
            return tn.nn.cross_entropy(h @ params[2], labels)

        value, gradients = tn.value_and_grad(loss)(params)
        return *optimizer.update(gradients, state, params), value

    params: Any = [RNG.normal(size=shape).astype(np.float32) for shape in ((5, 9), (9,), (9, 3))]
    made: Any = tn.compile(step, backend="llvm")
    ours = theirs = params
    state = other = optimizer.init(params)
    rngs = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(8):
        x, labels = RNG.normal(size=(6, 5)).astype(np.float32), RNG.integers(0, 3, 6)
        ours, state, value = made(ours, state, x, labels, rngs[0])
        theirs, other, expected = step(theirs, other, x, labels, rngs[1])
        assert_same((ours, value), (theirs, expected), scale=2**8, floor=1.0)


# ---- without it ----


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llvmlite.binding", None)
    with pytest.raises(tn.MissingPackageError, match="backend='llvm': llvmlite must be installed"):
        tn.compile(lambda x: tnp.exp(x) * 2, backend="llvm")


def test_where_arrays_have_another_layout_it_is_numpys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm_code, "finds_data", lambda: False)
    compiled(mixed, (np.ones(5), np.ones(5)))
