"""Panels: products with one matrix give the same answers as one by one, in one pass over it, whatever its layout."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.kernels import threads
from tapenet.kernels.machine_code import processor
from tapenet.program.backends import llvm_code
from tapenet.program.backends.llvm import panel_calls, panel_code
from tapenet.program.backends.llvm.kernel_code import can_join
from tapenet.program.backends.llvm.panel_calls import Parts
from tapenet.program.fusion import vector_products
from tapenet.program.fusion.closing import opened
from tapenet.program.fusion.panels import Panels
from tapenet.program.passes import optimized
from tests.program.comparing import assert_compiles, assert_same, compiled_quietly
from tests.program.passes.test_passes import recorded

pytest.importorskip("llvmlite")

pytestmark = pytest.mark.skipif(not processor().vector_size, reason="a processor without vectors")

Array = Any
RNG = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small_panels(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Small matrices are cut, into many panels and many parts, which threads share."""
    for name in ("SMALLEST", "SMALLEST_IN_STRETCH"):
        monkeypatch.setattr(vector_products, name, 1)
    for name, size in (("PANEL_OF_ROWS", 2**9), ("PANEL_OF_COLUMNS", 2**10), ("PART", 2**12)):
        monkeypatch.setattr(panel_calls, name, size)
    monkeypatch.setattr(threads, "WORTH_SHARING", 2**10)
    before = tn.set_num_threads(3)
    yield
    tn.set_num_threads(before)


def panels_in(f: Any, *args: Array) -> list[Panels]:
    """The panels of a function's program."""
    program = optimized(recorded(f, *args)[0])
    steps = llvm_code._Code.of(opened(program, functools.partial(can_join, program))).steps
    return [step for step in steps if isinstance(step, Panels)]


# ---- programs of products with one matrix ----


def logistic(x: Array, y: Array) -> Callable[[Array], Array]:
    return lambda w: tnp.log1p(tnp.exp(-y * (x @ w))).mean()


def squares(x: Array, y: Array) -> Callable[[Array], Array]:
    return lambda w: ((x @ w - y) ** 2).sum()


def poisson(x: Array, y: Array) -> Callable[[Array], Array]:
    return lambda w: (tnp.exp(w @ x.T) - y * (x @ w)).mean() + 0.1 * (w * w).sum()


def column(x: Array, y: Array) -> Callable[[Array], Array]:
    """A linear layer of one unit: the weights are a matrix of one column."""
    return lambda w: ((tnp.tanh(x @ w[:, None] + 0.5) - y[:, None]) ** 2).sum()


def layer(x: Array, y: Array) -> Callable[[Array], Array]:
    return lambda w: ((tn.nn.dense(x, w[:, None], w[:1]) - y[:, None]) ** 2).sum()


def summed(x: Array, y: Array) -> Callable[[Array], Array]:
    """Products by einsum, of which the second reads the transpose."""
    return lambda w: tnp.exp(tnp.einsum("ij,j->i", x, w) * y).sum() + tnp.einsum("i,ji->j", w, x)[0]


def contracted(x: Array, y: Array) -> Callable[[Array], Array]:
    """A product whose result and cotangent are shown in other shapes."""
    return lambda w: (tnp.tanh(tnp.tensordot(x, w, 1) - y) ** 2).sum()


LOSSES = (logistic, squares, poisson, column, layer, summed, contracted)


def gradient(loss: Any, w: Array, v: Array) -> Any:
    return tn.grad(loss)(w)


def with_value(loss: Any, w: Array, v: Array) -> Any:
    return tn.value_and_grad(loss)(w)


def curvature(loss: Any, w: Array, v: Array) -> Any:
    return tn.hvp(loss)(w, v)


def several(loss: Any, w: Array, v: Array) -> Any:
    return tn.vmap(tn.grad(loss))(tnp.stack([w, v, w - v]))


def forward(loss: Any, w: Array, v: Array) -> Any:
    return tn.jvp(tn.grad(loss), (w,), (v,))


TRANSFORMS = (gradient, with_value, curvature, several, forward)


