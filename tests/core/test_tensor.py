"""Values of a tape as users get them: read-only views, whatever their array was."""

from __future__ import annotations

import numpy as np
import pytest

import tapenet as tn


def test_the_value_of_a_tensor_is_a_read_only_view_of_what_the_tape_computed() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.arange(3.0))
        y = x * x
        for value in (x.value, y.value):
            assert not value.flags.writeable
            with pytest.raises(ValueError, match="read-only"):
                value[0] = 7
        z = np.sum(y * x)
    np.testing.assert_array_equal(tape.gradient(z, x), 3 * np.arange(3.0) ** 2)
