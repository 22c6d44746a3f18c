"""The ways in: lazily by name, plain scipy.special on Tensors, the array API mode, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.special

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.scipy import special


def run(code: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=True
    )
    return done.stdout.strip()


def test_importing_tapenet_does_not_import_scipy_and_using_tn_scipy_does() -> None:
    code = "import sys, tapenet as tn; print('scipy' in sys.modules); tn.scipy.special; print('scipy' in sys.modules)"
    assert run(code).split() == ["False", "True"]


def test_without_scipy_the_error_names_the_extra() -> None:
    code = """
import sys
sys.modules["scipy"] = None
import tapenet as tn
try:
    tn.scipy
except tn.MissingPackageError as error:
    print(error)
"""
    assert "tapenet.scipy: scipy must be installed" in run(code)
    assert 'pip install "tapenet[scipy]"' in run(code)


def test_a_plain_ufunc_finds_its_derivative_before_tapenet_scipy_is_imported() -> None:
    code = """
import scipy.special, tapenet as tn
print(float(tn.grad(scipy.special.erf)(0.0)))
print(float(tn.grad(lambda x: scipy.special.fresnel(x)[1])(0.0)))
"""
    assert [float(x) for x in run(code).split()] == [2 / np.sqrt(np.pi), 1]


def test_the_array_api_mode_finds_the_functions_in_the_namespace_of_a_tensor() -> None:
    code = """
import numpy as np, scipy.special, tapenet as tn
from tapenet.scipy import special
x = np.array([0.5, 1.5])
for f in (scipy.special.gammaln, scipy.special.erf, scipy.special.ndtr, scipy.special.betaln):
    arguments = (x, x) if f is scipy.special.betaln else (x / 2,)
    gradient = tn.grad(lambda xs: np.sum(f(*xs)))(arguments)[0]
    print(np.all(np.isfinite(gradient)), type(f(*arguments)).__name__)
print(np.allclose(special.gammaln(x), scipy.special.gammaln(x)))
"""
    assert run(code, SCIPY_ARRAY_API="1").split() == [*["True", "ndarray"] * 4, "True"]


def test_functions_of_scipys_that_assign_are_refused_with_the_name_of_ours() -> None:
    code = """
import numpy as np, scipy.special, scipy.stats, scipy.signal, tapenet as tn
for f in (scipy.special.logsumexp, scipy.stats.zscore, scipy.signal.hilbert):
    try:
        tn.grad(lambda x: np.sum(np.real(f(x))))(np.arange(5.0))
    except tn.TapenetError as error:
        print(error)
"""
    written = run(code, SCIPY_ARRAY_API="1").splitlines()
    for name in ("special.logsumexp", "stats.zscore", "signal.hilbert"):
        assert any(line.endswith(f"Write tapenet.scipy.{name}.") for line in written), (name, written)


def test_plain_arrays_get_scipys_answer() -> None:
    x = np.linspace(-3, 3, 7)
    np.testing.assert_array_equal(special.erf(x), scipy.special.erf(x))
    assert type(special.erf(0.5)) is type(scipy.special.erf(0.5))
    assert special.erf(x.astype(np.float32)).dtype == np.float32


def test_ufunc_keywords_are_those_of_plain_functions() -> None:
    x, mask = np.array([0.5, 2.0]), np.array([True, False])
    gradient = tn.grad(lambda x: tnp.sum(special.erf(x, where=mask)))(x)
    np.testing.assert_allclose(gradient, [2 / np.sqrt(np.pi) * np.exp(-0.25), 0])
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentTypeError, match=r"special\.erf: out= must not be given"):
        special.erf(tape.watch(x), out=np.empty(2))


def test_what_scipy_refuses_is_refused_under_our_name() -> None:
    with tn.GradientTape() as tape, pytest.raises(tn.ArgumentTypeError, match=r"special\.gammaln: ufunc 'gammaln'"):
        special.gammaln(tape.watch(np.array([1j])))


def test_functions_have_scipys_names_and_can_be_pickled() -> None:
    import pickle

    assert special.gammaln.__name__ == "gammaln"
    assert pickle.loads(pickle.dumps(special.gammaln)) is special.gammaln


def test_what_scipy_converts_raises_and_says_what_to_write() -> None:
    import scipy.integrate
    import scipy.ndimage
    import scipy.optimize
    import scipy.stats

    x = np.array([1.0, 2.0, 3.0])
    for call, words in (
        (lambda x: scipy.stats.gaussian_kde(x), r"Write tapenet\.scipy\.stats\.gaussian_kde\."),
        (lambda x: scipy.stats.skew(x), r"Write tapenet\.scipy\.stats\.skew\."),
        (lambda x: scipy.stats.norm.logpdf(x), r"Write tapenet\.scipy\.stats\.norm\.logpdf\."),
        (lambda x: scipy.stats.multivariate_normal(x).pdf(x), r"Write tapenet\.scipy\.stats\.multivariate_normal\."),
        (lambda x: scipy.stats.tukey_hsd(x, x), r"Write tapenet\.scipy\.stats\.ttest_ind\."),
        (lambda x: scipy.special.logsumexp(x), r"Write tapenet\.scipy\.special\.logsumexp\."),
        (lambda x: scipy.optimize.least_squares(lambda t: t - x, np.zeros(3)), r"tn\.root|tapenet\.scipy\.optimize"),
        (lambda x: scipy.integrate.quad(lambda t: x[0] * t, 0, 1), r"tn\.primitive or|tapenet\.scipy\.integrate"),
        (lambda x: scipy.ndimage.convolve1d(x, [1.0]), r"tn\.custom_vjp|tapenet\.scipy\.ndimage"),
    ):
        with tn.GradientTape() as tape, pytest.raises(tn.TapenetError, match=words):
            call(tape.watch(x))


def test_refused_functions_take_plain_arrays_and_name_what_to_write_for_a_tensor() -> None:
    assert special.mathieu_a(1, 0.5) == scipy.special.mathieu_a(1, 0.5)
    assert special.bernoulli(2)[1] == -0.5
    with tn.GradientTape() as tape:
        x = tape.watch(0.5)
        with pytest.raises(tn.ArgumentTypeError, match=r"special\.mathieu_a: not supported .* tn\.custom_jvp"):
            special.mathieu_a(1, x)
        with pytest.raises(tn.ArgumentTypeError, match=r"special\.pro_ang1: not supported"):
            scipy.special.pro_ang1(1, 1, 1.0, x)
        with pytest.raises(tn.MissingRuleError, match=r"special\.kn: reverse mode needs a rule for operand n"):
            tn.grad(lambda n: special.kn(n, 1.0))(2.0)
        with pytest.raises(tn.ArgumentTypeError, match=r"special\.ive: z must be real"):
            tn.grad(lambda z: np.real(special.ive(1.0, z)))(1.5 + 0.5j)
        with pytest.raises(tn.ArgumentTypeError, match=r"special\.zeta: x must be real"):
            special.zeta(x + 1j)
        with pytest.raises(tn.ArgumentError, match=r"special\.comb: exact must be False"):
            special.comb(x, 2, exact=True)
        with pytest.raises(tn.ArgumentError, match=r"special\.multigammaln: a must be above"):
            special.multigammaln(x, 3)