def laid(x: Array, layout: str) -> Array:
    """The same matrix in another layout."""
    rows, columns = x.shape
    if layout == "fortran":
        return np.asfortranarray(x)
    if layout == "wide rows":
        return np.concatenate([x, x], axis=1)[:, :columns]
    if layout == "tall columns":
        return np.asfortranarray(np.concatenate([x, x], axis=0))[:rows]
    if layout == "strided":
        return np.repeat(np.repeat(x, 2, 0), 2, 1)[::2, ::2]
    if layout == "backward":
        return x[::-1].copy()[::-1]
    if layout == "one row":
        return np.broadcast_to(x[:1], x.shape)
    return x


LAYOUTS = ("c", "fortran", "wide rows", "tall columns", "strided", "backward", "one row")
SIDES = st.one_of(st.integers(1, 9), st.integers(10, 140))


@settings(max_examples=25)
@given(
    loss=st.sampled_from(LOSSES),
    transform=st.sampled_from(TRANSFORMS),
    layout=st.sampled_from(LAYOUTS),
    char=st.sampled_from("fd"),
    rows=SIDES,
    columns=SIDES,
)
def test_derivatives_of_linear_models_are_the_same(
    loss: Any, transform: Any, layout: str, char: str, rows: int, columns: int
) -> None:
    x = laid((RNG.normal(size=(rows, columns)) / np.sqrt(columns)).astype(char), layout)
    y = RNG.choice([-1.0, 1.0], rows).astype(char)
    w, v = RNG.normal(size=(2, columns)).astype(char)
    assert_compiles(
        lambda w, v: transform(loss(x, y), w, v), (w, v), (v, w), backend="llvm", scale=64, floor=float(rows)
    )


# ---- which steps are joined ----


def shape_of(step: Panels) -> tuple[int, int, int]:
    """How many products are made with panels, how many regions follow, and how many products with the transpose."""
    return len(step.forward), len(step.regions), len(step.across)


@pytest.mark.parametrize("loss", LOSSES[:4])
@pytest.mark.parametrize("transform", [gradient, with_value, curvature, forward])
def test_the_matrix_is_read_once(loss: Any, transform: Any) -> None:
    x, y, w, v = RNG.normal(size=(60, 20)), RNG.normal(size=60), RNG.normal(size=20), RNG.normal(size=20)
    (step,) = panels_in(lambda x, y, w, v: transform(loss(x, y), w, v), x, y, w, v)
    # Squares have a Hessian that does not depend on w, and the one of a Poisson's does not read counts.
    is_square, has_counts = loss is squares and transform is curvature, loss is poisson and transform is not curvature
    of_w_and_v = 2 if transform in (curvature, forward) else 1
    assert shape_of(step) == (of_w_and_v - is_square, 1, 1 + (transform is forward) + has_counts)
    assert {x.instruction.out for x in step.forward}.isdisjoint(step.outputs)


def test_other_sums_of_einsum_are_left_to_it() -> None:
    x, y, w = RNG.normal(size=(60, 20)), RNG.normal(size=(60, 20)), RNG.normal(size=20)
    for labels in ("ij->i", "ij,ij->i", "ij,j->ij", "ij,j->", "ii,i->i", "ij,j,j->i"):
        arrays = {"ii,i->i": (x[:20], w), "ij,ij->i": (x, y), "ij->i": (x,), "ij,j,j->i": (x, w, w)}.get(labels, (x, w))

        def f(*arrays: Array, labels: str = labels) -> Any:
            return tnp.einsum(labels, *arrays), tnp.einsum(labels, *(2 * a for a in arrays))

        assert not panels_in(f, *arrays)
        assert_compiles(f, arrays, backend="llvm", scale=8)


@pytest.mark.parametrize("loss", LOSSES[4:])
def test_layers_sums_and_contractions_are_products(loss: Any) -> None:
    x, y, w = RNG.normal(size=(60, 20)), RNG.normal(size=60), RNG.normal(size=20)
    (step,) = panels_in(tn.grad(loss(x, y)), w)
    assert shape_of(step) == (1, 1, 2 if loss is summed else 1)


