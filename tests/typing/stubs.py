"""`docs/generate_stubs.py`, which is no part of a package."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).parents[2]
_spec = importlib.util.spec_from_file_location("generate_stubs", ROOT / "docs" / "generate_stubs.py")
assert _spec is not None
assert _spec.loader is not None
stubs = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stubs)
