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
    "BPoly": "Write interpolate.PPoly.",
    "BarycentricInterpolator": _SPLINE,
    "barycentric_interpolate": _SPLINE,
    **dict.fromkeys(("bisplev", "bisplrep", "RectBivariateSpline", "NdBSpline", "NdPPoly"), _GRID),
    **dict.fromkeys(("BivariateSpline", "LSQBivariateSpline", "LSQSphereBivariateSpline"), _GRID),
    "CloughTocher2DInterpolator": "Write interpolate.LinearNDInterpolator, or interpolate.RBFInterpolator.",
    "FloaterHormannInterpolator": _SPLINE,
    "insert": _SPLINE,
    "InterpolatedUnivariateSpline": _SPLINE,
    "KroghInterpolator": _SPLINE,
    "krogh_interpolate": _SPLINE,
    "lagrange": "Write tapenet.numpy.polyfit.",
    "LSQUnivariateSpline": _SPLINE,
    **dict.fromkeys(("make_lsq_spline", "make_smoothing_spline", "make_splprep", "make_splrep"), _SPLINE),
    "pade": "Write the quotient of two polynomials.",
    "Rbf": _SCATTER,
    **dict.fromkeys(("RectSphereBivariateSpline", "SmoothSphereBivariateSpline"), _GRID),
    "SmoothBivariateSpline": _SCATTER,
    "spalde": "Write interpolate.splev, with der=.",
    **dict.fromkeys(("splprep", "splrep", "UnivariateSpline"), _SPLINE),
    "sproot": "Write tn.root of the spline.",
}
_PASSED = {"generate_knots": "knots that a fit chooses."}

PLACED: dict[str, Any] = {
    **{name: refused(scipy.interpolate, name, instead) for name, instead in _REFUSED.items()},
    **{name: passed_on(scipy.interpolate, name, reason) for name, reason in _PASSED.items()},
}
