"""Makes the modules beside the examples importable, as they are for a script in `examples/`."""

import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
sys.path.insert(0, str(EXAMPLES))
