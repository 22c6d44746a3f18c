"""Run the tests of packages that depend on autograd, with autograd and with `compat.autograd` in its place.

For each package its source distribution is fetched, an environment is made with it, autograd, SciPy and this tapenet,
and its tests run twice. What counts are the tests that pass with autograd: the table says how many of them pass here,
and the ratio of CPU time; those that do not are listed. It needs an index of packages, and minutes to hours.

Those are run whose tests are in their source distribution; autograd's own tests are among them.

    python benchmarks/dependents.py                                # all of them
    python benchmarks/dependents.py surpyval lifelines --folder dependents
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import attrs

ROOT = Path(__file__).parents[1]

# Run in the package's environment: installs `compat.autograd` if it is asked to, runs pytest, prints the CPU time.
RUNNER = """
import resource, sys
if sys.argv[1] == "tapenet":
    import compat.autograd
    compat.autograd.install()
import pytest
code = pytest.main(sys.argv[2:])
print("CPU", sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
sys.exit(code)
"""


@attrs.frozen
class Package:
    """A package that depends on autograd.

    Attributes:
        name: on the index.
        version: that its tests were tried with.
        tests: files or folders of its source distribution.
        needs: further packages that the tests import.
        options: of pytest.
        is_built: whether a wheel of this version is installed; else the tests run on the source.
        apart: whether the tests run in a folder of their own, as the source cannot be imported without a build.
    """

    name: str
    version: str
    tests: tuple[str, ...] = ("tests",)
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    is_built: bool = True
    apart: bool = False


PACKAGES = {
    package.name: package
    for package in (
        Package(  # those of the whole suite take hours
            "surpyval",
            "0.25",
            (
                "surpyval/tests/test_autograd_gamma_compat_shapes.py",
                "surpyval/tests/conformance/test_derivatives.py",
                "surpyval/tests/multivariate/test_copula_fit.py",
                "surpyval/tests/recurrent/test_nhpp.py",
            ),
            ("lifelines", "reliability"),
        ),
        Package("lifelines", "0.30.3", ("lifelines/tests",), ("pytest-icdiff", "dill", "flaky")),
        Package("reliability", "0.9.0"),
        Package("mici", "0.4.1", ("tests/test_autodiff.py", "tests/test_matrices.py", "tests/test_interface.py")),
        Package(
            "pymanopt",
            "2.2.1",
            ("tests/backends/test_autograd.py", "tests/manifolds"),
            ("nose2", "parameterized"),
            ("--noconftest",),
        ),
        Package("autograd", "1.9.1", options=("-o", "addopts=", "-o", "required_plugins=")),
        Package("hyppo", "0.5.2", ("hyppo/kgof/tests",)),
        Package(
            "POT", "0.9.7.post1", ("test/test_dr.py", "test/test_backend.py"), ("scikit-learn", "pymanopt"), apart=True
        ),
        Package(
            "quimb",
            "1.15.0",
            (
                "tests/test_tensor/test_optimizers.py",
                "tests/test_tensor/test_fitting.py",
                "tests/test_tensor/test_tensor_core.py",
            ),
            apart=True,
        ),
        Package(  # the last version whose source distribution has its tests; its NumPy backend is autograd's
            "geomstats",
            "2.2.2",
            needs=("joblib", "matplotlib", "scikit-learn", "pandas"),
            options=tuple(
                f"--ignore=tests/test_{name}.py" for name in ("backends", "examples", "notebooks", "visualization")
            ),
            is_built=False,
        ),
    )
}


def run(
    *command: str | Path, folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    changed = {**os.environ, **(environment or {})}
    return subprocess.run(
        [str(part) for part in command], cwd=folder, env=changed, check=False, capture_output=True, text=True
    )


def checked(*command: str | Path) -> None:
    finished = run(*command)
    if finished.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{finished.stderr[-2000:]}")


def prepared(package: Package, folder: Path) -> tuple[Path, Path]:
    """The environment's interpreter, and the folder that the tests are run in."""
    python = folder / "env" / package.name / "bin" / "python"
    if not python.exists():
        venv.create(python.parents[1], with_pip=True)
        itself = [f"{package.name}=={package.version}"] if package.is_built and package.name != "autograd" else []
        wanted = [*itself, "autograd==1.9.*", "pytest", *package.needs]
        checked(python, "-m", "pip", "install", "--quiet", *wanted, "--editable", f"{ROOT}[scipy]")
    source = folder / f"{package.name}-{package.version}"
    if not source.exists():
        fetch(package, python, source)
    if not package.apart:
        return python, source
    tests = folder / f"{package.name}-tests"
    top = Path(package.tests[0]).parts[0]
    shutil.copytree(source / top, tests / top, dirs_exist_ok=True)
    return python, tests


def fetch(package: Package, python: Path, source: Path) -> None:
    """Unpack a source distribution. pip builds its metadata first; where it cannot, it leaves what it has unpacked."""
    named = f"{package.name}=={package.version}"
    with tempfile.TemporaryDirectory(dir=source.parent) as temporary:
        command = [python, "-m", "pip", "download", "--quiet", "--no-clean", "--no-deps", "--no-binary", ":all:", named]
        finished = run(*command, "-d", temporary, environment={"TMPDIR": temporary})
        for archive in Path(temporary).glob("*.tar.gz"):
            with tarfile.open(archive) as packed:
                packed.extractall(temporary, filter="data")
        unpacked = [
            info.parent for pattern in ("*", "pip-download-*/*") for info in Path(temporary).glob(f"{pattern}/PKG-INFO")
        ]
        if not unpacked:
            raise SystemExit(f"{named} was not fetched:\n{finished.stderr[-2000:]}")
        shutil.move(unpacked[0], source)


def outcomes(package: Package, who: str, python: Path, source: Path) -> tuple[dict[str, str], float]:
    """What became of each test, and the CPU seconds."""
    report = source / f"{who}.xml"
    options = ["-q", "-p", "no:cacheprovider", f"--junitxml={report}", *package.options]
    finished = run(python, "-c", RUNNER, who, *options, *package.tests, folder=source)
    if not report.exists():
        raise SystemExit(f"{package.name}: pytest with {who} ended early:\n{finished.stdout[-2000:]}{finished.stderr}")
    found = {}
    for case in ElementTree.parse(report).iter("testcase"):
        bad = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[f"{case.get('classname')}::{case.get('name')}"] = bad[0] if bad else "passed"
    seconds = [float(line.split()[1]) for line in finished.stdout.splitlines() if line.startswith("CPU ")]
    return found, seconds[-1] if seconds else float("nan")


def compared(package: Package, folder: Path) -> dict[str, object]:
    python, source = prepared(package, folder)
    theirs, seconds = outcomes(package, "autograd", python, source)
    ours, our_seconds = outcomes(package, "tapenet", python, source)
    passing = [name for name, outcome in theirs.items() if outcome == "passed"]
    lost = [name for name in passing if ours.get(name) != "passed"]
    print(
        f"{package.name:14} {package.version:8} {len(passing) - len(lost):5} of {len(passing):5} that pass with "
        f"autograd; CPU time {our_seconds:.0f} / {seconds:.0f} s, {our_seconds / seconds:.2f}",
        flush=True,
    )
    for name in lost:
        print(f"    {name}")
    return {"package": package.name, "passing": len(passing), "lost": lost, "ratio": our_seconds / seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PACKAGES)}")
    parser.add_argument("--folder", type=Path, help="where environments and sources are kept for the next run")
    parser.add_argument("--json", type=Path, help="write what was found")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(PACKAGES)
    if unknown:
        parser.error(f"NAME must be of {', '.join(PACKAGES)}; got {', '.join(unknown)}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        found = [compared(PACKAGES[name], folder) for name in arguments.names or PACKAGES]
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    sys.exit(main())
