"""`BoundFunction`: a compiled function as a method of an object."""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tapenet.program.compiling.costs import Cost
    from tapenet.program.compiling.lowered import Lowered


class BoundFunction:
    """A compiled function whose first argument is an object; it looks like the method."""

    __slots__ = ("__func__", "__self__")
    __doc__ = property(lambda self: self.__func__.__doc__)  # that of the method

    def __init__(self, function: Any, instance: Any) -> None:
        self.__func__ = function
        self.__self__ = instance

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__func__(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(object.__getattribute__(self, "__func__"), name)

    def __repr__(self) -> str:
        return f"<bound {self.__func__!r} of {self.__self__!r}>"

    def __eq__(self, other: object) -> bool:
        if type(other) is not BoundFunction:
            return NotImplemented
        return other.__func__ is self.__func__ and other.__self__ is self.__self__

    def __hash__(self) -> int:
        return hash((id(self.__func__), id(self.__self__)))

    def __copy__(self) -> BoundFunction:
        return self

    def __deepcopy__(self, memo: Any) -> BoundFunction:
        return self  # as functions are

    def __reduce__(self) -> Any:
        return BoundFunction, (self.__func__, self.__self__)

    @property
    def inlined(self) -> Any:
        """The method itself."""
        return types.MethodType(self.__func__.inlined, self.__self__)

    __wrapped__ = inlined

    def lower(self, *args: Any, **kwargs: Any) -> Lowered:
        """Return the program of these arguments; see `compile`."""
        program: Lowered = self.__func__.lower(self.__self__, *args, **kwargs)
        return program

    def cost(self, *args: Any, **kwargs: Any) -> Cost:
        """Return what the program of these arguments costs."""
        cost: Cost = self.__func__.cost(self.__self__, *args, **kwargs)
        return cost
