"""SciPy's distributions, on boxes and arrays alike."""

from __future__ import annotations

from compat.autograd.scipy.stats import (
    beta as beta,
    chi2 as chi2,
    dirichlet as dirichlet,
    gamma as gamma,
    multivariate_normal as multivariate_normal,
    norm as norm,
    poisson as poisson,
    t as t,
)
