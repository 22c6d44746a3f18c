"""Functions of scipy.special at edges, against closed forms and mpmath, and by parameters far out."""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import special

mp: Any = mpmath.mp
INF, NAN = math.inf, math.nan
EULER = float(np.euler_gamma)


def slope(name: str, *arguments: float, by: int = 0) -> float:
    with np.errstate(all="ignore"):
        return float(tn.grad(getattr(special, name), by)(*map(float, arguments)))


# ---- edges, as documented ----

EDGES = [
    # function, arguments, place of the operand, derivative
    ("gammaln", (1.0,), 0, -EULER),
    ("gammaln", (INF,), 0, INF),
    ("gamma", (-1.0,), 0, NAN),
    ("gamma", (NAN,), 0, NAN),
    ("rgamma", (0.0,), 0, 1.0),
    ("rgamma", (-1.0,), 0, -1.0),
    ("rgamma", (-3.0,), 0, -6.0),
    ("psi", (1.0,), 0, math.pi**2 / 6),
    ("psi", (-1.0,), 0, INF),
    ("erf", (INF,), 0, 0.0),
    ("erfc", (-INF,), 0, 0.0),
    ("erf", (NAN,), 0, NAN),
    ("erfinv", (1.0,), 0, INF),
    ("erfinv", (0.0,), 0, math.sqrt(math.pi) / 2),
    ("erfcinv", (0.0,), 0, -INF),
    ("ndtri", (0.0,), 0, INF),
    ("ndtr", (-INF,), 0, 0.0),
    ("log_ndtr", (INF,), 0, 0.0),
    ("entr", (0.0,), 0, INF),
    ("entr", (-1.0,), 0, NAN),
    ("xlogy", (0.0, 0.0), 1, 0.0),
    ("xlogy", (0.0, 2.0), 1, 0.0),
    ("xlog1py", (0.0, -1.0), 1, 0.0),
    ("logit", (0.0,), 0, INF),
    ("expit", (INF,), 0, 0.0),
    ("log_expit", (-INF,), 0, 1.0),
    ("exprel", (0.0,), 0, 0.5),
    ("boxcox", (2.0, 0.0), 1, math.log(2) ** 2 / 2),
    ("inv_boxcox", (2.0, 0.0), 1, -2 * math.exp(2)),
    ("spence", (1.0,), 0, -1.0),
    ("cbrt", (0.0,), 0, INF),
    ("j1", (0.0,), 0, 0.5),
    ("i1", (0.0,), 0, 0.5),
    ("berp", (0.0,), 0, 0.0),
    ("beip", (0.0,), 0, 0.5),
    ("ellipk", (0.0,), 0, math.pi / 8),
    ("ellipe", (0.0,), 0, -math.pi / 8),
    ("ellipk", (1.0,), 0, INF),
    ("elliprf", (1.0, 1.0, 1.0), 0, -1 / 6),
    ("elliprd", (1.0, 1.0, 1.0), 2, -0.9),
    ("gammainc", (1.0, 0.0), 1, 1.0),
    ("gammainc", (2.0, 0.0), 1, 0.0),
    ("gammainc", (0.5, 0.0), 1, INF),
    ("gammainc", (2.0, 0.0), 0, 0.0),
    ("gammainc", (2.0, INF), 0, 0.0),
    ("gammainc", (-2.0, 1.0), 0, NAN),
    ("betainc", (2.0, 3.0, 0.0), 0, 0.0),
    ("betainc", (2.0, 3.0, 1.0), 1, 0.0),
    ("betainc", (1.0, 1.0, 1.0), 2, 1.0),
    ("stdtr", (3.0, 0.0), 0, 0.0),
    ("tklmbda", (2.5, 0.5), 0, 0.0),
    ("comb", (2.0, 3.0), 0, 0.0),
]


