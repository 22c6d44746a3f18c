"""Hypothesis strategies for the arguments of differentiable functions.

    from hypothesis import given
    from tapenet.testing import strategies

    @given(strategies.arrays((3,), low=-4, high=4, away_from=[0.0]))
    def test_my_function(x): ...

Numbers are drawn from a grid of simple ones (0, 1, -1, 2, 1/2 ...), the simplest first, so that what Hypothesis
shrinks to can be read; no draw is rejected, so that its health checks pass. They need the
package hypothesis.
"""

from tapenet.core.packages import import_package as _needed

_needed("hypothesis", "tapenet.testing.strategies")

from tapenet.testing.strategies.arrays import (  # noqa: E402  # after the check that words its absence
    arrays as arrays,
    broadcastable_arrays as broadcastable_arrays,
    broadcastable_shapes as broadcastable_shapes,
    numbers as numbers,
    shapes as shapes,
)
from tapenet.testing.strategies.matrices import (  # noqa: E402
    orthogonal as orthogonal,
    positive_definite as positive_definite,
    symmetric as symmetric,
    well_conditioned as well_conditioned,
)
from tapenet.testing.strategies.structures import (  # noqa: E402
    axes as axes,
    indices as indices,
    pytrees as pytrees,
)

__all__ = [
    "arrays",
    "broadcastable_arrays",
    "broadcastable_shapes",
    "numbers",
    "shapes",
    "orthogonal",
    "positive_definite",
    "symmetric",
    "well_conditioned",
    "axes",
    "indices",
    "pytrees",
]


def __dir__() -> list[str]:
    return __all__
