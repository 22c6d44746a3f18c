"""Subjects: products, polynomials, calculus, functions along axes, and arrays made of values."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.numpy.subjects import A, C, G, P, case, either

# ---- products ----

case("dot", lambda xp, x, y: xp.dot(x, y), either(2, 3), A(3))
case("dot", lambda xp, x, y: xp.dot(x, y), A(2, 3), A(4, 3, 2))
case("dot", lambda xp, x: xp.dot(x, 2.0), A(3))
case("vdot", lambda xp, x, y: xp.vdot(x, y), either(2, 2), either(4))
case("inner", lambda xp, x, y: xp.inner(x, y), A(2, 3), A(4, 3))
case("outer", lambda xp, x, y: xp.outer(x, y), A(2), A(1, 2))
case("matmul", lambda xp, x, y: xp.matmul(x, y), A(2, 1, 3), A(3, 2))
case("matmul", lambda xp, x, y: xp.matmul(x, y, axes=[(0, 1), (-2, -1), (1, 0)]), A(2, 3), A(3, 2))
case("vecdot", lambda xp, x, y: xp.vecdot(x, y), either(2, 3), either(3))
case("vecdot", lambda xp, x, y: xp.vecdot(x, y, axis=0), A(3, 2), A(3, 1))
case("matvec", lambda xp, x, y: xp.matvec(x, y), either(2, 3), A(4, 3))
case("vecmat", lambda xp, x, y: xp.vecmat(x, y), either(2), A(3, 2, 4))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, axes=([0, 1], [1, 0])), A(2, 3, 1), A(3, 2))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, 1), A(2, 3), A(3, 2))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, 0), A(2), A(2))
case("tensordot", lambda xp, x, y: xp.tensordot(x, y, (1, 0)), A(2, 3), A(3))
for subscripts, first, second in (
    ("ij,jk->ik", (2, 3), (3, 2)),
    ("ij,jk", (2, 3), (3, 2)),
    ("...j,jk->...k", (2, 1, 3), (3, 2)),
    ("i...,i...->...", (2, 3), (2, 3)),
    ("ii,i->i", (3, 3), (3,)),
    ("ij,kl->", (2, 1), (1, 2)),
    (" i j , j -> i ", (2, 3), (3,)),
    ("ij,ij->ij", (1, 3), (2, 3)),
    ("ij,jk->ik", (2, 0), (0, 2)),
):
    case("einsum", lambda xp, x, y, s=subscripts: xp.einsum(s, x, y), A(*first), A(*second))
case("einsum", lambda xp, x, y: xp.einsum(x, [0, 1], y, [1, 2], [2, 0]), A(2, 3), A(3, 2))
case("einsum", lambda xp, x, y: xp.einsum(x, [Ellipsis, 1], y, [1]), A(2, 3), A(3))
case("einsum", lambda xp, x: xp.einsum("ii", x), A(3, 3))
case("einsum", lambda xp, x, y: xp.einsum("i,j,j", x, y, y, optimize=True), A(2), A(3))
case("kron", lambda xp, x, y: xp.kron(x, y), either(2, 1), A(2, 3))
case("kron", lambda xp, x, y: xp.kron(x, y), A(2), A(1, 3, 2))
case("cross", lambda xp, x, y: xp.cross(x, y), A(2, 3), A(3))
case("cross", lambda xp, x, y: xp.cross(x, y, axis=0), A(3, 2), A(3, 2))
case("cross", lambda xp, x, y: xp.cross(x, y, axisa=0, axisc=0), A(3, 2), A(2, 3))
case("trace", lambda xp, x: xp.trace(x, 1, axis1=-1, axis2=0), A(2, 3, 3))

# ---- polynomials ----

case("polyval", lambda xp, p, x: xp.polyval(p, x), either(3), A(2, 2))
case("vander", lambda xp, x: xp.vander(x), A(3))
case("vander", lambda xp, x: xp.vander(x, 4, increasing=True), either(3))
for name in ("polyadd", "polysub", "polymul"):
    case(name, lambda xp, p, q, name=name: getattr(xp, name)(p, q), A(3), A(2))
case("polydiv", lambda xp, p, q: xp.polydiv(p, q), P(4), P(2))
case("polydiv", lambda xp, p, q: xp.polydiv(p, q), P(3), P(1))
case("polyder", lambda xp, p: xp.polyder(p), A(4))
case("polyder", lambda xp, p: xp.polyder(p, 2), A(4))
case("polyint", lambda xp, p: xp.polyint(p), A(3))
case("polyint", lambda xp, p, k: xp.polyint(p, 2, k), A(3), A(2))
case("roots", lambda xp, p: xp.exp(xp.roots(np.array([1.0, 0.0, 0.0, -1.0]) + 0.1 * p)).sum(), A(4))
case(
    "roots",
    lambda xp, p: xp.roots(xp.concatenate([np.zeros(1), p, np.zeros(1)])) + 0j,
    st.just(np.array([1.0, 0.2, 1.0])),
)
case("poly", lambda xp, r: xp.poly(r), either(3))
case("poly", lambda xp, a: xp.poly(a + np.diag([1.0, 4.0, 9.0])), A(3, 3))
ABSCISSAE = st.just(np.array([-1.5, -0.4, 0.3, 1.1, 1.6]))
case("poly", lambda xp, z: xp.poly(xp.concatenate([z, xp.conj(z)])), C(2))
case("polyfit", lambda xp, x, y: xp.polyfit(x, y, 2), ABSCISSAE, A(5))
case("polyfit", lambda xp, x, y, w: xp.polyfit(x, y, 1, w=w), ABSCISSAE, A(5, 2), P(5))

# ---- calculus ----

case("diff", lambda xp, x: xp.diff(x), A(2, 3))
case("diff", lambda xp, x: xp.diff(x, n=2, axis=0, prepend=1.0, append=[[2.0, 3.0]]), A(3, 2))
case("diff", lambda xp, x, y: xp.diff(x, prepend=y), A(3), A())
case("ediff1d", lambda xp, x: xp.ediff1d(x, to_begin=[1.0, 2.0], to_end=3.0), A(2, 2))
case("gradient", lambda xp, x: xp.gradient(x), A(3, 4))
case("gradient", lambda xp, x: xp.gradient(x, 0.5, edge_order=2), A(4))
case("gradient", lambda xp, x, h: xp.gradient(x, h, axis=-1, edge_order=2), A(2, 4), P(4).map(np.cumsum))
case("gradient", lambda xp, x, h: xp.gradient(x, h, 2.0), A(3, 2), P())
case("trapezoid", lambda xp, x: xp.trapezoid(x, dx=0.5, axis=0), A(3, 2))
case("trapezoid", lambda xp, y, x: xp.trapezoid(y, x), A(2, 3), A(3))
case("trapezoid", lambda xp, y, x: xp.trapezoid(y, x, axis=0), A(3, 2), A(3, 2))
KNOTS = st.just(np.array([-1.5, -0.9, 0.1, 1.3]))
case("interp", lambda xp, x, xp_, fp: xp.interp(x, xp_, fp), G(2, 3), KNOTS, either(4))
case("interp", lambda xp, x, fp: xp.interp(x, [-1.5, -0.9, 0.1, 1.3], fp, left=7.0, right=-1.0), G(3), A(4))
case(
    "interp",
    lambda xp, x, fp: xp.interp(x, [1.0, -0.4, 0.0], fp, period=1.7),
    st.just(np.array([-2.9, 0.3, 4.3])),
    A(3),
)
case("interp", lambda xp, x, fp: xp.interp(x, [0.0], fp), G(3), A(1))
case("unwrap", lambda xp, x: xp.unwrap(x * 4), G(2, 4))
case("unwrap", lambda xp, x: xp.unwrap(x, axis=0, period=1.3), G(4, 2))
for mode in ("full", "same", "valid"):
    for n, m in ((5, 3), (3, 4), (2, 2), (1, 4)):
        case("convolve", lambda xp, x, y, mode=mode: xp.convolve(x, y, mode), either(n), A(m))
        case("correlate", lambda xp, x, y, mode=mode: xp.correlate(x, y, mode=mode), either(n), either(m))

# ---- functions along axes ----

case("apply_along_axis", lambda xp, x: xp.apply_along_axis(lambda v: xp.outer(v, v), 1, x), A(2, 3))
case("apply_along_axis", lambda xp, x: xp.apply_along_axis(lambda v, k: k * v.sum(), 0, x, 3.0), A(2, 3))
case("apply_over_axes", lambda xp, x: xp.apply_over_axes(xp.sum, x, (0, -1)), A(2, 2, 3))

# ---- creation ----

for name in ("array", "asarray", "asanyarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray"):
    case(name, lambda xp, x, y, name=name: getattr(xp, name)([[x, 1.0], [2.0, y]]), A(), A(), dispatches=False)
    case(name, lambda xp, x, name=name: getattr(xp, name)(x) * x, A(3), dispatches=False)
case("array", lambda xp, x: xp.array([x, x], ndmin=4), A(3), dispatches=False)
case("copy", lambda xp, x: xp.copy(x) * x, A(3))
case("full", lambda xp, v: xp.full((2, 3), v), A(3), dispatches=False)
case("full_like", lambda xp, v: xp.full_like(np.zeros((2, 3)), v), A(3), dispatches=False)
case("full_like", lambda xp, x, v: xp.full_like(x, v) * x, A(2, 3), A(3))
for endpoint in (True, False):
    case("linspace", lambda xp, a, b, e=endpoint: xp.linspace(a, b, 4, endpoint=e), A(2), A(2))
    case("logspace", lambda xp, a, b, e=endpoint: xp.logspace(a, b, 4, endpoint=e, base=2.0), A(), A())
    case("geomspace", lambda xp, a, b, e=endpoint: xp.geomspace(a, b, 4, endpoint=e), P(2), P(2))
case("linspace", lambda xp, a: xp.linspace(a, 1.0, 3, retstep=True, axis=-1), A(2))
case("linspace", lambda xp, a: xp.linspace(a, 1.0, 1), A(2))
case("logspace", lambda xp, a, b: xp.logspace(a, 1.0, 3, base=b, axis=-1), A(2), P(2))
case("geomspace", lambda xp, a: xp.geomspace(-a, -3.0, 3), P())
# In the right half-plane, away from the cut where start and stop point opposite ways.
case("geomspace", lambda xp, a: xp.geomspace(a + 4.0, 2.0 + 1j, 3), C())
case(
    "arange",
    lambda xp, a, h: xp.arange(a, a + 2.2 * h, h) if xp is not np else np.arange(a, a + 2.2 * h, h),
    P(),
    P(),
    dispatches=False,
)
case("kaiser", lambda xp, beta: xp.kaiser(5, beta) if xp is not np else np.kaiser(5, beta), P(), dispatches=False)
