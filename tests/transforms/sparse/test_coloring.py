"""Colourings: valid, and with as few colours as are known to be possible or published."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import sparse

import tapenet as tn
from tapenet.transforms.sparse.stars import reads_of, symmetric
from tests.transforms.sparse.matrices import arrow, band, grid, random_pattern


def is_recovered(pattern: Any, coloring: Any) -> bool:
    """Whether products with the colours give back every entry of a matrix of the pattern."""
    pattern = sparse.csr_array(pattern)
    rows, columns = pattern.nonzero()
    for i, j in zip(rows, columns, strict=True):
        here = pattern[[i]].toarray()[0]
        there = pattern[:, [j]].toarray()[:, 0]
        by_column = coloring.columns.size > 0 and coloring.columns[j] >= 0
        if coloring.kind == "bidirectional":
            by_row = coloring.rows[i] >= 0
            others = there & (coloring.rows == coloring.rows[i])
            left = here & (coloring.columns == coloring.columns[j])
            if not (others.sum() == 1 if by_row else by_column and left.sum() == 1):
                return False
        elif coloring.kind == "rows":
            if (there & (coloring.rows == coloring.rows[i])).sum() != 1:
                return False
        elif (here & (coloring.columns == coloring.columns[j])).sum() != 1:
            return False
    return True


def shapes() -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(0, 12), st.integers(0, 12))


@given(seed=st.integers(0, 10**6), shape=shapes(), density=st.sampled_from([0.05, 0.2, 0.5]))
def test_every_kind_gives_back_the_entries_of_random_patterns(seed: int, shape: Any, density: float) -> None:
    pattern = random_pattern(seed, *shape, density)
    for kind in ("auto", "columns", "rows", "bidirectional"):
        coloring = tn.color(pattern, kind)
        assert is_recovered(pattern, coloring)
        assert coloring.count == coloring.column_count + coloring.row_count
    assert tn.color(pattern).count <= min(tn.color(pattern, kind).count for kind in ("columns", "rows"))


@given(seed=st.integers(0, 10**6), n=st.integers(0, 25), density=st.sampled_from([0.02, 0.1, 0.3]))
def test_star_colourings_have_every_entry_alone_in_a_product(seed: int, n: int, density: float) -> None:
    pattern = symmetric(random_pattern(seed, n, n, density))
    coloring = tn.color(pattern, "star")
    rows, groups = reads_of(pattern, coloring.columns)
    values = np.random.default_rng(seed).normal(size=pattern.nnz)
    matrix = sparse.csr_array((values, pattern.indices, pattern.indptr), pattern.shape)
    matrix = sparse.csr_array(matrix + matrix.T)
    seeds = coloring.columns[:, None] == np.arange(coloring.count)
    np.testing.assert_array_equal((matrix @ seeds)[rows, groups], matrix.data)


@pytest.mark.parametrize(
    ("pattern", "kind", "count"),
    [
        (band(50, 1), "columns", 3),
        (band(50, 1), "rows", 3),
        (band(50, 1), "star", 3),
        (band(50, 2), "columns", 5),
        (grid(12, 11), "columns", 5),  # the grid is found from the distances
        (grid(12, 11), "star", 5),
        (arrow(60), "columns", 60),
        (arrow(60), "bidirectional", 3),
        (arrow(60), "auto", 3),
        (arrow(60), "star", 2),
        (np.triu(arrow(60).toarray()), "auto", 2),  # a dense row alone: two rows
        (np.tril(arrow(60).toarray()), "auto", 2),  # a dense column alone
        (np.ones((4, 7)), "auto", 4),
        (np.ones((7, 4)), "auto", 4),
        (np.zeros((3, 5)), "auto", 0),
        (np.zeros((0, 0)), "star", 0),
        (np.eye(9), "auto", 1),
        (np.eye(9), "star", 1),
    ],
)
def test_known_numbers_of_colours(pattern: Any, kind: Any, count: int) -> None:
    coloring = tn.color(pattern, kind)
    assert coloring.count == count
    assert coloring.kind == (kind if kind != "auto" else coloring.kind)


@pytest.mark.parametrize("sides", [(12, 11), (17, 30), (25, 25)])
def test_a_stencil_on_a_grid_takes_as_many_colours_as_its_points(sides: tuple[int, int]) -> None:
    assert tn.color(grid(*sides), shape=sides).count == 5
    assert tn.color(grid(*sides), "rows", shape=sides).count == 5
    assert tn.color(grid(*sides), "star", shape=sides).count <= 5
    nine = sparse.kron(band(sides[0], 1), band(sides[1], 1))
    assert tn.color(nine, shape=sides).count == 9


def test_permuted_patterns_take_few_more() -> None:
    order = np.random.default_rng(0).permutation(300)
    permuted = sparse.csr_array(band(300, 1))[order][:, order]
    assert tn.color(permuted).count == tn.color(permuted, "star").count == 3
    order = np.random.default_rng(0).permutation(400)
    permuted = sparse.csr_array(grid(20, 20))[order][:, order]
    assert tn.color(permuted).count <= 7


def torus(n: int) -> Any:
    ring = np.abs(np.arange(n)[:, None] - np.arange(n)) % (n - 1) <= 1
    return sparse.csr_array(sparse.kron(ring, np.eye(n)) + sparse.kron(np.eye(n), ring)) != 0


def two_fields(n: int) -> Any:
    """The pattern of the Brusselator on a periodic grid."""
    return sparse.csr_array(sparse.kron(np.eye(2), torus(n)) + sparse.kron([[0, 1], [1, 0]], np.eye(n * n))) != 0


def cube(n: int) -> Any:
    one, chain = np.eye(n), band(n, 1).toarray()
    parts = [(chain, one, one), (one, chain, one), (one, one, chain)]
    return sparse.csr_array(sum(sparse.kron(sparse.kron(x, y), z) for x, y, z in parts)) != 0


@pytest.mark.parametrize(
    ("pattern", "columns", "star"),
    [  # with the numbers of asdex 0.5.1
        (grid(20, 33), 7, 6),
        (torus(20), 9, 5),
        (torus(23), 9, 7),
        (two_fields(16), 11, 9),
        (two_fields(24), 10, 9),
        (cube(9), 12, 10),
        (random_pattern(0, 400, 400, 0.01), 13, None),
        (random_pattern(2, 100, 600, 0.02), 19, None),
        (random_pattern(1, 600, 100, 0.02), 11, None),
        (symmetric(random_pattern(1, 400, 400, 0.004) + sparse.eye_array(400, dtype=bool)), 12, 10),
    ],
)
def test_no_more_colours_than_another_library_takes(pattern: Any, columns: int, star: int | None) -> None:
    assert tn.color(pattern, "columns").count <= columns
    assert tn.color(pattern).count <= columns
    if star is not None:
        assert tn.color(pattern, "star").count <= star


def test_a_very_long_row_has_a_colour_for_each_entry_and_is_taken_out() -> None:
    n = 12_000
    rows = np.concatenate([np.zeros(n, int), np.arange(1, n), np.arange(1, n)])
    columns = np.concatenate([np.arange(n), np.arange(1, n), np.zeros(n - 1, int)])
    pattern = sparse.csr_array((np.ones(len(rows)), (rows, columns)), (n, n))
    assert tn.color(pattern, "columns").count == n
    assert tn.color(pattern).count == 3
    assert tn.color(pattern, "star").count == 2


def test_explicit_zeros_and_unsorted_matrices_are_read_as_what_they_hold() -> None:
    matrix = sparse.coo_array((np.array([1.0, 0.0, 2.0]), ([1, 0, 0], [0, 1, 0])), (2, 2))
    assert tn.color(matrix).count == 1
    assert tn.color(matrix.tolil()).count == tn.color(matrix.toarray()).count == 1


def test_errors() -> None:
    with pytest.raises(
        tn.ArgumentError, match="color: a pattern must be symmetric for a star colouring; got one of sh"
    ):
        tn.color(np.triu(np.ones((3, 3))), "star")
    with pytest.raises(tn.ArgumentError, match=r"color: shape must be that of 9 elements; got \(2, 4\)"):
        tn.color(np.eye(9), shape=(2, 4))
    with pytest.raises(tn.ArgumentTypeError, match=r"color: pattern must be a matrix of scipy\.sparse or a 2-d array"):
        tn.color(np.ones(3))


def test_a_colouring_says_what_it_is() -> None:
    assert repr(tn.color(band(5, 1))) == "<columns colouring, 3 colours>"
