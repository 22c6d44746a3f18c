"""Checks of derivatives by differences, as autograd's own tests make them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

from compat.autograd.core import make_jvp, make_vjp, vspace
from compat.autograd.wrap_util import get_name, unary_to_nary

TOL = RTOL = EPS = 1e-6

Function = Callable[..., Any]


def scalar_close(a: Any, b: Any) -> bool:
    """Return whether two numbers agree, absolutely or relatively, to 1e-6."""
    return bool(abs(a - b) < TOL or abs(a - b) / abs(a + b) < RTOL)


def make_numerical_jvp(f: Function, x: Any) -> Function:
    """Return a function of a tangent: the central difference along it."""
    x_vs, y_vs = vspace(x), vspace(f(x))

    def jvp(v: Any) -> Any:
        ahead, behind = (f(x_vs.add(x, x_vs.scalar_mul(v, step))) for step in (EPS / 2, -EPS / 2))
        return y_vs.scalar_mul(y_vs.add(ahead, y_vs.scalar_mul(behind, -1.0)), 1.0 / EPS)

    return jvp


def check_vjp(f: Function, x: Any) -> None:
    """Compare the pullback of a random cotangent with a difference.

    Raises:
        AssertionError: they differ.
    """
    vjp, y = make_vjp(f, x)
    jvp = make_numerical_jvp(f, x)
    x_vs, y_vs = vspace(x), vspace(y)
    x_v, y_v = x_vs.randn(), y_vs.randn()
    vjp_y = x_vs.covector(vjp(y_vs.covector(y_v)))
    assert vspace(vjp_y) == x_vs
    exact, numeric = x_vs.inner_prod(x_v, vjp_y), y_vs.inner_prod(y_v, jvp(x_v))
    assert scalar_close(numeric, exact), (
        f"Derivative (VJP) check of {get_name(f)} failed with arg {x}:\nanalytic: {exact}\nnumeric:  {numeric}"
    )


def check_jvp(f: Function, x: Any) -> None:
    """Compare the derivative along a random tangent with a difference.

    Raises:
        AssertionError: they differ.
    """
    x_v = vspace(x).randn()
    check_equivalent(make_jvp(f, x)(x_v)[1], make_numerical_jvp(f, x)(x_v))


def check_equivalent(x: Any, y: Any) -> None:
    """Compare two values along a random direction.

    Raises:
        AssertionError: they differ.
    """
    x_vs, y_vs = vspace(x), vspace(y)
    assert x_vs == y_vs, f"VSpace mismatch:\nx: {x_vs}\ny: {y_vs}"
    v = x_vs.randn()
    assert scalar_close(x_vs.inner_prod(x, v), x_vs.inner_prod(y, v)), f"Value mismatch:\nx: {x}\ny: {y}"


@unary_to_nary
def check_grads(f: Function, x: Any, modes: Sequence[str] = ("fwd", "rev"), order: int = 2) -> None:
    """Compare derivatives up to an order with differences, in the modes "fwd" and "rev".

    Raises:
        AssertionError: they differ.
    """
    assert all(mode in ("fwd", "rev") for mode in modes), f"modes must be of 'fwd' and 'rev'; got {modes}"
    for mode, check in (("fwd", check_jvp), ("rev", check_vjp)):
        if mode not in modes:
            continue
        check(f, x)
        if order > 1:
            along = vspace(x if mode == "fwd" else f(x)).randn()
            check_grads(_derivative(f, mode), (0, 1), modes, order=order - 1)(x, along)


def _derivative(f: Function, mode: str) -> Function:
    def derivative(x: Any, v: Any) -> Any:
        return make_jvp(f, x)(v)[1] if mode == "fwd" else make_vjp(f, x)[0](v)

    derivative.__name__ = f"{'jvp' if mode == 'fwd' else 'vjp'}_{get_name(f)}"
    return derivative


def combo_check(fun: Function, *args: Any, **kwargs: Any) -> Function:
    """Return a function that checks all combinations of lists of arguments."""

    def check(*choices: Any, **named: Any) -> None:
        pairs = [[(name, x) for x in values] for name, values in named.items()]
        for chosen in product(*choices):
            for chosen_pairs in product(*pairs):
                check_grads(fun, *args, **kwargs)(*chosen, **dict(chosen_pairs))

    return check
