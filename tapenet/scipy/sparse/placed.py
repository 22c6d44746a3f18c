"""Functions of scipy.sparse that are not differentiated, each with what to write instead."""

from __future__ import annotations

from typing import Any

import scipy.sparse

from tapenet.scipy.placing import passed_on, refused

_PLACES = "Place the data: write sparse.coo_array((data, (rows, columns)))."
_PLACED_BY_HAND = "expand_dims permute_dims swapaxes".split()
_REFUSED = {
    **dict.fromkeys(_PLACED_BY_HAND, _PLACES),
    "spdiags": "Write sparse.diags_array.",
    "save_npz": "Save the data: tn.save(path, A.data).",
}
_PASSED = {
    **dict.fromkeys(("eye", "identity", "load_npz", "rand", "random", "random_array"), "a matrix of constants."),
    **{
        f"isspmatrix{kind}": "it looks at the type."
        for kind in ("", "_bsr", "_coo", "_csc", "_csr", "_dia", "_dok", "_lil")
    },
    "get_index_dtype": "it names a type.",
    "safely_cast_index_arrays": "indices.",
}

PLACED: dict[str, Any] = {
    **{name: refused(scipy.sparse, name, instead) for name, instead in _REFUSED.items()},
    **{name: passed_on(scipy.sparse, name, reason) for name, reason in _PASSED.items()},
}
