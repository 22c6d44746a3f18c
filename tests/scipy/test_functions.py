"""SciPy's functions on Tensors: the same values, and derivatives in both modes, over one table of subjects."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.testing import check_grads
from tests.docs.scipy_table import table
from tests.scipy import (  # noqa: F401
    subjects_distributions,
    subjects_fft,
    subjects_integrate,
    subjects_interpolate,
    subjects_linalg,
    subjects_ndimage,
    subjects_optimize,
    subjects_signal,
    subjects_sparse,
    subjects_spatial,
    subjects_special,
    subjects_stats,
)
from tests.scipy.subjects import SUBJECTS, Subject, named


def placed(kind: str) -> set[tuple[str, str]]:
    return {(part, row.name) for part in table.PARTS for row in table.rows(part) if row.kind == kind}


BOTH, CONSTANT = placed(table.BOTH), placed(table.CONSTANT)
missing = (BOTH | CONSTANT) - {(subject.module, subject.name) for subject in SUBJECTS}
if missing:
    raise LookupError(f"functions without a subject: {', '.join(sorted(map('.'.join, missing)))}")

few_examples = settings(max_examples=1 if settings().max_examples <= 10 else 5)
over_all = pytest.mark.parametrize("subject", named(SUBJECTS))
over_those_in_single = pytest.mark.parametrize("subject", named([s for s in SUBJECTS if s.in_single]))
over_those_that_dispatch = pytest.mark.parametrize("subject", named([s for s in SUBJECTS if s.dispatches]))


def ours(subject: Subject) -> Any:
    return importlib.import_module(f"tapenet.scipy.{subject.module}")


def theirs(subject: Subject) -> Any:
    return importlib.import_module(f"scipy.{subject.module}")


def differentiable(subject: Subject, module: Any, *arrays: Any) -> list[Any]:
    """The float and complex parts of a call's result."""
    return [x for x in tree_leaves(subject.call(module, *arrays)) if x.dtype.kind in "fc"]


def assert_equal(got: Any, expected: Any, tolerance: float) -> None:
    got, expected = tree_leaves(got), tree_leaves(expected)
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert np.shape(one) == np.shape(other)
        np.testing.assert_allclose(np.asarray(one), other, rtol=tolerance, atol=tolerance)


def recorded(subject: Subject, module: Any, arrays: Any) -> Any:
    with tn.GradientTape() as tape:
        result = subject.call(module, *tape.watch(arrays))
        assert all(type(x) is tn.Tensor for x in tree_leaves(result) if x.dtype.kind in "fc")
    return result


@over_all
@few_examples
@given(data=st.data())
def test_values_are_those_of_scipy(subject: Subject, data: st.DataObject) -> None:
    arrays = data.draw(subject.arrays)
    expected = subject.call(theirs(subject), *arrays)
    assert_equal(subject.call(ours(subject), *arrays), expected, 1e-14)
    assert_equal(recorded(subject, ours(subject), arrays), expected, subject.closeness)


@over_those_that_dispatch
@few_examples
@given(data=st.data())
def test_plain_scipy_finds_its_way_to_the_tape(subject: Subject, data: st.DataObject) -> None:
    arrays = data.draw(subject.arrays)
    assert_equal(recorded(subject, theirs(subject), arrays), subject.call(theirs(subject), *arrays), 0)


@over_all
@few_examples
@given(data=st.data())
def test_both_modes_agree_with_differences(subject: Subject, data: st.DataObject) -> None:
    arrays = data.draw(subject.arrays)
    function = differentiable
    check_grads(
        lambda *xs: function(subject, ours(subject), *xs), arrays, order=subject.order, tolerance=subject.tolerance
    )


@over_those_in_single
@settings(max_examples=1)
@given(data=st.data())
def test_single_precision_has_scipys_dtype_and_gradients_their_arguments(subject: Subject, data: st.DataObject) -> None:
    arrays = tuple(x.astype(np.complex64 if x.dtype.kind == "c" else np.float32) for x in data.draw(subject.arrays))
    expected = tree_leaves(subject.call(theirs(subject), *arrays))
    found = tree_leaves(recorded(subject, ours(subject), arrays))
    for x, y in zip(found, expected, strict=True):
        single = np.complex64 if y.dtype.kind == "c" else np.float32
        assert x.dtype == y.dtype or (x.dtype == single and not subject.dispatches)
    assert_equal(found, expected, 1e-4)
    outputs, pullback = tn.vjp(lambda *xs: differentiable(subject, ours(subject), *xs), *arrays)
    for gradient, array in zip(pullback([np.ones_like(x) for x in outputs]), arrays, strict=True):
        assert gradient.dtype == array.dtype
        assert gradient.shape == array.shape


@over_all
@settings(max_examples=1)
@given(data=st.data())
def test_vmap_gives_what_a_loop_gives(subject: Subject, data: st.DataObject) -> None:
    batches = [np.stack([x * (1 + i / 64) for i in range(3)]) for x in data.draw(subject.arrays)]

    def parts(*arrays: Any) -> list[Any]:
        return [tnp.asarray(x) for x in tree_leaves(subject.call(ours(subject), *arrays))]

    at_once = tn.vmap(parts)(*batches)
    looped = [tree_leaves(recorded(subject, ours(subject), [batch[i] for batch in batches])) for i in range(3)]
    for found, expected in zip(at_once, zip(*looped, strict=True), strict=True):
        np.testing.assert_allclose(found, np.stack([np.asarray(x) for x in expected]), rtol=1e-10, atol=1e-10)


def has_derivative(subject: Subject, data: st.DataObject) -> bool:
    arrays = data.draw(subject.arrays)
    outputs, pullback = tn.vjp(lambda *xs: differentiable(subject, ours(subject), *xs), *arrays)
    return any(np.any(gradient) for gradient in pullback([np.full(x.shape, 1.3, x.dtype) for x in outputs]))


@pytest.mark.parametrize("place", sorted(BOTH), ids=".".join)
@settings(max_examples=1)
@given(data=st.data())
def test_what_is_called_differentiable_has_a_derivative(place: tuple[str, str], data: st.DataObject) -> None:
    assert any(has_derivative(subject, data) for subject in SUBJECTS if (subject.module, subject.name) == place)


@pytest.mark.parametrize("place", sorted(CONSTANT), ids=".".join)
@settings(max_examples=1)
@given(data=st.data())
def test_what_is_called_piecewise_constant_has_derivative_zero(place: tuple[str, str], data: st.DataObject) -> None:
    assert not any(has_derivative(subject, data) for subject in SUBJECTS if (subject.module, subject.name) == place)
