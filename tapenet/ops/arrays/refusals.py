"""NumPy's functions that refuse a Tensor: they write into an array, or their result is not on a tape."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import holds_tensor
from tapenet.errors import AssignmentError, ConversionError

REFUSED: dict[str, str] = {}  # what to write instead, by name


def _refusal(
    theirs: Callable[..., Any], reason: str, instead: str, doc: str, error: type[Exception] = AssignmentError
) -> Callable[..., Any]:
    """Make a function that is NumPy's on plain arrays, and raises for a Tensor.

    Args:
        theirs: NumPy's function.
        reason: why it is refused.
        instead: what to write.
        doc: the first line of the docstring, and an example.
        error: what to raise.
    """
    name = theirs.__name__
    REFUSED[name] = instead

    @functools.wraps(theirs)
    def function(*arguments: Any, **keywords: Any) -> Any:
        if any(map(holds_tensor, (*arguments, *keywords.values()))):
            raise error(f"{name}: {reason}. Write {instead}.")
        return theirs(*arguments, **keywords)

    summary, _, example = doc.partition("\n")
    refused = f"No derivative: with a Tensor it raises {error.__name__}. Write\n{instead}."
    function.__doc__ = f"{summary}\n\n{refused}\n\n{example}"
    return function


_NEVER_CHANGES = "it writes into an array, and a Tensor is a value and never changes"

copyto = _refusal(
    np.copyto,
    _NEVER_CHANGES,
    "dst = tnp.where(where, src, dst)",
    """Copy values into an array, where a condition holds.
>>> dst, src = np.zeros(2), np.ones(2)
>>> dst = tnp.where([True, False], src, dst)
""",
)
fill_diagonal = _refusal(
    np.fill_diagonal,
    _NEVER_CHANGES,
    "a = a.at[tnp.diag_indices(len(a))].set(val)",
    """Fill the main diagonal of an array.
>>> tn.at(np.zeros((2, 2)))[tnp.diag_indices(2)].set(1.0)
array([[1., 0.],
       [0., 1.]])
""",
)
place = _refusal(
    np.place,
    _NEVER_CHANGES,
    "arr = arr.at[mask].set(vals)",
    """Write the first values where a mask holds.
>>> tn.at(np.zeros(3))[np.array([True, False, True])].set([1.0, 2.0])
array([1., 0., 2.])
""",
)
put = _refusal(
    np.put,
    _NEVER_CHANGES,
    "a = a.ravel().at[ind].set(v).reshape(a.shape)",
    """Write values at places in the flat array.
>>> tn.at(np.zeros(4))[np.array([0, 3])].set([1.0, 2.0]).reshape(2, 2)
array([[1., 0.],
       [0., 2.]])
""",
)
putmask = _refusal(
    np.putmask,
    _NEVER_CHANGES,
    "a = tnp.where(mask, values, a)",
    """Write the values at the places where a mask holds.
>>> tnp.where([True, False], np.ones(2), np.zeros(2))
array([1., 0.])
""",
)
put_along_axis = _refusal(
    np.put_along_axis,
    _NEVER_CHANGES,
    "arr = arr.at[index].set(values), with the index along every axis",
    """Write along an axis with an index array that differs from slice to slice.
>>> tn.at(np.zeros((2, 2)))[np.arange(2)[:, None], np.array([[0], [1]])].set(1.0)
array([[1., 0.],
       [0., 1.]])
""",
)

_LEAVES_THE_TAPE = "the result is not a value on a tape"

asmatrix = _refusal(
    np.asmatrix,
    _LEAVES_THE_TAPE,
    "tnp.asarray(data), with @ for the matrix product",
    """Interpret the data as a numpy.matrix.
>>> tnp.asarray([[1.0, 2.0]]) @ tnp.asarray([[3.0], [4.0]])
array([[11.]])
""",
    ConversionError,
)
bmat = _refusal(
    np.bmat,
    _LEAVES_THE_TAPE,
    "tnp.block(obj), with @ for the matrix product",
    """Build a numpy.matrix of blocks.
>>> tnp.block([[np.eye(1), np.zeros((1, 1))]])
array([[1., 0.]])
""",
    ConversionError,
)
require = _refusal(
    np.require,
    _LEAVES_THE_TAPE,
    "tnp.asarray(a, dtype): a value has no layout",
    """Make an array that meets requirements on its memory.
>>> tnp.require([1.0], requirements="C")
array([1.])
""",
    ConversionError,
)
save = _refusal(
    np.save,
    _LEAVES_THE_TAPE,
    "np.save(file, x.value)",
    """Save an array to a file of NumPy's format.
>>> import io
>>> tnp.save(io.BytesIO(), np.ones(2))
""",
    ConversionError,
)
savez = _refusal(
    np.savez,
    _LEAVES_THE_TAPE,
    "np.savez(file, x=x.value)",
    """Save several arrays to one file.
>>> import io
>>> tnp.savez(io.BytesIO(), x=np.ones(2))
""",
    ConversionError,
)
savez_compressed = _refusal(
    np.savez_compressed,
    _LEAVES_THE_TAPE,
    "np.savez_compressed(file, x=x.value)",
    """Save several arrays to one compressed file.
>>> import io
>>> tnp.savez_compressed(io.BytesIO(), x=np.ones(2))
""",
    ConversionError,
)
savetxt = _refusal(
    np.savetxt,
    _LEAVES_THE_TAPE,
    "np.savetxt(file, x.value)",
    """Save an array of one or two axes as text.
>>> import io
>>> tnp.savetxt(io.StringIO(), np.ones(2))
""",
    ConversionError,
)
