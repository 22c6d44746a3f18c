"""scipy.sparse.linalg on Tensors and arrays alike: solutions are SciPy's, derivatives take one more solve.

>>> from tapenet.scipy import sparse
>>> A = sparse.csr_array(np.diag([1.0, 2.0]))
>>> tn.grad(lambda b: sparse.linalg.spsolve(A, b).sum())(np.ones(2))
array([1. , 0.5])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse.linalg
from scipy.sparse.linalg import (
    LinearOperator as LinearOperator,
    MatrixRankWarning as MatrixRankWarning,
)

import tapenet.numpy as tnp
from tapenet.core.foreign import is_sparse
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ConvergenceError
from tapenet.operators.linear_solves import implicit_solution, plain_operator
from tapenet.operators.operator import LinearOperator as Operator, as_operator
from tapenet.scipy.placing import passed_on, published, refused
from tapenet.scipy.sparse.arrays import SparseArray, as_sparse, on_tape
from tapenet.scipy.sparse.patterns import solution

Function = Callable[..., Any]

_BY_BOTH = "by b and by the data of A, one more solve with A or its transpose"


def _right_side(name: str, b: Any, size: int) -> Array:
    b = tnp.asarray(b)
    b = b if b.dtype.kind in "fc" else b * 1.0
    if b.ndim not in (1, 2) or b.shape[0] != size:
        raise ArgumentError(f"{name}: b must have shape ({size},) or ({size}, k); got {b.shape}.")
    return b


def _square(name: str, a: Any) -> SparseArray:
    found = as_sparse(name, a)
    if found.shape[0] != found.shape[1]:
        raise ArgumentError(f"{name}: A must be square; got shape {found.shape}.")
    return found


def spsolve(A: Any, b: Any, permc_spec: str | None = None, use_umfpack: bool = True) -> Any:
    if not on_tape(A, b):
        return scipy.sparse.linalg.spsolve(A, b, permc_spec, use_umfpack)
    name = "sparse.linalg.spsolve"
    if is_sparse(type(b)):
        b = b.toarray()
    a = _square(name, A)
    b = _right_side(name, b, a.shape[0])
    if b.ndim == 2 and b.shape[1] == 1:
        b = b[:, 0]
    return solution(a.data, b, pattern=a.pattern)


published(
    spsolve,
    scipy.sparse.linalg,
    "spsolve",
    f"Derivatives: {_BY_BOTH}. On a tape the solution is dense, and a singular A raises LinAlgError.",
)


def spsolve_triangular(
    A: Any,
    b: Any,
    lower: bool = True,
    overwrite_A: bool = False,
    overwrite_b: bool = False,
    unit_diagonal: bool = False,
) -> Any:
    if not on_tape(A, b):
        return scipy.sparse.linalg.spsolve_triangular(A, b, lower, overwrite_A, overwrite_b, unit_diagonal)
    name = "sparse.linalg.spsolve_triangular"
    a = _square(name, A)
    rows, columns = a.pattern.coordinates
    if np.any(rows < columns if lower else rows > columns):
        raise ArgumentError(f"{name}: A must be {'lower' if lower else 'upper'} triangular; got other elements.")
    if unit_diagonal:
        raise ArgumentError(f"{name}: unit_diagonal must be False on a tape; got True. Store the ones.")
    return solution(a.data, _right_side(name, b, a.shape[0]), pattern=a.pattern)


published(spsolve_triangular, scipy.sparse.linalg, "spsolve_triangular", f"Derivatives: {_BY_BOTH}.")

# ---- iterations ----


def _iterative(name: str, **defaults: Any) -> Function:
    theirs = getattr(scipy.sparse.linalg, name)

    def solver(A: Any, b: Any, x0: Any = None, **settings: Any) -> Any:
        if not on_tape(A, b, x0, settings):
            return theirs(A, b, x0, **settings)
        long = f"sparse.linalg.{name}"
        if on_tape(x0, settings):
            raise ArgumentError(
                f"{long}: x0 and settings must not be Tensors, as the solution does not depend on them."
            )
        operator = as_operator(long, A, square=True)
        b = tnp.ravel(_right_side(long, b, operator.shape[0]))
        callback = settings.pop("callback", None)
        first = {"x0": x0, "callback": callback}  # of the solution itself; those of derivatives begin at 0

        def solve(a: Operator, b: Array) -> Array:
            begin = {key: first.pop(key) for key in list(first)}
            plain = {**settings, "M": _transposed(settings.get("M"), a is not operator and not a.is_symmetric)}
            x, code = theirs(plain_operator(long, a), b, **{k: v for k, v in plain.items() if v is not None}, **begin)
            bound = max(settings.get("rtol", 1e-5) * np.linalg.norm(b), settings.get("atol", 0.0))
            # A negative code is a division by zero, which may be by a residual of 0.
            if code > 0 or (code < 0 and not np.linalg.norm(a.matvec(x) - b) <= bound):
                raise ConvergenceError(
                    f"{long}: x must converge; got the code {code}. Pass a preconditioner M, a larger rtol or more "
                    "steps by maxiter."
                )
            return np.asarray(x)

        return implicit_solution(solve, operator, b), 0

    return published(
        solver,
        scipy.sparse.linalg,
        name,
        f"Derivatives: {_BY_BOTH}, to the same tolerance; A is a matrix, sparse or dense, or an operator, of SciPy's "
        "or of `tn.operators`. A solve that does not converge raises ConvergenceError on a tape.",
    )


def _transposed(m: Any, is_transposed: bool) -> Any:
    return m.T if m is not None and is_transposed else m


bicg = _iterative("bicg")
bicgstab = _iterative("bicgstab")
cg = _iterative("cg")
cgs = _iterative("cgs")
gcrotmk = _iterative("gcrotmk")
gmres = _iterative("gmres")
lgmres = _iterative("lgmres")
minres = _iterative("minres")
qmr = _iterative("qmr")
tfqmr = _iterative("tfqmr")


def norm(x: Any, ord: Any = None, axis: Any = None) -> Any:
    if not on_tape(x):
        return scipy.sparse.linalg.norm(x, ord, axis)
    if ord not in (None, "fro") or axis is not None:
        raise ArgumentError('sparse.linalg.norm: ord must be None or "fro", and axis None, on a tape.')
    return tnp.linalg.norm(x.data)


published(norm, scipy.sparse.linalg, "norm", "Derivative: that of Frobenius' norm, by the data; 0 at 0.")

# ---- what is not differentiated ----

_REFUSED = {
    "eigs": "Write tn.operators.eigsh where A is symmetric, or numpy.linalg.eig of A.toarray().",
    "eigsh": "Write tn.operators.eigsh.",
    "expm": "Write linalg.expm of A.toarray().",
    "expm_multiply": "Write integrate.solve_ivp, or linalg.expm of A.toarray().",
    "factorized": "Write sparse.linalg.spsolve.",
    "funm_multiply_krylov": "Write a function of linalg of A.toarray().",
    "inv": "Write sparse.linalg.spsolve.",
    "lobpcg": "Write tn.operators.eigsh.",
    "lsmr": "Write tn.operators.lsqr.",
    "lsqr": "Write tn.operators.lsqr.",
    "matrix_power": "Write products with vectors.",
    "spilu": "Pass plain values: it is a preconditioner.",
    "splu": "Write sparse.linalg.spsolve.",
    "svds": "Write tn.operators.svds.",
}
_PASSED = {
    "aslinearoperator": "it makes an operator of constants.",
    "is_sptriangular": "it looks at the pattern.",
    "onenormest": "an estimate.",
    "spbandwidth": "it looks at the pattern.",
    "use_solver": "a setting.",
}
PLACED: dict[str, Any] = {
    **{name: refused(scipy.sparse.linalg, name, instead) for name, instead in _REFUSED.items()},
    **{name: passed_on(scipy.sparse.linalg, name, reason) for name, reason in _PASSED.items()},
}
globals().update(PLACED)

_OURS = ("bicg bicgstab cg cgs gcrotmk gmres lgmres minres norm qmr spsolve spsolve_triangular tfqmr").split()
__all__ = sorted([*_OURS, *PLACED, "LinearOperator", "MatrixRankWarning"])


def __dir__() -> list[str]:
    return __all__
