"""`repr`, `replace`, HTML and `summary` of layers and models, and HTML of what else notebooks show."""

from __future__ import annotations

import dataclasses
import html.parser
import pickle
import re
from collections.abc import Callable
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
import tapenet.numpy as tnp
from tapenet import nn


def made() -> np.random.Generator:
    return np.random.default_rng(0)


@attrs.frozen(eq=False)
class Branched(nn.Layer):
    """A model of one's own: named layers, a list of them, a table, a function."""

    stem: nn.Conv
    blocks: list[nn.Layer]
    table: Any
    head: nn.Sequential
    activation: Any = tnp.tanh
    temperature: float = tn.static_field(default=1.0)

    def __call__(self, x: Any) -> Any:
        x = self.activation(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return self.head(x) + self.table

    def train(self, x: Any, rng: Any) -> Any:
        return self(x), self


@dataclasses.dataclass(frozen=True)
class Data(nn.Stateless):
    weight: Any
    name: str = dataclasses.field(default="plain", metadata={"static": True})

    def __call__(self, x: Any) -> Any:
        return x * self.weight


def branched() -> Branched:
    rng = made()
    blocks = [nn.BatchNorm(4), nn.Residual(nn.Conv(4, 4, 3, rng=rng, padding="same"))]
    head = nn.Sequential(nn.Flatten(), nn.Dense(4 * 16, 2, rng=rng))
    return Branched(nn.Conv(1, 4, 3, rng=rng), blocks, np.ones(2, np.float32), head)


LINES = {
    "Dense(2 -> 3)": lambda: nn.Dense(2, 3, rng=made()),
    "Dense(2 -> 3, bias=False)": lambda: nn.Dense(2, 3, rng=made(), bias=False),
    "Conv(1 -> 32, 5x5)": lambda: nn.Conv(1, 32, 5, rng=made()),
    "Conv(4 -> 8, 3x2, stride=2, padding='same', groups=2)": lambda: nn.Conv(
        4, 8, (3, 2), rng=made(), stride=2, padding="same", groups=2
    ),
    "ConvTranspose(4 -> 1, 2x2, stride=2)": lambda: nn.ConvTranspose(4, 1, 2, stride=2, rng=made()),
    "BatchNorm(4)": lambda: nn.BatchNorm(4),
    "BatchNorm(4, momentum=0.5)": lambda: nn.BatchNorm(4, momentum=0.5),
    "Embedding(10 -> 4)": lambda: nn.Embedding(10, 4, rng=made()),
    "MaxPool(2)": lambda: nn.MaxPool(2),
    "AvgPool((2, 3), stride=1)": lambda: nn.AvgPool((2, 3), stride=1),
    "Dropout(0.5)": lambda: nn.Dropout(0.5),
    "tanh": lambda: nn.Function(np.tanh),
    "Sequential(Dense(2 -> 3), relu, 9 parameters)": lambda: nn.Sequential(nn.Dense(2, 3, rng=made()), nn.relu),
    "LSTM(2 -> 3)": lambda: nn.LSTM(2, 3, rng=made()),
    "LSTMCell(2 -> 3)": lambda: nn.LSTMCell(2, 3, rng=made()),
    "MultiHeadAttention(heads=2, inputs=Dense(4 -> 12), output=Dense(4 -> 4), 80 parameters)": (
        lambda: nn.MultiHeadAttention(4, 2, rng=made())
    ),
    "Data(weight: float64[3])": lambda: Data(np.ones(3)),
    "Data(weight: 1.0, name='other')": lambda: Data(1.0, "other"),
}


@pytest.mark.parametrize("text", LINES)
def test_a_layer_is_one_line(text: str) -> None:
    assert repr(LINES[text]()) == text


def test_a_text_of_ones_own_is_inherited() -> None:
    @attrs.frozen
    class Own(nn.Stateless):
        def __call__(self, x: Any) -> Any:
            return x

        def __repr__(self) -> str:
            return "mine"

    @attrs.frozen
    class Below(Own):
        weight: Any = 1.0

    @dataclasses.dataclass(frozen=True)
    class Described(Data):
        def description(self) -> str:
            return "so"

    assert repr(Below()) == "mine"
    assert repr(nn.Sequential(Described(1.0), np.tanh)) == "Sequential(Described(so), tanh, 1 parameter)"


def test_a_model_is_a_tree_with_the_number_of_parameters() -> None:
    assert repr(tn.models.LeNet(rng=made())).split("\n") == [
        "LeNet(",
        "  Conv(1 -> 32, 5x5)",
        "  relu",
        "  MaxPool(2)",
        "  Conv(32 -> 64, 5x5)",
        "  relu",
        "  MaxPool(2)",
        "  Flatten()",
        "  Dense(1024 -> 1024)",
        "  relu",
        "  Dropout(0.5)",
        "  Dense(1024 -> 10)",
        "  1,111,946 parameters",
        ")",
    ]
    assert repr(branched()).split("\n") == [
        "Branched(",
        "  table: float32[2]",
        "  stem=Conv(1 -> 4, 3x3)",
        "  blocks=BatchNorm(4)",
        "  blocks=Residual(Conv(4 -> 4, 3x3, padding='same'))",
        "  head=Sequential(Flatten(), Dense(64 -> 2))",
        "  328 parameters",
        ")",
    ]


@pytest.mark.parametrize("count", [10, 100, 1000])
def test_a_large_model_is_short_all_the_same(count: int) -> None:
    dense = nn.Dense(64, 64, rng=made())
    rows = nn.Sequential(*[nn.Sequential(*[dense, nn.relu] * 10) for _ in range(count)])
    for model in (rows, nn.Sequential(*[dense] * count)):
        lines = repr(model).split("\n")
        assert len(lines) <= 45
        assert max(map(len, lines)) <= 120
        assert f"{tn.tree.size(model):,} parameters" in lines[-2]


def test_gradients_states_and_masks_are_as_short() -> None:
    model = branched()
    for tree in (tn.tree.map(lambda x: x > 0, model), tn.tree.map(lambda x: None, model), tn.optim.adam().init(model)):
        assert len(repr(tree)) < 1000
    shown = []

    def loss(model: Any) -> Any:
        shown.append(repr(model))
        return tnp.sum(model.table)

    tn.grad(loss)(model)
    assert shown == [repr(model)]


# ---- replace ----


def test_replace_gives_a_copy_with_other_fields() -> None:
    layer = nn.Conv(1, 2, 3, rng=made())
    changed = layer.replace(kernel=layer.kernel * 2, stride=2)
    assert type(changed) is nn.Conv
    np.testing.assert_array_equal(changed.kernel, 2 * layer.kernel)
    assert (changed.stride, layer.stride) == (2, 1)
    assert Data(1.0).replace(weight=2.0) == Data(2.0)
    assert branched().replace(temperature=3.0).temperature == 3.0
    gradient = tn.grad(lambda k: tnp.sum(layer.replace(kernel=k)(np.ones((1, 3, 3, 1), np.float32))))(layer.kernel)
    np.testing.assert_array_equal(gradient, np.ones_like(layer.kernel))


def test_replace_names_what_is_wrong() -> None:
    with pytest.raises(tn.ArgumentTypeError, match=r"Dense.replace: fields must be of kernel, bias; got 'weight'"):
        nn.Dense(1, 1, rng=made()).replace(weight=1)
    with pytest.raises(tn.ArgumentError, match=r"Dropout: rate must be in \[0, 1\); got 2"):
        nn.Dropout(0.5).replace(rate=2)

    class Plain(nn.Stateless):
        def __call__(self, x: Any) -> Any:
            return x

    with pytest.raises(tn.ArgumentTypeError, match=r"Plain.replace: the layer must be an attrs class or a dataclass"):
        Plain().replace(a=1)


# ---- layers of plain classes, functions among layers ----


class Plain(nn.Stateless):
    def __init__(self) -> None:
        self.weight = np.ones(3)

    def __call__(self, x: Any) -> Any:
        return x * self.weight


@attrs.frozen(eq=False)
class Holder(nn.Stateless):
    layers: Any

    def __call__(self, x: Any) -> Any:
        return x


ADVICE = re.escape("Write @attrs.frozen(eq=False) above class Plain, and declare its arrays and layers as fields")


def test_a_layer_of_a_plain_class_is_shown() -> None:
    assert repr(Plain()) == "Plain(not an attrs class)"
    assert "Plain(not an attrs class)" in Plain()._repr_html_()
    assert repr(Holder([Plain()])) == "Holder(Plain(not an attrs class), 0 parameters)"


REFUSING: dict[str, Callable[[], Any]] = {
    "grad": lambda: tn.grad(lambda layer: tnp.sum(layer(np.ones(3))))(Plain()),
    "grad of a field": lambda: tn.grad(lambda layer: tnp.sum(layer(np.ones(3))))(Holder(Plain())),
    "grad of a list": lambda: tn.grad(lambda layer: tnp.sum(layer(np.ones(3))))(Holder([Plain()])),
    "Sequential": lambda: nn.Sequential(np.tanh, Plain()),
    "Residual": lambda: nn.Residual(Plain()),
    "summary": lambda: nn.summary(Plain(), np.ones(3)),
    "optimizer": lambda: tn.optim.adam().init(Plain()),
    "size": lambda: tn.tree.size(Plain()),
    "save": lambda: tn.save("never-written", Plain()),
}


@pytest.mark.parametrize("name", REFUSING)
def test_a_layer_of_a_plain_class_is_refused(name: str) -> None:
    with pytest.raises(tn.ArgumentTypeError, match=ADVICE):
        REFUSING[name]()


def test_a_class_in_the_place_of_a_layer_is_refused() -> None:
    advice = r"must be an instance; got the class GlobalAvgPool. Write GlobalAvgPool\(...\)\."
    with pytest.raises(tn.ArgumentTypeError, match=rf"^Sequential: layers\[1\] {advice}$"):
        nn.Sequential(np.tanh, nn.GlobalAvgPool)
    with pytest.raises(tn.ArgumentTypeError, match=f"^Residual: inside {advice}$"):
        nn.Residual(nn.GlobalAvgPool)  # type: ignore[arg-type]
    with pytest.raises(tn.ArgumentTypeError, match=f"^Function: function {advice}$"):
        nn.Function(nn.GlobalAvgPool)


def test_a_function_in_a_list_of_layers_is_refused_with_what_to_write() -> None:
    model = Holder([nn.Dense(3, 3, rng=made()), nn.relu])
    advice = re.escape("Write tn.nn.Function(f) for a function f among layers, or pass layers and functions to tn.nn.")
    calls: list[Callable[[], Any]] = [
        lambda: tn.grad(lambda layer: tnp.sum(layer(np.ones((1, 3)))))(model),
        lambda: tn.optim.adam().init(model),
        lambda: tn.tree.size(model),
        lambda: tn.save("never-written", model),
    ]
    for call in calls:
        with pytest.raises(tn.ArgumentTypeError, match=advice):
            call()


# ---- summary ----


def test_summary_says_what_each_layer_does() -> None:
    summary = nn.summary(branched(), np.ones((2, 6, 6, 1), np.float32))
    assert [(x.depth, x.path, x.layer, x.output_shape, x.parameters, x.multiply_adds) for x in summary.layers] == [
        (0, "", "Branched", (2, 2), 328, 2 * (16 * 9 * 4 + 16 * 9 * 16 + 128)),
        (1, "stem", "Conv(1 -> 4, 3x3)", (2, 4, 4, 4), 40, 2 * 16 * 9 * 4),
        (1, "blocks.0", "BatchNorm(4)", (2, 4, 4, 4), 8, 0),
        (1, "blocks.1", "Residual", (2, 4, 4, 4), 148, 2 * 16 * 9 * 16),
        (2, "blocks.1.inside", "Conv(4 -> 4, 3x3, padding='same')", (2, 4, 4, 4), 148, 2 * 16 * 9 * 16),
        (1, "head", "Sequential", (2, 2), 130, 2 * 128),
        (2, "head.layers.0", "Flatten()", (2, 64), 0, 0),
        (2, "head.layers.1", "Dense(64 -> 2)", (2, 2), 130, 2 * 128),
    ]
    assert summary.layers[1].output_bytes == 4 * 2 * 64
    assert summary.parameter_bytes == 4 * 328
    text = str(summary).split("\n")
    assert text[0].split() == ["layer", "path", "output", "shape", "parameters", "multiply-adds", "bytes"]
    assert text[-1] == "Parameters: 328, 1.31 kB."
    assert len({len(line) for line in text[1:-1]}) == 1


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_summary_counts_the_products_of_recurrent_layers(kind: Any, gates: int) -> None:
    summary = nn.summary(kind(3, 5, rng=made()), np.ones((2, 7, 3), np.float32))
    assert [x.multiply_adds for x in summary.layers] == [2 * 7 * gates * 5 * (3 + 5)]
    assert str(summary).split("\n")[1].startswith(f"{kind.__name__}(3 -> 5)")


@pytest.mark.parametrize("mask", [None, np.ones((7, 7), bool), np.zeros((7, 7), np.float32)])
@pytest.mark.parametrize("heads", [1, 2, 4])
def test_summary_counts_the_products_of_attention(heads: int, mask: Any) -> None:
    n, length, features = 3, 7, 8
    layer = nn.MultiHeadAttention(features, heads, rng=made())
    x = np.ones((n, length, features), np.float32)
    projections = 4 * n * length * features**2
    scores_and_sums = 2 * n * length**2 * features  # of all heads
    given = (x,) if mask is None else (x, x, mask)
    counts = [line.multiply_adds for line in nn.summary(layer, *given).layers]
    assert counts[0] == projections + scores_and_sums


def test_summary_of_integers_and_of_a_layer_that_is_used_twice() -> None:
    dense = nn.Dense(4, 4, rng=made())

    @attrs.frozen(eq=False)
    class Twice(nn.Stateless):
        table: nn.Embedding
        dense: nn.Dense

        def __call__(self, x: Any) -> Any:
            return self.dense(self.dense(self.table(x)))

    summary = nn.summary(Twice(nn.Embedding(5, 4, rng=made()), dense), [1, 2, 3])
    assert [(x.path, x.parameters, x.multiply_adds) for x in summary.layers] == [
        ("", 40, 96),
        ("table", 20, 0),
        ("dense", 20, 48),
        ("dense", 0, 48),
    ]


def test_summary_changes_nothing_and_names_what_is_wrong() -> None:
    model = branched()
    x = np.ones((1, 6, 6, 1), np.float32)
    nn.summary(model, x)
    assert type(model.stem) is nn.Conv
    assert all(isinstance(leaf, np.ndarray) for leaf in tn.tree.leaves(model))
    with pytest.raises(tn.ArgumentTypeError, match="summary: model must be a layer; got function"):
        nn.summary(lambda x: x, x)  # type: ignore[arg-type]
    with pytest.raises(tn.ArgumentError, match="summary: x must be an array of numbers"):
        nn.summary(model, [[1.0], [1.0, 2.0]])


# ---- HTML ----


class Checker(html.parser.HTMLParser):
    """Raises for tags that do not close."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


SCHEDULES = [
    tn.optim.constant(0.0),
    tn.optim.cosine_decay(0.1, 100),
    tn.optim.warmup(tn.optim.exponential_decay(0.1, 0.9), 5),
    tn.optim.one_cycle(1.0, steps=6),
    tn.optim.multistep_decay(1.0, 0.5, at=[2, 5]),
    tn.optim.joined([tn.optim.step_decay(1.0, 0.5, 1), tn.optim.polynomial_decay(1.0, 2)], at=[2]),
    tn.optim.cosine_restarts(1.0, steps=2, growth=2),
]


def shown_in_notebooks() -> dict[str, Any]:
    model = branched()
    with tn.GradientTape() as tape:
        tnp.sum(tape.watch(np.ones(3)) ** 2)
    made = [
        tn.optim.adam(1e-3),
        tn.optim.lbfgs(),
        tn.optim.adam(tn.optim.warmup(0.1, 3)),
        tn.optim.chain(tn.optim.clip_by_global_norm(1.0), tn.optim.ema(0.9), tn.optim.sgd(0.1)),
        tn.optim.partition(lambda path, leaf: "all", {"all": tn.optim.adafactor(0.1)}),
    ]
    return {
        "layer": model.stem,
        "model": model,
        "summary of a model": nn.summary(model, np.ones((1, 6, 6, 1), np.float32)),
        "tape": tape,
        "summary of a tape": tape.summary(),
        "profile": tape.profile(np.ones(3)),
        "part": tn.optim.clip_by_value(1.0),
        **{f"schedule {i}": schedule for i, schedule in enumerate(SCHEDULES)},
        "batches": tn.data.batches({"x": np.ones((7, 2), np.float32), "y": [1, 2, 3, 4, 5, 6, 7]}, 3),
        "no batches": tn.data.batches(np.ones((0, 2)), 3, drop_last=True, rng=np.random.default_rng(0), prefetch=2),
        "prefetched": tn.data.prefetch(tn.data.batches(np.ones(5), 2)),
        "prefetched iterator": tn.data.prefetch(iter("<b>")),
        "early stopping": tn.training.early_stopping(3, monitor="<b>"),
        "keep best": tn.training.keep_best(),
        "callback": tn.training.Callback(),
        **{f"optimizer {i}": optimizer for i, optimizer in enumerate(made)},
        **{f"state {i}": optimizer.init(model) for i, optimizer in enumerate(made)},
    }


@pytest.mark.parametrize("name", shown_in_notebooks())
def test_what_notebooks_show_is_whole_and_short(name: str) -> None:
    text = shown_in_notebooks()[name]._repr_html_()
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert len(text) < 5000


def test_schedules_are_shown_by_their_settings_and_their_course() -> None:
    schedule = tn.optim.warmup(tn.optim.linear_decay(0.5, 8), 2)
    assert repr(schedule) == "warmup(schedule=linear_decay(init=0.5, steps=8, final=0.0), steps=2)"
    assert "warmup(schedule=linear_decay(init=0.5, steps=8" in tn.optim.adam(schedule)._repr_html_()
    again = pickle.loads(pickle.dumps(schedule))
    assert (repr(again), again(1), again(7)) == (repr(schedule), schedule(1), schedule(7))
    text = tn.optim.linear_decay(0.5, 8)._repr_html_()
    assert "0 to 10 steps, 0 to 0.5" in text
    points = [tuple(map(float, pair.split(","))) for pair in text.split('points="')[1].split('"')[0].split()]
    assert points == [(24.0 * step, 60 * min(step / 8, 1)) for step in range(11)]


def test_batches_are_shown_with_the_shapes_of_their_arrays() -> None:
    text = tn.data.batches({"x": np.ones((7, 2), np.float32), "y": [1, 2, 3, 4, 5, 6, 7]}, 3)._repr_html_()
    rows = [row.split("</td><td>") for row in text.replace("</td></tr>", "").split("<tr><td>")[1:]]
    assert [row[1].split("<")[0] for row in rows] == [
        *("3", "3", "7", "of the examples", "1"),
        *("(3, 2) float32", "(3,) int64"),
    ]


def test_html_is_escaped() -> None:
    @attrs.frozen
    class Named(nn.Stateless):
        name: str = tn.static_field()

        def __call__(self, x: Any) -> Any:
            return x

    assert "<script>" not in Named("<script>")._repr_html_()
    assert "&lt;script&gt;" in nn.Sequential(Named("<script>"), np.tanh)._repr_html_()


def test_every_state_is_shown() -> None:
    import tapenet.optim

    modules = [module for module in vars(tapenet.optim).values() if type(module) is type(np)]
    kinds = {
        kind
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type) and issubclass(kind, tuple) and kind.__module__.startswith("tapenet.optim")
    }
    assert len(kinds) > 10
    assert [kind for kind in kinds if not hasattr(kind, "_repr_html_")] == []


@attrs.frozen(eq=False)
class Encoder(tn.nn.Stateless):
    """Calls its layers by their other methods."""

    cell: Any
    norm: Any
    factor: Any = 2.0

    def __call__(self, x: Any) -> Any:
        y, state = self.cell.with_state(x)
        y, _ = self.norm.train(y, np.random.default_rng(0))
        return y * self.factor, state


def test_summary_notes_layers_however_they_are_called() -> None:
    rng = np.random.default_rng(0)
    model = Encoder(tn.nn.LSTM(4, 3, rng=rng), tn.nn.BatchNorm(3))
    assert repr(model) == "Encoder(factor: 2.0, cell=LSTM(4 -> 3), norm=BatchNorm(3), 103 parameters)"
    rows = tn.nn.summary(model, np.ones((2, 5, 4), np.float32)).layers
    assert [(row.path, row.output_shape, row.depth) for row in rows] == [
        ("", None, 0),
        ("cell", (2, 5, 3), 1),
        ("norm", (2, 5, 3), 1),
    ]
    assert [row.output_bytes for row in rows[1:]] == [120, 120]
