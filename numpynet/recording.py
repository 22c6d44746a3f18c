"""The one call to the tape: a computation recorded, then differentiated by the Variables that it read."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

import tapenet as tn
from numpynet.symbols import Array, Variable, floating, holding


@attrs.frozen(eq=False)
class Recording:
    """A result on its tape, with the Tensors that it may be differentiated by."""

    tape: tn.GradientTape
    watched: list[tn.Tensor]
    result: Array

    def gradients(self, cotangent: Array = None) -> list[Array]:
        """Return the gradient of the result by each of them; None where it does not depend on it."""
        answers: list[Array] = self.tape.gradient(self.result, self.watched, cotangent, unconnected="none")
        return answers


def record(variables: Sequence[Variable], compute: Callable[[], Array]) -> Recording:
    """Compute, while each of the Variables holds its value as a Tensor of a new tape."""
    with tn.GradientTape(replayable=False) as tape:
        watched = tape.watch([floating(variable.value) for variable in variables])
        with holding(variables, watched):
            result = compute()
    return Recording(tape, watched, result)
