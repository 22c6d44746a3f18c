"""The section of docs/guides/accuracy.md on scipy.special: errors of values and derivatives in units of the last place.

    python docs/scipy_accuracy.py

writes the section; `docs/generate_accuracy.py` writes the page with it. Values are SciPy's own: where a value is
off by more than a derivative should be, so is the derivative.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs
import mpmath
import numpy as np

import tapenet as tn
from tapenet.scipy import special

mp: Any = mpmath.mp

PAGE = Path(__file__).parent / "guides" / "accuracy.md"
TITLE = "## scipy.special"
DIGITS = 90
COUNT = 60  # points

Number = Any


@attrs.frozen
class Case:
    """A function and where it is tried.

    Attributes:
        formula: its value, of mpmath's numbers.
        intervals: of the operands; points are drawn uniformly.
        slopes: its derivatives by the operands, where mpmath knows them better than by differences.
    """

    formula: Callable[..., Number]
    intervals: Sequence[tuple[float, float]]
    slopes: Sequence[Callable[..., Number] | None] = ()


def _log_ndtr(x: Number) -> Number:
    return mp.log(mp.erfc(-x / mp.sqrt(2)) / 2)


def _stdtr(df: Number, t: Number) -> Number:
    tail = mp.betainc(df / 2, mp.mpf(1) / 2, 0, df / (df + t * t), regularized=True) / 2
    return 1 - tail if t > 0 else tail


CASES: dict[str, Case] = {
    "gammaln": Case(mp.loggamma, [(2.2, 60)]),
    "gamma": Case(mp.gamma, [(0.1, 60)]),
    "rgamma": Case(mp.rgamma, [(0.1, 60)]),
    "digamma": Case(mp.digamma, [(1.6, 60)]),
    "betaln": Case(lambda a, b: mp.log(mp.beta(a, b)), [(2, 60), (2, 60)]),
    "erf": Case(mp.erf, [(0.01, 6)]),
    "erfc": Case(mp.erfc, [(-6, 20)]),
    "erfcx": Case(lambda x: mp.exp(x * x) * mp.erfc(x), [(-5, 60)]),
    "dawsn": Case(lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x), [(1, 12)]),
    "erfinv": Case(mp.erfinv, [(0.01, 0.9999)]),
    "ndtr": Case(mp.ncdf, [(-30, 6)]),
    "log_ndtr": Case(_log_ndtr, [(-30, 6)]),
    "logit": Case(lambda x: mp.log(x / (1 - x)), [(0.51, 0.999)]),
    "spence": Case(lambda x: mp.polylog(2, 1 - x), [(0.1, 1.9)]),
    "exprel": Case(lambda x: mp.expm1(x) / x, [(-30, 30)]),
    "j0": Case(lambda x: mp.besselj(0, x), [(0.1, 20)]),
    "i0": Case(lambda x: mp.besseli(0, x), [(0.1, 60)]),
    "i0e": Case(lambda x: mp.exp(-x) * mp.besseli(0, x), [(0.1, 60)]),
    "k0": Case(lambda x: mp.besselk(0, x), [(0.1, 60)]),
    "kv": Case(mp.besselk, [(0.2, 9), (0.3, 30)]),
    "iv": Case(mp.besseli, [(0.2, 9), (0.3, 30)]),
    "jv": Case(mp.besselj, [(0.2, 4), (0.3, 20)]),
    "ellipk": Case(mp.ellipk, [(-2, 0.99)]),
    "ellipe": Case(mp.ellipe, [(-2, 0.99)]),
    "exp1": Case(mp.e1, [(0.05, 30)]),
    "gammainc": Case(lambda a, x: mp.gammainc(a, 0, x, regularized=True), [(0.1, 30), (0.1, 20)]),
    "gammaincc": Case(lambda a, x: mp.gammainc(a, x, regularized=True), [(0.1, 20), (0.1, 30)]),
    "betainc": Case(lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True), [(0.2, 20), (0.2, 20), (0.05, 0.95)]),
    "stdtr": Case(_stdtr, [(0.5, 20), (-6, 3)]),
    "hyp1f1": Case(mp.hyp1f1, [(0.2, 4), (0.2, 4), (-20, 20)]),
    "hyp2f1": Case(mp.hyp2f1, [(0.2, 3), (0.2, 3), (0.5, 4), (-3, 0.9)]),
}


def points(case: Case, count: int = COUNT) -> list[tuple[float, ...]]:
    """Draw points of the intervals."""
    rng = np.random.default_rng(0)
    return [tuple(float(rng.uniform(low, high)) for low, high in case.intervals) for _ in range(count)]


def expected(case: Case, at: tuple[float, ...], by: int | None) -> Number:
    """Compute the value, or the derivative by an operand: a central difference with half of the digits to spare."""
    with mpmath.workdps(DIGITS):
        exact = [mp.mpf(x) for x in at]
        if by is None:
            return case.formula(*exact)
        step = mp.mpf(10) ** (-DIGITS // 3)
        ends = [case.formula(*(x + side * step if i == by else x for i, x in enumerate(exact))) for side in (1, -1)]
        return (ends[0] - ends[1]) / (2 * step)


def found(name: str, at: tuple[float, ...], by: int | None) -> float:
    """Compute it by tapenet.scipy."""
    function = getattr(special, name)
    return float(function(*at) if by is None else tn.grad(function, by)(*at))


def errors(name: str, by: int | None, count: int = COUNT) -> Any:
    """Return the errors at the points, in units of the last place."""
    case, result = CASES[name], []
    for at in points(case, count):
        right = expected(case, at, by)
        unit = mp.mpf(float(np.spacing(abs(float(right)))))
        result.append(float(abs(mp.mpf(found(name, at, by)) - right) / unit))
    return np.array(result)


def row(name: str) -> str:
    """Write the line of a function."""
    count = len(CASES[name].intervals)
    cells = [errors(name, by) for by in (None, *range(count))]
    texts = [f"{cell.max():.1f} ({np.median(cell):.1f})" for cell in cells]
    return f"| `{name}` | " + " | ".join([*texts, *["-"] * (4 - count)]) + " |"


INTRODUCTION = """
Largest error in ulp, and the median, of values and first derivatives by each operand, of float64, at {count} points of
ordinary size (`docs/scipy_accuracy.py` has the intervals). The value is SciPy's own; where it is off, the derivative,
which is made of such values, is too. Beside these, derivatives are off by more than 20 ulp beside a zero, where their
terms cancel (Bessel functions, `hyp1f1`); by parameters, where a mean over a tail is small (`gammainc`, `betainc`,
`stdtr` by df); where they are the difference of two functions (`i0e`, and `dawsn` between 2 and 6).

| function | value | by the 1st operand | 2nd | 3rd | 4th |
|---|---|---|---|---|---|
"""


def section() -> str:
    """Write the section."""
    return "\n".join([TITLE, INTRODUCTION.format(count=COUNT) + "\n".join(map(row, CASES)), ""])


def spliced(page: str, text: str) -> str:
    """Return the page with the section in place of its own, at the end."""
    return page.partition(TITLE)[0].rstrip("\n") + "\n\n" + text


if __name__ == "__main__":
    PAGE.write_text(spliced(PAGE.read_text(encoding="utf-8"), section()), encoding="utf-8")
