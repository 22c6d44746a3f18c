"""scipy.interpolate on Tensors and arrays alike: interpolants by their points, their data and the data's places.

An interpolant is made of arrays or Tensors and called with either; where all are plain, its values are SciPy's. It is a
pytree of its data, and can be passed to and returned from differentiated functions.

>>> from tapenet.scipy import interpolate
>>> x = np.arange(5.0)
>>> tn.grad(lambda y: interpolate.CubicSpline(x, y)(2.0))(x**2)
array([0., 0., 1., 0., 0.])
"""

from tapenet.scipy.interpolate.fitpack import (
    InterpolatedUnivariateSpline as InterpolatedUnivariateSpline,
    LSQUnivariateSpline as LSQUnivariateSpline,
    UnivariateSpline as UnivariateSpline,
    insert as insert,
    spalde as spalde,
    splantider as splantider,
    splder as splder,
    splev as splev,
    splint as splint,
    splrep as splrep,
    sproot as sproot,
)
from tapenet.scipy.interpolate.fits import (
    make_lsq_spline as make_lsq_spline,
    make_smoothing_spline as make_smoothing_spline,
)
from tapenet.scipy.interpolate.grids import (
    RegularGridInterpolator as RegularGridInterpolator,
    interpn as interpn,
)
from tapenet.scipy.interpolate.lines import interp1d as interp1d
from tapenet.scipy.interpolate.piecewise import (
    Akima1DInterpolator as Akima1DInterpolator,
    CubicHermiteSpline as CubicHermiteSpline,
    CubicSpline as CubicSpline,
    PchipInterpolator as PchipInterpolator,
    PPoly as PPoly,
    pchip_interpolate as pchip_interpolate,
)
from tapenet.scipy.interpolate.placed import PLACED
from tapenet.scipy.interpolate.polynomials import (
    BarycentricInterpolator as BarycentricInterpolator,
    BPoly as BPoly,
    KroghInterpolator as KroghInterpolator,
    barycentric_interpolate as barycentric_interpolate,
    krogh_interpolate as krogh_interpolate,
)
from tapenet.scipy.interpolate.scattered import (
    LinearNDInterpolator as LinearNDInterpolator,
    NearestNDInterpolator as NearestNDInterpolator,
    RBFInterpolator as RBFInterpolator,
)
from tapenet.scipy.interpolate.splines import BSpline as BSpline, make_interp_spline as make_interp_spline
from tapenet.scipy.interpolate.surfaces import (
    NdBSpline as NdBSpline,
    NdPPoly as NdPPoly,
    RectBivariateSpline as RectBivariateSpline,
    bisplev as bisplev,
)
from tapenet.scipy.interpolate.triangles import (
    CloughTocher2DInterpolator as CloughTocher2DInterpolator,
    griddata as griddata,
)

globals().update(PLACED)

__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value))


def __dir__() -> list[str]:
    return __all__
