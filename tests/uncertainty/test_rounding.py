"""Bounds on rounding errors: above the true error, by mpmath, in textbook cases, and not far above."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import mpmath
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp

mp: Any = mpmath.mp


@pytest.fixture(autouse=True)
def _digits() -> Iterator[None]:
    with mpmath.workdps(80):
        yield


def exact(x: Any) -> Any:
    """The numbers of an array as mpmath's."""
    return [mp.mpf(float(v)) for v in np.ravel(x)]


@attrs.frozen
class Case:
    """A computation.

    Attributes:
        name: as textbooks call it.
        f: of an array.
        formula: the same of a list of mpmath's numbers.
        low, high, size: of the inputs, which are drawn.
        within: how many times the largest true error of the draws the bound may be.
        dtype: of the inputs.
    """

    name: str
    f: Callable[[Any], Any]
    formula: Callable[[Any], Any]
    low: float
    high: float
    within: float
    size: int = 1
    dtype: Any = np.float64


def smaller_root(x: Any) -> Any:
    return (-x[0] + tnp.sqrt(x[0] ** 2 - 4 * x[1])) / 2


def stable_root(x: Any) -> Any:
    return 2 * x[1] / (-x[0] - tnp.sqrt(x[0] ** 2 - 4 * x[1]))


def exact_root(x: Any) -> Any:
    return (-x[0] + mp.sqrt(x[0] ** 2 - 4 * x[1])) / 2


def heron(x: Any) -> Any:
    """A needle: two sides of length 1 and a little more, the third a little more than their difference."""
    a, b, c = 1 + x[0], 1 + x[1] / 2, x[2] * 1e-6 + 1e-5
    s = (a + b + c) / 2
    return s * (s - a) * (s - b) * (s - c)


def kahan(x: Any) -> Any:
    a, b, c = 1 + x[0], 1 + x[1] / 2, x[2] * 1e-6 + 1e-5
    return (a + (b + c)) * (c - (a - b)) * (c + (a - b)) * (a + (b - c)) / 16


WILKINSON = np.poly(np.arange(1.0, 16.0))  # integers that double precision holds


def horner(x: Any) -> Any:
    y: Any = 0.0
    for c in WILKINSON.tolist():
        y = y * x[0] + c
    return y


def exponential_series(x: Any) -> Any:
    term: Any = 1.0
    total: Any = 1.0
    for k in range(1, 90):
        term = term * x[0] / k
        total = total + term
    return total


def integrals(x: Any) -> Any:
    """I_n = 1 - n I_(n-1), which multiplies errors by n!."""
    y = x[0]
    for n in range(1, 15):
        y = 1 - n * y
    return y


def logistic(x: Any) -> Any:
    y = x[0]
    for _ in range(25):
        y = 3.9 * y * (1 - y)
    return y


def exact_logistic(x: Any) -> Any:
    y = x[0]
    for _ in range(25):
        y = mp.mpf(3.9) * y * (1 - y)
    return y


def muller(x: Any) -> Any:
    """Muller's recurrence, whose limit any rounding turns from 5 into 100."""
    before, now = x[0] * 0 + 4.0, x[0]
    for _ in range(8):
        before, now = now, 108 - (815 - 1500 / before) / now
    return now


HILBERT = 1 / (np.arange(5)[:, None] + np.arange(5) + 1.0)


def exact_solve(x: Any) -> Any:
    return list(mp.lu_solve(mp.matrix([exact(row) for row in HILBERT]), mp.matrix(x)))


def exact_inverse(x: Any) -> Any:
    inverse = mp.matrix([[x[0], x[1]], [x[2], x[3]]]) ** -1
    return [inverse[i, j] for i in range(2) for j in range(2)]


def sequence(x: Any) -> Any:
    return mp.fsum(x)


