"""scipy.linalg on Tensors and arrays alike: values are SciPy's, derivatives by one rule for each kind of solution.

Functions take stacks of matrices where SciPy does. `docs/guides/scipy.md` lists what becomes of each.

>>> from tapenet.scipy import linalg
>>> tn.grad(lambda x: linalg.expm(x * np.eye(2))[0, 0])(0.0)
np.float64(1.0)
"""

from scipy.linalg import LinAlgError as LinAlgError, LinAlgWarning as LinAlgWarning

from tapenet.scipy.linalg.basic import (
    det as det,
    inv as inv,
    lstsq as lstsq,
    norm as norm,
    orthogonal_procrustes as orthogonal_procrustes,
    pinv as pinv,
    pinvh as pinvh,
    subspace_angles as subspace_angles,
)
from tapenet.scipy.linalg.decompositions import (
    cho_factor as cho_factor,
    cholesky as cholesky,
    eig as eig,
    eigh as eigh,
    eigvals as eigvals,
    eigvalsh as eigvalsh,
    lu as lu,
    lu_factor as lu_factor,
    null_space as null_space,
    orth as orth,
    polar as polar,
    qr as qr,
    rq as rq,
    schur as schur,
    svd as svd,
    svdvals as svdvals,
)
from tapenet.scipy.linalg.equations import (
    solve_continuous_are as solve_continuous_are,
    solve_continuous_lyapunov as solve_continuous_lyapunov,
    solve_discrete_are as solve_discrete_are,
    solve_discrete_lyapunov as solve_discrete_lyapunov,
    solve_sylvester as solve_sylvester,
)
from tapenet.scipy.linalg.functions import (
    coshm as coshm,
    cosm as cosm,
    expm as expm,
    expm_frechet as expm_frechet,
    fractional_matrix_power as fractional_matrix_power,
    logm as logm,
    sinhm as sinhm,
    sinm as sinm,
    sqrtm as sqrtm,
    tanhm as tanhm,
    tanm as tanm,
)
from tapenet.scipy.linalg.placed import PLACED
from tapenet.scipy.linalg.spectral import (
    cho_solve_banded as cho_solve_banded,
    eig_banded as eig_banded,
    eigh_tridiagonal as eigh_tridiagonal,
    eigvals_banded as eigvals_banded,
    eigvalsh_tridiagonal as eigvalsh_tridiagonal,
    funm as funm,
    ldl as ldl,
    qr_multiply as qr_multiply,
    signm as signm,
)
from tapenet.scipy.linalg.stacks import CORES, checking_finite, over_stacks
from tapenet.scipy.linalg.structured import (
    block_diag as block_diag,
    circulant as circulant,
    companion as companion,
    convolution_matrix as convolution_matrix,
    diagsvd as diagsvd,
    fiedler as fiedler,
    hankel as hankel,
    khatri_rao as khatri_rao,
    leslie as leslie,
    toeplitz as toeplitz,
)
from tapenet.scipy.linalg.systems import (
    cho_solve as cho_solve,
    lu_solve as lu_solve,
    matmul_toeplitz as matmul_toeplitz,
    solve as solve,
    solve_banded as solve_banded,
    solve_circulant as solve_circulant,
    solve_toeplitz as solve_toeplitz,
    solve_triangular as solve_triangular,
    solveh_banded as solveh_banded,
)

globals().update(PLACED)
globals().update({name: over_stacks(globals()[name], cores) for name, cores in CORES.items()})

_HIDDEN = ("checking_finite", "over_stacks")
globals().update(
    {
        name: checking_finite(value)
        for name, value in vars().items()
        if name[0] != "_" and name not in (*PLACED, *_HIDDEN) and callable(value) and not isinstance(value, type)
    }
)

solve_lyapunov = globals()["solve_continuous_lyapunov"]  # SciPy's other name for it

__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value) and name not in _HIDDEN)


def __dir__() -> list[str]:
    return __all__
