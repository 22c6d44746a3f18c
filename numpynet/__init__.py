"""Another name of `compat`, for scripts that say `import numpynet as nn`: the same classes and functions."""

from compat import *  # noqa: F403  listing the names a second time would let the lists drift apart
from compat import __all__ as __all__
