"""scipy.sparse.linalg on Tensors and arrays alike: solutions are SciPy's, derivatives take one more solve.

>>> from tapenet.scipy import sparse
>>> A = sparse.csr_array(np.diag([1.0, 2.0]))
>>> tn.grad(lambda b: sparse.linalg.spsolve(A, b).sum())(np.ones(2))
array([1. , 0.5])
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import scipy.sparse.linalg
from scipy.sparse.linalg import (
    LinearOperator as LinearOperator,
    MatrixRankWarning as MatrixRankWarning,
)

import tapenet.numpy as tnp
from tapenet.core.families import linear
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

# ---- factorizations ----


def _transposed_solve(t: Array, factor: Any, trans: str) -> Array:
    return _solved_by(t, factor=factor, trans="N" if trans == "T" else "T")


@linear(_transposed_solve, name="sparse.solved_by")
def _solved_by(b: Array, *, factor: Any, trans: str) -> Array:
    """Solve with a factorization of a plain matrix."""
    kind = np.result_type(b, factor.L.dtype)
    b = b.astype(kind)
    if kind.kind == "c" and factor.L.dtype.kind != "c":
        return np.asarray(factor.solve(b.real, trans) + 1j * factor.solve(b.imag, trans))
    return np.asarray(factor.solve(b, trans))


@attrs.frozen(eq=False)
class Factorization:
    """A sparse matrix that is solved with several times, as scipy.sparse.linalg.SuperLU.

    Derivatives: by b one solve with the factors that are there, and by the data of A, where they are Tensors, one more
    solve each. What else SuperLU has can be read where A is plain.
    """

    matrix: SparseArray
    theirs: Any

    def solve(self, b: Any, trans: str = "N") -> Array:
        """Solve with A, with its transpose ("T") or its conjugate transpose ("H")."""
        name = "sparse.linalg.splu"
        if trans not in ("N", "T", "H"):
            raise ArgumentError(f"{name}: trans must be 'N', 'T' or 'H'; got {trans!r}.")
        if (
            self.theirs is not None and not on_tape(b) and not np.iscomplexobj(b)
        ):  # SciPy takes none beside real factors
            return np.asarray(self.theirs.solve(b, trans))
        b = _right_side(name, b, self.matrix.shape[0])
        if trans == "H":
            return tnp.conj(self.solve(tnp.conj(b), "T"))
        if self.theirs is not None:
            return _solved_by(b, factor=self.theirs, trans=trans)
        pattern = self.matrix.pattern if trans == "N" else self.matrix.pattern.T
        return solution(self.matrix.data, b, pattern=pattern)

    @property
    def shape(self) -> tuple[int, int]:
        """That of A."""
        return self.matrix.shape

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or self.theirs is None:
            raise AttributeError(f"sparse.linalg.splu: {name} can be read where A is plain; got a Tensor.")
        return getattr(self.theirs, name)


def splu(A: Any, *settings: Any, **options: Any) -> Factorization:
    a = _square("sparse.linalg.splu", A)
    return Factorization(a, None if on_tape(A) else scipy.sparse.linalg.splu(A, *settings, **options))


published(
    splu,
    scipy.sparse.linalg,
    "splu",
    "Derivatives: of solve(b), by b one solve with the factors that are there, and by the data of A one more solve.",
)


def factorized(A: Any) -> Function:
    return splu(A if (is_sparse(type(A)) and A.format == "csc") or on_tape(A) else scipy.sparse.csc_array(A)).solve


published(factorized, scipy.sparse.linalg, "factorized", "Derivatives: those of splu(A).solve, by b and the data of A.")


def matrix_power(A: Any, power: int) -> Any:
    if not on_tape(A):
        return scipy.sparse.linalg.matrix_power(A, power)
    name = "sparse.linalg.matrix_power"
    a, count = _square(name, A), operator.index(power)
    if count < 1:
        raise ArgumentError(f"{name}: power must be at least 1 on a tape; got {power}.")
    found = a
    for _ in range(count - 1):
        found = found @ a
    return found


published(matrix_power, scipy.sparse.linalg, "matrix_power", "Derivative: by the data, those of the products.")

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
        given = as_operator(long, A, square=True)
        b = tnp.ravel(_right_side(long, b, given.shape[0]))
        callback = settings.pop("callback", None)
        first = {"x0": x0, "callback": callback}  # of the solution itself; those of derivatives begin at 0

        def solve(a: Operator, b: Array) -> Array:
            begin = {key: first.pop(key) for key in list(first)}
            plain = {**settings, "M": _transposed(settings.get("M"), a is not given and not a.is_symmetric)}
            try:
                x, code = theirs(
                    plain_operator(long, a), b, **{k: v for k, v in plain.items() if v is not None}, **begin
                )
            except ValueError as error:
                raise ArgumentError(f"{long}: {error}.") from error
            bound = max(settings.get("rtol", 1e-5) * np.linalg.norm(b), settings.get("atol", 0.0))
            # A negative code is a division by zero, which may be by a residual of 0.
            if code > 0 or (code < 0 and not np.linalg.norm(a.matvec(x) - b) <= bound):
                raise ConvergenceError(
                    f"{long}: x must converge; got the code {code}. Pass a preconditioner M, a larger rtol or more "
                    "steps by maxiter."
                )
            return np.asarray(x)

        return implicit_solution(solve, given, b), 0

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
    "funm_multiply_krylov": "Write a function of linalg of A.toarray().",
    "inv": "Write sparse.linalg.spsolve.",
    "lobpcg": "Write tn.operators.eigsh.",
    "lsmr": "Write tn.operators.lsqr.",
    "lsqr": "Write tn.operators.lsqr.",
    "spilu": "Pass plain values: it is a preconditioner.",
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

_OURS = (
    "bicg bicgstab cg cgs factorized gcrotmk gmres lgmres minres matrix_power norm qmr splu spsolve "
    "spsolve_triangular tfqmr"
).split()
__all__ = sorted([*_OURS, *PLACED, "LinearOperator", "MatrixRankWarning"])


def __dir__() -> list[str]:
    return __all__
