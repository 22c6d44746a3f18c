"""What `import tapenet` adds to `import numpy`: whole processes, interleaved, the fastest of several rounds.

python benchmarks/import_time.py
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from functools import partial

from interleaved import fastest, report


def process(code: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)  # compiled in the round that warms up


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    imports = {
        "tapenet": "import tapenet",
        "numpy": "import numpy",
        "numpy, attrs, optree": "import numpy, attrs, optree",
    }
    runs = {name: partial(process, code) for name, code in imports.items()}
    report("a process that imports", fastest(runs, options.rounds))


if __name__ == "__main__":
    main()
