"""The benchmarks stay alive: at tiny sizes all contenders give the same answers, and the runner reports them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _on_path(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


NAMES = (
    "adam_update",
    "elementwise_chain",
    "fluid_steps",
    "lenet_step",
    "logistic_hvp",
    "lstm_sequence",
    "marginal_likelihood",
    "mlp_step",
    "resnet18",
    "rnn",
    "small_operations",
    "transformer_step",
    "vgg16",
)


def test_every_scenario_is_run():
    import run

    declared = {path.stem for path in BENCHMARKS.glob("*.py") if "SCENARIO =" in path.read_text(encoding="utf-8")}
    assert declared == set(run.SCENARIOS) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_tapenet_and_pytorch_give_the_same_answers(name):
    pytest.importorskip("torch")
    import run
    from interleaved import COMPILED, PLAIN, PROGRAM, PYTORCH, TAPENET, check_agreement

    scenario = run.scenario(name)
    runs = scenario.runs([TAPENET, COMPILED, PLAIN, PROGRAM, PYTORCH], **scenario.tiny)
    assert {TAPENET, PYTORCH} <= set(runs)
    check_agreement(runs, scenario.tolerance)


def test_answers_that_differ_are_found():
    from interleaved import check_agreement

    runs = {"one": lambda: [np.ones(2)], "other": lambda: [np.array([1.0, 1.01])]}
    check_agreement(runs, 0.1)
    with pytest.raises(AssertionError, match="other"):
        check_agreement(runs, 1e-3)


def test_the_runner_prints_and_writes_what_it_measured(tmp_path):
    pytest.importorskip("torch")
    pytest.importorskip("matplotlib")
    report, chart = tmp_path / "report.json", tmp_path / "chart.png"
    command = [sys.executable, str(BENCHMARKS / "run.py"), "rnn", "--tiny", "--json", str(report)]
    finished = subprocess.run([*command, "--chart", str(chart)], capture_output=True, text=True, check=True)
    assert "RNN, forward and backward" in finished.stdout
    assert "to reach" in finished.stdout
    assert {"tapenet", "PyTorch (eager)"} <= set(json.loads(report.read_text())["rnn"])
    assert chart.read_bytes().startswith(b"\x89PNG")


def test_files_are_timed_beside_a_copy(tmp_path):
    command = [sys.executable, str(BENCHMARKS / "files.py"), "--megabytes", "1", "--rounds", "1"]
    finished = subprocess.run([*command, "--folder", str(tmp_path)], capture_output=True, text=True, check=True)
    assert "of the copy, flushed" in finished.stdout
    assert not list(tmp_path.iterdir())


def test_errors_are_propagated_as_by_uncertainties():
    pytest.importorskip("uncertainties")
    command = [sys.executable, str(BENCHMARKS / "uncertainty.py"), "--numbers", "100", "--rounds", "1"]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "exp(-x) * sin(x) / x" in finished.stdout


def test_taylor_mode_agrees_with_nested_forward_mode():
    command = [sys.executable, str(BENCHMARKS / "taylor.py"), "--width", "4", "--batch", "2", "--order", "3"]
    finished = subprocess.run([*command, "--rounds", "1"], capture_output=True, text=True, check=True)
    assert "tapenet, nested jvp" in finished.stdout


def test_compiling_is_timed(monkeypatch, capsys):
    pytest.importorskip("llvmlite")
    import compile_times
    from interleaved import PROGRAM

    def here(name, contender, cache, *options, tiny):
        cache.mkdir(exist_ok=True)
        return compile_times.first_and_next(name, contender, tiny=tiny) if contender == PROGRAM else (2.0, 1.0)

    monkeypatch.setattr(compile_times, "in_a_process", here)
    monkeypatch.setattr(sys, "argv", ["compile_times.py", "rnn", "--tiny", "--rounds", "1"])
    compile_times.main()
    title, line = capsys.readouterr().out.splitlines()
    assert title.startswith("seconds to compile")
    assert line.startswith("  RNN, forward and backward")
