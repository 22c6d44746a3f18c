"""Classes of errors: each derives from `TapenetError` and from the builtin that fits.

Texts follow one form: `<function>: <argument> must <invariant>; got <what came>. <what to write instead>.`
"""

import numpy as np

__all__ = [
    "TapenetError",
    "ArgumentError",
    "ArgumentTypeError",
    "AxisError",
    "LinAlgError",
    "IndexingError",
    "AssignmentError",
    "ConversionError",
    "MappedValueError",
    "PicklingError",
    "TapeStateError",
    "UnconnectedError",
    "RuleError",
    "MissingRuleError",
    "ReplayError",
    "NumericalError",
    "MutationError",
    "DrawingError",
    "MissingPackageError",
    "FileError",
    "FileFormatError",
    "MissingFileError",
    "ConvergenceError",
    "PrecisionWarning",
    "CompileWarning",
    "StatisticsWarning",
]


class TapenetError(Exception):
    """Base of all errors that tapenet raises on purpose."""


class ArgumentError(TapenetError, ValueError):
    """A value, shape or axis that a function cannot take."""


class ArgumentTypeError(TapenetError, TypeError):
    """An argument of a type or dtype that a function cannot take."""


class AxisError(ArgumentError, np.exceptions.AxisError):
    """An axis that an array does not have; also NumPy's error of that name."""

    def __str__(self) -> str:
        return str(self.args[0])


class LinAlgError(ArgumentError, np.linalg.LinAlgError):
    """A matrix that a function of linear algebra cannot take; also NumPy's error of that name."""


class IndexingError(TapenetError, IndexError):
    """An index that does not fit the array it is applied to."""


class AssignmentError(TapenetError, TypeError):
    """An attempt to write into a Tensor, which is a value and never changes."""


class ConversionError(TapenetError, TypeError):
    """A conversion that would silently drop a value off its open tape."""


class MissingAttributeError(ConversionError, AttributeError):
    """An attribute of an array's memory, which a Tensor of an open tape does not have: `hasattr` returns False."""


class ForeignCodeError(TapenetError, RuntimeError):
    """A function of another library that would drop a value off its open tape, and that hides a TypeError."""


class MappedValueError(TapenetError, TypeError):
    """A use of a mapped value that needs one value: a Python branch, a conversion, a shape computed from values."""


class PicklingError(TapenetError, TypeError):
    """An attempt to pickle a Tensor of an open tape."""


class TapeStateError(TapenetError, RuntimeError):
    """A tape used in a state that does not allow it: not yet entered, entered twice, closed."""


class UnconnectedError(TapenetError, ValueError):
    """A target and a source with no differentiable path between them on this tape."""


class RuleError(TapenetError, ValueError):
    """A derivative rule that returned the wrong count, structure, shape or dtype."""


class MissingRuleError(TapenetError, NotImplementedError):
    """A walk needs a derivative rule that the operation was not given."""


class ReplayError(TapenetError, RuntimeError):
    """A replay in which a guard failed: for its inputs the program may take another branch than the recorded one."""


class NumericalError(TapenetError, FloatingPointError):
    """Under `checks`: NaN or infinity where everything that went in was finite."""


class MutationError(TapenetError, RuntimeError):
    """Under `checks`: an array that a tape holds has changed between recording and walking."""


class DrawingError(TapenetError, RuntimeError):
    """A picture of a tape that cannot be drawn, as Graphviz is missing or failed."""


class MissingPackageError(TapenetError, ImportError):
    """A package that one function needs, and that is not installed."""


class FileError(TapenetError, OSError):
    """A file that cannot be read or written."""


class FileFormatError(FileError, ValueError):
    """A file that is not what its format says: damaged, cut off, or of another format."""


class MissingFileError(FileError, FileNotFoundError):
    """A file, or the folder of one, that is not there."""


class PrecisionWarning(UserWarning):
    """A mixture of precisions that costs time and is seldom intended; shown once for each line."""


class CompileWarning(UserWarning):
    """A compiled function that runs eagerly for one signature, or llvmlite that cannot be loaded; shown once for it."""


class StatisticsWarning(UserWarning):
    """Running statistics that are used before they were ever updated, or updated for nothing; once for each line."""


class ConvergenceError(TapenetError, RuntimeError):
    """An iteration that did not converge."""
