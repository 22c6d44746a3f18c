"""Another name of `numpynet`: the same classes and functions, `import compat as nn`.

The code is in `numpynet`, so that scripts that say `import numpynet as nn` run beside a module of their own that is
called `compat`. It is imported at first use, as `compat.autograd` does without it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpynet import *  # noqa: F403  listing the names a second time would let the lists drift apart
    from numpynet import __all__ as __all__
else:

    def __getattr__(name: str) -> Any:
        if name == "autograd":  # a module of this package, which is imported by that name
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(importlib.import_module("numpynet"), name)

    def __dir__() -> list[str]:
        return [*globals(), *importlib.import_module("numpynet").__all__]
