"""scipy.integrate on Tensors and arrays alike: values are SciPy's.

Integrals have derivatives by limits and parameters; solutions of differential equations by initial values, times and
parameters, along the solver's own solution. Parameters are arguments, `args`: pytrees of Tensors and anything else.

>>> from tapenet.scipy import integrate
>>> tn.grad(lambda a: integrate.quad(lambda x, a: tnp.exp(-a * x), 0, np.inf, args=(a,))[0])(2.0).round(6)
np.float64(-0.25)
"""

from scipy.integrate import IntegrationWarning as IntegrationWarning, ODEintWarning as ODEintWarning

from tapenet.scipy.integrate.ivp import solve_ivp as solve_ivp
from tapenet.scipy.integrate.lsoda import odeint as odeint
from tapenet.scipy.integrate.placed import PLACED
from tapenet.scipy.integrate.quadrature import (
    dblquad as dblquad,
    fixed_quad as fixed_quad,
    nquad as nquad,
    quad as quad,
    quad_vec as quad_vec,
)
from tapenet.scipy.integrate.sampled import (
    cumulative_simpson as cumulative_simpson,
    cumulative_trapezoid as cumulative_trapezoid,
    romb as romb,
    simpson as simpson,
    trapezoid as trapezoid,
)
from tapenet.scipy.integrate.triple import tplquad as tplquad

globals().update(PLACED)

__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value))


def __dir__() -> list[str]:
    return __all__