CASES = [
    Case(
        "1 - cos", lambda x: (1 - tnp.cos(x[0])) / x[0] ** 2, lambda x: (1 - mp.cos(x[0])) / x[0] ** 2, 1e-5, 2e-5, 20
    ),
    Case("by half the angle", lambda x: 2 * tnp.sin(x[0] / 2) ** 2, lambda x: 1 - mp.cos(x[0]), 1e-5, 2e-5, 20),
    Case("quadratic formula", smaller_root, exact_root, 1e4, 2e4, 20, 2),
    Case("quadratic formula, stable", stable_root, exact_root, 1e4, 2e4, 20, 2),
    Case("expm1 written out", lambda x: (tnp.exp(x[0]) - 1) / x[0], lambda x: mp.expm1(x[0]) / x[0], 1e-9, 1e-8, 20),
    Case("expm1", lambda x: tnp.expm1(x[0]) / x[0], lambda x: mp.expm1(x[0]) / x[0], 1e-9, 1e-8, 20),
    Case("log1p written out", lambda x: tnp.log(1 + x[0]) / x[0], lambda x: mp.log1p(x[0]) / x[0], 1e-9, 1e-8, 20),
    Case(
        "variance in one pass",
        lambda x: tnp.mean(x**2) - tnp.mean(x) ** 2,
        lambda x: sequence([v**2 for v in x]) / 50 - (sequence(x) / 50) ** 2,
        1e4,
        1.0001e4,
        100,
        50,
    ),
    Case(
        "variance in two passes",
        lambda x: tnp.mean((x - tnp.mean(x)) ** 2),
        lambda x: sequence([v**2 for v in x]) / 50 - (sequence(x) / 50) ** 2,
        1e4,
        1.0001e4,
        100,
        50,
    ),
    Case("var", tnp.var, lambda x: sequence([v**2 for v in x]) / 50 - (sequence(x) / 50) ** 2, 1, 2, 100, 50),
    Case("Heron's formula", heron, heron, 1e-7, 1e-6, 20, 3),
    Case("Kahan's formula", kahan, kahan, 1e-7, 1e-6, 20, 3),
    Case("Wilkinson's polynomial", horner, horner, 9.8, 10.2, 20),
    Case("exp by its series", exponential_series, lambda x: mp.exp(x[0]), -21, -20, 20),
    Case("a recurrence of integrals", integrals, integrals, 0.3, 0.4, 20),
    Case("Muller's recurrence", muller, muller, 4.25, 4.25, 20),
    Case("logistic map", logistic, exact_logistic, 0.3, 0.4, 20),
    Case("sum of many", tnp.sum, sequence, 0, 1, 5e3, 2000),
    Case("sum of many, one by one", lambda x: tnp.cumsum(x)[-1], sequence, 0, 1, 200, 2000),
    Case("sum with cancellation", tnp.sum, sequence, -1, 1, 2e3, 200),
    Case("sum in single precision", tnp.sum, sequence, 0, 1, 400, 200, np.float32),
    Case(
        "dot product",
        lambda x: x[:30] @ x[30:],
        lambda x: sequence([a * b for a, b in zip(x[:30], x[30:], strict=True)]),
        -1,
        1,
        200,
        60,
    ),
    Case(
        "difference of roots",
        lambda x: tnp.sqrt(x[0] + 1) - tnp.sqrt(x[0]),
        lambda x: mp.sqrt(x[0] + 1) - mp.sqrt(x[0]),
        1e9,
        2e9,
        20,
    ),
    Case(
        "difference of squares",
        lambda x: x[0] ** 2 - (x[0] + x[1] * 1e-8) ** 2,
        lambda x: x[0] ** 2 - (x[0] + x[1] * mp.mpf(1e-8)) ** 2,
        1,
        2,
        20,
        2,
    ),
    Case("tan - sin", lambda x: tnp.tan(x[0]) - tnp.sin(x[0]), lambda x: mp.tan(x[0]) - mp.sin(x[0]), 1e-4, 2e-4, 20),
    Case("compound interest", lambda x: (1 + 1 / x[0]) ** x[0], lambda x: (1 + 1 / x[0]) ** x[0], 1e9, 2e9, 20),
    Case(
        "log of a sum of exp",
        lambda x: tnp.log(tnp.sum(tnp.exp(x))),
        lambda x: mp.log(sequence([mp.exp(v) for v in x])),
        -1,
        1,
        20,
        10,
    ),
    Case("norm", tnp.linalg.norm, lambda x: mp.sqrt(sequence([v**2 for v in x])), -1, 1, 30, 20),
    Case("product of many", tnp.prod, lambda x: mp.fprod(x), 0.9, 1.1, 20, 50),
    Case("solve by Hilbert's matrix", lambda x: tnp.linalg.solve(HILBERT, x), exact_solve, 0.5, 1, 20, 5),
    Case("inverse", lambda x: tnp.linalg.inv(x.reshape(2, 2)), exact_inverse, 0.5, 1, 20, 4),
    Case("determinant", lambda x: tnp.linalg.det(x.reshape(2, 2)), lambda x: x[0] * x[3] - x[1] * x[2], 0.5, 1, 20, 4),
]
DRAWS = 20


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_bound_is_above_the_true_error_and_not_far(case: Case) -> None:
    rng = np.random.default_rng(0)
    largest, bounds = 0.0, []
    for _ in range(DRAWS):
        x = rng.uniform(case.low, case.high, case.size).astype(case.dtype)
        report = tn.rounding_error(case.f)(x)
        wanted = case.formula(exact(x))
        for y, bound, formula in zip(
            exact(report.value), np.ravel(report.bound), wanted if isinstance(wanted, list) else [wanted], strict=True
        ):
            error = float(abs(y - formula))
            assert error <= bound
            largest = max(largest, error)
            bounds.append(float(bound))
    assert np.median(bounds) <= case.within * largest


