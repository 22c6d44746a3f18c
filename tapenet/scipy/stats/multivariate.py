"""Distributions of vectors and matrices: log densities, densities, entropies and draws, by all parameters."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import scipy.stats

import tapenet.numpy as tnp
from tapenet.core.arguments import as_array, collected, holds_tensor
from tapenet.core.nondifferentiable import nondifferentiable
from tapenet.core.primitive import Array
from tapenet.errors import ArgumentError, ArgumentTypeError
from tapenet.scipy import special

_LOG_2_PI = math.log(2 * math.pi)
_LOG_2 = math.log(2)
_LOG_PI = math.log(math.pi)

Formula = Callable[..., Array]


@attrs.frozen(eq=False, slots=False)
class Multivariate:
    """A distribution of vectors or matrices.

    Attributes:
        name: SciPy's.
        formulas: by the name of a method; of the arguments as SciPy has them.
    """

    name: str
    formulas: dict[str, Formula]

    def __reduce__(self) -> str:
        """Pickle by name."""
        return self.name

    def __call__(self, *arguments: Any, **keywords: Any) -> FrozenMultivariate:
        """Fix the parameters."""
        return FrozenMultivariate(self, arguments, keywords)

    def __getattr__(self, name: str) -> Any:
        """Return a method: SciPy's for plain arguments, else that of the formula."""
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        theirs, formula = getattr(getattr(scipy.stats, self.name), name), self.formulas.get(name)

        @functools.wraps(theirs)
        def method(*arguments: Any, **keywords: Any) -> Any:
            if not any(map(holds_tensor, (*arguments, *keywords.values()))):
                return theirs(*arguments, **keywords)
            if formula is None:
                raise ArgumentTypeError(
                    f"stats.{self.name}.{name}: not supported for a Tensor. Write it in terms of "
                    f"{', '.join(sorted(self.formulas))}."
                )
            return formula(*map(collected, arguments), **{key: collected(x) for key, x in keywords.items()})

        return method


@attrs.frozen(eq=False)
class FrozenMultivariate:
    """A distribution with fixed parameters."""

    distribution: Multivariate
    arguments: tuple[Any, ...]
    keywords: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        """Return a method of the distribution that has the parameters already."""
        if name.startswith("_"):
            raise AttributeError(f"'FrozenMultivariate' object has no attribute {name!r}")
        method = getattr(self.distribution, name)

        @functools.wraps(method)
        def of_rest(*given: Any, **keywords: Any) -> Any:
            if not any(map(holds_tensor, (*given, *keywords.values(), *self.arguments, *self.keywords.values()))):
                # Methods of SciPy's distribution do not take all that a frozen one does: allow_singular.
                theirs = getattr(scipy.stats, self.distribution.name)(*self.arguments, **self.keywords)
                return getattr(theirs, name)(*given, **keywords)
            if name in ("pdf", "logpdf", "cdf", "logcdf", "pmf", "logpmf"):
                x, *rest = given or (keywords.pop("x"),)
                given = (x, *self.arguments, *rest)
            else:
                given = (*self.arguments, *given)
            return method(*given, **self.keywords, **keywords)

        return of_rest


def _declared(name: str, note: str = "", **formulas: Formula) -> Multivariate:
    if "pdf" not in formulas:
        logpdf = formulas["logpdf"]
        formulas["pdf"] = lambda *arguments, **keywords: tnp.exp(logpdf(*arguments, **keywords))
    made = Multivariate(name, formulas)
    covered = ", ".join(sorted(formulas))
    derivatives = f"Derivatives: of {covered}, by the argument and all parameters.{note}"
    text = f"The distribution {name} of scipy.stats.\n\n{derivatives}"
    object.__setattr__(made, "__doc__", text)
    object.__setattr__(made, "__module__", "tapenet.scipy.stats")  # by which it is pickled, and its reference found
    return made


# ---- the multivariate normal and t distributions ----


def _mean_and_root(function: str, mean: Any, cov: Any, dim: int | None) -> tuple[Array, Array]:
    """Return a mean and the Cholesky factor of a covariance, which must be positive definite."""
    mean, cov = _mean_and_cov(function, mean, cov, dim)
    return mean, tnp.linalg.cholesky(cov)


