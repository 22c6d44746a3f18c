"""NumPy's functions on Tensors: the same values, and derivatives in both modes, over one table of subjects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.pytrees import tree_leaves
from tapenet.testing import check_grads
from tests.docs.coverage import coverage
from tests.numpy import subjects_arrangement, subjects_elementwise, subjects_formulas, subjects_reductions  # noqa: F401
from tests.numpy.subjects import SUBJECTS, Subject, named

BOTH = {row.name for row in coverage.rows("", strict=False) if row.kind == coverage.BOTH}
CONSTANT = {row.name for row in coverage.rows("", strict=False) if row.kind == coverage.CONSTANT}

# NumPy says that it leaves places uninitialized; the subjects do not look at them.
pytestmark = pytest.mark.filterwarnings("ignore:'where' used without 'out'")

missing = (BOTH | CONSTANT) - {subject.name for subject in SUBJECTS}
if missing:
    raise LookupError(f"functions without a subject: {', '.join(sorted(missing))}")


in_numpy = [subject for subject in SUBJECTS if hasattr(np, subject.name)]
# A subject's shapes are mostly its own, so that only numbers are drawn: in the quick profile a few go far.
some_examples = settings(max_examples=2 if settings().max_examples <= 10 else settings().max_examples)
over_all = pytest.mark.parametrize("subject", named(SUBJECTS))
over_those_of_numpy = pytest.mark.parametrize("subject", named(in_numpy))


def is_differentiable(x: Any) -> bool:
    return np.asarray(x).dtype.kind in "fc"


def differentiable(subject: Subject, xp: Any, *arrays: Any) -> list[Any]:
    """The float and complex parts of a call's result."""
    return [x for x in tree_leaves(subject.call(xp, *arrays)) if x.dtype.kind in "fc"]


def assert_equal(got: Any, expected: Any, tolerance: float = 1e-12) -> None:
    got, expected = tree_leaves(got), tree_leaves(expected)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        ours = np.asarray(ours)
        assert ours.shape == np.shape(theirs)
        assert ours.dtype == np.asarray(theirs).dtype
        np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def recorded(subject: Subject, xp: Any, arrays: Any) -> Any:
    with tn.GradientTape() as tape:
        result = subject.call(xp, *tape.watch(arrays))
        is_recorded = [type(x) is tn.Tensor for x in tree_leaves(result) if x.dtype.kind in "fc"]
    assert all(is_recorded)
    return result


@over_those_of_numpy
@some_examples
@given(data=st.data())
def test_values_are_those_of_numpy_and_plain_numpy_finds_its_way_to_the_tape(
    subject: Subject, data: st.DataObject
) -> None:
    arrays = data.draw(subject.arrays)
    expected = subject.call(np, *arrays)
    assert_equal(subject.call(tnp, *arrays), expected)
    assert_equal(recorded(subject, tnp, arrays), expected)
    if subject.dispatches:
        assert_equal(recorded(subject, np, arrays), expected)


@over_all
@some_examples
@given(data=st.data())
def test_both_modes_agree_with_finite_differences_to_second_order(subject: Subject, data: st.DataObject) -> None:
    arrays = data.draw(subject.arrays)
    check_grads(lambda *xs: differentiable(subject, tnp, *xs), arrays, order=2)


@over_those_of_numpy
@some_examples
@given(data=st.data())
def test_single_precision_stays_as_numpy_has_it(subject: Subject, data: st.DataObject) -> None:
    arrays = tuple(x.astype(np.complex64 if x.dtype.kind == "c" else np.float32) for x in data.draw(subject.arrays))
    assert_equal(recorded(subject, tnp, arrays), subject.call(np, *arrays), 1e-4)
    outputs, pullback = tn.vjp(lambda *xs: differentiable(subject, tnp, *xs), *arrays)
    for gradient, array in zip(pullback([np.ones_like(x) for x in outputs]), arrays, strict=True):
        assert gradient.dtype == array.dtype
        assert gradient.shape == array.shape


@over_all
@settings(max_examples=1)
@given(data=st.data())
def test_vmap_gives_what_a_loop_gives_or_says_that_it_needs_the_values(subject: Subject, data: st.DataObject) -> None:
    batches = [np.stack([x * (1 + i / 64) for i in range(3)]) for x in data.draw(subject.arrays)]

    def parts(*arrays: Any) -> list[Any]:
        return [tnp.asarray(x) for x in tree_leaves(subject.call(tnp, *arrays))]

    try:
        at_once = tn.vmap(parts)(*batches)
    except tn.errors.MappedValueError:
        return
    looped = [parts(*(batch[i] for batch in batches)) for i in range(3)]
    for found, expected in zip(at_once, zip(*looped, strict=True), strict=True):
        np.testing.assert_allclose(found, np.stack(expected), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", sorted(BOTH))
@some_examples
@given(data=st.data())
def test_what_is_called_differentiable_has_a_derivative(name: str, data: st.DataObject) -> None:
    assert any(has_derivative(subject, data) for subject in SUBJECTS if subject.name == name)


@pytest.mark.parametrize("name", sorted(CONSTANT))
@some_examples
@given(data=st.data())
def test_what_is_called_piecewise_constant_has_derivative_zero(name: str, data: st.DataObject) -> None:
    assert not any(has_derivative(subject, data) for subject in SUBJECTS if subject.name == name)


def has_derivative(subject: Subject, data: st.DataObject) -> bool:
    arrays = data.draw(subject.arrays)
    outputs, pullback = tn.vjp(lambda *xs: differentiable(subject, tnp, *xs), *arrays)
    # Different cotangents, which do not cancel where a scalar was broadcast.
    bars = [np.linspace(1.3, 1.9, x.size).reshape(x.shape).astype(x.dtype) for x in outputs]
    return any(np.any(gradient) for gradient in pullback(bars))