@pytest.mark.parametrize(("name", "arguments", "by", "expected"), EDGES)
def test_derivatives_at_edges(name: str, arguments: tuple[float, ...], by: int, expected: float) -> None:
    found = slope(name, *arguments, by=by)
    np.testing.assert_allclose(found, expected, rtol=1e-13)


def test_second_derivatives_at_removable_singularities() -> None:
    second = {"rgamma": ((0.0,), 2 * EULER), "exprel": ((0.0,), 1 / 3), "spence": ((1.0,), 0.5), "j1": ((0.0,), 0.0)}
    for name, (arguments, expected) in second.items():
        with np.errstate(all="ignore"):
            found = tn.hessian(getattr(special, name))(*arguments)
        np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


# ---- parameters, against mpmath ----


@pytest.fixture(autouse=True)
def sixty_digits() -> Any:
    with mpmath.workdps(60):
        yield


def derivative(f: Any, at: tuple[float, ...], by: int) -> Any:
    step = mp.mpf(10) ** -18 * max(1, abs(at[by]))
    ends = [f(*(mp.mpf(x) + (side * step if i == by else 0) for i, x in enumerate(at))) for side in (-1, 1)]
    return (ends[1] - ends[0]) / (2 * step)


def mp_gammainc(a: Any, x: Any) -> Any:
    return mp.gammainc(a, 0, x, regularized=True)


def mp_betainc(a: Any, b: Any, x: Any) -> Any:
    return mp.betainc(a, b, 0, x, regularized=True)


CASES = [
    # function, mpmath's, arguments, place of the operand, relative accuracy
    *(("gammainc", mp_gammainc, (a, a * r), 0, 1e-13) for a in (0.05, 0.7, 3.0, 40.0) for r in (0.2, 0.8, 1.3, 2.0)),
    *(("betainc", mp_betainc, (a, b, x), by, 2e-13) for by in (0, 1) for a, b in ((0.3, 2.0), (4.0, 0.5), (30.0, 20.0))
      for x in (0.05, 0.4, 0.9)),
    *(("gammaincinv", lambda a, y: mp.findroot(lambda x: mp_gammainc(a, x) - y, 1.3 * a), (a, 0.7), 0, 1e-12)
      for a in (2.0, 9.0)),
    *(("hyp1f1", mp.hyp1f1, (0.7, 1.9, z), by, 1e-13) for by in (0, 1) for z in (-20.0, -1.0, 0.5, 30.0)),
    *(("hyp2f1", mp.hyp2f1, (0.7, 1.1, 1.9, z), by, 1e-13) for by in (0, 1, 2) for z in (-30.0, -0.5, 0.3, 0.95)),
    *(("hyperu", mp.hyperu, (a, 1.3, z), by, 1e-11) for by in (0, 1) for a in (0.4, 2.0) for z in (0.3, 4.0)),
    *(("hyp0f1", mp.hyp0f1, (1.7, z), 0, 1e-12) for z in (-30.0, -1.0, 3.0)),
    *((name, f, (v, z), 0, 1e-12) for name, f in (("kv", mp.besselk), ("iv", mp.besseli), ("jv", mp.besselj),
      ("yv", mp.bessely)) for v in (0.3, 2.0) for z in (0.7, 5.0, 30.0)),
    *((name, f, (v, z), 0, 1e-12) for name, f in (("struve", mp.struveh), ("modstruve", mp.struvel),
      ("kve", lambda v, z: mp.exp(z) * mp.besselk(v, z)), ("ive", lambda v, z: mp.exp(-z) * mp.besseli(v, z)))
      for v in (0.3, 2.0) for z in (0.7, 5.0, 30.0)),
    ("ive", lambda v, z: mp.exp(-z) * mp.besseli(v, z), (0.3, 900.0), 0, 1e-12),
    ("kve", lambda v, z: mp.exp(z) * mp.besselk(v, z), (0.3, 900.0), 0, 1e-12),
    *(("zeta", mp.zeta, (s, q), 0, 1e-13) for s in (1.2, 3.0, 9.0) for q in (0.4, 1.0, 6.0)),
    *(("eval_jacobi", lambda a, b, x: mp.jacobi(4, a, b, x), (0.5, 1.5, 0.3), by, 1e-13) for by in (0, 1)),
    *(("owens_t", lambda h, a: mp.quad(lambda t: mp.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), [0, a]) / (2 * mp.pi),
       (0.7, 1.3), by, 1e-13) for by in (0, 1)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "formula", "arguments", "by", "accuracy"), CASES)
