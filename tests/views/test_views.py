"""Views of a tape: what they show, and that a picture is written whole or not at all."""

from __future__ import annotations

import re
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.core.primitive import REGISTRY
from tapenet.errors import ArgumentError, ArgumentTypeError, DrawingError, TapeStateError
from tapenet.views.flops import FORMULAS
from tests.samples import SAMPLES


def small(**options: Any) -> tn.GradientTape:
    with tn.GradientTape(**options) as tape:
        x, w = tape.watch((np.ones((3, 4)), np.ones((4, 5), np.float32)))
        tnp.sum(tnp.tanh(x @ w) * 3)
    return tape


def chain(length: int) -> tn.GradientTape:
    with tn.GradientTape() as tape:
        x = tape.watch(1.0)
        for _ in range(length):
            x = tnp.sin(x)
    return tape


LISTING = """\
<GradientTape, closed, 6 records>
slot  operation  operands                       shape   dtype     kept
   0  watch                                     (3, 4)  float64    0 B
   1  watch                                     (4, 5)  float32    0 B
   2  matmul     %0, %1                         (3, 5)  float64  176 B
   3  tanh       %2                             (3, 5)  float64  120 B
   4  multiply   %3, 3                          (3, 5)  float64    0 B
   5  sum        %4, axis=None, keepdims=False  ()      float64    0 B"""


def test_print_lists_slots_operations_shapes_and_bytes() -> None:
    assert str(small()) == LISTING
    assert repr(small()) == "<GradientTape, closed, 6 records>"


def test_under_checks_the_listing_has_the_users_lines() -> None:
    with tn.checks():
        lines = str(small()).split("\n")
    assert lines[1].endswith("  line")
    assert re.search(rf"tanh .*120 B  {re.escape(__file__)}:\d+$", lines[5])


def test_a_long_listing_is_shortened_in_the_middle() -> None:
    lines = str(chain(1000)).split("\n")
    assert len(lines) == 2 + 41
    assert lines[22] == "... 961 more records ..."
    assert lines[21].startswith("  19  sin")
    assert lines[23].startswith(" 981  sin")
    assert len(str(chain(39)).split("\n")) == 2 + 40


def test_constants_and_tuples_are_shown_briefly() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones((2, 2)))
        tnp.linalg.slogdet(x + np.ones(2))
    text = str(tape)
    assert "%0, float64[2]" in text
    assert re.search(r"slogdet +%1 +tuple", text)


def test_an_open_and_an_empty_tape_can_be_shown() -> None:
    tape = tn.GradientTape()
    assert str(tape).startswith("<GradientTape, not entered, 0 records>\nslot")
    with tape:
        assert "open" in str(tape)
    assert str(tape.summary()).split("\n")[-1].split() == ["all", "0", "0", "B", "0", "B", "0"]
    assert tape.to_dot().startswith("digraph")


def test_summary_counts_records_bytes_and_flops() -> None:
    summary = small().summary()
    assert summary.records == 6
    assert summary.flops == 2 * 3 * 4 * 5 + 15 + 15 + 15
    assert summary.kept_bytes == 3 * 4 * 8 + 4 * 5 * 4 + 3 * 5 * 8
    matmul = next(x for x in summary.operations if x.name == "matmul")
    assert (matmul.count, matmul.flops, matmul.output_bytes) == (1, 120, 120)
    assert str(summary).split("\n")[0].split() == ["operation", "records", "computed", "kept", "flops"]
    assert "176 B" in str(summary)


def test_summary_counts_an_array_that_two_records_keep_once() -> None:
    x0 = np.ones(100)
    with tn.GradientTape() as tape:
        x = tape.watch(x0)
        tnp.sin(x) + tnp.cos(x)
    assert tape.summary().kept_bytes == 800


def test_flops_of_convolutions_and_einsum() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones((2, 6, 6, 3)))
        tn.nn.conv(x, np.ones((3, 3, 3, 4)))
        tnp.einsum("nhwc,cd->nd", x, np.ones((3, 5)))
    by_name = {x.name: x.flops for x in tape.summary().operations}
    assert by_name["conv"] == 2 * (2 * 4 * 4 * 4) * 27
    assert by_name["einsum"] == 2 * (2 * 6 * 6 * 3 * 5)


def test_flops_of_layers_with_a_bias_and_of_decompositions() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones((100, 200)))
        tn.nn.dense(x, np.ones((200, 300)), np.ones(300))
        tn.nn.conv(tnp.reshape(x[:2, :72], (2, 6, 4, 3)), np.ones((3, 3, 3, 4)), np.ones(4))
        tnp.linalg.slogdet(x[:30, :30] + np.eye(30))
        tnp.fft.fft(x[0, :64])
    by_name = {x.name: x.flops for x in tape.summary().operations}
    assert by_name["affine"] == 2 * 100 * 200 * 300 + 100 * 300
    assert by_name["conv_bias"] == 2 * (2 * 4 * 2 * 4) * 27 + 2 * 4 * 2 * 4
    assert by_name["slogdet"] == round(2 * 30**3 / 3)
    assert by_name["fft"] == 5 * 64 * 6


