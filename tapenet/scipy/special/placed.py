"""Functions of scipy.special that are of counts, or that are not differentiated: each with its reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import scipy.special

from tapenet.scipy.placing import passed_on, refused
from tapenet.scipy.special.declaring import refused_ufunc

Function = Callable[..., Any]

# ---- of counts ----

_OF_COUNTS = (
    "ai_zeros bei_zeros beip_zeros ber_zeros bernoulli berp_zeros bi_zeros erf_zeros euler factorial2 factorialk "
    "fresnel_zeros fresnelc_zeros fresnels_zeros jn_zeros jnjnp_zeros jnp_zeros jnyn_zeros kei_zeros keip_zeros "
    "kelvin_zeros ker_zeros kerp_zeros stirling2 y0_zeros y1_zeros y1p_zeros yn_zeros ynp_zeros"
)
_RULES = (
    "c_roots h_roots he_roots l_roots p_roots ps_roots s_roots t_roots ts_roots u_roots us_roots roots_chebyc "
    "roots_chebys roots_chebyt roots_chebyu roots_hermite roots_hermitenorm roots_laguerre roots_legendre "
    "roots_sh_chebyt roots_sh_chebyu roots_sh_legendre"
)
_POLYNOMIALS = "chebyc chebys chebyt chebyu hermite hermitenorm laguerre legendre sh_chebyt sh_chebyu sh_legendre"
_SETTINGS = "geterr seterr"

# ---- not differentiated ----

_OWN = "Give it a derivative by tn.custom_jvp or tn.custom_vjp."
_RULES_WITH_PARAMETERS = (
    "cg_roots gegenbauer genlaguerre j_roots jacobi js_roots la_roots roots_gegenbauer roots_genlaguerre "
)
_RULES_WITH_PARAMETERS += "roots_jacobi roots_sh_jacobi sh_jacobi"
_MATHIEU = "mathieu_a mathieu_b mathieu_cem mathieu_modcem1 mathieu_modcem2 mathieu_modsem1 mathieu_modsem2 mathieu_sem"
_SPHEROIDAL = (
    "obl_ang1 obl_ang1_cv obl_cv obl_rad1 obl_rad1_cv obl_rad2 obl_rad2_cv "
    "pro_ang1 pro_ang1_cv pro_cv pro_rad1 pro_rad1_cv pro_rad2 pro_rad2_cv"
)
_TABLES = {
    "assoc_legendre_p_all": "assoc_legendre_p for each degree and order",
    "legendre_p_all": "legendre_p for each degree",
    "sph_harm_y_all": "sph_harm_y for each degree and order",
    "sph_legendre_p_all": "sph_legendre_p for each degree and order",
    "pbdv_seq": "pbdv for each order",
    "pbvv_seq": "pbvv for each order",
    "riccati_jn": "x * spherical_jn(n, x) for each order",
    "riccati_yn": "x * spherical_yn(n, x) for each order",
}
_NOT_DECLARED = {
    "ellip_harm": "Ellipsoidal harmonics are not differentiated.",
    "ellip_harm_2": "Ellipsoidal harmonics are not differentiated.",
    "ellip_normal": "Ellipsoidal harmonics are not differentiated.",
    "lmbda": "The functions of all orders up to v come in one table.",
    "lqmn": "Legendre functions of the second kind are not differentiated.",
    "lqn": "Legendre functions of the second kind are not differentiated.",
    "mathieu_even_coef": "Mathieu functions are not differentiated.",
    "mathieu_odd_coef": "Mathieu functions are not differentiated.",
    "obl_cv_seq": "Spheroidal wave functions are not differentiated.",
    "pbdn_seq": "Parabolic cylinder functions of complex arguments are not differentiated.",
    "pro_cv_seq": "Spheroidal wave functions are not differentiated.",
}


def _declared() -> dict[str, Function]:
    module = scipy.special
    found: dict[str, Function] = {}
    for name in _OF_COUNTS.split():
        found[name] = passed_on(module, name, "Its arguments are counts.")
    for name in _SETTINGS.split():
        found[name] = passed_on(module, name, "How SciPy treats errors.")
    for name in _RULES.split():
        found[name] = passed_on(module, name, "Nodes and weights of a quadrature rule, by the number of nodes.")
    for name in _POLYNOMIALS.split():
        found[name] = passed_on(module, name, "A polynomial as an object; its evaluation is eval_" + name + ".")
    for name in _RULES_WITH_PARAMETERS.split():
        polynomial = "roots" not in name
        instead = f"Write eval_{name}." if polynomial else _OWN
        found[name] = refused(module, name, instead, reason="Parameters must be constants.")
    for name, other in _TABLES.items():
        found[name] = refused(module, name, f"Write {other}.", reason="It makes a table.")
    for name, reason in _NOT_DECLARED.items():
        found[name] = refused(module, name, _OWN, reason=reason)
    for name in _MATHIEU.split():
        found[name] = refused_ufunc(name, _OWN, reason="Mathieu functions are not differentiated.")
    for name in _SPHEROIDAL.split():
        found[name] = refused_ufunc(name, _OWN, reason="Spheroidal wave functions are not differentiated.")
    return found


PLACED = _declared()