def test_there_are_many_cases() -> None:
    assert len(CASES) >= 30


# ---- what is exact ----


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x[::-1],
        lambda x: -x * 4 / 2,
        lambda x: tnp.maximum(x, 0.5) - 0.5,
        lambda x: tnp.where(x > 0.5, x, -x).reshape(3, 1),
        lambda x: tnp.concatenate([x, x])[tnp.argsort(x)],
        lambda x: tnp.max(x) + 0.0,
        lambda x: tnp.floor(x * 8),
        lambda x: tnp.array([1.0, 2.0]),
    ],
)
def test_what_does_not_round(f: Any) -> None:
    report = tn.rounding_error(f)(np.array([0.25, 0.75, 0.5]))
    assert not np.any(report.bound)
    assert np.shape(report.bound) == np.shape(report.value)
    assert report.worst is None
    assert str(report) == "No operation rounds: the result is exact."


def test_inputs_count_where_they_are_said_to_be_rounded() -> None:
    x = np.array([1.1, 2.0])
    report = tn.rounding_error(lambda x: x[0] - x[1], inputs=True)(x)
    u = 2.0**-53
    np.testing.assert_allclose(report.bound, u * (1.1 + 2.0) + u * 0.9 * (report.bound > 3.2 * u))
    assert report.worst is not None
    assert (report.worst.operation, report.worst.line) == ("input", "the arguments")


# ---- reports ----


def test_a_report_names_the_worst_line_and_where_digits_cancel() -> None:
    def f(x: Any) -> Any:
        c = tnp.cos(x)
        return (1 - c) / x**2

    report = tn.rounding_error(f)(1e-5)
    assert report.worst is not None
    assert report.worst.operation == "cos"
    assert report.worst.share > 0.99
    assert report.relative == report.bound / abs(report.value)
    (cancelled,) = report.cancellations
    assert cancelled.operation == "subtract"
    assert 10 < cancelled.digits < 11
    text = str(report)
    assert text.startswith(
        "y is off by at most 4.4e-06, 8.9e-06 of it: about 5 decimal digits are right.\nWorst is cos in "
    )
    assert "`c = tnp.cos(x)`: 100 % of the bound." in text
    assert "`return (1 - c) / x**2` cancels 10.3 digits." in text
    assert "share    bound  operation  records  line" in text
    assert report._repr_html_().count("<tr>") == 1 + len(report.contributions)


