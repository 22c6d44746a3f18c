"""Rows of a Jacobian, of which a walk may give the same answer for each, or none."""

from __future__ import annotations

import numpy as np
import pytest

from tapenet.walks.rows import carried


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_walk_that_gives_the_same_for_every_row(size: int) -> None:
    seeds = np.arange(4.0 * size).reshape(size, 4)
    same, doubled, number, nothing = carried(
        lambda own: [np.arange(3.0), own[0] * 2, np.float64(5), None], [seeds], size
    )
    np.testing.assert_array_equal(same, np.tile(np.arange(3.0), (size, 1)))
    np.testing.assert_array_equal(doubled, seeds * 2)
    np.testing.assert_array_equal(number, np.full(size, 5.0))
    assert nothing is None
