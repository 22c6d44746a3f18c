"""Linear algebra without matrices: operators, solves, eigenvalues and estimates of traces, all differentiable.

>>> A = linear_operator(lambda x: x**3, np.array([1.0, 2.0]))
>>> A @ np.ones(2), cg(A, np.array([3.0, 24.0])).round(6)
(array([ 3., 12.]), array([1., 2.]))
"""

from tapenet.operators.curvature import fisher, gauss_newton
from tapenet.operators.estimates import Estimate, diagonal, logdet, trace
from tapenet.operators.linear_solves import cg, gmres, lsqr, minres
from tapenet.operators.operator import LinearOperator, linear_operator
from tapenet.operators.spectra import EighResult, SVDResult, eigsh, svds

__all__ = [
    # operators
    "linear_operator",
    "gauss_newton",
    "fisher",
    "LinearOperator",
    # linear equations
    "cg",
    "minres",
    "gmres",
    "lsqr",
    # eigenvalues and singular values
    "eigsh",
    "svds",
    "EighResult",
    "SVDResult",
    # estimates
    "trace",
    "diagonal",
    "logdet",
    "Estimate",
]


def __dir__() -> list[str]:
    return __all__
