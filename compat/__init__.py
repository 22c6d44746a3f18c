"""Another name of `numpynet`: the same classes and functions, `import compat as nn`.

The code is in `numpynet`, so that scripts that say `import numpynet as nn` run beside a module of their own that is
called `compat`.
"""

from numpynet import *  # noqa: F403  listing the names a second time would let the lists drift apart
from numpynet import __all__ as __all__
