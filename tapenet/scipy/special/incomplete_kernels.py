"""Derivatives of the incomplete gamma and beta functions by their parameters, and the densities, on plain arrays.

A tail of a density p(t; a) is an integral, so that its derivatives by a are integrals over the same tail of p and of
powers of the score, and each is SciPy's value of the tail times a mean over it. Of the means only ratios of integrals
are needed, in which factors of the density cancel; the tail is that on which nothing else does: the lower one below the
mean, the upper one above. Orders of derivatives are coefficients of power series, in the steps of the parameters.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import scipy.special

from tapenet.scipy.special.quadrature import DECAY, end_of, nodes

Series = dict[tuple[int, int], Any]  # coefficients by the powers of the two steps

# ---- power series of two variables ----


def _powers(orders: tuple[int, int]) -> list[tuple[int, int]]:
    return list(itertools.product(range(orders[0] + 1), range(orders[1] + 1)))


def product(f: Series, g: Series, orders: tuple[int, int]) -> Any:
    """Return one coefficient of a product."""
    i, j = orders
    return sum(f[k, m] * g[i - k, j - m] for k in range(i + 1) for m in range(j + 1))


def exponential(logarithm: Series, orders: tuple[int, int]) -> Series:
    """Return the exponential of a series without constant term: f' = g' f, compared by coefficients."""
    found: Series = {(0, 0): 1.0}
    for i, j in _powers(orders):
        if i:
            terms = ((k * logarithm[k, m], (i - k, j - m)) for k in range(1, i + 1) for m in range(j + 1))
            found[i, j] = sum(factor * found[rest] for factor, rest in terms) / i
        elif j:
            found[i, j] = sum(m * logarithm[0, m] * found[0, j - m] for m in range(1, j + 1)) / j
    return found


def polygamma_term(n: int, x: Any) -> Any:
    """Return the coefficient of order n of gammaln around x."""
    if n == 1:
        return scipy.special.psi(x)
    return scipy.special.polygamma(n - 1, x) / math.factorial(n)


# ---- the incomplete gamma function ----


def gammainc_by_order(a: Any, x: Any, *, order: int) -> Any:
    """Compute the derivative of the regularized lower incomplete gamma function by a of an order above 0."""
    a, x = np.broadcast_arrays(a, x)
    dtype = np.result_type(a, x, np.float32)
    a, x = a.astype(np.float64), x.astype(np.float64)
    inside = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    lower = inside & ((x <= a) | (x < 0.5))
    nothing = inside & (x > a + 1e4) & (scipy.special.gammaincc(a, x) == 0)
    found = np.where(nothing | ((a > 0) & ((x == 0) | (x == np.inf))), 0.0, np.full(a.shape, np.nan))
    inside &= ~nothing
    for tail, selected in ((_gamma_lower, lower), (_gamma_upper, inside & ~lower)):
        if selected.any():
            found[selected] = tail(a[selected], x[selected], order)
    return found.astype(dtype)[()]


def _gamma_lower(a: Any, x: Any, order: int) -> Any:
    """Go by P = x^a e^-x / gamma(a + 1) (1 + x int_0^inf e^(-(a + 1) v + x (1 - e^-v)) dv), t = x e^-v."""

    def exponent(v: Any) -> tuple[Any, Any]:
        return (a + 1) * v + x * np.expm1(-v), a + 1 - x * np.exp(-v)

    start = (DECAY + x) / (a + 1)
    start = np.where((a + 1 >= x) & (x > 120), np.minimum(start, np.sqrt(DECAY / (0.36 * x))), start)
    moments = [np.zeros_like(x) for _ in range(order + 1)]
    for v, weight in nodes(end_of(exponent, start)):
        share = weight * x * np.exp(-exponent(v)[0])
        for k in range(order + 1):
            moments[k] += share * (-v) ** k / math.factorial(k)
    first = 1 + moments[0]
    ratio: Series = {(k, 0): moment / first for k, moment in enumerate(moments)}
    ratio[0, 0] = 1.0
    logarithm: Series = {(k, 0): (np.log(x) if k == 1 else 0) - polygamma_term(k, a + 1) for k in range(1, order + 1)}
    mean = product(exponential(logarithm, (order, 0)), ratio, (order, 0))
    return scipy.special.gammainc(a, x) * mean * math.factorial(order)


def _gamma_upper(a: Any, x: Any, order: int) -> Any:
    """Go by Q = x^a e^-x / gamma(a) int_0^inf e^(a v - x (e^v - 1)) dv, t = x e^v."""

    def exponent(v: Any) -> tuple[Any, Any]:
        grown = np.expm1(v)
        return x * grown - a * v, x * (grown + 1) - a

    moments = [np.zeros_like(x) for _ in range(order + 1)]
    for v, weight in nodes(end_of(exponent, np.minimum(np.sqrt(2 * DECAY / x), np.log1p(60 / (x - a + 1e-300)) + 3))):
        share = weight * np.exp(-exponent(v)[0])
        for k in range(order + 1):
            moments[k] += share * v**k / math.factorial(k)
    ratio: Series = {(k, 0): moment / moments[0] for k, moment in enumerate(moments)}
    logarithm: Series = {(k, 0): (np.log(x) if k == 1 else 0) - polygamma_term(k, a) for k in range(1, order + 1)}
    mean = product(exponential(logarithm, (order, 0)), ratio, (order, 0))
    return -scipy.special.gammaincc(a, x) * mean * math.factorial(order)


# ---- the incomplete beta function ----


def betainc_by_orders(a: Any, b: Any, x: Any, *, orders: tuple[int, int]) -> Any:
    """Compute the derivative of the regularized incomplete beta function of these orders by a and b, one above 0."""
    a, b, x = np.broadcast_arrays(a, b, x)
    dtype = np.result_type(a, b, x, np.float32)
    a, b, x = a.astype(np.float64), b.astype(np.float64), x.astype(np.float64)
    positive = (a > 0) & (b > 0) & np.isfinite(a) & np.isfinite(b)
    inside = positive & (x > 0) & (x < 1)
    bound = np.where((a < 1) & (b < 1), 0.5, a / np.where(inside, a + b, 1.0))
    lower = inside & (x <= bound)
    found = np.where(positive & ((x == 0) | (x == 1)), 0.0, np.full(a.shape, np.nan))
    upper = inside & ~lower
    if lower.any():
        found[lower] = _beta_lower(a[lower], b[lower], x[lower], orders, scipy.special.betainc(a, b, x)[lower])
    if upper.any():
        left, rest = (b[upper], a[upper], 1 - x[upper]), (orders[1], orders[0])
        found[upper] = -_beta_lower(*left, rest, scipy.special.betainc(*left))
    return found.astype(dtype)[()]


def _beta_lower(a: Any, b: Any, x: Any, orders: tuple[int, int], value: Any) -> Any:
    """Go by t = x e^-v, with g(v) = ((1 - x e^-v) / (1 - x))^(b - 1) in

    I = x^a (1 - x)^(b - 1) / B(a, b) int_0^inf e^(-a v) g(v) dv, and for a < 1, integrated by parts,
    I = x^a (1 - x)^(b - 1) / (a B(a, b)) (1 + int_0^inf e^(-a v) g'(v) dv).
    """
    found = np.empty_like(x)
    for selected, by_parts in ((a >= 1, False), (a < 1, True)):
        if selected.any():
            p, q, place, tail = (array[selected] for array in (a, b, x, value))
            found[selected] = _beta_tail(p, q, place, tail, orders, by_parts)
    return found


def _beta_tail(a: Any, b: Any, x: Any, value: Any, orders: tuple[int, int], by_parts: bool) -> Any:
    moments = _beta_moments(a + by_parts, b - 1 - by_parts, x, orders)
    if by_parts:
        odds = x / (1 - x)
        raised = {power: odds * (b - 1) * moment for power, moment in moments.items()}
        for i, j in _powers(orders):
            if j:
                raised[i, j] = raised[i, j] + odds * moments[i, j - 1]
        raised[0, 0] = raised[0, 0] + 1
        moments = raised
    ratio = {power: moment / moments[0, 0] for power, moment in moments.items()}
    logarithm: Series = {}
    for i, j in _powers(orders):
        own = -polygamma_term(i, a + by_parts) if i and not j else -polygamma_term(j, b) if j and not i else 0.0
        if i + j:
            both = scipy.special.psi(a + b) if i + j == 1 else polygamma_term(i + j, a + b) * math.comb(i + j, i)
            logarithm[i, j] = own + both
    if orders[0]:
        logarithm[1, 0] = logarithm[1, 0] + np.log(x)
    if orders[1]:
        logarithm[0, 1] = logarithm[0, 1] + np.log1p(-x)
    mean = product(exponential(logarithm, orders), ratio, orders)
    return value * mean * math.factorial(orders[0]) * math.factorial(orders[1])


def _beta_moments(a: Any, power: Any, x: Any, orders: tuple[int, int]) -> Series:
    """Integrate e^(-a v) r(v)^power (-v)^i log(r(v))^j / (i! j!), r(v) = (1 - x e^-v) / (1 - x).

    The integrand is singular at v = log(x), which v = -log(x) (e^u - 1) moves to infinity.
    """
    odds = x / (1 - x)

    def rise(v: Any) -> Any:
        return np.log1p(-odds * np.expm1(-v))

    def exponent(v: Any) -> tuple[Any, Any]:
        decayed = x * np.exp(-v)
        return a * v - power * rise(v), a - power * decayed / (1 - decayed)

    start = (DECAY - np.maximum(power, 0) * np.log1p(-x)) / a
    end = np.where(power > 0, end_of(exponent, start, 40), start)
    scale = -np.log(x)
    moments: Series = {each: np.zeros_like(x) for each in _powers(orders)}
    for u, weight in nodes(np.log1p(end / scale)):
        v = scale * np.expm1(u)
        height = rise(v)
        share = weight * scale * np.exp(u - a * v + power * height)
        for i, j in moments:
            moments[i, j] += share * (-v) ** i * height**j / (math.factorial(i) * math.factorial(j))
    return moments


# ---- densities ----

_LARGE = 10.0  # from where on Stirling's series is good to the last digit
_HIGH = 80.0  # below which the factors of a density are far from overflow
_STIRLING = [1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400]


def _stirling(a: Any) -> Any:
    """Compute e^delta, the factor by which Stirling's formula sqrt(2 pi / a) (a / e)^a is below gamma(a)."""
    large = a >= _LARGE
    high, low = np.where(large, a, _LARGE), np.where(large, 1.0, a)
    series = np.zeros_like(high)
    for coefficient in reversed(_STIRLING):
        series = series / (high * high) + coefficient
    plain = scipy.special.gamma(low) * np.exp(low) * low ** (0.5 - low) / math.sqrt(2 * math.pi)
    return np.where(large, np.exp(series / high), plain)


def _log_less(ratio: Any, u: Any) -> Any:
    """Compute log(ratio) - u for u = ratio - 1, by its series near 0."""
    near = np.abs(u) < 0.3
    small = np.where(near, u, 0.0)
    total = np.zeros_like(small)
    for k in range(36, -1, -1):
        total = total * -small + 1 / (k + 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(near, -small * small * total, np.log(ratio) - u)


def gamma_density(a: Any, x: Any) -> Any:
    """Compute x^(a - 1) e^-x / gamma(a); for large a through the difference from its largest value."""
    a, x = np.broadcast_arrays(a, x)
    dtype = np.result_type(a, x, np.float32)
    a, x = a.astype(np.float64), x.astype(np.float64)
    large = (a > 0) & ((a >= _HIGH) | (x > 6 * _HIGH)) & (x > 0) & np.isfinite(x)
    high, place = np.where(large, a, _HIGH), np.where(large, x, 1.0)
    with np.errstate(all="ignore"):
        deviance = high * _log_less(place / high, (place - high) / high)
        by_deviance = np.sqrt(high / (2 * math.pi)) * np.exp(deviance) / (_stirling(high) * place)
        plain = x ** (a - 1) * np.exp(-x) * scipy.special.rgamma(np.where(large, 1.0, a))
    plain = np.where((x < 0) | (x == np.inf), 0.0, plain)
    return np.where(a > 0, np.where(large, by_deviance, plain), np.nan).astype(dtype)[()]


def beta_density(a: Any, b: Any, x: Any) -> Any:
    """Compute x^(a - 1) (1 - x)^(b - 1) / B(a, b); for large a or b through the difference from its largest value."""
    a, b, x = np.broadcast_arrays(a, b, x)
    dtype = np.result_type(a, b, x, np.float32)
    a, b, x = a.astype(np.float64), b.astype(np.float64), x.astype(np.float64)
    large = ((a >= _LARGE) | (b >= _LARGE)) & (x > 0) & (x < 1) & (a > 0) & (b > 0)
    p, q, place = np.where(large, a, 1.0), np.where(large, b, 1.0), np.where(large, x, 0.5)
    n = p + q
    with np.errstate(all="ignore"):
        apart = place * q - (1 - place) * p
        deviance = p * _log_less(place * n / p, apart / p) + q * _log_less((1 - place) * n / q, -apart / q)
        scale = np.sqrt(p / n * q / (2 * math.pi)) * _stirling(n) / (_stirling(p) * _stirling(q))
        by_deviance = scale * np.exp(deviance) / (place * (1 - place))
        plain = x ** (a - 1) * (1 - x) ** (b - 1) / scipy.special.beta(a, b)
    plain = np.where((x < 0) | (x > 1), 0.0, plain)
    return np.where((a > 0) & (b > 0), np.where(large, by_deviance, plain), np.nan).astype(dtype)[()]
