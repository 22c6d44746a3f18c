"""scipy.special on Tensors and arrays alike: values are SciPy's, derivatives are exact, in both modes and to any order.

Plain `scipy.special` functions work on Tensors too. `docs/guides/scipy.md` lists what becomes of each.

>>> from tapenet.scipy import special
>>> float(tn.grad(special.erf)(0.0)), float(tn.grad(special.gammaln)(1.0))
(1.1283791670955126, -0.5772156649015329)
"""

from tapenet.scipy.special.error import (
    dawsn as dawsn,
    erf as erf,
    erfc as erfc,
    erfcinv as erfcinv,
    erfcx as erfcx,
    erfi as erfi,
    erfinv as erfinv,
    fresnel as fresnel,
    log_ndtr as log_ndtr,
    modfresnelm as modfresnelm,
    modfresnelp as modfresnelp,
    ndtr as ndtr,
    ndtri as ndtri,
    ndtri_exp as ndtri_exp,
    owens_t as owens_t,
    voigt_profile as voigt_profile,
    wofz as wofz,
)
from tapenet.scipy.special.gamma import (
    beta as beta,
    betaln as betaln,
    binom as binom,
    comb as comb,
    digamma as digamma,
    factorial as factorial,
    gamma as gamma,
    gammaln as gammaln,
    gammasgn as gammasgn,
    loggamma as loggamma,
    multigammaln as multigammaln,
    perm as perm,
    poch as poch,
    polygamma as polygamma,
    psi as psi,
    rgamma as rgamma,
    zeta as zeta,
    zetac as zetac,
)

__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value))


def __dir__() -> list[str]:
    return __all__
