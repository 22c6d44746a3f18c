"""NumPy's functions that write into an array or a file: not with a Tensor, and what to write instead."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tapenet.core.arguments import holds_tensor
from tapenet.errors import AssignmentError, ConversionError

REFUSED: dict[str, str] = {}  # what to write instead, by name


def _refusal(
    theirs: Callable[..., Any], reason: str, instead: str, error: type[Exception] = AssignmentError
) -> Callable[..., Any]:
    name = theirs.__name__
    REFUSED[name] = instead

    @functools.wraps(theirs)
    def function(*arguments: Any, **keywords: Any) -> Any:
        if any(map(holds_tensor, (*arguments, *keywords.values()))):
            raise error(f"{name}: {reason}. Write {instead}.")
        return theirs(*arguments, **keywords)

    return function


_NEVER_CHANGES = "it writes into an array, and a Tensor is a value and never changes"

copyto = _refusal(np.copyto, _NEVER_CHANGES, "dst = tnp.where(where, src, dst)")
fill_diagonal = _refusal(np.fill_diagonal, _NEVER_CHANGES, "a = a.at[tnp.diag_indices(len(a))].set(val)")
place = _refusal(np.place, _NEVER_CHANGES, "arr = arr.at[mask].set(vals)")
put = _refusal(np.put, _NEVER_CHANGES, "a = a.ravel().at[ind].set(v).reshape(a.shape)")
putmask = _refusal(np.putmask, _NEVER_CHANGES, "a = tnp.where(mask, values, a)")
put_along_axis = _refusal(
    np.put_along_axis, _NEVER_CHANGES, "arr = arr.at[index].set(values), with the index along every axis"
)

_LEAVES_THE_TAPE = "what it makes is no value on a tape"

asmatrix = _refusal(np.asmatrix, _LEAVES_THE_TAPE, "tnp.asarray(data), with @ for the matrix product", ConversionError)
bmat = _refusal(np.bmat, _LEAVES_THE_TAPE, "tnp.block(obj), with @ for the matrix product", ConversionError)
require = _refusal(np.require, _LEAVES_THE_TAPE, "tnp.asarray(a, dtype): a value has no layout", ConversionError)
save = _refusal(np.save, _LEAVES_THE_TAPE, "np.save(file, x.value)", ConversionError)
savez = _refusal(np.savez, _LEAVES_THE_TAPE, "np.savez(file, x=x.value)", ConversionError)
savez_compressed = _refusal(
    np.savez_compressed, _LEAVES_THE_TAPE, "np.savez_compressed(file, x=x.value)", ConversionError
)
savetxt = _refusal(np.savetxt, _LEAVES_THE_TAPE, "np.savetxt(file, x.value)", ConversionError)
