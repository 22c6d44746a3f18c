"""Elementary functions of scipy.special: powers, degrees, entropies, logistic and Box-Cox functions, Lambert's W."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, numpy_function
from tapenet.core.primitive import Array, bind
from tapenet.errors import ArgumentTypeError
from tapenet.scipy.placing import of_module, published
from tapenet.scipy.special import basic_kernels
from tapenet.scipy.special.declaring import primitive, ufunc
from tapenet.scipy.special.elliptic import ellipkm1
from tapenet.scipy.special.helpers import guarded, is_complex

_DEGREE = math.pi / 180

# ---- powers and trigonometric functions ----

cbrt = ufunc("cbrt", "x", lambda t, out: t / out / out / 3, note="1 / (3 cbrt(x)^2), which is inf at 0.")
exp2 = ufunc("exp2", "x", lambda t, out: t * (out * math.log(2)), note="2^x log(2).")
exp10 = ufunc("exp10", "x", lambda t, out: t * (out * math.log(10)), note="10^x log(10).")
expm1 = ufunc("expm1", "x", lambda t, x: t * tnp.exp(x), note="e^x.")
log1p = ufunc("log1p", "x", lambda t, x: t / (1 + x), note="1 / (1 + x).")
cosm1 = ufunc("cosm1", "x", lambda t, x: -t * tnp.sin(x), note="-sin(x).")
powm1 = ufunc(
    "powm1",
    "x y",
    lambda t, x, y: t * (y * tnp.power(x, y - 1.0)),
    lambda t, x, y, out: t * ((out + 1) * tnp.log(x)),
    note="y x^(y - 1) by x, x^y log(x) by y.",
)
round = ufunc("round", "x", lambda t, x: t * 0, note="Piecewise constant: 0.")
radian = ufunc(
    "radian",
    "d m s",
    lambda t: t * _DEGREE,
    lambda t: t * (_DEGREE / 60),
    lambda t: t * (_DEGREE / 3600),
    note="pi / 180 by d, a 60th of that by m, a 3600th by s.",
)
sindg = ufunc("sindg", "x", lambda t, x: t * (_DEGREE * cosdg(x)), note="pi / 180 cosdg(x).")
cosdg = ufunc("cosdg", "x", lambda t, x: -t * (_DEGREE * sindg(x)), note="-pi / 180 sindg(x).")
tandg = ufunc("tandg", "x", lambda t, out: t * (_DEGREE * (1 + out * out)), note="pi / 180 (1 + tandg(x)^2).")
cotdg = ufunc("cotdg", "x", lambda t, out: -t * (_DEGREE * (1 + out * out)), note="-pi / 180 (1 + cotdg(x)^2).")


@numpy_function(scipy.special.sinc)
def sinc(x: Array) -> Array:
    return tnp.sinc(x)


published(sinc, scipy.special, "sinc", "Derivative: that of tnp.sinc.")


@numpy_function(of_module(scipy.special, "diric"))
def diric(x: Array, n: Any) -> Array:
    if not isinstance(n, int | float | np.number) or n != np.floor(n) or n < 1:
        raise ArgumentTypeError(f"special.diric: n must be a positive integer on a tape; got {n!r}.")
    multiples = np.arange(int(n)) - (int(n) - 1) / 2
    return tnp.mean(tnp.cos(tnp.expand_dims(as_array(x), -1) * multiples), axis=-1)


published(
    diric,
    scipy.special,
    "diric",
    "Derivative: -(1 / n) times the sum of m sin(m x) over m = -(n - 1) / 2 ... (n - 1) / 2.",
)

# ---- products with logarithms ----


def log_ratio(x: Array, y: Array) -> Array:
    """Compute log(x / y), with all digits where the two are nearly the same."""
    ratio = x / y
    near = (ratio > 0.5) & (ratio < 2)
    return tnp.where(near, tnp.log1p(guarded(near, (x - y) / y, 0.0)), tnp.log(guarded(~near, ratio, 1.0)))


def _over_unless_zero(x: Array, y: Array) -> Array:
    """Compute x / y, and 0 where x is 0."""
    return x / guarded(tnp.not_equal(x, 0), y, 1.0)


xlogy = ufunc(
    "xlogy",
    "x y",
    lambda t, y: t * tnp.log(y),
    lambda t, x, y: t * _over_unless_zero(x, y),
    note="log(y) by x, x / y by y, 0 where x is 0.",
)
xlog1py = ufunc(
    "xlog1py",
    "x y",
    lambda t, y: t * tnp.log1p(y),
    lambda t, x, y: t * _over_unless_zero(x, 1 + y),
    note="log(1 + y) by x, x / (1 + y) by y, 0 where x is 0.",
)
entr = ufunc("entr", "x", lambda t, x: -t * (tnp.log(x) + 1), note="-log(x) - 1, inf at 0; NaN below 0.")
rel_entr = ufunc(
    "rel_entr",
    "x y",
    lambda t, x, y: t * (log_ratio(x, y) + 1),
    lambda t, x, y: -t * (x / y),
    note="log(x / y) + 1 by x, -x / y by y.",
)
kl_div = ufunc(
    "kl_div",
    "x y",
    lambda t, x, y: t * log_ratio(x, y),
    lambda t, x, y: t * ((y - x) / y),
    note="log(x / y) by x, 1 - x / y by y.",
)

# ---- losses ----

huber = ufunc(
    "huber",
    "delta r",
    lambda t, delta, r: t * tnp.maximum(tnp.abs(r) - delta, 0.0),
    lambda t, delta, r: t * tnp.clip(r, -delta, delta),
    note="by r r, held within -delta and delta; by delta |r| - delta where that is positive, else 0.",
)


def _pseudo_huber_by_delta(t: Array, delta: Array, r: Array) -> Array:
    ratio = r / delta
    root = tnp.sqrt(1 + ratio * ratio)
    share = ratio / (root + 1)  # u^4 / (s (s + 1)^2) as products of what cannot overflow
    return t * (delta * share * share * ratio * (ratio / root))


pseudo_huber = ufunc(
    "pseudo_huber",
    "delta r",
    _pseudo_huber_by_delta,
    lambda t, delta, r: t * (r / tnp.hypot(1.0, r / delta)),
    note="with u = r / delta and s = sqrt(1 + u^2), r / s by r and delta u^4 / (s (1 + s)^2) by delta.",
)

# ---- the logistic function ----

expit = ufunc("expit", "x", lambda t, x, out: t * (out * expit(-x)), note="expit(x) expit(-x).")
log_expit = ufunc("log_expit", "x", lambda t, x: t * expit(-x), note="expit(-x).")
logit = ufunc("logit", "x", lambda t, x: t / (x * (1 - x)), note="1 / (x (1 - x)).")
_softplus = primitive("softplus", "x", lambda x: np.logaddexp(0, x), lambda t, x: t * expit(x))


def _plain_softplus(x: Any, **keywords: Any) -> Any:
    theirs = getattr(scipy.special, "softplus", None)
    return np.logaddexp(0, x, **keywords) if theirs is None else theirs(x, **keywords)


@numpy_function(_plain_softplus)
def softplus(x: Array) -> Array:
    return _softplus(x)


published(softplus, scipy.special, "softplus", "Derivative: expit(x).", "Compute log(1 + e^x) without overflow.")

# ---- Box and Cox ----

_of_power: Any = primitive(
    "exprel_by_order", "x", basic_kernels.integral_of_power, lambda t, x, order: t * exprel_by_order(x, order + 1)
)
_of_logarithm: Any = primitive(
    "log1p_over_x_by_order",
    "x",
    basic_kernels.log1p_over_x,
    lambda t, x, order: t * log1p_over_x(x, order + 1),
)


def exprel_by_order(x: Array, order: int) -> Array:
    """Compute a derivative of (e^x - 1) / x: the integral of s^order e^(x s) from 0 to 1."""
    return bind(_of_power.primitive, (x,), {"order": order})


def log1p_over_x(x: Array, order: int = 0) -> Array:
    """Compute log(1 + x) / x, or its derivative of an order."""
    return bind(_of_logarithm.primitive, (x,), {"order": order})


exprel = ufunc("exprel", "x", lambda t, x: t * exprel_by_order(x, 1), note="the integral of s e^(x s) from 0 to 1.")


def _boxcox_by_power(t: Array, logarithm: Array, power: Array) -> Array:
    return t * (logarithm * logarithm * exprel_by_order(logarithm * power, 1))


def boxcox_by_lambda(x: Array, lmbda: Array) -> Array:
    """Compute the derivative of boxcox(x, lmbda) by lmbda."""
    return _boxcox_by_power(1.0, tnp.log(x), lmbda)


boxcox = ufunc(
    "boxcox",
    "x lmbda",
    lambda t, x, lmbda: t * tnp.power(x, lmbda - 1.0),
    lambda t, x, lmbda: _boxcox_by_power(t, tnp.log(x), lmbda),
    note="x^(lmbda - 1) by x; by lmbda log(x)^2 times the integral of s x^(lmbda s) from 0 to 1.",
)
boxcox1p = ufunc(
    "boxcox1p",
    "x lmbda",
    lambda t, x, lmbda: t * tnp.power(1 + x, lmbda - 1.0),
    lambda t, x, lmbda: _boxcox_by_power(t, tnp.log1p(x), lmbda),
    note="that of boxcox(1 + x, lmbda).",
)
inv_boxcox = ufunc(
    "inv_boxcox",
    "y lmbda",
    lambda t, y, lmbda, out: t * (out / (1 + lmbda * y)),
    lambda t, y, lmbda, out: t * (out * y * y * log1p_over_x(lmbda * y, 1)),
    note="1 over that of boxcox by y; by lmbda that of exp(log(1 + lmbda y) / lmbda).",
)
inv_boxcox1p = ufunc(
    "inv_boxcox1p",
    "y lmbda",
    lambda t, y, lmbda, out: t * ((out + 1) / (1 + lmbda * y)),
    lambda t, y, lmbda, out: t * ((out + 1) * y * y * log1p_over_x(lmbda * y, 1)),
    note="that of inv_boxcox(y, lmbda).",
)

# ---- others ----


def _spence_slope(t: Array, z: Array) -> Array:
    if not is_complex(z):
        return -t * log1p_over_x(z - 1)
    away = tnp.not_equal(z, 1)
    other = guarded(away, z, 2.0)
    return t * tnp.where(away, tnp.log(other) / (1 - other), -1.0)


spence = ufunc("spence", "z", _spence_slope, note="log(z) / (1 - z), -1 at 1.")


def _agm(a: Array, b: Array) -> Array:
    ratio = b / a
    return (math.pi / 2) * a / ellipkm1(ratio * ratio)


agm = ufunc("agm", "a b", formula=_agm, note="that of pi a / (2 K(1 - (b / a)^2)), K the complete elliptic integral.")

wrightomega = ufunc("wrightomega", "z", lambda t, out: t * (out / (1 + out)), note="w / (1 + w), w the result.")
_lambertw = primitive(
    "lambertw",
    "z k tol",
    lambda z, k, tol: scipy.special.lambertw(z, k, tol),
    lambda t, out: t / (tnp.exp(out) * (1 + out)),
    None,
    None,
)


@numpy_function(scipy.special.lambertw)
def lambertw(z: Array, k: Any = 0, tol: float = 1e-8) -> Array:
    return _lambertw(z, k, tol)


published(
    lambertw,
    scipy.special,
    "lambertw",
    "Derivative: 1 / (e^w (1 + w)), w the result, by z. A real z has complex results.",
)