def test_views_between_products_are_in_their_place() -> None:
    def f(x: Array, w: Array) -> Any:
        z = x @ w
        column = tnp.tanh(z)[:, None].reshape(-1, 1)
        flat = tnp.reshape(column, -1)
        row = tnp.reshape(tnp.exp(flat - z), (1, -1))
        return row @ x, flat @ x, tnp.reshape(column, (2, -1)), flat, row.ravel() + 1

    x, w = RNG.normal(size=(60, 20)), RNG.normal(size=20)
    made = assert_compiles(f, (x, w), (-x, w), backend="llvm", scale=8)
    found = made(x, w)
    assert not any(np.shares_memory(a, b) for i, a in enumerate(found) for b in found[i + 1 :])
    (step,) = panels_in(lambda x, w: (tnp.tanh(x @ w).reshape(1, -1) @ x, tnp.exp(x @ w).reshape(-1) @ x), x, w)
    assert (len(step.views), shape_of(step)) == (1, (1, 1, 2))


def test_several_vectors_are_one_product() -> None:
    x, y, w = RNG.normal(size=(60, 20)), RNG.normal(size=60), RNG.normal(size=(3, 20))
    (step,) = panels_in(tn.vmap(tn.grad(logistic(x, y))), w)
    assert [product.count for product in (*step.forward, *step.across)] == [3, 3]
    assert not panels_in(tn.vmap(tn.grad(logistic(x, y))), RNG.normal(size=(vector_products.MOST_VECTORS + 1, 20)))


def test_vectors_that_the_program_transposes_are_read_as_they_are_given() -> None:
    x, w, y = RNG.normal(size=(60, 20)), RNG.normal(size=(20, 3)), RNG.normal(size=(60, 3))
    for f in (
        tn.vmap(lambda w, y: x.T @ tnp.tanh(x @ w - y), in_axes=(1, 1)),
        lambda w, y: (tnp.tanh(w.T @ x.T) @ x, y.T @ x, w.T + 1),
    ):
        assert_compiles(f, (w, y), (-w, y), backend="llvm", scale=8)
        assert len(panels_in(f, w, y)) == 1


def test_products_without_regions_are_joined() -> None:
    x, w, v = RNG.normal(size=(60, 20)), RNG.normal(size=20), RNG.normal(size=60)
    assert [shape_of(step) for step in panels_in(lambda x, w, v: (x @ w, v @ x), x, w, v)] == [(1, 0, 1)]
    assert [shape_of(step) for step in panels_in(lambda x, w: (x @ w, x @ (2 * w), x @ (3 * w)), x, w)] == [(3, 0, 0)]
    assert [shape_of(step) for step in panels_in(lambda x, w: x.T @ (x @ w), x, w)] == [(1, 0, 1)]
    assert [(step.axis, shape_of(step)) for step in panels_in(lambda x, v: x @ (x.T @ v), x, v)] == [(1, (1, 0, 1))]
    assert_compiles(lambda x, w, v: (x @ w, v @ x, x @ (v @ x)), (x, w, v), (-x, v[:20], w[0] + v), backend="llvm")


def test_products_that_wait_for_each_other_are_not_joined() -> None:
    def iterated(x: Array, w: Array) -> Array:
        for _ in range(3):
            w = w - 0.01 * (x.T @ tnp.tanh(x @ w))
        return w

    x, w = RNG.normal(size=(60, 20)), RNG.normal(size=20)
    assert [shape_of(step) for step in panels_in(iterated, x, w)] == [(1, 1, 1)] * 3
    assert_compiles(iterated, (x, w), (x * 2, -w), backend="llvm", scale=8)
    square = RNG.normal(size=(30, 30))
    assert not panels_in(lambda x, w: x @ (x @ (x @ w)), square, square[0])
    assert_compiles(lambda x, w: x @ (x @ (x.T @ (x @ w))), (square, square[0]), backend="llvm", scale=8)


def test_one_product_alone_and_small_matrices_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    x, w = RNG.normal(size=(60, 20)), RNG.normal(size=20)
    assert not panels_in(lambda x, w: tnp.exp(x @ w), x, w)
    monkeypatch.setattr(vector_products, "SMALLEST", 1201)
    assert not panels_in(lambda x, w: x.T @ (x @ w), x, w)


def test_a_region_that_nothing_multiplies_is_left_to_what_reads_it() -> None:
    x, w = RNG.normal(size=(60, 20)), RNG.normal(size=20)
    (step,) = panels_in(lambda x, w: (tnp.exp(x @ w).max(), x @ (2 * w)), x, w)
    assert shape_of(step) == (2, 0, 0)