def _mean_and_cov(function: str, mean: Any, cov: Any, dim: int | None) -> tuple[Array, Array]:
    """Return a mean and a covariance as a vector and a matrix."""
    cov = as_array(1.0 if cov is None else cov) * 1.0
    if cov.ndim == 0:
        size = dim if mean is None or np.ndim(mean) == 0 else np.shape(mean)[-1]
        cov = cov * np.eye(size or 1)
    elif cov.ndim == 1:
        cov = tnp.diag(cov)
    mean = tnp.zeros(cov.shape[-1]) if mean is None else tnp.atleast_1d(as_array(mean))
    if cov.shape != (mean.shape[-1],) * 2:
        raise ArgumentError(f"{function}: cov must be of shape {(mean.shape[-1],) * 2}; got {cov.shape}.")
    return mean, cov


def _squared_distance(x: Array, mean: Array, cov: Array, allow_singular: bool) -> tuple[Array, Array, Array, Array]:
    """Return the squared Mahalanobis distances of points along the last axis, half the log determinant, the rank of
    the covariance, and 0 for points in the support, -inf for others.
    """
    size = mean.shape[-1]
    x = as_array(x)
    if x.ndim == 0:
        x = tnp.reshape(x, (1,))
    elif x.ndim == 1 and size == 1:
        x = tnp.expand_dims(x, -1)
    centred = x - mean
    flat = tnp.reshape(centred, (-1, size))
    if allow_singular:
        distance, half_logdet, rank, off = _distance_of_singular(flat, cov)
        return tnp.reshape(distance, centred.shape[:-1]), half_logdet, rank, tnp.reshape(off, centred.shape[:-1])
    root = tnp.linalg.cholesky(cov)
    scaled = tnp.linalg.solve(root, flat.T)
    distance = tnp.reshape(tnp.sum(scaled * scaled, axis=0), centred.shape[:-1])
    return distance, tnp.sum(tnp.log(tnp.diagonal(root))), size, np.zeros(())


def _distance_of_singular(centred: Array, cov: Array) -> tuple[Array, Array, Array, Array]:
    """Do what `_squared_distance` does, by the pseudoinverse; derivatives are those at fixed rank."""
    is_kept = _kept(cov)
    inverse = tnp.linalg.pinv(cov, _relative_cutoff(cov), hermitian=True)
    distance = tnp.sum(centred * tnp.matmul(centred, inverse), axis=1)
    logs = tnp.log(tnp.where(is_kept, tnp.linalg.eigvalsh(cov), 1.0))
    return distance, tnp.sum(logs) / 2, np.sum(is_kept), _off_support(centred, cov)


def _relative_cutoff(cov: Array) -> float:
    """Return the part of the largest eigenvalue up to which SciPy counts eigenvalues as 0."""
    return 1e6 * float(np.finfo(cov.dtype).eps)


def _find_kept(cov: Array) -> Array:
    eigenvalues = np.linalg.eigvalsh(cov)
    cutoff = _relative_cutoff(cov) * np.max(np.abs(eigenvalues))
    if eigenvalues[0] < -cutoff:
        raise ArgumentError(
            f"stats: a covariance or shape must be positive semidefinite; got the eigenvalue {eigenvalues[0]}."
        )
    is_kept: Array = eigenvalues > cutoff
    return is_kept


def _find_off_support(centred: Array, cov: Array) -> Array:
    eigenvalues, basis = np.linalg.eigh(cov)
    cutoff = _relative_cutoff(cov) * np.max(np.abs(eigenvalues))
    residual = np.linalg.norm(centred @ basis[:, eigenvalues <= cutoff], axis=1)
    return np.where(residual < 1e3 * cutoff, 0.0, -np.inf)


_kept = nondifferentiable(_find_kept, name="kept_eigenvalues")
_off_support = nondifferentiable(_find_off_support, name="off_support")


