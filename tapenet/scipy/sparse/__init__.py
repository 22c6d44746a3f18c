"""scipy.sparse on Tensors and arrays alike: a fixed pattern, and data that derivatives are taken by.

Plain data make SciPy's own arrays, which are constants in products with Tensors; data that are Tensors make a
`SparseArray`, a pytree of its data. `sparse.linalg` solves with both.

>>> from tapenet.scipy import sparse
>>> places = np.array([0, 1]), np.array([1, 0])
>>> tn.grad(lambda d: (sparse.coo_array((d, places)) @ np.array([1.0, 3.0])).sum())(np.ones(2))
array([3., 1.])
"""

from scipy.sparse import (
    SparseEfficiencyWarning as SparseEfficiencyWarning,
    SparseWarning as SparseWarning,
    sparray as sparray,
    spmatrix as spmatrix,
)

from tapenet.scipy.sparse import linalg as linalg
from tapenet.scipy.sparse.arrays import SparseArray as SparseArray, constructor
from tapenet.scipy.sparse.building import (
    block_array as block_array,
    block_diag as block_diag,
    bmat as bmat,
    diags as diags,
    diags_array as diags_array,
    eye_array as eye_array,
    find as find,
    hstack as hstack,
    issparse as issparse,
    kron as kron,
    kronsum as kronsum,
    tril as tril,
    triu as triu,
    vstack as vstack,
)
from tapenet.scipy.sparse.placed import PLACED

coo_array = constructor("coo")
csc_array = constructor("csc")
csr_array = constructor("csr")
coo_matrix = constructor("coo", "matrix")
csc_matrix = constructor("csc", "matrix")
csr_matrix = constructor("csr", "matrix")

globals().update(PLACED)

_HIDDEN = ("constructor",)
__all__ = sorted(name for name, value in vars().items() if name[0] != "_" and callable(value) and name not in _HIDDEN)
__all__ += ["linalg"]


def __dir__() -> list[str]:
    return __all__