def test_every_primitive_that_is_not_elementwise_has_a_count_of_its_own() -> None:
    missing = [name for name, of in REGISTRY.items() if not of.is_elementwise and name not in FORMULAS]
    assert not missing, f"without a formula in tapenet/views/flops.py: {', '.join(missing)}"
    assert not FORMULAS.keys() - REGISTRY.keys()


@pytest.mark.parametrize("name", sorted(FORMULAS.keys() - {"watch"}))
@given(data=st.data())
def test_counts_are_finite_and_positive_wherever_there_is_work(name: str, data: st.DataObject) -> None:
    sample = data.draw(SAMPLES[name])
    with tn.GradientTape() as tape:
        sample.function(*tape.watch(sample.arrays))
    summary = tape.summary()
    assert summary.flops >= 0
    assert all(operation.flops >= 0 for operation in summary.operations)


def test_html_is_a_table_with_everything_escaped() -> None:
    page = small()._repr_html_()
    assert page.startswith("<details open><summary>&lt;GradientTape, closed, 6 records&gt;</summary><table>")
    assert page.count("<tr>") == 7
    long = chain(1000)._repr_html_()
    assert "<details><summary>" in long
    assert "... 961 more records ..." in long


def test_dot_has_a_node_for_each_record_and_an_arrow_for_each_operand() -> None:
    text = small().to_dot()
    assert text.startswith("digraph tape {")
    assert 'n2 [label="%2 matmul\\n(3, 5) float64"];' in text
    for arrow in ("n0 -> n2;", "n1 -> n2;", "n2 -> n3;", "c4_1 -> n4", "n4 -> n5;"):
        assert arrow in text
    assert text.count("->") == 6
    assert text.endswith("}\n")


def layered(rate: float = 1.0) -> tuple[tn.GradientTape, Any, Any]:
    rng = np.random.default_rng(0)
    first, last = (tn.nn.Dense(*sizes, rng=rng, dtype=np.float64) for sizes in ((4, 8), (8, 2)))
    with tn.GradientTape() as tape:
        model = tape.watch(tn.nn.Sequential(first, np.tanh, last))
        loss = tnp.mean(model(np.ones((3, 4))) ** 2) * rate
    return tape, loss, model


def test_an_explanation_colours_the_picture() -> None:
    with tn.GradientTape() as tape:
        x, _ = tape.watch((np.ones(3), 1.0))
        y = tnp.sum(tnp.floor(tnp.sin(x))) + tnp.sum(tnp.sqrt(x - 1.0)) + tnp.sum(tn.nn.relu(x - 1.0))
        y = y + tnp.sum(tn.nn.sigmoid(x * 20))
    text = tape.to_dot(explanation=tape.explain(y, x))
    color = {"dead": "#e15759", "bad": "#b07aa1", "small": "#f1ce63", "on": "#c7e3c4", "none": "#e0e0e0"}
    for name, fill in {
        "floor": "dead",
        "relu": "dead",
        "sqrt": "bad",
        "sigmoid": "small",
        "sum": "on",
        "sin": "none",
    }.items():
        assert re.search(rf' {name}\\n[^"]*norm [^"]*", style=filled, fillcolor="{color[fill]}"', text), name
    assert 'label="%1 watch\\n() float64", style=filled, fillcolor=lightgray' in text
    assert "The cotangent goes on (green)" in text
    assert "The cotangent goes on (green)" not in tape.to_dot()


def test_long_tapes_are_drawn_by_layer() -> None:
    tape, loss, model = layered()
    text = tape.to_dot(collapse=True)
    assert "layers[0]\\n%4 to %5\\n1 affine, 1 tanh\\n2 watched\\n(3, 8) float64" in text
    assert "layers[2]" in text
    assert text.count("->") == 1
    assert "norm 1" in tape.to_dot(collapse=True, explanation=tape.explain(loss, model))
    assert tape.to_dot(collapse=False) == tape.to_dot()
    groups = chain(1000).to_dot()
    assert groups.count("label=") == 20
    assert "50 sin" in groups
    assert chain(1000).to_dot(collapse=False).count("label=") == 1001


def test_long_tapes_are_drawn_by_function_where_it_is_known() -> None:
    def inner(x: Any) -> Any:
        return tnp.sin(x) * 2

    def outer(x: Any) -> Any:
        return tnp.exp(inner(x)) + 1

    with tn.checks(), tn.GradientTape() as tape:
        x, c = tape.watch((1.0, 2.0))
        outer(x * c) + c
    text = tape.to_dot(collapse=True)
    assert "where_it_is_known.inner\\n%3 to %4\\n1 sin, 1 multiply" in text
    assert "where_it_is_known.outer\\n%5 to %6\\n1 exp, 1 add" in text
    assert 'label="%1 watch\\n() float64"' in text  # which two groups read


