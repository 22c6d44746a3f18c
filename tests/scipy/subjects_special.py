"""Subjects of scipy.special."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.scipy.subjects import between, off_axes, subject

# For each function the intervals of its operands; a number is a constant operand, and "z" draws complex numbers.
UFUNCS: dict[str, list[list[Any]]] = {
    # gamma
    "gammaln": [[(0.4, 5)], [(-0.8, -0.2)]],
    "loggamma": [[(0.4, 5)], ["z"]],
    "gamma": [[(0.4, 4)], ["z"]],
    "rgamma": [[(-0.4, 3)], ["z"]],
    "gammasgn": [[(-0.8, -0.2)]],
    "psi digamma": [[(0.4, 5)], ["z"]],
    "beta betaln": [[(0.4, 3), (0.4, 3)]],
    "poch": [[(0.4, 3), (0.4, 3)]],
    "binom": [[(2.6, 5), (0.4, 2)]],
    "zetac": [[(1.5, 6)], [(-1.5, 0.5)]],
    # the error function
    "erf erfc erfcx erfi wofz dawsn": [[(-1.5, 1.5)], ["z"]],
    "erfcx dawsn": [[(2, 9)]],
    "ndtr log_ndtr": [[(-2, 2)], ["z"]],
    "erfinv": [[(-0.9, 0.9)]],
    "erfcinv": [[(0.2, 1.8)]],
    "ndtri": [[(0.1, 0.9)]],
    "ndtri_exp": [[(-4, -0.1)]],
    "owens_t": [[(-1.5, 1.5), (-1.5, 1.5)]],
    "voigt_profile": [[(-2, 2), (0.5, 2), (0.3, 2)]],
    "fresnel": [[(-1.5, 1.5)], ["z"]],
    "modfresnelp modfresnelm": [[(0.2, 1.5)]],
    # elementary
    "cbrt exp2 exp10 cosm1 sindg cosdg tandg cotdg entr log_expit spence exprel": [[(0.3, 1.5)]],
    "spence exprel": [[(0.9, 1.1)], [(0.01, 0.3)]],
    "exprel": [[(-6, -1.2)], [(2.5, 6)]],
    "expm1 log1p wrightomega spence": [[(0.3, 1.5)], ["z"]],
    "expit": [[(-2, 2)]],
    "logit": [[(0.2, 0.8)]],
    "round": [[(0.6, 1.4)]],
    "radian": [[(1, 9), (1, 9), (1, 9)]],
    "powm1 boxcox boxcox1p inv_boxcox inv_boxcox1p agm": [[(0.4, 1.5), (0.4, 1.5)]],
    "boxcox boxcox1p inv_boxcox inv_boxcox1p": [[(0.4, 1.5), (-0.1, 0.1)]],
    "xlogy xlog1py rel_entr kl_div pseudo_huber": [[(0.4, 1.5), (0.4, 1.5)]],
    "xlogy xlog1py": [["z", "z"]],
    "rel_entr kl_div": [[(0.1, 0.3), (1, 2)]],
    "huber": [[(0.4, 0.6), (0.8, 1.5)], [(0.8, 1.5), (0.2, 0.7)]],
    # Bessel
    "jv yv iv kv": [[(0.6, 3), (0.5, 4)], [1, (0.5, 4)], [1.5, "z"]],
    "hankel1 hankel2 kve hankel1e hankel2e": [[(0.6, 3), (0.5, 4)], [0.5, "z"]],
    "jve yve ive": [[(0.6, 3), (0.5, 4)]],
    "ive": [[1, (-4, -0.5)]],
    "i0e i1e": [[(-4, -0.5)]],
    "yn kn jn": [[0, (0.5, 4)], [3, (0.5, 4)]],
    "j0 j1 y0 y1 i0 i1 k0 k1 i0e i1e k0e k1e": [[(0.5, 4)]],
    "ber bei ker kei berp beip kerp keip kelvin": [[(0.5, 4)]],
    "airy": [[(-3, 2)], ["z"]],
    "airye": [[(0.3, 3)]],
    "struve modstruve": [[(0.6, 3), (0.5, 4)]],
    # integrals
    "exp1": [[(0.4, 3)], ["z"]],
    "expi it2j0y0 it2i0k0 itj0y0 iti0k0 itstruve0 it2struve0 itmodstruve0": [[(0.5, 3)]],
    "sici shichi": [[(0.3, 3)], ["z"]],
    "expn": [[0, (0.4, 3)], [1, (0.4, 3)], [4, (0.4, 3)]],
    "besselpoly": [[(0.5, 2), 1.2, 1.5]],
    "pbdv pbvv pbwa": [[0.6, (0.4, 2)]],
    # elliptic
    "ellipk ellipe": [[(-0.9, 0.9)]],
    "ellipkm1": [[(0.1, 0.9)]],
    "ellipkinc ellipeinc ellipj": [[(0.3, 4), (0.1, 0.9)]],
    "elliprc": [[(0.3, 3), (0.3, 3)]],
    "elliprf elliprd elliprg": [[(0.3, 3), (0.3, 3), (0.3, 3)], [(0.3, 3), 1.0, 1.0]],
    "elliprj": [[(0.3, 3), (0.3, 3), (0.3, 3), (0.3, 3)]],
    # incomplete gamma and beta
    "gammainc gammaincc": [[(0.5, 1.5), (1.6, 4)], [(2, 5), (0.3, 1.8)]],
    "gammaincinv gammainccinv": [[(0.6, 4), (0.2, 0.8)]],
    "betainc betaincc": [[(0.5, 3), (0.5, 3), (0.15, 0.85)]],
    "betaincinv betainccinv": [[(0.6, 3), (0.6, 3), (0.2, 0.8)]],
    "btdtria": [[(0.2, 0.8), (0.6, 3), (0.2, 0.8)]],
    "btdtrib": [[(0.6, 3), (0.2, 0.8), (0.2, 0.8)]],
    # hypergeometric
    "hyp0f1": [[(0.6, 3), (-2, 2)], [(0.6, 3), (-12, -5)], [1.5, "z"]],
    "hyp1f1": [[(0.4, 2), (0.6, 3), (-2, 2)], [0.4, 1.5, "z"]],
    "hyp2f1": [[(0.4, 2), (0.4, 2), (0.6, 3), (-2, 0.6)]],
    "hyperu": [[(0.4, 2), (0.6, 3), (0.4, 2)], [(-0.6, -0.2), (-2, -1), (0.4, 2)]],
    "wright_bessel log_wright_bessel": [[(0.3, 2), (0.6, 3), (0.4, 2)]],
    # polynomials
    "eval_jacobi": [[3, (0.4, 2), (0.4, 2), (-0.8, 0.8)], [(1.2, 2.7), 0.5, 0.7, (-0.4, 0.8)], [0, 0.5, (0.4, 2), 0.3]],
    "eval_sh_jacobi": [[2, (1.6, 3), (0.4, 1.2), (0.1, 0.9)]],
    "eval_gegenbauer eval_genlaguerre": [[3, (0.4, 2), (-0.8, 0.8)], [(1.2, 2.7), 0.7, (0.1, 0.8)]],
    "eval_legendre eval_chebyt eval_chebyu eval_chebyc eval_chebys": [[4, (-0.8, 0.8)], [(1.2, 2.7), (0.2, 0.8)]],
    "eval_sh_legendre eval_sh_chebyt eval_sh_chebyu": [[4, (0.2, 0.8)], [(1.2, 2.7), (0.3, 0.8)]],
    "eval_laguerre": [[4, (0.2, 2)], [(1.2, 2.7), (0.2, 0.8)], [0, (0.2, 2)]],
    "eval_hermite eval_hermitenorm": [[4, (-2, 2)], [0, (-2, 2)]],
    "lpmv": [[1, 2.5, (-0.7, 0.7)]],
    # distributions
    "chdtr chdtrc": [[(0.6, 5), (0.4, 5)]],
    "chdtri": [[(0.6, 5), (0.2, 0.8)]],
    "chdtriv": [[(0.2, 0.8), (0.6, 5)]],
    "gdtr gdtrc": [[(0.5, 2), (0.6, 3), (0.4, 3)]],
    "gdtria": [[(0.2, 0.8), (0.6, 3), (0.4, 3)]],
    "gdtrib": [[(0.5, 2), (0.2, 0.8), (0.4, 3)]],
    "gdtrix": [[(0.5, 2), (0.6, 3), (0.2, 0.8)]],
    "fdtr fdtrc": [[(1.2, 5), (1.2, 5), (0.4, 3)]],
    "fdtri": [[(1.2, 5), (1.2, 5), (0.3, 0.7)]],
    "fdtridfd": [[(1.2, 3), (0.45, 0.55), (1.3, 1.6)]],
    "stdtr": [[(0.8, 5), (-2, 2)]],
    "stdtrit": [[(0.8, 5), (0.6, 0.9)]],
    "nbdtr nbdtrc": [[2, 5, (0.2, 0.8)]],
    "nbdtri": [[2, 5, (0.2, 0.8)]],
    "bdtrik": [[(0.3, 0.7), (5, 9), (0.3, 0.7)]],
    "bdtrin": [[(1.5, 2.5), (0.3, 0.7), (0.3, 0.7)]],
    "nbdtrik": [[(0.4, 0.7), (4, 6), (0.3, 0.5)]],
    "nbdtrin": [[(3, 5), (0.4, 0.7), (0.3, 0.5)]],
    "pdtr pdtrc": [[2, (0.6, 4)]],
    "pdtri": [[2, (0.2, 0.8)]],
    "pdtrik": [[(0.4, 0.7), (3, 6)]],
    "nrdtrimn": [[(0.2, 0.8), (0.5, 2), (-1, 1)]],
    "nrdtrisd": [[(-1, 0), (0.6, 0.9), (0.5, 2)]],
    "kolmogorov": [[(0.5, 0.75)], [(0.85, 1.5)]],
    "kolmogi": [[(0.3, 0.7)]],
    "smirnov": [[5, (0.22, 0.38)]],
    "smirnovi": [[5, (0.3, 0.38)]],
    "tklmbda": [[(-0.8, 0.8), (0.3, 1.1)], [(-2, 2), (-0.5, -0.2)]],
}

# Functions whose values SciPy computes to fewer digits, so that differences of them are worse.
ROUGH: dict[str, list[list[Any]]] = {
    "itairy": [[(0.3, 2)]],
    "stdtridf": [[(0.79, 0.82), (0.95, 1.05)]],
    "chndtr": [[(0.6, 5), (1.2, 4), (0.4, 3)]],
    "chndtrix": [[(0.3, 0.7), (1.2, 4), (0.4, 3)]],
    "chndtridf": [[(2.5, 4), (0.4, 0.5), (0.4, 0.8)]],
    "chndtrinc": [[(3, 4), (1.2, 1.6), (0.5, 0.6)]],
    "ncfdtr": [[(1.2, 4), (1.2, 4), (0.4, 3), (0.6, 3)]],
    "ncfdtri": [[(1.2, 4), (1.2, 4), (0.4, 3), (0.3, 0.7)]],
    "ncfdtridfd": [[(2.05, 2.1), (0.465, 0.48), (1.5, 1.52), (1.5, 1.52)]],  # nearby SciPy finds no solution
    "ncfdtridfn": [[(0.45, 0.5), (3, 4), (0.4, 0.5), (1.0, 1.1)]],
    "ncfdtrinc": [[(1.5, 2), (3, 4), (0.4, 0.5), (1.7, 1.9)]],
    "nctdtr": [[(1.2, 4), (0.4, 1.5), (0.5, 2)], [(1.2, 4), (0.4, 1.5), (-2, -0.5)]],
    "nctdtrit": [[(1.2, 4), (0.4, 1.5), (0.6, 0.9)]],
    "nctdtridf": [[(0.66, 0.68), (0.5, 0.6), (1.2, 1.25)]],
    "nctdtrinc": [[(1.2, 4), (0.5, 0.6), (1, 1.5)]],
}


def _strategy(interval: Any) -> Any:
    return off_axes() if interval == "z" else between(*interval)


def _declare(name: str, operands: list[Any], **settings: Any) -> None:
    drawn = [interval for interval in operands if not isinstance(interval, int | float)]

    def call(xp: Any, *arrays: Any) -> Any:
        given = iter(arrays)
        return getattr(xp, name)(*[x if isinstance(x, int | float) else next(given) for x in operands])

    subject("special", name, call, *map(_strategy, drawn), **settings)


for names, calls in UFUNCS.items():
    for one in names.split():
        for operands in calls:
            _declare(one, operands, dispatches=True)
for name, calls in ROUGH.items():
    for operands in calls:
        _declare(name, operands, dispatches=True, order=1, tolerance=1e-2)


for name in ("bdtr", "bdtrc", "bdtri"):  # of which SciPy warns in single precision
    _declare(name, [2, 5, (0.2, 0.8)], dispatches=True, in_single=False)


def of(name: str, *arguments: Any, **keywords: Any) -> Any:
    """The call of a function with its arrays first, and these arguments behind them."""
    return lambda xp, *arrays: getattr(xp, name)(*arrays, *arguments, **keywords)


subject("special", "polygamma", lambda xp, x: xp.polygamma(2, x), between(0.5, 3))
subject("special", "multigammaln", of("multigammaln", 3), between(1.5, 4))
subject("special", "comb", of("comb"), between(2.6, 5), between(0.4, 2))
subject("special", "comb", of("comb", 2.0, repetition=True), between(2.6, 5))
subject("special", "perm", of("perm"), between(2.6, 5), between(0.4, 2))
subject("special", "factorial", of("factorial"), between(0.4, 3))
subject("special", "zeta", lambda xp, x, q: xp.zeta(x, q), between(1.5, 4), between(0.5, 3))
subject("special", "zeta", of("zeta"), between(2, 4))
subject("special", "sinc", of("sinc"), between(0.1, 2))
subject("special", "diric", of("diric", 4), between(0.3, 2))
subject("special", "softplus", of("softplus"), between(-2, 2))
subject("special", "lambertw", of("lambertw"), between(0.3, 2))
subject("special", "lambertw", of("lambertw", 1), off_axes())
subject("special", "logsumexp", of("logsumexp"), between(-2, 2, 2, 3))
subject(
    "special", "logsumexp", lambda xp, a, b: xp.logsumexp(a, axis=1, b=b), between(-2, 2, 2, 3), between(0.4, 2, 2, 3)
)
subject("special", "logsumexp", lambda xp, a: xp.logsumexp(a, axis=0, keepdims=True), between(-2, 2, 2, 3))
subject(
    "special",
    "logsumexp",
    lambda xp, a: xp.logsumexp(a, b=np.array([1.0, -3.0, 0.5]), return_sign=True)[0],
    between(-0.2, 0.2),
)
subject("special", "softmax", of("softmax", axis=0), between(-2, 2, 2, 3))
subject("special", "log_softmax", of("log_softmax"), between(-2, 2, 2, 3))
for name in ("jvp", "yvp", "ivp", "kvp", "h1vp", "h2vp"):
    subject("special", name, lambda xp, z, name=name: getattr(xp, name)(1.3, z), between(0.5, 3))
    subject("special", name, lambda xp, z, name=name: getattr(xp, name)(2, z, 2), between(0.5, 3))
for name in ("spherical_jn", "spherical_yn", "spherical_in", "spherical_kn"):
    for order in (0, 3):
        subject("special", name, lambda xp, z, n=order, name=name: getattr(xp, name)(n, z), between(0.5, 3))
    subject("special", name, lambda xp, z, name=name: getattr(xp, name)(2, z, derivative=True), between(0.5, 3))
subject("special", "assoc_laguerre", lambda xp, x, k: xp.assoc_laguerre(x, 3, k), between(0.4, 2), between(0.4, 2))
subject("special", "legendre_p", lambda xp, x: xp.legendre_p(3, x), between(-0.8, 0.8))
subject("special", "sph_legendre_p", lambda xp, x: xp.sph_legendre_p(3, -1, x), between(0.3, 2.5))
subject("special", "assoc_legendre_p", lambda xp, x: xp.assoc_legendre_p(3, 1, x), between(-0.8, 0.8))
subject("special", "assoc_legendre_p", lambda xp, x: xp.assoc_legendre_p(3, 2, x, norm=True), between(-0.8, 0.8))
for degree, order in ((1, 0), (3, 3), (4, -2)):
    subject(
        "special",
        "sph_harm_y",
        lambda xp, theta, phi, n=degree, m=order: xp.sph_harm_y(n, m, theta, phi),
        between(0.3, 2.5),
        between(-2, 2),
    )
