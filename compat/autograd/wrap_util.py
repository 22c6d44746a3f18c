"""Operators on functions of one argument, made into operators on functions of several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from compat.autograd.basics import subvals
from tapenet.errors import ArgumentTypeError


def get_name(f: Any) -> str:
    """Return a function's name."""
    return getattr(f, "__name__", "[unknown name]")


def get_doc(f: Any) -> str:
    """Return a function's docstring."""
    return getattr(f, "__doc__", None) or ""


def wraps(
    fun: Any, namestr: str = "{fun}", docstr: str = "{doc}", **kwargs: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a function a name and a docstring made from another's."""

    def named(f: Callable[..., Any]) -> Callable[..., Any]:
        f.__name__ = namestr.format(fun=get_name(fun), **kwargs)
        f.__doc__ = docstr.format(fun=get_name(fun), doc=get_doc(fun), **kwargs)
        return f

    return named


def unary_to_nary(unary_operator: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator `(fun, argnum=0, ...)` for one `(fun of x, x, ...)`.

    With a tuple or list of numbers x is the tuple of these arguments.
    """

    @wraps(unary_operator)
    def nary_operator(fun: Callable[..., Any], argnum: Any = 0, *op_args: Any, **op_kwargs: Any) -> Any:
        name = get_name(unary_operator)
        if type(argnum) not in (int, tuple, list):
            raise ArgumentTypeError(f"{name}: argnum must be an int or a tuple of ints; got {argnum!r}.")

        @wraps(
            fun,
            "{op}_of_{fun}_wrt_argnum_{argnum}",
            "Apply {op} to {fun} by its argument {argnum}.",
            op=name,
            argnum=argnum,
        )
        def nary_f(*args: Any, **kwargs: Any) -> Any:
            def unary_f(x: Any) -> Any:
                if argnum == 0:  # the most frequent call by far
                    return fun(x, *args[1:], **kwargs)
                pairs = [(argnum, x)] if type(argnum) is int else zip(argnum, x, strict=True)
                return fun(*subvals(args, pairs), **kwargs)

            x = args[argnum] if type(argnum) is int else tuple(args[i] for i in argnum)
            unary_f.__name__ = get_name(fun)
            return unary_operator(unary_f, x, *op_args, **op_kwargs)

        return nary_f

    return nary_operator
