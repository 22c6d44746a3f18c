"""numpy.linalg on Tensors: values as NumPy's over the arguments, derivatives in both modes, by name and by dispatch."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as hnp

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.numpy.protocol import counterpart
from tapenet.testing import check_grads

Array = Any
Function = Callable[..., Any]

RNG = np.random.default_rng(7)


def gaussian(*shape: int, dtype: Any = float) -> Array:
    x = RNG.standard_normal(shape)
    return (x + 1j * RNG.standard_normal(shape) if np.dtype(dtype).kind == "c" else x).astype(dtype)


def well_conditioned(*shape: int, dtype: Any = float) -> Array:
    """Matrices with singular values 1, 1.7, 2.4, ..."""
    u, _, vh = np.linalg.svd(gaussian(*shape, dtype=dtype), full_matrices=False)
    return u * (1 + 0.7 * np.arange(u.shape[-1])) @ vh


SQUARE, STACK, COMPLEX = well_conditioned(3, 3), well_conditioned(2, 3, 3), well_conditioned(2, 3, 3, dtype=complex)
TALL, WIDE = well_conditioned(4, 2), well_conditioned(2, 4)
POSITIVE = STACK @ STACK.mT
HERMITIAN = COMPLEX @ COMPLEX.mT.conj()
RANK_1 = np.outer([1.0, 2.0, -1.0], [0.5, 1.0])

# What stands for numpy or for tapenet.numpy is given by `la`, its linalg. Each gives an array or a tuple of them.
CASES: dict[str, tuple[Function, tuple[Array, ...]]] = {
    "inv": (lambda la, a: la.inv(a), (SQUARE,)),
    "inv stack": (lambda la, a: la.inv(a), (COMPLEX,)),
    "inv empty": (lambda la, a: la.inv(a), (np.zeros((0, 0)),)),
    "det": (lambda la, a: la.det(a), (SQUARE,)),
    "det stack": (lambda la, a: la.det(a), (COMPLEX,)),
    "det empty": (lambda la, a: la.det(a), (np.zeros((2, 0, 0)),)),
    "slogdet": (lambda la, a: la.slogdet(a), (SQUARE,)),
    "slogdet complex": (lambda la, a: la.slogdet(a), (COMPLEX,)),
    "solve vector": (lambda la, a, b: la.solve(a, b), (STACK, gaussian(3))),
    "solve matrix": (lambda la, a, b: la.solve(a, b), (COMPLEX, gaussian(3, 2))),
    "solve constant": (lambda la, b: la.solve(SQUARE, b), (gaussian(2, 3, 1),)),
    "tensorsolve": (lambda la, a, b: la.tensorsolve(a, b), (well_conditioned(6, 6).reshape(2, 3, 6), gaussian(2, 3))),
    "tensorsolve axes": (
        lambda la, a, b: la.tensorsolve(a, b, axes=(0, 2)),
        (well_conditioned(6, 6).reshape(6, 2, 3).transpose(1, 0, 2), gaussian(6)),
    ),
    "tensorinv": (lambda la, a: la.tensorinv(a), (well_conditioned(6, 6).reshape(2, 3, 6),)),
    "tensorinv ind": (lambda la, a: la.tensorinv(a, ind=1), (well_conditioned(6, 6).reshape(6, 3, 2),)),
    "pinv": (lambda la, a: la.pinv(a), (TALL,)),
    "pinv complex": (lambda la, a: la.pinv(a), (gaussian(2, 2, 3, dtype=complex),)),
    "pinv rcond": (lambda la, a: la.pinv(a, 0.5), (np.diag([4.0, 3.0, 0.5]) + 0.1 * SQUARE,)),
    "pinv rconds": (lambda la, a: la.pinv(a, np.array([0.0, 0.01])), (STACK,)),
    "pinv rtol": (lambda la, a: la.pinv(a, rtol=None), (TALL,)),
    "pinv hermitian": (lambda la, a: la.pinv(a, hermitian=True), (HERMITIAN,)),
    "pinv empty": (lambda la, a: la.pinv(a), (np.zeros((0, 3)),)),
    "lstsq tall": (lambda la, a, b: la.lstsq(a, b), (TALL, gaussian(4))),
    "lstsq tall, several": (lambda la, a, b: la.lstsq(a, b), (TALL, gaussian(4, 3))),
    "lstsq wide": (lambda la, a, b: la.lstsq(a, b), (WIDE, gaussian(2))),
    "lstsq complex": (lambda la, a, b: la.lstsq(a, b), (gaussian(4, 2, dtype=complex), gaussian(4, 1, dtype=complex))),
    "lstsq cutoff": (lambda la, a, b: la.lstsq(a, b, 0.5), (np.diag([4.0, 3.0, 0.5]) + 0.1 * SQUARE, gaussian(3))),
    "lstsq constant a": (lambda la, b: la.lstsq(TALL, b)[:2], (gaussian(4),)),
    "cholesky": (lambda la, a: la.cholesky(a), (POSITIVE,)),
    "cholesky upper": (lambda la, a: la.cholesky(a, upper=True), (HERMITIAN,)),
    "qr": (lambda la, a: la.qr(a), (TALL,)),
    "qr stack": (lambda la, a: la.qr(a), (COMPLEX,)),
    "qr wide": (lambda la, a: la.qr(a), (WIDE,)),
    "qr r": (lambda la, a: la.qr(a, "r"), (TALL,)),
    "qr complete": (lambda la, a: la.qr(a, mode="complete"), (gaussian(3, 2),)),
    "svd": (lambda la, a: la.svd(a, full_matrices=False), (TALL,)),
    "svd square": (lambda la, a: la.svd(a), (STACK,)),
    "svd values": (lambda la, a: la.svd(a, compute_uv=False), (COMPLEX,)),
    "svd hermitian": (lambda la, a: la.svd(a, hermitian=True), (POSITIVE - 2 * np.eye(3),)),
    "svd hermitian values": (lambda la, a: la.svd(a, compute_uv=False, hermitian=True), (HERMITIAN - 2 * np.eye(3),)),
    "svd empty": (lambda la, a: la.svd(a), (np.zeros((0, 3)),)),
    "svdvals": (lambda la, a: la.svdvals(a), (gaussian(2, 2, 3, dtype=complex),)),
    "eig": (lambda la, a: la.eig(a), (np.diag([1.0, 2.0, 3.0]) + 0.2 * SQUARE,)),
    "eig of a rotation": (lambda la, a: la.eig(a), (np.array([[1.0, 0.5, 0], [-1, 0.8, 0.2], [0, 0.3, 3]]),)),
    "eigvals": (lambda la, a: la.eigvals(a), (np.diag([1.0, 2.0, 3.0]) + 0.1 * COMPLEX,)),
    "eigh": (lambda la, a: la.eigh(a), (POSITIVE,)),
    "eigh upper": (lambda la, a: la.eigh(a, UPLO="u"), (POSITIVE,)),
    "eigh empty": (lambda la, a: la.eigh(a), (np.zeros((0, 0)),)),
    "eigvalsh": (lambda la, a: la.eigvalsh(a), (HERMITIAN,)),
    "eigvalsh upper": (lambda la, a: la.eigvalsh(a, "U"), (HERMITIAN,)),
    "matrix_norm": (lambda la, a: la.matrix_norm(a), (COMPLEX,)),
    "matrix_norm nuc": (lambda la, a: la.matrix_norm(a, ord="nuc", keepdims=True), (STACK,)),
    "vector_norm": (lambda la, a: la.vector_norm(a), (COMPLEX,)),
    "vector_norm axis": (lambda la, a: la.vector_norm(a, axis=1, ord=1), (STACK,)),
    "vector_norm axes": (lambda la, a: la.vector_norm(a, axis=(2, 0), ord=3, keepdims=True), (STACK,)),
    "cond": (lambda la, a: la.cond(a), (gaussian(2, 3, 2, dtype=complex),)),
    **{
        f"cond {p}": (lambda la, a, p=p: la.cond(a, p), (STACK,)) for p in (2, -2, 1, -1, np.inf, -np.inf, "fro", "nuc")
    },
    **{f"matrix_power {n}": (lambda la, a, n=n: la.matrix_power(a, n), (COMPLEX,)) for n in (0, 1, 2, 3, 6, -1, -3)},
    "multi_dot 2": (lambda la, *xs: la.multi_dot(xs), (gaussian(2, 3), gaussian(3, 4))),
    "multi_dot 3": (lambda la, *xs: la.multi_dot(xs), (gaussian(3), gaussian(3, 4), gaussian(4))),
    "multi_dot 4": (
        lambda la, *xs: la.multi_dot(xs),
        (gaussian(5, 2), gaussian(2, 6), gaussian(6, 1), gaussian(1, 3)),
    ),
    "multi_dot rows": (lambda la, *xs: la.multi_dot(xs), (gaussian(3), gaussian(3, 4), gaussian(4, 2))),
    "multi_dot columns": (lambda la, *xs: la.multi_dot(xs), (gaussian(2, 3), gaussian(3, 4), gaussian(4))),
    "cross": (lambda la, a, b: la.cross(a, b), (gaussian(2, 1, 3), gaussian(4, 3))),
    "cross axis": (lambda la, a, b: la.cross(a, b, axis=0), (gaussian(3, 2), gaussian(3, 2))),
    "vecdot": (lambda la, a, b: la.vecdot(a, b), (gaussian(2, 3, dtype=complex), gaussian(3, dtype=complex))),
    "vecdot axis": (lambda la, a, b: la.vecdot(a, b, axis=0), (gaussian(3, 2), gaussian(3, 1))),
    "outer": (lambda la, a, b: la.outer(a, b), (gaussian(2), gaussian(3))),
    "matmul": (lambda la, a, b: la.matmul(a, b), (STACK, gaussian(3))),
    "tensordot": (lambda la, a, b: la.tensordot(a, b, axes=1), (gaussian(2, 3), gaussian(3, 2))),
    "diagonal": (lambda la, a: la.diagonal(a, offset=1), (STACK,)),
    "trace": (lambda la, a: la.trace(a, offset=-1), (STACK,)),
    "matrix_transpose": (lambda la, a: la.matrix_transpose(a), (STACK,)),
}

over_all_cases = pytest.mark.parametrize(("function", "arrays"), CASES.values(), ids=CASES)


def as_tuple(result: Any) -> tuple[Any, ...]:
    return result if isinstance(result, tuple) else (result,)


@over_all_cases
@pytest.mark.parametrize("namespace", [np.linalg, tnp.linalg], ids=["numpy", "tapenet"])
def test_values_on_a_tape_are_those_of_numpy(function: Function, arrays: tuple[Array, ...], namespace: Any) -> None:
    expected = function(np.linalg, *arrays)
    with tn.GradientTape() as tape:
        found = function(namespace, *tape.watch(arrays))
    assert type(found) is type(expected) or type(found) is tn.Tensor
    for got, reference in zip(as_tuple(found), as_tuple(expected), strict=True):
        assert np.shape(got) == np.shape(reference)
        assert np.asarray(got).dtype == np.asarray(reference).dtype
        np.testing.assert_allclose(np.asarray(got), reference, rtol=1e-10, atol=1e-12)


@over_all_cases
def test_off_the_tape_results_are_numpys_own(function: Function, arrays: tuple[Array, ...]) -> None:
    expected, found = function(np.linalg, *arrays), function(tnp.linalg, *arrays)
    assert type(found) is type(expected)
    for got, reference in zip(as_tuple(found), as_tuple(expected), strict=True):
        assert type(got) is type(reference)
        np.testing.assert_array_equal(got, reference)


def differentiable(result: Any) -> Any:
    return [x for x in as_tuple(result) if x.dtype.kind in "fc"]


@over_all_cases
def test_derivatives_agree_with_finite_differences(function: Function, arrays: tuple[Array, ...]) -> None:
    check_grads(lambda *xs: differentiable(function(tnp.linalg, *xs)), arrays, order=2)


@over_all_cases
def test_single_precision_stays(function: Function, arrays: tuple[Array, ...]) -> None:
    single = tuple(x.astype(np.complex64 if x.dtype.kind == "c" else np.float32) for x in arrays)
    expected = function(np.linalg, *single)
    with tn.GradientTape() as tape:
        watched = tape.watch(single)
        found = function(tnp.linalg, *watched)
    for got, reference in zip(as_tuple(found), as_tuple(expected), strict=True):
        assert np.asarray(got).dtype == np.asarray(reference).dtype
    first = next(x for x in as_tuple(found) if isinstance(x, tn.Tensor))
    for gradient in tape.gradient(first, watched, np.ones(first.shape, first.dtype), unconnected="zero"):
        assert gradient.dtype in (np.float32, np.complex64)


@over_all_cases
def test_mapping_over_a_batch_is_going_through_it(function: Function, arrays: tuple[Array, ...]) -> None:
    batches = [np.stack([x, x * 1.1, x + 0.02 * x * x]) for x in arrays]

    def values_and_gradients(*xs: Array) -> Any:
        values, pullback = tn.vjp(lambda *xs: differentiable(function(tnp.linalg, *xs)), *xs)
        return values, pullback([np.ones(x.shape, x.dtype) for x in values])

    mapped = tree_leaves(tn.vmap(values_and_gradients)(*batches))
    each = [tree_leaves(values_and_gradients(*xs)) for xs in zip(*batches, strict=True)]
    for got, references in zip(mapped, zip(*each, strict=True), strict=True):
        np.testing.assert_allclose(got, np.stack(references), rtol=1e-9, atol=1e-11)


# ---- norm over its arguments ----

ORDERS = [None, 0, 1, 2, 3, 2.5, -1, -2, np.inf, -np.inf]
MATRIX_ORDERS = [None, "fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@given(
    x=hnp.arrays(
        np.float64, hnp.array_shapes(max_dims=3, max_side=3), elements=st.sampled_from([-2.5, -1.0, 0.5, 3.0])
    ),
    data=st.data(),
)
def test_norm_is_numpys_over_orders_and_axes(x: Array, data: st.DataObject) -> None:
    several = x.ndim > 1 and data.draw(st.booleans())
    axis: Any = tuple(data.draw(st.permutations(range(x.ndim)))[: 2 if several else 1])
    axis = axis[0] if not several and data.draw(st.booleans()) else axis
    ord = data.draw(st.sampled_from(MATRIX_ORDERS if several else ORDERS))
    keepdims = data.draw(st.booleans())
    if data.draw(st.booleans()):
        x = x + 1j * x[::-1]
    expected = np.linalg.norm(x, ord, axis, keepdims)
    with tn.GradientTape() as tape:
        found = np.linalg.norm(tape.watch(x), ord, axis, keepdims)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-12, atol=1e-14)
    assert np.asarray(found).dtype == expected.dtype


@pytest.mark.parametrize("ord", ORDERS[:7] + ORDERS[8:], ids=str)
def test_norm_of_vectors_has_derivatives(ord: Any) -> None:
    check_grads(lambda x: tnp.linalg.norm(x, ord, axis=0), (np.array([[0.5, -1.2], [2.0, 0.9]]),))
    check_grads(lambda x: tnp.linalg.norm(x, ord, axis=0), (np.array([[0.5 + 1j, -1.2], [2.0, 0.9j - 2]]),))


def norms_are_smooth(x: Array) -> bool:
    """Whether elements, sums over rows and columns and singular values are away from 0 and from each other."""
    magnitudes = np.abs(x)
    sums = (magnitudes.sum(-1), magnitudes.sum(-2), np.linalg.svdvals(x))
    return bool(magnitudes.min() > 0.1) and all(
        np.min(values) > 0.2 and np.min(np.diff(np.sort(values))) > 0.1 for values in sums
    )


@pytest.mark.parametrize("ord", MATRIX_ORDERS, ids=str)
@pytest.mark.parametrize("axis", [(0, 1), (2, 0), (-1, -2)], ids=str)
def test_norm_of_matrices_has_derivatives(ord: Any, axis: tuple[int, int], rng: np.random.Generator) -> None:
    drawn = (rng.standard_normal((3, 2, 2)) for _ in range(10**4))
    x = next(x for x in drawn if norms_are_smooth(np.moveaxis(x, axis, (-2, -1))))
    check_grads(lambda x: tnp.linalg.norm(x, ord, axis, keepdims=True), (x,))


def test_norm_takes_empty_arrays_and_lists() -> None:
    with tn.GradientTape() as tape:
        empty = tape.watch(np.zeros((0, 2)))
        for ord in (1, np.inf, 3, None):
            np.testing.assert_array_equal(tnp.linalg.norm(empty, ord, axis=0).value, np.zeros(2))
        x = tape.watch(3.0)
        y = tnp.linalg.norm([x, 4.0])
    assert y.value == 5.0
    assert tape.gradient(y, x) == pytest.approx(0.6)


# ---- the namespace ----


def test_every_public_function_of_numpys_is_there_and_is_found_by_dispatch() -> None:
    theirs = {name for name in dir(np.linalg) if not name.startswith("_") and name != "test"}
    ours = {name for name in dir(tnp.linalg) if not name.startswith("_")}
    assert {name for name in theirs if not inspect.ismodule(getattr(np.linalg, name))} <= ours
    assert tnp.linalg.LinAlgError is np.linalg.LinAlgError
    for name in theirs & ours - {"LinAlgError"}:
        assert counterpart(getattr(np.linalg, name)) is getattr(tnp.linalg, name)


def test_parameters_are_named_as_numpys_are() -> None:
    for name in dir(tnp.linalg):
        ours, theirs = getattr(tnp.linalg, name), getattr(np.linalg, name, None)
        if inspect.isfunction(ours) and inspect.isfunction(theirs) and name != "matmul":
            assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


def test_matrix_rank_is_plain() -> None:
    with tn.GradientTape() as tape:
        assert np.linalg.matrix_rank(tape.watch(RANK_1)) == 1


def test_the_namespace_is_there_without_its_own_import() -> None:
    code = "import tapenet.numpy as tnp, numpy as np; assert tnp.linalg.det(np.eye(2)) == 1; tnp.fft.fft(np.ones(2))"
    subprocess.run([sys.executable, "-c", code], check=True)