def test_groups_take_each_record_once_and_arrows_go_down() -> None:
    with tn.GradientTape() as tape:
        x, y = tape.watch((np.ones((4, 4)) * 0.1, np.ones(3)))
        for i in range(60):
            x = tnp.linalg.qr(x @ x + np.eye(4))[0] if i % 7 == 0 else x * tnp.sum(y) - 0.1
    text = tape.to_dot()
    arrows = [(int(a), int(b)) for a, b in re.findall(r"g(\d+) -> g(\d+);", text)]
    assert arrows
    assert all(a < b for a, b in arrows)
    assert tn.GradientTape().to_dot(collapse=True).startswith("digraph")


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_draws_the_pictures(tmp_path: Path) -> None:
    tape, loss, model = layered(0.0)
    for collapse in (False, True):
        tape.draw(tmp_path / "tape.svg", explanation=tape.explain(loss, model), collapse=collapse)
        picture = (tmp_path / "tape.svg").read_text()
        titles = re.findall(r"<title>(\w+)</title>", picture)
        assert ("g0" if collapse else "n0") in titles
        assert "#e15759" in picture
    tape.draw(tmp_path / "tape.png")
    assert (tmp_path / "tape.png").read_bytes().startswith(b"\x89PNG")


def test_draw_refuses_what_is_not_an_explanation() -> None:
    with pytest.raises(
        ArgumentTypeError, match=r"tape\.to_dot: explanation must be what tape\.explain returned; got str"
    ):
        small().to_dot(explanation="x")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(ArgumentTypeError, match=r"tape\.draw: collapse must be"):
        small().draw("x.svg", collapse=2)  # type: ignore[arg-type]  # on purpose


def test_draw_names_what_to_install_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    with pytest.raises(DrawingError, match="Graphviz's program `dot` must be installed") as caught:
        small().draw(tmp_path / "tape.svg")
    assert "apt install graphviz" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_draw_needs_an_ending_of_a_picture(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match=re.escape("path must end in one of .svg, .png")):
        small().draw(tmp_path / "tape.txt")


def installed_dot(directory: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for Graphviz's program."""
    program = directory / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_draw_writes_the_picture_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    installed_dot(tmp_path / "bin", 'echo "$1"; cat', monkeypatch)
    small().draw(tmp_path / "tape.svg")
    assert (tmp_path / "tape.svg").read_text() == "-Tsvg\n" + small().to_dot()
    small().draw(str(tmp_path / "tape.dot"))
    assert (tmp_path / "tape.dot").read_text() == small().to_dot()


def test_draw_keeps_the_old_picture_where_graphviz_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    installed_dot(tmp_path / "bin", "echo half; echo broken >&2; exit 1", monkeypatch)
    (tmp_path / "tape.png").write_text("old")
    with pytest.raises(DrawingError, match="it said: broken"):
        small().draw(tmp_path / "tape.png")
    assert (tmp_path / "tape.png").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bin", "tape.png"]


def test_profile_times_each_operation_forward_and_backward() -> None:
    tape = small()
    profile = tape.profile((np.ones((3, 4)), np.ones((4, 5), np.float32)))
    by_name = {x.name: x for x in profile.operations}
    assert set(by_name) == {"watch", "matmul", "tanh", "multiply", "sum"}
    assert by_name["tanh"].forward > 0
    assert by_name["tanh"].backward > 0
    assert by_name["watch"].forward == 0
    assert profile.forward == pytest.approx(sum(x.forward for x in profile.operations))
    table = str(profile).split("\n")
    assert table[0].split() == ["operation", "records", "forward", "backward", "share", "computed", "kept"]
    assert table[-1].startswith("all")


def test_profile_takes_targets_of_any_shape_and_a_tape_that_can_be_replayed() -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones(3))
        y = (tnp.sin(x), tnp.concatenate([x, x]))
    assert {x.name for x in tape.profile(np.ones(3), y, rounds=1).operations} == {"watch", "sin", "concatenate"}
    with pytest.raises(TapeStateError, match="the tape must be replayable"):
        small(replayable=False).profile(())


def test_records_cannot_be_changed() -> None:
    tape = small()
    records = tape.records
    with pytest.raises(AttributeError):
        records[2].shape = (1,)  # type: ignore[misc]  # that it is refused is what is tested
    with pytest.raises(TypeError):
        records[2] = records[3]  # type: ignore[index]  # that it is refused is what is tested
    assert [record.primitive.name for record in records[2:4]] == ["matmul", "tanh"]