def test_a_loop_is_one_row_of_the_table() -> None:
    report = tn.rounding_error(horner)(np.array([9.9]))
    assert sorted(x.operation for x in report.contributions) == ["add", "multiply"]
    np.testing.assert_allclose(sum(x.bound for x in report.contributions), report.bound)
    np.testing.assert_allclose(sum(x.share for x in report.contributions), 1.0)


def test_the_element_with_the_largest_bound_is_named() -> None:
    report = tn.rounding_error(lambda x: {"a": x, "b": tnp.exp(x).reshape(1, 3)})(np.array([0.0, 1.0, 2.0]))
    assert report.element == "y['b'][0, 2]"
    assert report.bound["a"].tolist() == [0, 0, 0]
    assert report.bound["b"].argmax() == 2


def test_arguments_of_any_structure() -> None:
    report = tn.rounding_error(lambda p, n, *, scale: p["x"] * scale / n)({"x": 0.1}, 3, scale=np.float32(0.3))
    assert report.bound > 0
    assert report.value == 0.1 * np.float32(0.3) / 3


def test_many_elements_go_by_parts() -> None:
    x = np.linspace(0.1, 1, 150)
    np.testing.assert_allclose(tn.rounding_error(tnp.sqrt)(x).bound, 2.0**-53 * np.sqrt(x))


@pytest.mark.parametrize("shape", [(), (0,), (1,), (2, 0)])
def test_small_shapes(shape: tuple[int, ...]) -> None:
    report = tn.rounding_error(tnp.exp)(np.full(shape, 0.5))
    assert np.shape(report.bound) == np.shape(report.value) == shape
    assert isinstance(str(report), str)


def test_infinite_and_undefined_results_have_no_finite_bound() -> None:
    with np.errstate(all="ignore"):
        report = tn.rounding_error(lambda x: tnp.log(x) - tnp.log(x))(0.0)
    assert not np.isfinite(report.bound)
    assert str(report).startswith("y has no finite bound")


@pytest.mark.parametrize(
    "f", [tnp.exp, lambda x: tnp.log(x - 1), lambda x: tnp.arcsin(tnp.tanh(x)), lambda x: tnp.sqrt(x * 0.001 - 1)]
)
def test_an_element_without_a_finite_bound_leaves_the_others_theirs(f: Any) -> None:
    x = np.array([1000.0, 0.0, 30.0])
    with np.errstate(all="ignore"):
        together = tn.rounding_error(f)(x).bound
        alone = [tn.rounding_error(f)(element).bound for element in x]
    assert not np.all(np.isfinite(together))
    np.testing.assert_array_equal(together, alone)


# ---- kinks, where the subgradient is 0 or shared ----

NEARLY_ONE = 0.1 * np.ones(3)  # times 10 it is 1.0 after rounding, and a little more before


