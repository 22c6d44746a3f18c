"""Subjects of scipy.optimize."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize

import tapenet as tn
import tapenet.numpy as tnp
import tapenet.scipy.optimize
from tests.scipy.subjects import between, subject

ONE, PAIR = between(1.5, 2.5, 1), between(0.6, 1.4, 2)


def cubic(x: Any, a: Any) -> Any:
    return x**3 + x - a


def pair(x: Any, a: Any) -> Any:
    return tnp.stack([x[0] ** 3 + x[1] - a[0], x[1] ** 3 + x[1] - x[0] - a[1]])


def bowl(x: Any, a: Any) -> Any:
    return tnp.sum((x - a) ** 2 + 0.1 * x**4) + 0.3 * x[0] * x[1]


def declare(name: str, call: Any, *arrays: Any, **settings: Any) -> None:
    subject("optimize", name, lambda xp, *given: tnp.asarray(call(xp, *given)), *arrays, **settings)


for each in ("bisect", "brenth", "brentq", "ridder", "toms748"):
    declare(each, lambda xp, a, each=each: getattr(xp, each)(cubic, 0, 4, (a[0].astype(float),), xtol=1e-14), ONE)
declare("newton", lambda xp, a: xp.newton(cubic, 1.0, args=(a[0].astype(float),), tol=1e-13), ONE)
declare("root_scalar", lambda xp, a: xp.root_scalar(cubic, (a[0].astype(float),), bracket=(0, 4)).root, ONE)
declare("fixed_point", lambda xp, a: xp.fixed_point(lambda x, a: np.cos(a * x), 0.5, (a[0].astype(float),)), PAIR)
declare("root", lambda xp, a: xp.root(pair, [1.0, 1.0], (a.astype(float),), tol=1e-13).x, PAIR, tolerance=1e-5)
declare(
    "least_squares",
    lambda xp, a: xp.least_squares(pair, [1.0, 1.0], args=(a.astype(float),), xtol=1e-15, ftol=1e-15, gtol=1e-15).x,
    PAIR,
    tolerance=1e-5,
)


def precise(xp: Any, a: Any) -> Any:
    """SciPy's minimum by gradients of differences, and ours by those that are supplied."""
    if xp is scipy.optimize:
        return tapenet.scipy.optimize.minimize(bowl, np.zeros(2), (a.astype(float),), "Newton-CG", tol=1e-11).x
    return xp.minimize(bowl, np.zeros(2), (a.astype(float),), "Newton-CG", tol=1e-11).x


declare("minimize", precise, PAIR, tolerance=1e-5)
declare(
    "curve_fit",
    lambda xp, y: xp.curve_fit(lambda x, a, b: a * x + b * x * x, np.arange(4.0), y.astype(float), [1.0, 1.0])[0],
    between(0.5, 2, 4),
    tolerance=1e-5,
)
declare("newton", lambda xp, a: xp.newton(cubic, np.ones(2), args=(a.astype(float),), tol=1e-13), PAIR)
declare("fsolve", lambda xp, a: xp.fsolve(pair, [1.0, 1.0], (a.astype(float),), xtol=1e-13), PAIR, tolerance=1e-5)
declare(
    "minimize_scalar",
    lambda xp, a: xp.minimize_scalar(lambda x, a: np.cosh(x - a), args=(a[0].astype(float),), tol=1e-9).x,
    ONE,
    tolerance=1e-5,
)

# ---- linear ----

MATRIX, RIGHT = between(0.6, 1.0, 3, 2).map(lambda a: a * [[1.0, 0.2], [0.3, 1.0], [0.5, -0.4]]), between(0.6, 1.4, 3)
LIMITS = [-0.5, -0.5], [0.2, 9.0]
declare("nnls", lambda xp, a, b: xp.nnls(a.astype(float), b * np.array([1.0, 1.0, 0.3]))[0], MATRIX, RIGHT)
declare("lsq_linear", lambda xp, a, b: xp.lsq_linear(a.astype(float), b.astype(float), LIMITS, "bvls").x, MATRIX, RIGHT)
declare(
    "isotonic_regression", lambda xp, y: xp.isotonic_regression(y + np.array([0.0, 3, 1, 5, 4])).x, between(0, 1, 5)
)
declare(
    "linprog",
    lambda xp, b, a: xp.linprog([-1.0, -2.0], a * np.array([[1.0, 1.0], [1.0, 3.0]]), b * 1.0, bounds=(0, 9)).x,
    between(4.0, 6.0, 2),
    between(0.9, 1.1, 2, 2),
)

