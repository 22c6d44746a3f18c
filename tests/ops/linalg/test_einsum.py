"""einsum of random formulas: labels of length 1, diagonals, ellipses and scalars, in both modes and to second order."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import tapenet as tn
import tapenet.numpy as tnp

Array = Any


@attrs.frozen(eq=False)
class Formula:
    """Subscripts, and operands that they fit."""

    subscripts: str
    operands: tuple[Array, ...]

    def __repr__(self) -> str:
        return (
            f"Formula({self.subscripts!r}, {[x.shape for x in self.operands]}, {[x.dtype.name for x in self.operands]})"
        )

    def with_operand(self, place: int, x: Array) -> Array:
        """NumPy's einsum with one operand replaced: it is linear in each of them."""
        return np.einsum(self.subscripts, *self.operands[:place], x, *self.operands[place + 1 :])


@st.composite
def formulas(draw: Any, dtypes: tuple[str, ...] = ("d",)) -> Formula:
    lengths = {label: draw(st.integers(1, 3)) for label in "abc"}
    elliptic = draw(st.booleans())
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    terms, operands = [], []
    for _ in range(draw(st.integers(1, 3))):
        labels = draw(st.lists(st.sampled_from("abc"), max_size=3))
        single = {label: draw(st.booleans()) for label in sorted(set(labels))}
        shape = [1 if single[label] else lengths[label] for label in labels]
        term = "".join(labels)
        if elliptic and draw(st.booleans()):
            place, more = draw(st.integers(0, len(labels))), draw(st.lists(st.sampled_from([1, 2]), max_size=2))
            term, shape = f"{term[:place]}...{term[place:]}", [*shape[:place], *more, *shape[place:]]
        terms.append(term)
        x = rng.normal(size=shape)
        operands.append(np.asarray(x + 1j * rng.normal(size=shape) if draw(st.sampled_from(dtypes)) == "D" else x))
    inputs = ",".join(terms)
    if draw(st.booleans()):
        return Formula(inputs, tuple(operands))
    kept = draw(st.permutations(sorted(set(inputs) - set("., "))))[: draw(st.integers(0, 3))]
    return Formula(f"{inputs}->{'...' if '...' in inputs else ''}{''.join(kept)}", tuple(operands))


def weights_for(formula: Formula) -> Array:
    value = np.einsum(formula.subscripts, *formula.operands)
    return np.cos(np.arange(value.size) + 1.0).reshape(value.shape)


def slopes(formula: Formula, place: int, weights: Array) -> Array:
    """The derivative of the weighted sum by an operand, from unit vectors: exact, as the sum is linear in it."""
    x = formula.operands[place]
    found = np.zeros(x.shape, np.result_type(*formula.operands))
    for index in np.ndindex(x.shape):
        unit = np.zeros(x.shape)
        unit[index] = 1
        found[index] = np.sum(formula.with_operand(place, unit) * weights)
    return found


@settings(deadline=None, max_examples=150)
@given(formulas(("d", "D")))
def test_both_modes_agree_with_unit_vectors(formula: Formula) -> None:
    weights, places = weights_for(formula), tuple(range(len(formula.operands)))

    def total(*operands: Array) -> Array:
        return tnp.sum(tnp.einsum(formula.subscripts, *operands) * weights)

    gradients = tn.grad(lambda *operands: tnp.real(total(*operands)), places)(*formula.operands)
    tangents = tuple(np.sin(np.arange(x.size) + 2.0).reshape(x.shape).astype(x.dtype) for x in formula.operands)
    _, pushed = tn.jvp(total, formula.operands, tangents)
    for place, x in enumerate(formula.operands):
        right = slopes(formula, place, weights)
        np.testing.assert_allclose(gradients[place], right if x.dtype.kind == "c" else right.real, atol=1e-12)
    right = sum(np.sum(formula.with_operand(i, t) * weights) for i, t in enumerate(tangents))
    np.testing.assert_allclose(pushed, right, atol=1e-12)


@settings(deadline=None, max_examples=60)
@given(formulas())
def test_second_derivatives_agree_with_unit_vectors(formula: Formula) -> None:
    weights, places = weights_for(formula), tuple(range(len(formula.operands)))
    tangents = [np.sin(np.arange(x.size) + 2.0).reshape(x.shape) for x in formula.operands]

    def total(*operands: Array) -> Array:
        return tnp.sum(tnp.einsum(formula.subscripts, *operands) * weights)

    def along(*operands: Array) -> Array:
        gradients = tn.grad(total, places)(*operands)
        return sum(tnp.sum(gradient * t) for gradient, t in zip(gradients, tangents, strict=True))

    second = tn.grad(along, places)(*formula.operands)
    for place, found in enumerate(second):
        others = [
            attrs.evolve(formula, operands=(*formula.operands[:i], t, *formula.operands[i + 1 :]))
            for i, t in enumerate(tangents)
            if i != place
        ]
        right = sum((slopes(other, place, weights) for other in others), np.zeros(found.shape))
        np.testing.assert_allclose(found, right, atol=1e-12)


@pytest.mark.parametrize("size", [3, 200])
def test_results_without_labels_are_scalars(size: int) -> None:
    # The size decides whether NumPy looks for a path of products, whose result is an array of no axes.
    x, y = np.ones((size, size), "f"), np.ones((2, size), "f")
    with tn.GradientTape() as tape:
        found = tnp.einsum("ij,ki->", tape.watch(x), y)
    assert type(found.value) is type(np.einsum("ij,ki->", x, y)) is np.float32


@pytest.mark.parametrize("size", [3, 200])
def test_a_diagonal_times_a_label_of_length_one(size: int) -> None:
    # The size decides whether NumPy looks for a path of products.
    gradient = tn.grad(lambda a: tnp.einsum("ii,i->", a, np.array([2.0])))(np.ones((size, size)))
    np.testing.assert_array_equal(gradient, 2 * np.eye(size))
