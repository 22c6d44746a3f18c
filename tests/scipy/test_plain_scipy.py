"""Plain SciPy on Tensors, with the array API mode off and on: right, or an error that says what to write."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.integrate
import scipy.interpolate
import scipy.linalg
import scipy.optimize
import scipy.signal
import scipy.sparse.linalg
import scipy.stats
from hypothesis import given, settings

import tapenet as tn
from tapenet.core.pytrees import tree_leaves
from tapenet.scipy import integrate, optimize
from tests.scipy.subjects import SUBJECTS, Subject
from tests.scipy.test_functions import differentiable, ours, theirs

CURES = re.compile(r"tapenet\.|tn\.|tnp\.|x\.value")
# They ask numpy.isscalar of fs, which asks a Tensor nothing, or only compare values: `docs/guides/scipy.md` says so.
UNASKED = {"optimize.golden", "signal.bilinear_zpk", "signal.iirnotch"}
# It assigns to elements; and the NaN that those put for values beyond the limits reaches the derivative.
MASKED = {"stats.kappa4", "stats.tsem", "stats.tstd", "stats.tvar"}
one_of_each = {f"{subject.module}.{subject.name}": subject for subject in reversed(SUBJECTS)}
modules = sorted({subject.module for subject in SUBJECTS})


def outcome(subject: Subject, arrays: Any) -> str:
    """What plain SciPy makes of Tensors: "right", "named" (the error says what to write), or what is wrong."""
    try:
        outputs, pullback = tn.vjp(lambda *xs: differentiable(subject, theirs(subject), *xs), *arrays)
    except tn.TapenetError as error:
        return "named" if CURES.search(str(error)) else f"no cure: {error}"
    except Exception as error:
        if isinstance(error.__cause__, tn.TapenetError) and CURES.search(str(error.__cause__)):
            return "named"  # in the traceback, above the error that NumPy makes of it
        return f"{type(error).__name__}: {error}"
    expected, pulled = tn.vjp(lambda *xs: differentiable(subject, ours(subject), *xs), *arrays)
    bars = [np.ones_like(x) for x in expected]
    pairs = zip((*outputs, *tree_leaves(pullback(bars))), (*expected, *tree_leaves(pulled(bars))), strict=True)
    return "right" if all(np.allclose(one, other, 1e-6, 1e-9) for one, other in pairs) else "wrong values"


def outcome_of(subject: Subject) -> str:
    found = []

    @settings(max_examples=1, database=None)
    @given(arrays=subject.arrays)
    def once(arrays: Any) -> None:
        found.append(outcome(subject, arrays))

    once()
    return found[-1]


def outcomes(module: str) -> dict[str, str]:
    return {name: outcome_of(subject) for name, subject in one_of_each.items() if subject.module == module}


def amiss(found: dict[str, str]) -> dict[str, str]:
    return {name: x for name, x in found.items() if x not in ("right", "named") and name not in UNASKED | MASKED}


@pytest.mark.parametrize("module", modules)
def test_functions_are_right_or_name_the_cure(module: str) -> None:
    assert amiss(outcomes(module)) == {}


def test_functions_are_right_or_name_the_cure_in_the_array_api_mode() -> None:
    code = "import json; from tests.scipy.test_plain_scipy import modules, outcomes; print(json.dumps({name: x for "
    code += "module in modules for name, x in outcomes(module).items()}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "SCIPY_ARRAY_API": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    assert amiss(found) == {}
    assert sum(x == "right" for x in found.values()) > 60


# ---- what compiled code asks, and what SciPy's own except clauses hide ----

X = np.array([1.0, 2.0, 3.0])
MATRIX = np.array([[4.0, 1, 0], [1, 3, 1], [0, 1, 5]])


def square(t: Any, x: Any) -> Any:
    return t * t - x


HIDDEN: dict[str, tuple[Any, str]] = {
    "brentq": (lambda x: scipy.optimize.brentq(lambda t: square(t, x[0]), 0, 4), r"tapenet\.scipy\.optimize\.brentq"),
    "bisect": (lambda x: scipy.optimize.bisect(square, 0, 4, (x[0],)), r"tapenet\.scipy\.optimize\.bisect"),
    "root": (lambda x: scipy.optimize.root(lambda t: square(t, x), X), r"tapenet\.scipy\.optimize\.root"),
    "fsolve": (lambda x: scipy.optimize.fsolve(square, X, (x,)), r"tapenet\.scipy\.optimize\.fsolve"),
    "minimize": (lambda x: scipy.optimize.minimize(lambda t: sum(square(t, x)), X), r"tapenet\.scipy\.optimize\.minim"),
    "fmin": (lambda x: scipy.optimize.fmin(lambda t: sum(square(t, x)), X), r"Write tapenet\.scipy\.optimize\.fmin"),
    "milp": (lambda x: scipy.optimize.milp(x), r"write tapenet\.scipy\.optimize\.linprog"),
    "lfilter": (lambda x: scipy.signal.lfilter([1.0], x, X), r"Write tapenet\.scipy\.signal\.lfilter"),
    "quad": (lambda x: scipy.integrate.quad(lambda t: x[0] * t, 0, 1), r"Write tapenet\.scipy\.integrate\.quad"),
    "cg": (lambda x: scipy.sparse.linalg.cg(x[:, None] * MATRIX, X), r"Write tapenet\.scipy\.sparse\.linalg\.cg"),
    "multiply": (lambda x: scipy.sparse.csr_array(MATRIX).multiply(x), r"Write tapenet\.scipy\.sparse\.csr_array"),
    "eigh": (lambda x: scipy.linalg.eigh(MATRIX * x), r"Write tapenet\.scipy\.linalg\.eigh"),
    "circulant": (lambda x: scipy.linalg.circulant(x), r"Write tapenet\.scipy\.linalg\.circulant"),
    "norm.logpdf": (lambda x: scipy.stats.norm.logpdf(x), r"Write tapenet\.scipy\.stats\.norm\.logpdf"),
    "norm().cdf": (lambda x: scipy.stats.norm(x).cdf(0.5), r"Write tapenet\.scipy\.stats\.norm\.cdf"),
    "skew": (lambda x: scipy.stats.skew(x), r"Write tapenet\.scipy\.stats\.skew"),
    "interp1d": (lambda x: scipy.interpolate.interp1d(X, X)(x), r"Write tapenet\.scipy\.interpolate\.interp1d"),
}


@pytest.mark.parametrize("name", HIDDEN)
def test_the_error_that_reaches_the_user_names_the_cure(name: str) -> None:
    call, words = HIDDEN[name]
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=words):
        call(tape.watch(X))


@pytest.mark.parametrize(
    "call",
    [
        lambda x: optimize.brentq(lambda t: square(t, x[0]), 0, 4),
        lambda x: optimize.root_scalar(lambda t: square(t, x[0]), bracket=(0, 4)),
        lambda x: optimize.minimize_scalar(lambda t: square(t, x[0])),
        lambda x: integrate.quad(lambda t: x[0] * t, 0, 1),
        lambda x: integrate.solve_ivp(lambda t, y: -x * y, (0, 1), X),
    ],
)
def test_captured_tensors_of_our_own_functions_are_to_be_passed_as_arguments(call: Any) -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=r"pass x as an argument, args=\(x,\)"):
        call(tape.watch(X))


def test_a_bracket_may_be_a_tensor_as_the_root_does_not_depend_on_it() -> None:
    with tn.GradientTape() as tape:
        assert scipy.optimize.brentq(lambda t: t - 1, 0, tape.watch(3.0)) == 1


def test_attributes_that_a_tensor_lacks_are_missing_as_python_says_it() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(X)
        assert not hasattr(x, "matvec")
        with pytest.raises(AttributeError, match="'Tensor' object has no attribute 'nothing'"):
            x.nothing  # noqa: B018