def test_derivatives_by_parameters_are_mpmaths(
    name: str, formula: Any, arguments: tuple[float, ...], by: int, accuracy: float
) -> None:
    given = (4.0, *arguments) if name == "eval_jacobi" else arguments
    found = slope(name, *given, by=by + len(given) - len(arguments))
    np.testing.assert_allclose(found, float(derivative(formula, arguments, by)), rtol=accuracy)


def test_derivatives_in_far_tails_keep_their_digits() -> None:
    for name, f, at in (("erfcx", lambda x: mp.exp(x * x) * mp.erfc(x), 50.0), ("dawsn", None, 40.0)):
        formula = f or (lambda x: mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x))
        with mpmath.workdps(900):
            expected = float(mp.diff(formula, mp.mpf(at)))
        np.testing.assert_allclose(slope(name, at), expected, rtol=1e-14)
    np.testing.assert_allclose(slope("log_ndtr", -1e8), 1e8, rtol=1e-14)
    np.testing.assert_allclose(
        slope("ndtri_exp", -1e10), -1 / slope("log_ndtr", special.ndtri_exp(-1e10)) * -1, rtol=1e-12
    )


def test_differences_of_digamma_keep_their_digits() -> None:
    a, b = 1e7, 0.5
    np.testing.assert_allclose(slope("betaln", a, b), float(mp.digamma(a) - mp.digamma(mp.mpf(a) + b)), rtol=1e-14)
    np.testing.assert_allclose(
        slope("poch", 1e5, 1e-3) / special.poch(1e5, 1e-3),
        float(mp.digamma(mp.mpf(1e5) + mp.mpf(1e-3)) - mp.digamma(1e5)),
        rtol=1e-13,
    )


def test_complex_arguments_have_the_complex_derivative() -> None:
    z = 0.7 + 0.4j
    for name, f in (("gamma", mp.gamma), ("erf", mp.erf), ("loggamma", mp.loggamma), ("psi", mp.digamma)):
        found = tn.grad(lambda z, name=name: getattr(special, name)(z).real)(z)
        np.testing.assert_allclose(found, complex(mp.diff(f, mp.mpc(z))), rtol=1e-13)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("erf", (0.3,)),
        ("gammainc", (2.3, 1.7)),
        ("betainc", (2.3, 1.7, 0.4)),
        ("stdtr", (3.0, 0.7)),
        ("fdtr", (3.0, 5.0, 0.7)),
        ("gammaincinv", (2.3, 0.7)),
        ("voigt_profile", (0.3, 1.2, 0.7)),
        ("hyp2f1", (0.3, 1.2, 0.7, -0.5)),
        ("xlogy", (0.3, 1.2)),
        ("airy", (0.3,)),
    ],
)
def test_large_arrays_have_the_derivatives_of_their_elements(name: str, arguments: tuple[float, ...]) -> None:
    def f(*xs: Any) -> Any:
        found = getattr(special, name)(*xs)
        return tnp.sum(found[0] if isinstance(found, tuple) else found)

    places = tuple(range(len(arguments)))
    small = tn.grad(f, places)(*arguments)
    large = tn.grad(f, places)(*(np.full(40_000, x) for x in arguments))
    for one, many in zip(small, large, strict=True):
        np.testing.assert_allclose(many, one, rtol=1e-12)
