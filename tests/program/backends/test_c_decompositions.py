"""Decompositions in C, of matrices of all shapes and dtypes, easy and hard ones: NumPy's, and by what they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tests.program.backends.c_library import Compiled, needs_compiler

Array = Any
DTYPES = (np.float64, np.float32, np.complex128, np.complex64)
FUNCTIONS: dict[str, Any] = {
    "svd": tnp.linalg.svd,
    "svd_reduced": lambda a: tnp.linalg.svd(a, full_matrices=False),
    "svdvals": tnp.linalg.svdvals,
    "qr": tnp.linalg.qr,
    "qr_complete": lambda a: tnp.linalg.qr(a, "complete"),
}
SQUARE: dict[str, Any] = {"det": tnp.linalg.det, "slogdet": tnp.linalg.slogdet}
HERMITIAN: dict[str, Any] = {
    "eigh": tnp.linalg.eigh,
    "eigh_upper": lambda a: tnp.linalg.eigh(a, "U"),
    "eigvalsh": tnp.linalg.eigvalsh,
}


def matrices(dtype: Any) -> dict[str, Array]:
    """Matrices: random ones of all shapes, singular ones, graded ones, very large and very small ones."""
    rng = np.random.default_rng(0)

    def random(*shape: int) -> Array:
        x = rng.normal(size=shape)
        return (x + 1j * rng.normal(size=shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)

    limit = dtype(float(np.finfo(dtype).max) ** 0.95)
    shapes = ((1, 1), (1, 3), (3, 1), (4, 4), (7, 3), (3, 7), (12, 12), (0, 3), (3, 0), (0, 0), (2, 3, 4, 3), (0, 2, 2))
    found = {f"random {shape}": random(*shape) for shape in shapes}
    return found | {
        "zeros": np.zeros((4, 3), dtype),
        "ones": np.ones((4, 4), dtype),
        "identity": np.eye(4, dtype=dtype),
        "rank 2": random(6, 2) @ random(2, 5),
        "large": random(5, 5) * limit,
        "small": random(5, 5) / limit,
        "graded": np.diag(10.0 ** -np.arange(0, 12)).astype(dtype),
        "hilbert": (1 / (1 + np.add.outer(np.arange(8), np.arange(8)))).astype(dtype),
        "triangular": np.triu(random(5, 5)),
    }


def adjoint(x: Array) -> Array:
    return np.conj(np.swapaxes(x, -1, -2))


@pytest.fixture(scope="module", params=DTYPES, ids=lambda dtype: dtype.__name__)
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """For each function the matrices, what C gives, and what NumPy does."""
    given = matrices(request.param)
    square = {name: a for name, a in given.items() if a.shape[-1] == a.shape[-2]}
    halves = {name: (a / 2 + adjoint(a / 2)) for name, a in square.items()}
    tables = ((FUNCTIONS, given), (SQUARE, square), (HERMITIAN, halves))
    calls = [(name, f, list(of.values())) for functions, of in tables for name, f in functions.items()]
    with np.errstate(all="ignore"):  # determinants that overflow
        programs = {name: tn.compile(_of_each).lower(f, arrays) for name, f, arrays in calls}
        expected = {name: [f(a) for a in arrays] for name, f, arrays in calls}
    folder = tmp_path_factory.mktemp("c")
    library = Compiled(folder, {name: program.to_c(name) for name, program in programs.items()})
    found: dict[str, list[Any]] = {}
    for name, _, arrays in calls:
        returned, outs = library.call(name, programs[name], arrays)
        assert returned == 0
        wanted = [x if isinstance(x, tuple) else (x,) for x in expected[name]]
        remaining = iter(outs)
        found[name] = [(a, [next(remaining) for _ in x], x) for a, x in zip(arrays, wanted, strict=True)]
    return found


def _of_each(f: Any, arrays: list[Array]) -> list[Any]:
    return [f(a) for a in arrays]


def assert_small(error: Array, a: Array) -> None:
    """An error is a few roundings of each row of a matrix whose largest element is 1."""
    assert np.max(np.abs(error), initial=0) <= 8 * max(1, *a.shape[-2:]) * np.finfo(a.dtype).eps


def scale_of(a: Array) -> Any:
    return np.max(np.abs(a), initial=0) or 1


def assert_orthonormal(q: Array) -> None:
    assert_small(adjoint(q) @ q - np.eye(q.shape[-1]), q)


def largest_of(v: Array) -> Array:
    """The largest element of each column."""
    return np.take_along_axis(v, np.argmax(np.abs(v), -2, keepdims=True), -2) if v.size else v


@needs_compiler
def test_singular_values_and_vectors(results: dict[str, list[Any]]) -> None:
    for a, (u, s, vh), expected in (*results["svd"], *results["svd_reduced"]):
        k, scale = s.shape[-1], scale_of(a)
        assert (u.shape, s.shape, vh.shape) == tuple(x.shape for x in expected)
        assert_orthonormal(u)
        assert_orthonormal(adjoint(vh))
        assert_small(u[..., :k] * (s / scale)[..., None, :] @ vh[..., :k, :] - a / scale, a)
        assert_small((s - expected[1]) / scale, a)
        assert_small(largest_of(u)[..., :k] - np.abs(largest_of(u))[..., :k], a)
    for a, (s,), expected in results["svdvals"]:
        assert_small((s - expected[0]) / scale_of(a), a)


@needs_compiler
def test_qr_factors_have_the_signs_of_lapack(results: dict[str, list[Any]]) -> None:
    for a, (q, r), expected in (*results["qr"], *results["qr_complete"]):
        scale = scale_of(a)
        assert (q.shape, r.shape) == tuple(x.shape for x in expected)
        assert_orthonormal(q)
        assert_small(q @ (r / scale) - a / scale, a)
        assert_small((r - expected[1]) / scale, a)
        assert np.all(np.triu(r) == r)


@needs_compiler
def test_eigenvalues_and_vectors_of_hermitian_matrices(results: dict[str, list[Any]]) -> None:
    for a, (w, v), expected in (*results["eigh"], *results["eigh_upper"]):
        scale = scale_of(a)
        assert_orthonormal(v)
        assert_small(v * (w / scale)[..., None, :] @ adjoint(v) - a / scale, a)
        assert_small((w - expected[0]) / scale, a)
        assert_small(largest_of(v) - np.abs(largest_of(v)), a)
    for a, (w,), expected in results["eigvalsh"]:
        assert_small((w - expected[0]) / scale_of(a), a)


@needs_compiler
def test_determinants(results: dict[str, list[Any]]) -> None:
    for (a, (det,), expected), (_, (sign, size), (sign_expected, size_expected)) in zip(
        results["det"], results["slogdet"], strict=True
    ):
        with np.errstate(all="ignore"):
            condition = min(np.max(np.linalg.cond(a)), 1 / np.finfo(a.dtype).eps) if a.size else 1
        bound = 64 * np.finfo(a.dtype).eps * condition
        np.testing.assert_allclose(det, expected[0], rtol=bound, atol=0)
        np.testing.assert_allclose(sign, sign_expected, rtol=bound)
        np.testing.assert_allclose(size, size_expected, rtol=bound, atol=bound)


@needs_compiler
@pytest.mark.parametrize("function", ["eigh", "svd"])
@pytest.mark.parametrize("x", [np.nan, np.inf])
def test_what_is_not_finite_is_returned(function: str, x: float, tmp_path: Path) -> None:
    program = tn.compile((FUNCTIONS | HERMITIAN)[function]).lower(np.eye(3))
    library = Compiled(tmp_path, {"decomposed": program.to_c("decomposed")})
    assert library.call("decomposed", program, [np.where(np.eye(3) > 0, x, 0.0)])[0] == 3