@pytest.mark.parametrize(
    "f",
    [
        lambda x: tnp.abs(x * 10 - 1),
        lambda x: tnp.fabs(1 - x * 10),
        lambda x: tn.nn.relu(x * 10 - 1),
        lambda x: tnp.maximum(x * 10, 1),
        lambda x: tnp.fmax(1, x * 10),
        lambda x: -tnp.minimum(-1, -x * 10),
        lambda x: tnp.clip(x * 10, 1, 2),
        lambda x: tnp.hypot(x * 10 - 1, 0),
        lambda x: tnp.max(tnp.stack([x * 10, x * 0 + 1]), axis=0),
        lambda x: -tnp.min(tnp.stack([-x * 10, x * 0 - 1]), axis=0, keepdims=True),
        lambda x: tnp.linalg.norm(tnp.stack([x * 10 - 1, x * 10 - 1]), axis=0) / np.sqrt(2),
        lambda x: tnp.linalg.norm(tnp.stack([x * 10 - 1, 0 * x]), 3, axis=0),
        lambda x: 2 * tnp.std(tnp.stack([x * 10, x * 0 + 1]), axis=0),
    ],
)
def test_an_error_goes_through_a_kink(f: Any) -> None:
    report = tn.rounding_error(f)(NEARLY_ONE)
    error = float(exact(0.1)[0] * 10 - 1)
    assert error > 0
    assert np.all((error <= report.bound) & (report.bound < 20 * error))


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * 0.1,
        lambda x: 0.3 + x,
        lambda x: 1.0 / 3.1 - x,
        lambda x: tnp.abs(x) ** 1.7,
        lambda x: tnp.clip(x, -0.1, 0.1),
        lambda x: tnp.where(x > 0, x, 0.7),
        lambda x: tnp.maximum(x, 0.3),
        lambda x: x * 2049 / 4097,
    ],
)
def test_numbers_are_rounded_to_the_precision_of_arrays_beside_them(f: Any, dtype: Any) -> None:
    x = np.array([0.5, -1.0, 0.25], dtype)
    report = tn.rounding_error(f)(x)
    assert report.value.dtype == dtype
    assert np.all(np.abs(report.value.astype(float) - f(x.astype(float))) <= report.bound)
    assert not np.any(tn.rounding_error(lambda x: tnp.maximum(x * 0.5, 0.25))(x).bound)


def test_derivatives_have_bounds_too() -> None:
    def slope(x: Any) -> Any:
        return tn.grad(lambda x: tnp.sum(tnp.sin(x[:2] ** 2)))(x)

    x = np.array([0.3, 0.4, 0.5])
    report = tn.rounding_error(slope)(x)
    exact_slope = [2 * v * mp.cos(v**2) for v in exact(x[:2])]
    for y, bound, wanted in zip(exact(report.value), report.bound, [*exact_slope, mp.mpf(0)], strict=True):
        assert abs(y - wanted) <= bound
    assert 0 < report.bound[0] < 1e-14


@pytest.mark.parametrize(
    "f", [tnp.linalg.eigvalsh, tnp.linalg.cholesky, lambda x: tnp.linalg.slogdet(x)[1], tn.primitive(tnp.sin, tnp.cos)]
)
def test_operations_without_a_bound_are_named(f: Any) -> None:
    with pytest.raises(
        tn.MissingRuleError, match=r"rounding_error: operations must have a bound .* got \w+ in .*py:\d+"
    ):
        tn.rounding_error(f)(np.eye(2) + 0.1)


def test_every_operation_has_a_bound_or_an_error() -> None:
    for f in (tnp.var, tnp.std, tnp.cumprod, tnp.ptp, tnp.median, tnp.trapezoid, tnp.sinc, tnp.hypot.reduce):
        assert np.all(tn.rounding_error(f)(np.array([0.2, 0.7, 0.5])).bound >= 0)
    for f in (tn.grad(tnp.max), lambda x: tn.nn.binary_cross_entropy(x, np.ones(3))):
        assert np.all(tn.rounding_error(f)(np.array([0.2, 0.7, 0.5])).bound >= 0)
    for f in (tn.nn.softmax, tn.nn.log_softmax, tn.nn.sigmoid, tn.nn.gelu, lambda x: tnp.convolve(x, x)):
        assert np.all(tn.rounding_error(f)(np.array([0.2, 0.7, 0.5])).bound > 0)


def test_wrong_arguments() -> None:
    with pytest.raises(tn.ArgumentTypeError, match=r"rounding_error: args\[0\]\[0\] must be real; got complex 1j"):
        tn.rounding_error(tnp.abs)(1j)
    with pytest.raises(tn.ArgumentError, match="arguments must hold a real floating number; got none"):
        tn.rounding_error(tnp.abs)(3)
    with pytest.raises(tn.ArgumentTypeError, match="y must be real; got a Tensor"):
        tn.rounding_error(lambda x: x * 1j)(1.0)
    with pytest.raises(
        tn.ArgumentTypeError, match=r"on the way must be real; got complex ones of multiply in .*py:\d+"
    ):
        tn.rounding_error(lambda x: tnp.abs(x * 1j * x))(1.0)
    with pytest.raises(tn.ArgumentTypeError, match="must be plain; got a Tensor"):
        tn.grad(lambda x: tn.rounding_error(tnp.exp)(x).bound)(1.0)


