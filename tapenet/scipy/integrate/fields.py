"""The right-hand sides of problems: of plain values, and as straight code where they are that."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import attrs
import numpy as np

from tapenet.core.primitive import Array
from tapenet.core.pytrees import tree_leaves
from tapenet.scipy.identity import form_of, identity_of, space_of
from tapenet.scipy.straight import StraightField, agrees, beside
from tapenet.transforms.calls import check_no_capture

Function = Callable[..., Any]


@attrs.define(eq=False)
class Field:
    """A right-hand side f(t, y, *args).

    Attributes:
        name: the function, for errors.
        f: as above.
        users: the user's function, which f calls.
        form: what tells arguments apart but for their differentiable arrays; None where that cannot be told.
        straight: f as straight code; None where it cannot be written so.
        identity: of the function that this is known for.
        is_known: whether it was tried.
    """

    name: str
    f: Function
    users: Function
    form: Hashable
    straight: StraightField | None = None
    identity: Hashable = None
    is_known: bool = False

    @classmethod
    def of(cls, name: str, f: Function, users: Function, args: Any) -> Field:
        return cls(name, f, users, form_of(args))

    def plain(self, args: Any) -> Function:
        """Return f(t, y) of plain values."""

        def field(t: float, y: Array) -> Array:
            value = self.f(t, y, *args)
            if type(value) is not np.ndarray:
                check_no_capture(self.name, tree_leaves(value))
            return value

        return field

    def write(self, times: Array, y0: Array, given: Sequence[Array], rebuilt: Function) -> None:
        """Find straight code for a problem.

        What depends on more than its arguments, such as a counter, or reads values past the record, is another function
        elsewhere: there straight code is compared with f. It is kept for functions that are known to compute the same;
        what others read may change, and they are compared for each solution.

        Args:
            times, y0: of the problem.
            given: the differentiable arrays.
            rebuilt: makes the arguments of these.
        """
        identity = self._identity(y0, given)
        if identity is not None and identity == self.identity:
            return
        self.identity = identity
        if identity is not None and identity in _WRITTEN:
            self.straight, self.is_known = _WRITTEN[identity], True
            return
        if identity is not None or not self.is_known:
            self.is_known = True
            self.straight = StraightField.of(lambda t, y, arrays: self.f(t, y, *rebuilt(arrays)), times[0], y0, given)
        others = [] if identity is None else [[*map(beside, given)]]
        if not all(self._is_same(times, y0, arrays, rebuilt) for arrays in (given, *others)):
            self.straight = None
        if identity is not None:
            if len(_WRITTEN) >= _MOST_WRITTEN:
                _WRITTEN.clear()
            _WRITTEN[identity] = self.straight

    def _identity(self, y0: Array, given: Sequence[Array]) -> Hashable | None:
        own = None if self.form is None else identity_of(self.users)
        if own is None:
            return None
        return own, self.users is self.f, self.form, tuple([space_of(x) for x in (y0, *given)])

    def _is_same(self, times: Array, y0: Array, given: Sequence[Array], rebuilt: Function) -> bool:
        """Return whether straight code gives what f does, at the start and at another time and state.

        Where f cannot be evaluated, the solver calls it itself.
        """
        if self.straight is None:
            return False
        try:
            field = self.plain(rebuilt(given))
            straight = self.straight.of_numbers(given, field)
            for t, y in ((float(times[0]), y0), (float(times[-1]), beside(y0))):
                with np.errstate(all="ignore"):  # the other state is none that the user chose
                    expected = np.asarray(field(t, y))
                pairs = zip(straight(t, y), expected.tolist(), strict=True)
                if expected.shape != y0.shape or not all(agrees(*pair) for pair in pairs):
                    return False
        except Exception:
            return False
        return True


_WRITTEN: dict[Any, StraightField | None] = {}
_MOST_WRITTEN = 128