@pytest.mark.parametrize("char", "fd")
def test_sums_and_means_are_made_with_their_vectors(char: str) -> None:
    def f(x: Array, w: Array) -> Any:
        z = tnp.tanh(x @ w)
        column = tnp.exp(x @ w[:, None])
        sums = z.sum(), tnp.mean(z * z), z.sum(axis=0, keepdims=True), tnp.mean(column), column.sum(axis=0)
        return x.T @ z, x.T @ column, sums, column.sum(axis=1)

    x, w = RNG.normal(size=(700, 20)).astype(char), RNG.normal(size=20).astype(char) / 8
    (step,) = panels_in(f, x, w)
    assert len(step.totals) == 5
    assert_compiles(f, (x, w), (-x, w), (x[:3], w), backend="llvm", scale=8, floor=float(len(x)))


def test_values_that_the_matrix_and_places_are_read_for_are_not_joined() -> None:
    x, w, places = RNG.normal(size=(60, 20)), RNG.normal(size=20), RNG.integers(0, 60, 60)

    def moved(x: Array, w: Array, places: Array) -> Array:
        return x.T @ tnp.exp((x @ w)[places])

    def gathered(x: Array, w: Array, places: Array) -> Array:
        return x.T @ (x[places, 3] * (x @ w))

    for f in (moved, gathered):
        assert not panels_in(f, x, w, places)
        assert_compiles(f, (x, w, places), backend="llvm", scale=8, floor=60.0)


def test_a_gauss_newton_product_reads_the_matrix_once() -> None:
    x, w = RNG.normal(size=(60, 20)), RNG.normal(size=20)

    def f(w: Array) -> Array:
        return tnp.tanh(x @ w)

    push, pull = tn.linearize(f, w)[1], tn.vjp(f, w)[1]
    made = assert_compiles(lambda v: pull(push(v))[0], (w,), (-w,), backend="llvm", scale=8)
    (step,) = (x for x in llvm_code._Code.of(made.programs[0]).steps if isinstance(x, Panels))
    assert shape_of(step) == (1, 1, 1)


def test_a_guard_between_products_holds() -> None:
    x, w = RNG.normal(size=(60, 20)), RNG.normal(size=20)

    def branching(x: Array, w: Array) -> Array:
        z = x @ w
        return x.T @ (tnp.exp(z) if z.sum() > 0 else z)

    made = assert_compiles(branching, (x, w), (x, -w), (x, w), backend="llvm", scale=8, floor=60.0)
    assert len(made.programs) == 2


def test_transposes_that_others_read_stay() -> None:
    x, w = RNG.normal(size=(60, 20)), RNG.normal(size=20)
    assert_compiles(lambda x, w: (x.T @ (x @ w), x.T, x.T + 1), (x, w), backend="llvm", scale=8)


# ---- values ----


@pytest.mark.parametrize("size", [size for size in (16, 32, 64) if size <= processor().vector_size])
def test_vectors_of_other_processors_give_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(panel_code, "processor", lambda: attrs.evolve(processor(), vector_size=size))
    panel_code._product_library.cache_clear()
    try:
        for char, order, rows, columns in (
            ("f", "C", 70, 131),
            ("d", "F", 131, 70),
            ("f", "F", 9, 7),
            ("d", "C", 3, 50),
        ):
            x = np.asarray(RNG.normal(size=(rows, columns)), dtype=char, order=order)  # type: ignore[call-overload]  # C or F
            y, (w, v) = RNG.choice([-1.0, 1.0], rows).astype(char), RNG.normal(size=(2, columns)).astype(char) / 8
            assert_compiles(tn.hvp(logistic(x, y)), (w, v), backend="llvm", scale=64, floor=1.0)
    finally:
        panel_code._product_library.cache_clear()


