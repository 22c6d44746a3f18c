"""Functions that transforms return: they look like the user's function, and can be pickled where it can."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from tapenet.core.primitive import Primitive
    from tapenet.transforms.signatures import Function


_COPIED = [name for name in functools.WRAPPER_ASSIGNMENTS if hasattr(functools.update_wrapper, name)]


class Transformed:
    """What a transform made of a function: a function with a name, documentation and signature of its own.

    It is pickled as what it was made from, the transform and its arguments; where the name of the user's function now
    stands for it, as behind a decorator, by that name. Two of the same are equal, so that models which hold them have
    one structure.
    """

    __slots__ = ("__dict__", "__weakref__", "function", "made_by")

    __name__: str
    __qualname__: str
    __wrapped__: Callable[..., Any]
    primitive: Primitive

    def __init__(self, function: Callable[..., Any], made_by: tuple[Any, ...], has_signature: bool) -> None:
        self.function = function
        self.made_by = made_by
        f = made_by[1]
        if type(f) is types.FunctionType:  # the usual one, as `update_wrapper` does it in a third of the time
            self.__dict__.update(f.__dict__)
            self.__dict__.update([(name, getattr(f, name)) for name in _COPIED])
        else:
            functools.update_wrapper(self, function)
            if hasattr(f, "__name__"):
                functools.update_wrapper(self, f, updated=())
        self.__wrapped__ = f if has_signature else function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else types.MethodType(self, instance)

    def __repr__(self) -> str:
        make, f, *_ = self.made_by
        return f"<{make.__name__} of {getattr(f, '__qualname__', None) or repr(f)}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transformed) and self.made_by == other.made_by

    def __hash__(self) -> int:
        return hash(self.made_by[:2])

    def __copy__(self) -> Transformed:
        return self

    def __deepcopy__(self, memo: Any) -> Transformed:
        return self  # as functions are

    def __reduce__(self) -> Any:
        if is_found_by_name(self):
            return self.__qualname__
        return _made_again, self.made_by


def is_found_by_name(transformed: Any) -> bool:
    """Return whether the name of the user's function leads to what was made of it."""
    try:
        found: Any = importlib.import_module(transformed.__module__)
        for name in transformed.__qualname__.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, TypeError):
        return False
    return found is transformed


def _made_again(make: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a transform makes; the last of its arguments are those by keyword."""
    *by_place, keywords = arguments
    return make(*by_place, **keywords)


def transformed(
    make: Callable[..., Any], f: Function, *arguments: Any, has_signature: bool = True, **keywords: Any
) -> Callable[[Callable[..., Any]], Function]:
    """Give a function the name and documentation of f, and have it pickled as `make(f, *arguments, **keywords)`.

    Args:
        make: the transform.
        f: the user's function.
        arguments, keywords: what else the transform was given.
        has_signature: whether the parameters are those of f, too.
    """
    return lambda function: cast("Function", Transformed(function, (make, f, *arguments, keywords), has_signature))
