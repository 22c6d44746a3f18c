"""Functions and classes of scipy.interpolate that are not differentiated, each with what to write instead."""

from __future__ import annotations

from typing import Any

import scipy.interpolate

from tapenet.scipy.placing import passed_on, refused

_SPLINE = "Write interpolate.make_interp_spline, or interpolate.CubicSpline."
_GRID = "Write interpolate.RegularGridInterpolator."
_SCATTER = "Write interpolate.RBFInterpolator."
_REFUSED = {
    "AAA": "Write interpolate.make_interp_spline.",
    "approximate_taylor_polynomial": "Write tn.jet.",
    **dict.fromkeys(("bisplrep", "BivariateSpline", "LSQBivariateSpline", "LSQSphereBivariateSpline"), _GRID),
    "FloaterHormannInterpolator": _SPLINE,
    "lagrange": "Write tapenet.numpy.polyfit.",
    **dict.fromkeys(("make_splprep", "make_splrep", "splprep"), _SPLINE),
    "pade": "Write the quotient of two polynomials.",
    "Rbf": _SCATTER,
    **dict.fromkeys(("RectSphereBivariateSpline", "SmoothSphereBivariateSpline"), _GRID),
    "SmoothBivariateSpline": _SCATTER,
}
_PASSED = {"generate_knots": "knots that a fit chooses."}

PLACED: dict[str, Any] = {
    **{name: refused(scipy.interpolate, name, instead) for name, instead in _REFUSED.items()},
    **{name: passed_on(scipy.interpolate, name, reason) for name, reason in _PASSED.items()},
}