@pytest.mark.parametrize("char", "fd")
@pytest.mark.parametrize("order", "CF")
def test_the_bits_are_the_same_for_any_number_of_threads(char: str, order: str) -> None:
    x = np.asarray(RNG.normal(size=(700, 33)), dtype=char, order=order)  # type: ignore[call-overload]  # C or F
    y, w = RNG.choice([-1.0, 1.0], 700).astype(char), RNG.normal(size=33).astype(char)
    f = tn.compile(tn.value_and_grad(logistic(x, y)), backend="llvm")
    found = set()
    for _ in range(2):  # as it is recorded
        f(w)
    for count in (3, 1, 2, 8):
        tn.set_num_threads(count)
        found.add(b"".join(np.asarray(a).tobytes() for a in f(w)))
    assert len(found) == 1


@given(length=st.integers(1, 5000), size=st.integers(1, 2**20))
def test_parts_cover_the_axis(length: int, size: int) -> None:
    parts = Parts.of(length, size)
    rest = length - (parts.count - 1) * parts.rows
    assert 1 <= parts.count <= panel_calls.MOST_PARTS
    assert parts.count == 1 or panel_calls.UNIT <= rest


@pytest.mark.parametrize("layout", LAYOUTS[:-1])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_special_values_and_their_warnings_are_those_of_the_function(layout: str, value: float) -> None:
    x, w = RNG.normal(size=(50, 20)), RNG.normal(size=20)
    x[7, 3] = value
    w[5] = 0.0
    x[9, 5] = np.inf
    x = laid(x, layout)

    def f(x: Array, w: Array) -> Array:
        return x.T @ (x @ w)

    with np.errstate(all="ignore"):
        made, answers = compiled_quietly(f, (x, w), (x, w), backend="llvm")
        assert_same(answers[-1], f(x, w), scale=8)
    met = []
    for run in (f, made):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run(x, w)
        met.append({str(one.message) for one in caught})
    assert met[0] == met[1] != set()


def test_sums_of_einsum_do_not_warn() -> None:
    x, w = RNG.normal(size=(50, 20)), np.zeros(20)
    x[3, 4] = np.inf
    f = tn.compile(lambda x, w: tnp.einsum("ij,i->j", x, tnp.einsum("ij,j->i", x, w)), backend="llvm")
    for _ in range(3):
        assert np.isnan(f(x, w)).any()  # warnings are errors
    with pytest.warns(RuntimeWarning, match="invalid value"):
        tn.compile(lambda x, w: (tnp.einsum("ij,j->i", x, w), x @ w), backend="llvm")(x, w)


def test_arguments_out_of_the_range_of_a_kernel_are_computed_by_numpy() -> None:
    x, w = RNG.normal(size=(50, 20)), RNG.normal(size=20)

    def f(x: Array, w: Array) -> Array:
        return x.T @ tnp.sin(x @ w)

    assert_compiles(f, (x, w), (x, w * 1e9), (x * 1e150, w), (x, w), backend="llvm", scale=8, floor=50.0)


def test_arguments_are_not_written_and_results_are_the_callers() -> None:
    x, w, v = RNG.normal(size=(300, 20)), RNG.normal(size=20), RNG.normal(size=300)
    f = tn.compile(lambda x, w, v: (x @ w, x.T @ v, x.T @ (x @ w)), backend="llvm")
    before = [a.copy() for a in (x, w, v)]
    for _ in range(2):
        f(x, w, v)
    first, second = f(x, w, v), f(x, w, v)
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, w, v), strict=True))
    assert not any(np.shares_memory(a, b) for i, a in enumerate(first) for b in (*first[i + 1 :], *second, x, w, v))
    for a in first:
        a[:] = 0  # the caller's own
    assert_same(f(x, w, v), second)


def test_one_program_takes_matrices_of_many_layouts() -> None:
    f = tn.compile(lambda x, w: x.T @ (x @ w), backend="llvm")
    w = RNG.normal(size=20)
    for step in (*range(1, 80), 3):
        x = RNG.normal(size=(10, 20 * step))[:, :20]
        assert_same(f(x, w), x.T @ (x @ w), scale=8)
    as_bytes = np.zeros(8 * 20 * 10 + 10 * 4, np.uint8)
    odd = np.ndarray((10, 20), float, as_bytes.data, strides=(8 * 20 + 4, 8))
    odd[:] = RNG.normal(size=(10, 20))
    assert_same(f(odd, w), odd.T @ (odd @ w), scale=8)
