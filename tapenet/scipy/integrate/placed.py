"""Functions of scipy.integrate that are not differentiated, each with what to write instead."""

from __future__ import annotations

from typing import Any

import scipy.integrate

from tapenet.scipy.placing import passed_on, refused

_REFUSED = {
    "cubature": "Write integrate.nquad, or integrate.quad_vec.",
    "nsum": "Write the sum of the terms.",
    "qmc_quad": "Write the mean of the function at points that you draw.",
    "solve_bvp": "Write the collocation equations, and solve them by tn.root.",
    "tanhsinh": "Write integrate.quad, or integrate.quad_vec.",
}
_PASSED = {"lebedev_rule": "points and weights of a rule.", "newton_cotes": "weights of a rule."}

PLACED: dict[str, Any] = {
    **{name: refused(scipy.integrate, name, instead) for name, instead in _REFUSED.items()},
    **{name: passed_on(scipy.integrate, name, reason) for name, reason in _PASSED.items()},
}