def _normal_logpdf(x: Array, mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Array:
    mean, cov = _mean_and_cov("stats.multivariate_normal.logpdf", mean, cov, np.shape(x)[-1] if np.ndim(x) else 1)
    distance, half_logdet, rank, off = _squared_distance(x, mean, cov, allow_singular)
    return off - (distance + rank * _LOG_2_PI) / 2 - half_logdet


def _normal_entropy(mean: Any = None, cov: Any = 1, allow_singular: bool = False) -> Array:
    mean, cov = _mean_and_cov("stats.multivariate_normal.entropy", mean, cov, None)
    _, half_logdet, rank, _ = _squared_distance(mean, mean, cov, allow_singular)
    return rank * (1 + _LOG_2_PI) / 2 + half_logdet


def _normal_rvs(mean: Any = None, cov: Any = 1, size: Any = 1, random_state: Any = None) -> Array:
    """Draw mean + L z, L the Cholesky factor and z SciPy's draw of the standard distribution."""
    mean, root = _mean_and_root("stats.multivariate_normal.rvs", mean, cov, None)
    dimension = mean.shape[-1]
    z = scipy.stats.multivariate_normal.rvs(np.zeros(dimension), np.eye(dimension), size, random_state)
    z = np.reshape(z, (*np.atleast_1d(size), dimension))
    drawn = tnp.matmul(z, root.T) + mean
    return tnp.squeeze(drawn)


_AT_FIXED_RANK = " With allow_singular they are those at fixed rank."

multivariate_normal = _declared(
    "multivariate_normal", _AT_FIXED_RANK, logpdf=_normal_logpdf, entropy=_normal_entropy, rvs=_normal_rvs
)


def _t_logpdf(x: Array, loc: Any = None, shape: Any = 1, df: Array = 1, allow_singular: bool = False) -> Array:
    loc, shape = _mean_and_cov("stats.multivariate_t.logpdf", loc, shape, np.shape(x)[-1] if np.ndim(x) else 1)
    distance, half_logdet, _, _ = _squared_distance(x, loc, shape, allow_singular)
    size = loc.shape[-1]
    df = as_array(df) * 1.0
    constants = special.gammaln((df + size) / 2) - special.gammaln(df / 2) - size / 2 * (tnp.log(df) + _LOG_PI)
    return constants - half_logdet - (df + size) / 2 * tnp.log1p(distance / df)


def _t_entropy(loc: Any = None, shape: Any = 1, df: Array = 1) -> Array:
    loc, root = _mean_and_root("stats.multivariate_t.entropy", loc, shape, None)
    size = loc.shape[-1]
    df = as_array(df) * 1.0
    half = (df + size) / 2
    constants = special.gammaln(df / 2) - special.gammaln(half) + size / 2 * (tnp.log(df) + _LOG_PI)
    spread = half * (special.digamma(half) - special.digamma(df / 2))
    return constants + spread + tnp.sum(tnp.log(tnp.diagonal(root)))


multivariate_t = _declared("multivariate_t", _AT_FIXED_RANK, logpdf=_t_logpdf, entropy=_t_entropy)

# ---- the Dirichlet distribution ----


def _dirichlet_logpdf(x: Array, alpha: Array) -> Array:
    """Compute the log density; the last entry of x may be left out, as it is 1 less the others."""
    x, alpha = as_array(x), as_array(alpha) * 1.0
    if x.shape[0] == alpha.shape[0] - 1:
        x = tnp.concatenate([x, tnp.expand_dims(1 - tnp.sum(x, axis=0), 0)])
    if x.shape[0] != alpha.shape[0]:
        raise ArgumentError(
            f"stats.dirichlet.logpdf: x must have {alpha.shape[0]} rows, one for each alpha; got {x.shape[0]}."
        )
    terms = special.xlogy(tnp.moveaxis(x * 0 + 1, 0, -1) * (alpha - 1), tnp.moveaxis(x, 0, -1))
    return tnp.sum(terms, axis=-1) - _log_beta(alpha)


def _log_beta(alpha: Array) -> Array:
    return tnp.sum(special.gammaln(alpha)) - special.gammaln(tnp.sum(alpha))


def _dirichlet_var(alpha: Array) -> Array:
    total = tnp.sum(alpha)
    return alpha * (total - alpha) / (total * total * (total + 1))


def _dirichlet_entropy(alpha: Array) -> Array:
    total = tnp.sum(alpha)
    weighted = tnp.sum((alpha - 1) * special.digamma(alpha))
    return _log_beta(alpha) + (total - alpha.shape[0]) * special.digamma(total) - weighted


dirichlet = _declared(
    "dirichlet",
    logpdf=_dirichlet_logpdf,
    mean=lambda alpha: alpha / tnp.sum(alpha),
    var=_dirichlet_var,
    entropy=_dirichlet_entropy,
)

# ---- of matrices ----


def _wishart_parts(function: str, df: Array, scale: Array) -> tuple[Array, Array, Array]:
    """Return the degrees of freedom, the scale matrix and its log determinant."""
    scale = tnp.atleast_2d(as_array(scale) * 1.0)
    if scale.ndim != 2 or scale.shape[0] != scale.shape[1]:
        raise ArgumentError(f"{function}: scale must be a square matrix; got shape {scale.shape}.")
    return as_array(df) * 1.0, scale, tnp.linalg.slogdet(scale).logabsdet


def _wishart_logpdf(x: Array, df: Array, scale: Array) -> Array:
    df, scale, logdet = _wishart_parts("stats.wishart.logpdf", df, scale)
    size = scale.shape[0]
    x = tnp.reshape(as_array(x), (size, size, -1)) if np.ndim(x) != 2 else tnp.expand_dims(as_array(x), -1)
    matrices = tnp.moveaxis(x, -1, 0)
    ratio = tnp.trace(tnp.linalg.solve(scale, matrices), axis1=-2, axis2=-1)
    normalizer = df * size * _LOG_2 / 2 + df / 2 * logdet + special.multigammaln(df / 2, size)
    found = (df - size - 1) / 2 * tnp.linalg.slogdet(matrices).logabsdet - ratio / 2 - normalizer
    return found[0] if found.shape[0] == 1 else found


def _wishart_var(df: Array, scale: Array) -> Array:
    df, scale, _ = _wishart_parts("stats.wishart.var", df, scale)
    diagonal = tnp.diagonal(scale)
    return df * (scale * scale + diagonal[:, None] * diagonal[None, :])


def _wishart_entropy(df: Array, scale: Array) -> Array:
    df, scale, logdet = _wishart_parts("stats.wishart.entropy", df, scale)
    size = scale.shape[0]
    digammas = sum(special.digamma((df - j) / 2) for j in range(size))
    return (
        (size + 1) / 2 * (logdet + size * _LOG_2)
        + special.multigammaln(df / 2, size)
        - (df - size - 1) / 2 * digammas
        + df * size / 2
    )


wishart = _declared(
    "wishart",
    logpdf=_wishart_logpdf,
    mean=lambda df, scale: df * scale,
    var=_wishart_var,
    entropy=_wishart_entropy,
)


def _matrix_normal_parts(mean: Any, rowcov: Any, colcov: Any, shape: Any) -> tuple[Array, Array, Array]:
    rows, columns = shape if mean is None else np.shape(mean)
    mean = tnp.zeros((rows, columns)) if mean is None else as_array(mean)

    def root(cov: Any, size: int) -> Array:
        cov = as_array(cov) * 1.0
        return tnp.linalg.cholesky(cov * np.eye(size) if cov.ndim == 0 else tnp.diag(cov) if cov.ndim == 1 else cov)

    return mean, root(rowcov, rows), root(colcov, columns)


def _log_diagonal(root: Array) -> Array:
    return tnp.sum(tnp.log(tnp.diagonal(root)))


def _matrix_normal_logpdf(x: Array, mean: Any = None, rowcov: Any = 1, colcov: Any = 1) -> Array:
    mean, row_root, column_root = _matrix_normal_parts(mean, rowcov, colcov, np.shape(x)[-2:])
    rows, columns = mean.shape
    left = tnp.linalg.solve(row_root, as_array(x) - mean)
    scaled = tnp.linalg.solve(column_root, tnp.swapaxes(left, -1, -2))
    distance = tnp.sum(scaled * scaled, axis=(-2, -1))
    logdet = columns * _log_diagonal(row_root) + rows * _log_diagonal(column_root)
    return -(distance + rows * columns * _LOG_2_PI) / 2 - logdet


def _matrix_normal_entropy(rowcov: Any = 1, colcov: Any = 1) -> Array:
    shape = (np.shape(rowcov)[-1], np.shape(colcov)[-1])
    _, row_root, column_root = _matrix_normal_parts(None, rowcov, colcov, shape)
    rows, columns = shape
    logdet = columns * _log_diagonal(row_root) + rows * _log_diagonal(column_root)
    return rows * columns * (1 + _LOG_2_PI) / 2 + logdet


def _matrix_normal_rvs(
    mean: Any = None, rowcov: Any = 1, colcov: Any = 1, size: int = 1, random_state: Any = None
) -> Array:
    """Draw mean + A z B^T, A and B the Cholesky factors and z SciPy's draw of the standard distribution."""
    shape = (np.shape(rowcov)[-1], np.shape(colcov)[-1])
    mean, row_root, column_root = _matrix_normal_parts(mean, rowcov, colcov, shape)
    z = scipy.stats.matrix_normal.rvs(np.zeros(mean.shape), size=size, random_state=random_state)
    return tnp.matmul(tnp.matmul(row_root, z), column_root.T) + mean


matrix_normal = _declared(
    "matrix_normal", logpdf=_matrix_normal_logpdf, entropy=_matrix_normal_entropy, rvs=_matrix_normal_rvs
)
