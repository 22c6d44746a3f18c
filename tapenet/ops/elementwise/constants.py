"""Constants in the precision of what they multiply."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array


@attrs.frozen
class Constant:
    """A number: as a Python float, which leaves a dtype as it is, and with all of longdouble's digits."""

    wide: np.longdouble
    narrow: float = attrs.field(init=False, default=attrs.Factory(lambda self: float(self.wide), takes_self=True))

    def of(self, x: Array) -> Any:
        """Return the constant to multiply `x` by."""
        dtype = getattr(x, "dtype", None)
        return self.wide if dtype is not None and dtype.char in "gG" else self.narrow


PI = Constant(4 * np.arctan(np.longdouble(1)))
LOG_2 = Constant(np.log(np.longdouble(2)))
LOG2_E = Constant(1 / LOG_2.wide)
LOG10_E = Constant(1 / np.log(np.longdouble(10)))
ROOT_HALF = Constant(np.sqrt(np.longdouble(0.5)))
TWO_OVER_ROOT_PI = Constant(2 / np.sqrt(PI.wide))
ONE_OVER_ROOT_TWO_PI = Constant(1 / np.sqrt(2 * PI.wide))
