"""scipy.optimize on Tensors and arrays alike: solutions are SciPy's, derivatives the implicit function theorem's.

What a solution depends on are arguments, `args`. A solver that does not converge raises `tn.ConvergenceError`, and so
does a solution that has no derivative: a singular Jacobian, active constraints that switch.

>>> from tapenet.scipy import optimize
>>> tn.grad(lambda a: optimize.brentq(lambda x, a: x * x - a, 0, 4, args=(a,)))(4.0).round(9)
np.float64(0.25)
"""

from scipy.optimize import (
    BFGS as BFGS,
    SR1 as SR1,
    Bounds as Bounds,
    HessianUpdateStrategy as HessianUpdateStrategy,
    LinearConstraint as LinearConstraint,
    NonlinearConstraint as NonlinearConstraint,
    OptimizeResult as OptimizeResult,
    OptimizeWarning as OptimizeWarning,
    RootResults as RootResults,
)

from tapenet.scipy.optimize.fits import (
    curve_fit as curve_fit,
    isotonic_regression as isotonic_regression,
    least_squares as least_squares,
    leastsq as leastsq,
    lsq_linear as lsq_linear,
    nnls as nnls,
)
from tapenet.scipy.optimize.linear import linear_sum_assignment as linear_sum_assignment, linprog as linprog
from tapenet.scipy.optimize.minima import minimize as minimize
from tapenet.scipy.optimize.named import (
    brent as brent,
    fmin as fmin,
    fmin_bfgs as fmin_bfgs,
    fmin_cg as fmin_cg,
    fmin_ncg as fmin_ncg,
    fmin_powell as fmin_powell,
    fminbound as fminbound,
    golden as golden,
)
from tapenet.scipy.optimize.placed import PLACED
from tapenet.scipy.optimize.rosenbrock import (
    rosen as rosen,
    rosen_der as rosen_der,
    rosen_hess as rosen_hess,
    rosen_hess_prod as rosen_hess_prod,
)
from tapenet.scipy.optimize.scalars import (
    bisect as bisect,
    brenth as brenth,
    brentq as brentq,
    minimize_scalar as minimize_scalar,
    newton as newton,
    ridder as ridder,
    root_scalar as root_scalar,
    toms748 as toms748,
)
from tapenet.scipy.optimize.searches import (
    basinhopping as basinhopping,
    brute as brute,
    differential_evolution as differential_evolution,
    direct as direct,
    dual_annealing as dual_annealing,
    shgo as shgo,
)
from tapenet.scipy.optimize.systems import fixed_point as fixed_point, fsolve as fsolve, root as root

globals().update(PLACED)

__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value))


def __dir__() -> list[str]:
    return __all__
