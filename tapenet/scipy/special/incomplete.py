"""The incomplete gamma and beta functions, their complements and inverses, by all of their parameters."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import tapenet.numpy as tnp
from tapenet.core.primitive import Array, bind
from tapenet.scipy.special import incomplete_kernels
from tapenet.scipy.special.declaring import implicit, primitive, ufunc
from tapenet.scipy.special.gamma import digamma, digamma_difference, of_order

# ---- densities ----

gamma_density: Any = primitive(
    "gamma_density",
    "a x",
    incomplete_kernels.gamma_density,
    lambda t, a, x, out: t * (out * (tnp.log(x) - digamma(a))),
    lambda t, a, x, out: t * (out * ((a - 1 - x) / x)),
)
beta_density: Any = primitive(
    "beta_density",
    "a b x",
    incomplete_kernels.beta_density,
    lambda t, a, b, x, out: t * (out * (tnp.log(x) + digamma_difference(a, b))),
    lambda t, a, b, x, out: t * (out * (tnp.log1p(-x) + digamma_difference(b, a))),
    lambda t, a, b, x, out: t * (out * ((a - 1) / x - (b - 1) / (1 - x))),
)

Score = Callable[[int, int], Array]  # the derivative of a logarithm of these orders


def _by_orders(density: Array, score: Score, i: int, j: int) -> Array:
    """Return the derivative of a density of these orders by its two parameters, from those of its logarithm."""
    if i == j == 0:
        return density
    if i == 0:
        terms = ((0, m) for m in range(j))
        return sum(math.comb(j - 1, m) * _by_orders(density, score, k, j - 1 - m) * score(0, m + 1) for k, m in terms)
    return sum(
        math.comb(i - 1, k) * math.comb(j, m) * _by_orders(density, score, i - 1 - k, j - m) * score(k + 1, m)
        for k in range(i)
        for m in range(j + 1)
    )


# ---- incomplete gamma ----


def _gamma_density_by_order(a: Array, x: Array, order: int) -> Array:
    def score(k: int, _: int) -> Array:
        return tnp.log(x) - digamma(a) if k == 1 else -of_order(k - 1, a)

    return _by_orders(gamma_density(a, x), score, order, 0)


_gammainc: Any = primitive(
    "gammainc_by_order",
    "a x",
    incomplete_kernels.gammainc_by_order,
    lambda t, a, x, order: t * gammainc_by_order(a, x, order + 1),
    lambda t, a, x, order: t * _gamma_density_by_order(a, x, order),
)


def gammainc_by_order(a: Array, x: Array, order: int) -> Array:
    """Compute the derivative of the lower incomplete gamma function by a of an order."""
    return bind(_gammainc.primitive, (a, x), {"order": order})


gammainc = ufunc(
    "gammainc",
    "a x",
    lambda t, a, x: t * gammainc_by_order(a, x, 1),
    lambda t, a, x: t * gamma_density(a, x),
    note="x^(a - 1) e^(-x) / gamma(a) by x; by a an integral over the tail, accurate in both tails.",
)
gammaincc = ufunc(
    "gammaincc",
    "a x",
    lambda t, a, x: -t * gammainc_by_order(a, x, 1),
    lambda t, a, x: -t * gamma_density(a, x),
    note="minus that of gammainc.",
)
gammaincinv = implicit(
    "gammaincinv", "a y", lambda x, a, y: gammainc(a, x) - y, note="that of the solution x of gammainc(a, x) = y."
)
gammainccinv = implicit(
    "gammainccinv", "a y", lambda x, a, y: gammaincc(a, x) - y, note="that of the solution x of gammaincc(a, x) = y."
)

# ---- incomplete beta ----


def _beta_density_by_orders(a: Array, b: Array, x: Array, orders: tuple[int, int]) -> Array:
    def score(k: int, m: int) -> Array:
        if k + m == 1:
            return tnp.log(x) + digamma_difference(a, b) if k else tnp.log1p(-x) + digamma_difference(b, a)
        both = of_order(k + m - 1, a + b)
        return both if k and m else both - of_order(k + m - 1, a if k else b)

    return _by_orders(beta_density(a, b, x), score, *orders)


_betainc: Any = primitive(
    "betainc_by_orders",
    "a b x",
    incomplete_kernels.betainc_by_orders,
    lambda t, a, b, x, orders: t * betainc_by_orders(a, b, x, (orders[0] + 1, orders[1])),
    lambda t, a, b, x, orders: t * betainc_by_orders(a, b, x, (orders[0], orders[1] + 1)),
    lambda t, a, b, x, orders: t * _beta_density_by_orders(a, b, x, orders),
)


def betainc_by_orders(a: Array, b: Array, x: Array, orders: tuple[int, int]) -> Array:
    """Compute the derivative of the incomplete beta function of these orders by a and b."""
    return bind(_betainc.primitive, (a, b, x), {"orders": orders})


betainc = ufunc(
    "betainc",
    "a b x",
    lambda t, a, b, x: t * betainc_by_orders(a, b, x, (1, 0)),
    lambda t, a, b, x: t * betainc_by_orders(a, b, x, (0, 1)),
    lambda t, a, b, x: t * beta_density(a, b, x),
    note="x^(a - 1) (1 - x)^(b - 1) / B(a, b) by x; by a and b integrals over the tail, accurate in both tails.",
)
betaincc = ufunc(
    "betaincc",
    "a b x",
    lambda t, a, b, x: -t * betainc_by_orders(a, b, x, (1, 0)),
    lambda t, a, b, x: -t * betainc_by_orders(a, b, x, (0, 1)),
    lambda t, a, b, x: -t * beta_density(a, b, x),
    note="minus that of betainc.",
)
betaincinv = implicit(
    "betaincinv",
    "a b y",
    lambda x, a, b, y: betainc(a, b, x) - y,
    note="that of the solution x of betainc(a, b, x) = y.",
)
betainccinv = implicit(
    "betainccinv",
    "a b y",
    lambda x, a, b, y: betaincc(a, b, x) - y,
    note="that of the solution x of betaincc(a, b, x) = y.",
)
btdtria = implicit(
    "btdtria", "p b x", lambda a, p, b, x: betainc(a, b, x) - p, note="that of the solution a of betainc(a, b, x) = p."
)
btdtrib = implicit(
    "btdtrib", "a p x", lambda b, a, p, x: betainc(a, b, x) - p, note="that of the solution b of betainc(a, b, x) = p."
)
