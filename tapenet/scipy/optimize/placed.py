"""Functions of scipy.optimize that are not differentiated, each with what to write instead."""

from __future__ import annotations

from typing import Any

import scipy.optimize

from tapenet.scipy.placing import passed_on, refused

_ROOT = 'It takes no args to differentiate by. Write optimize.root with method="{}".'
_MINIMUM = 'Write optimize.minimize with method="{}", and its .x.'

_REFUSED = {
    **{
        name: _ROOT.format(method)
        for name, method in {
            "anderson": "anderson",
            "broyden1": "broyden1",
            "broyden2": "broyden2",
            "diagbroyden": "diagbroyden",
            "excitingmixing": "excitingmixing",
            "linearmixing": "linearmixing",
            "newton_krylov": "krylov",
        }.items()
    },
    **{
        name: _MINIMUM.format(method)
        for name, method in {
            "fmin_cobyla": "COBYLA",
            "fmin_l_bfgs_b": "L-BFGS-B",
            "fmin_slsqp": "SLSQP",
            "fmin_tnc": "TNC",
        }.items()
    },
    "approx_fprime": "Write tn.jacobian, which is exact.",
    "check_grad": "Write tn.testing.check_grads.",
    "line_search": "Pass plain values, or write optimize.minimize.",
    "milp": "Its solution jumps. Pass plain values; with the integers fixed, write optimize.linprog.",
}
_PASSED = {
    "bracket": "three places around a minimum, which no solution depends on.",
    "linprog_verbose_callback": "it prints.",
    "quadratic_assignment": "it gives a permutation: pass plain values.",
    "show_options": "it prints.",
}

PLACED: dict[str, Any] = {
    **{name: refused(scipy.optimize, name, instead) for name, instead in _REFUSED.items()},
    **{name: passed_on(scipy.optimize, name, reason) for name, reason in _PASSED.items()},
}
