"""Subjects of scipy.special."""

from __future__ import annotations

from typing import Any

from tests.scipy.subjects import between, off_axes, subject

# For each function the intervals of its operands; a number is a constant operand, and "z" draws complex numbers.
UFUNCS: dict[str, list[list[Any]]] = {
    # gamma
    "gammaln": [[(0.4, 5)], [(-0.8, -0.2)]],
    "loggamma": [[(0.4, 5)], ["z"]],
    "gamma": [[(0.4, 4)], ["z"]],
    "rgamma": [[(-0.4, 3)], ["z"]],
    "gammasgn": [[(-0.8, -0.2)]],
    "psi digamma": [[(0.4, 5)], ["z"]],
    "beta betaln": [[(0.4, 3), (0.4, 3)]],
    "poch": [[(0.4, 3), (0.4, 3)]],
    "binom": [[(2.6, 5), (0.4, 2)]],
    "zetac": [[(1.5, 6)], [(-1.5, 0.5)]],
    # the error function
    "erf erfc erfcx erfi wofz dawsn": [[(-1.5, 1.5)], ["z"]],
    "erfcx dawsn": [[(2, 9)]],
    "ndtr log_ndtr": [[(-2, 2)], ["z"]],
    "erfinv": [[(-0.9, 0.9)]],
    "erfcinv": [[(0.2, 1.8)]],
    "ndtri": [[(0.1, 0.9)]],
    "ndtri_exp": [[(-4, -0.1)]],
    "owens_t": [[(-1.5, 1.5), (-1.5, 1.5)]],
    "voigt_profile": [[(-2, 2), (0.5, 2), (0.3, 2)]],
    "fresnel": [[(-1.5, 1.5)], ["z"]],
    "modfresnelp modfresnelm": [[(0.2, 1.5)]],
}


def _strategy(interval: Any) -> Any:
    return off_axes() if interval == "z" else between(*interval)


def _declare(name: str, operands: list[Any], **settings: Any) -> None:
    drawn = [interval for interval in operands if not isinstance(interval, int | float)]

    def call(xp: Any, *arrays: Any) -> Any:
        given = iter(arrays)
        return getattr(xp, name)(*[x if isinstance(x, int | float) else next(given) for x in operands])

    subject("special", name, call, *map(_strategy, drawn), **settings)


for names, calls in UFUNCS.items():
    for one in names.split():
        for operands in calls:
            _declare(one, operands, dispatches=True)


def of(name: str, *arguments: Any, **keywords: Any) -> Any:
    """The call of a function with its arrays first, and these arguments behind them."""
    return lambda xp, *arrays: getattr(xp, name)(*arrays, *arguments, **keywords)


subject("special", "polygamma", lambda xp, x: xp.polygamma(2, x), between(0.5, 3))
subject("special", "multigammaln", of("multigammaln", 3), between(1.5, 4))
subject("special", "comb", of("comb"), between(2.6, 5), between(0.4, 2))
subject("special", "comb", of("comb", 2.0, repetition=True), between(2.6, 5))
subject("special", "perm", of("perm"), between(2.6, 5), between(0.4, 2))
subject("special", "factorial", of("factorial"), between(0.4, 3))
subject("special", "zeta", lambda xp, x, q: xp.zeta(x, q), between(1.5, 4), between(0.5, 3))
subject("special", "zeta", of("zeta"), between(2, 4))
