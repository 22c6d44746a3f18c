"""Subjects of scipy.sparse and scipy.sparse.linalg."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse

import tapenet.numpy as tnp
import tapenet.scipy.sparse
from tests.scipy.subjects import Strategy, between, subject

# A regular matrix, with dominant diagonal.
ROWS, COLUMNS = np.array([0, 0, 1, 1, 2, 2, 3]), np.array([0, 2, 1, 3, 0, 2, 3])
WEIGHTS = np.array([4.0, 1, 3, -1, 0.5, 5, 2])
LOWER = scipy.sparse.csr_array(np.tril(np.arange(1.0, 17).reshape(4, 4)))
SYMMETRIC = scipy.sparse.csr_array(np.diag([4.0, 3, 5, 2]) + np.diag([1.0, 0, 0.5], 1) + np.diag([1.0, 0, 0.5], -1))
DATA, VECTOR = between(0.8, 1.2, 7), between(-1, 1, 4)


def declare(module: str, name: str, call: Callable[..., Any], *arrays: Strategy, **settings: Any) -> None:
    subject(module, name, lambda xp, *given: tnp.asarray(call(xp, *given)), *arrays, **settings)


def matrix(xp: Any, data: Any) -> Any:
    """A matrix in the form that a module of solvers takes."""
    module = scipy.sparse if xp is scipy.sparse.linalg else tapenet.scipy.sparse
    return module.coo_array((data.astype(float) * WEIGHTS, (ROWS, COLUMNS)), shape=(4, 4)).tocsr()


declare("sparse", "coo_array", lambda xp, d, x: xp.coo_array((d, (ROWS, COLUMNS)), shape=(4, 4)) @ x, DATA, VECTOR)


def _product_and_sum(a: Any) -> Any:
    """The elements of A^T A + A B - B, B a constant of another pattern."""
    return (a.T @ a + a @ LOWER - LOWER).toarray()


for _kind in ("csr_array", "csr_matrix"):
    declare(
        "sparse",
        _kind,
        lambda xp, d, kind=_kind: _product_and_sum(getattr(xp, kind)((d, COLUMNS, [0, 2, 4, 6, 7]))),
        DATA,
    )
declare("sparse", "csr_matrix", lambda xp, d, x: xp.csr_matrix((d, COLUMNS, [0, 2, 4, 6, 7])).T * x, DATA, VECTOR)
for _kind in ("coo_matrix", "csc_matrix"):
    declare(
        "sparse", _kind, lambda xp, d, x, kind=_kind: getattr(xp, kind)((d, (COLUMNS, COLUMNS[::-1]))) * x, DATA, VECTOR
    )
declare("sparse", "csr_array", lambda xp, d, x: x @ xp.csr_array((d, COLUMNS, [0, 2, 4, 6, 7])), DATA, VECTOR)
declare("sparse", "csc_array", lambda xp, d: xp.csc_array((d, COLUMNS, [0, 2, 4, 6, 7])).toarray(), DATA)
declare(
    "sparse",
    "diags_array",
    lambda xp, a, b: xp.diags_array([a, b], offsets=[0, -1]).toarray(),
    VECTOR,
    between(-1, 1, 3),
)
declare("sparse.linalg", "spsolve", lambda xp, d, b: xp.spsolve(matrix(xp, d), b.astype(float)), DATA, VECTOR)
declare("sparse.linalg", "spsolve", lambda xp, b: xp.spsolve(SYMMETRIC, b.astype(float)), between(-1, 1, 4, 2))
declare(
    "sparse.linalg",
    "spsolve_triangular",
    lambda xp, b: xp.spsolve_triangular(LOWER.copy(), b.astype(float)),
    VECTOR,
)
declare("sparse.linalg", "norm", lambda xp, d: xp.norm(matrix(xp, d)), DATA)
for each in ("bicg", "bicgstab", "cgs", "gcrotmk", "gmres", "lgmres", "qmr", "tfqmr"):
    declare(
        "sparse.linalg",
        each,
        lambda xp, d, b, each=each: getattr(xp, each)(matrix(xp, d), b.astype(float), rtol=1e-13)[0],
        DATA,
        between(0.5, 1, 4),
        closeness=1e-9,
        order=2 if each == "gmres" else 1,
    )
for each in ("cg", "minres"):
    declare(
        "sparse.linalg",
        each,
        lambda xp, b, each=each: getattr(xp, each)(SYMMETRIC, b.astype(float), rtol=1e-13)[0],
        between(0.5, 1, 4),
        closeness=1e-9,
    )


def made(xp: Any, data: Any) -> Any:
    return xp.coo_array((data.astype(float) * WEIGHTS, (ROWS, COLUMNS)), shape=(4, 4))


MADE: dict[str, Callable[..., Any]] = {
    "block_array": lambda xp, a: xp.block_array([[a, None], [SYMMETRIC, a.T]]),
    "bmat": lambda xp, a: xp.bmat([[a, a], [None, a.T]], dtype=float),
    "block_diag": lambda xp, a: xp.block_diag([a, [[2.0, 3.0]], a]),
    "hstack": lambda xp, a: xp.hstack([a, SYMMETRIC], "csr"),
    "vstack": lambda xp, a: xp.vstack([a, a.T @ a]),
    "kron": lambda xp, a: xp.kron(a, a.T),
    "kronsum": lambda xp, a: xp.kronsum(a, scipy.sparse.csr_array([[1.0, 2.0], [0.0, 3.0]])),
    "tril": lambda xp, a: xp.tril(a, -1),
    "triu": lambda xp, a: xp.triu(a, format="csc"),
}
for each, make in MADE.items():
    declare(
        "sparse", each, lambda xp, d, make=make: make(xp, made(xp, d)).toarray(), DATA, order=2 if each == "kron" else 1
    )
declare("sparse", "find", lambda xp, d: xp.find(made(xp, d))[2], DATA, order=1)
declare("sparse", "diags", lambda xp, d: (xp.diags([d], [0]) * xp.diags(d[1:], 1)).toarray(), DATA, order=1)
declare(
    "sparse.linalg",
    "splu",
    lambda xp, d, b: xp.splu(matrix(xp, d).tocsc()).solve(b, "T"),
    DATA,
    VECTOR,
    in_single=False,
)
declare(
    "sparse.linalg", "splu", lambda xp, b: xp.splu(SYMMETRIC.tocsc()).solve(b), between(-1, 1, 4, 2), in_single=False
)
declare(
    "sparse.linalg",
    "factorized",
    lambda xp, d, b: xp.factorized(matrix(xp, d).tocsc())(b),
    DATA,
    VECTOR,
    in_single=False,
)
declare("sparse.linalg", "matrix_power", lambda xp, d: xp.matrix_power(matrix(xp, d), 3).toarray(), DATA, order=1)