# ---- rules of operations, in single precision beside double ----

SQUARE = (4, 4)
OPERATIONS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "sum along an axis": (lambda x: tnp.sum(x, 0), (30, 3)),
    "mean": (lambda x: tnp.mean(x, 1), (3, 30)),
    "cumsum": (lambda x: tnp.cumsum(x, 0), (20, 2)),
    "cumprod": (tnp.cumprod, (12,)),
    "prod": (lambda x: tnp.prod(x, 0), (12, 2)),
    "var": (lambda x: tnp.var(x + 10, 0, ddof=1), (20, 2)),
    "std": (lambda x: tnp.std(x + 10, 1), (2, 20)),
    "std of nearly equal numbers": (lambda x: tnp.std(1 + x * 1e-5), (20,)),
    "norm": (lambda x: tnp.linalg.norm(x, axis=0), (20, 2)),
    "norm of order 3": (lambda x: tnp.linalg.norm(x, 3), (20,)),
    "matmul": (lambda x: x @ x.T, (3, 20)),
    "einsum of three": (lambda x: tnp.einsum("ij,kj,j->ik", x, x, x[0]), (3, 10)),
    "convolve": (lambda x: tnp.convolve(x, x), (10,)),
    "solve": (lambda x: tnp.linalg.solve(x + 3 * np.eye(4, dtype=x.dtype), x[0]), SQUARE),
    "inv": (lambda x: tnp.linalg.inv(x), SQUARE),
    "det": (lambda x: tnp.linalg.det(x), SQUARE),
    "softmax": (lambda x: tn.nn.softmax(5 * x), (3, 10)),
    "log_softmax": (lambda x: tn.nn.log_softmax(5 * x), (3, 10)),
    "log of a sum": (lambda x: tnp.logaddexp.reduce(x), (10,)),
    "sinc": (lambda x: tnp.sinc(5 * x), (20,)),
    "powers": (lambda x: tnp.abs(x) ** 1.7 + x**3, (20,)),
    "trigonometric": (lambda x: tnp.tan(x) - tnp.arctan2(x, 2 - x) + tnp.hypot(x, 1) * tnp.arcsin(x), (20,)),
    "hyperbolic": (lambda x: tnp.tanh(x) * tnp.sinh(x) - tnp.arctanh(x / 2), (20,)),
    "exponential": (lambda x: tnp.expm1(x) / tnp.exp2(x) + tnp.log1p(x / 2) * tnp.cbrt(x), (20,)),
    "activations": (lambda x: tn.nn.gelu(x) + tn.nn.sigmoid(x) * tn.nn.softplus(x), (20,)),
    "differences": (lambda x: tnp.diff(x, 3), (20,)),
    "dense": (lambda x: tn.nn.dense(x[:2], x[2:7].T, x[7, :5]), (8, 9)),
    "trapezoid": (tnp.trapezoid, (20,)),
    "gradient of a sum": (tn.grad(lambda x: tnp.sum(tnp.sin(x[[0, 1, 1, 2]]) ** 2)), (5,)),
    "scattered": (lambda x: tn.at(x)[np.array([0, 0, 1])].add(x[:3] / 3), (5,)),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_bounds_in_single_precision(name: str) -> None:
    f, shape = OPERATIONS[name]
    rng = np.random.default_rng(0)
    largest, bounds = 0.0, []
    for _ in range(5):
        x = rng.uniform(-1, 1, shape).astype(np.float32)
        report = tn.rounding_error(f)(x)
        error = np.abs(np.asarray(report.value, float) - f(x.astype(float)))
        assert report.value.dtype == np.float32
        assert (error <= report.bound).all()
        largest = max(largest, float(np.max(error)))
        bounds.append(np.median(report.bound))
    assert np.median(bounds) < 100 * largest
