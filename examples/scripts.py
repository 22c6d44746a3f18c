"""What the examples' command lines have in common."""

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

INSTALL_EXTRA = 'pip install ".[examples]"'


class ExampleError(Exception):
    """Something that the caller can put right: it ends the run with one line."""


def parser(name: str, description: str) -> argparse.ArgumentParser:
    """Make the reader of the options that every example has."""
    made = argparse.ArgumentParser(prog=f"{name}.py", description=description)
    output = f"{name.replace('_', '-')}-output"
    made.add_argument("--quick", action="store_true", help="a small run, of a few seconds")
    made.add_argument("--output", type=Path, default=output, metavar="DIR", help="for the picture (%(default)s)")
    made.add_argument("--seed", type=int, default=0, metavar="N", help="same seed, same result (%(default)s)")
    return made


class Progress:
    """A bar over the rounds of a run, with what was reached, where a terminal shows it and tqdm is installed.

    Attributes:
        rounds: how many there are.
        title: of the bar.
        unit: what a round is called.
    """

    def __init__(self, rounds: int, title: str, unit: str) -> None:
        try:
            from tqdm import tqdm
        except ImportError:
            self._bar = None
        else:
            options = {"desc": title, "unit": f" {unit}", "dynamic_ncols": True, "disable": None}
            self._bar = tqdm(range(rounds), **options)
        self._rounds = range(rounds)

    def __iter__(self) -> Iterator[int]:
        return iter(self._rounds if self._bar is None else self._bar)

    def show(self, name: str, number: float) -> None:
        """Show a number beside the bar."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"{name} {number:.4f}", refresh=False)


def run(options: argparse.Namespace, name: str, work: Callable[[argparse.Namespace], None]) -> int:
    """Do an example's work in a folder that is there, and give the exit status."""
    try:
        options.output.mkdir(parents=True, exist_ok=True)
        work(options)
    except (ExampleError, OSError) as error:
        print(f"{name}.py: error: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        package = str(error.name).partition(".")[0]
        print(f"{name}.py: error: {package} is not installed; {INSTALL_EXTRA}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{name}.py: interrupted", file=sys.stderr)
        return 130
    return 0
