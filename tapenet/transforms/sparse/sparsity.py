"""`sparsity`: which elements of y depend on which elements of x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from tapenet.core.argument_checks import check_transform, checked_choice
from tapenet.core.primitive import as_numpy_number
from tapenet.core.recorder import TapeRecorder
from tapenet.core.source_lines import line_of
from tapenet.core.tensor import Tensor
from tapenet.errors import ArgumentError
from tapenet.transforms.recording import Argnums, argument_keys, run_recorded
from tapenet.transforms.sparse.detection import pattern_of
from tapenet.transforms.sparse.products import vectors_of
from tapenet.transforms.transformed import transformed

Scope = Literal["global", "local"]
SCOPES = ("global", "local")


class ChoiceRecorder(TapeRecorder):
    """A recorder on which masks, orders and indices stay, so that a pattern does not take them for constants."""

    keeps_choices: ClassVar[bool] = True
    records_alone: ClassVar[bool] = False

    def watch(self, leaf: Any) -> Tensor:
        """Return a leaf as a value on the tape; a Python number as NumPy's, whose operations are those of arrays."""
        return TapeRecorder.watch(self, as_numpy_number(leaf))


def sparsity(
    f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False, *, scope: Scope = "global"
) -> Callable[..., Any]:
    """Make the function of the pattern of f's Jacobian: where it may have elements that are not zero.

    One walk over the tape finds it, with sets of elements in place of numbers. Every operation has a rule for which
    elements it combines; one without a rule is taken to combine all. So an entry may be there whose derivative is
    zero, and none is missing.

    Args:
        f: returns an array, or a pytree of arrays, of floats or complex numbers.
        argnums, has_aux: as for `grad`.
        scope: "global" for a pattern that holds for all values of x of these shapes: of both sides of `where`, all
            candidates of `max`, all orders of `sort`. "local" for the pattern at the given values alone: of the side
            that is chosen, without what is multiplied by zero.

    Returns:
        A function of f's arguments that returns the pattern: a boolean `scipy.sparse.csr_array` with a row for each
        element of y, and a column for each of x, both in C order, leaf after leaf of a pytree. With `has_aux`,
        `(pattern, aux)`.

    Raises:
        ArgumentError: "global" for an f that branches in Python on a value that depends on x.
        ArgumentTypeError: a leaf of x or y that is not float or complex.
        MissingPackageError: without SciPy.

    >>> print(sparsity(lambda x: x[1:] * x[:-1])(np.ones(3)).astype(int).toarray())
    [[1 1 0]
     [0 1 1]]
    """
    check_transform("sparsity", f, has_aux)
    checked_choice("sparsity", "scope", scope, SCOPES)

    @transformed(sparsity, f, argnums, has_aux, scope=scope)
    def sparsity_of(*args: Any, **kwargs: Any) -> Any:
        places = argument_keys("sparsity", f, argnums, args, kwargs)
        recorder = ChoiceRecorder([]) if scope == "global" else None
        recording = run_recorded("sparsity", f, args, kwargs, places, has_aux, recorder)
        if recorder is not None:
            _check_reads(recorder)
        vectors = vectors_of("sparsity", recording)
        pattern = pattern_of(vectors.entries, vectors.ends(), scope)
        return (pattern, recording.aux) if has_aux else pattern

    return sparsity_of


def _check_reads(recorder: ChoiceRecorder) -> None:
    """Raise where the program read a value: for another value it may go another way."""
    if recorder.guards:
        guard = recorder.guards[0]
        raise ArgumentError(
            f"sparsity: f must not read values that depend on x for a pattern of all values; got {guard.name} at "
            f"{line_of(guard.location)}. Write np.where in place of a branch, or pass scope='local'."
        )
