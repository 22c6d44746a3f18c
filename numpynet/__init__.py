"""Another name of `compat`, for scripts that say `import numpynet as nn`: the same classes and functions."""

from compat import *  # noqa: F403  the one place where a list of names kept twice would be the worse evil
from compat import __all__ as __all__