# ---- a test function ----

declare("rosen", lambda xp, x: xp.rosen(x), between(-1, 1, 3))
declare("rosen_der", lambda xp, x: xp.rosen_der(x), between(-1, 1, 3))
declare("rosen_hess", lambda xp, x: xp.rosen_hess(x), between(-1, 1, 3))
declare("rosen_hess_prod", lambda xp, x, p: xp.rosen_hess_prod(x, p), between(-1, 1, 3), between(-1, 1, 3))


# ---- searches among several minima ----


def waves(x: Any, a: Any) -> Any:
    return tnp.sum((x - a) ** 2 - 0.6 * np.cos(4 * (x - a))) + 0.2 * x[0] * x[1]


BOX = [(-3, 3), (-3, 3)]


def search(name: str, call: Any) -> None:
    """Declare a search; of plain arrays too on a tape, as differences need a minimum to the last digits."""

    def lowest(xp: Any, a: Any) -> Any:
        if type(a) is np.ndarray:
            with tn.GradientTape() as tape:
                return call(tapenet.scipy.optimize, tape.watch(a.astype(float))).value
        return call(xp, a)

    declare(name, lowest, PAIR, order=1, tolerance=1e-5, in_single=False)


search("direct", lambda xp, a: xp.direct(waves, BOX, args=(a,), maxfun=200).x)
search("shgo", lambda xp, a: xp.shgo(waves, BOX, (a,)).x)
search("brute", lambda xp, a: xp.brute(waves, BOX, (a,), 5))
search("basinhopping", lambda xp, a: xp.basinhopping(waves, [0.7, 1.0], 1, minimizer_kwargs={"args": (a,)}, rng=0).x)
search("dual_annealing", lambda xp, a: xp.dual_annealing(waves, BOX, (a,), maxiter=5, rng=0).x)
search("differential_evolution", lambda xp, a: xp.differential_evolution(waves, BOX, (a,), popsize=5, rng=0).x)
declare(
    "leastsq",
    lambda xp, a: xp.leastsq(pair, [1.0, 1.0], (a.astype(float),), ftol=1e-15, xtol=1e-15)[0],
    PAIR,
    tolerance=1e-5,
    closeness=1e-8,
)

# ---- by the name of a method ----


def basin(x: Any, a: Any) -> Any:
    return np.sum((x - a) ** 2) + np.sum(x) ** 2


def slope(x: Any, a: Any) -> Any:
    return 2 * (x - a) + 2 * np.sum(x)


for each, settings in {
    "fmin": {"xtol": 1e-9, "ftol": 1e-9},
    "fmin_bfgs": {"fprime": slope, "gtol": 1e-8},
    "fmin_cg": {"fprime": slope, "gtol": 1e-8},
    "fmin_powell": {"xtol": 1e-9, "ftol": 1e-9},
}.items():
    declare(
        each,
        lambda xp, a, each=each, more=settings: getattr(xp, each)(
            basin, np.ones(2), args=(a.astype(float),), disp=0, **more
        ),
        PAIR,
        order=1,
        closeness=1e-5,
        tolerance=1e-4,
    )
declare(
    "fmin_ncg",
    lambda xp, a: xp.fmin_ncg(
        basin, np.ones(2), slope, fhess=lambda x, a: 2 * np.eye(2) + 2, args=(a.astype(float),), avextol=1e-9, disp=0
    ),
    PAIR,
    order=1,
    closeness=1e-5,
    tolerance=1e-4,
)
for each in ("brent", "golden"):
    declare(
        each,
        lambda xp, a, each=each: tnp.asarray(
            getattr(xp, each)(lambda x, a: np.cosh(x - a), args=(a[0].astype(float),), tol=1e-9)
        ),
        ONE,
        order=1,
        closeness=1e-6,
        tolerance=1e-4,
    )
declare(
    "fminbound",
    lambda xp, a: tnp.asarray(xp.fminbound(lambda x, a: np.cosh(x - a), -4, 5, (a[0].astype(float),), xtol=1e-9)),
    ONE,
    order=1,
    closeness=1e-6,
    tolerance=1e-4,
)
