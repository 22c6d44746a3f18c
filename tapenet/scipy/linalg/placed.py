"""Functions of scipy.linalg that are not differentiated, each with what to write instead."""

from __future__ import annotations

from typing import Any

import scipy.linalg

from tapenet.scipy.placing import passed_on, refused

_DECOMPOSED = "Its factors are not determined by the matrix."
_OWN = "Write the formula with functions of linalg, or give it a rule by tn.custom_jvp."

_REFUSED = {
    "cdf2rdf": ("", _OWN),
    "cholesky_banded": ("", "Write linalg.solveh_banded, or linalg.cholesky of the dense matrix."),
    "clarkson_woodruff_transform": ("It draws a random matrix.", "Draw the matrix, and multiply by it."),
    "cossin": (_DECOMPOSED, "Write linalg.svd of the blocks."),
    "expm_cond": ("", "Write the norm of linalg.expm_frechet over directions."),
    "fiedler_companion": ("", "Write linalg.companion."),
    "hessenberg": (_DECOMPOSED, "Write linalg.schur(a, output='complex')."),
    "matrix_balance": ("", "Scale by tn.stop_gradient of the result."),
    "ordqz": (_DECOMPOSED, _OWN),
    "qr_delete": ("", "Write linalg.qr of the new matrix."),
    "qr_insert": ("", "Write linalg.qr of the new matrix."),
    "qr_update": ("", "Write linalg.qr of the new matrix."),
    "qz": (_DECOMPOSED, _OWN),
    "rsf2csf": ("", "Write linalg.schur(a, output='complex')."),
}
_PASSED = {
    "bandwidth": "it counts diagonals.",
    "dft": "a matrix of constants.",
    "find_best_blas_type": "it names a type.",
    "get_blas_funcs": "it gives functions.",
    "get_lapack_funcs": "it gives functions.",
    "hadamard": "a matrix of constants.",
    "helmert": "a matrix of constants.",
    "hilbert": "a matrix of constants.",
    "invhilbert": "a matrix of constants.",
    "invpascal": "a matrix of constants.",
    "ishermitian": "it answers yes or no.",
    "issymmetric": "it answers yes or no.",
    "pascal": "a matrix of constants.",
}

PLACED: dict[str, Any] = {
    **{name: refused(scipy.linalg, name, instead, reason=reason) for name, (reason, instead) in _REFUSED.items()},
    **{name: passed_on(scipy.linalg, name, reason) for name, reason in _PASSED.items()},
}
