"""scipy.optimize on Tensors and arrays alike: solutions are SciPy's, derivatives the implicit function theorem's.

What a solution depends on are arguments, `args`. A solver that does not converge raises `tn.ConvergenceError`.

>>> from tapenet.scipy import optimize
>>> tn.grad(lambda a: optimize.brentq(lambda x, a: x * x - a, 0, 4, args=(a,)))(4.0).round(9)
np.float64(0.25)
"""

from tapenet.scipy.optimize.scalars import (
    bisect as bisect,
    brenth as brenth,
    brentq as brentq,
    newton as newton,
    ridder as ridder,
    root_scalar as root_scalar,
)
from tapenet.scipy.optimize.systems import (
    curve_fit as curve_fit,
    fixed_point as fixed_point,
    least_squares as least_squares,
    linear_sum_assignment as linear_sum_assignment,
    minimize as minimize,
    root as root,
)

__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value))


def __dir__() -> list[str]:
    return __all__
