"""Parameters in the layouts of PyTorch and Flax, against PyTorch itself."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest

import tapenet as tn
from tapenet import nn

DOUBLE = np.float64


def made() -> np.random.Generator:
    return np.random.default_rng(0)


def to_torch(x: np.ndarray[Any, Any], spatial: int) -> Any:
    """An input with channels last as PyTorch has it."""
    torch = pytest.importorskip("torch")
    return torch.from_numpy(np.moveaxis(x, -1, 1).copy() if spatial else x)


def from_torch(y: Any, spatial: int) -> np.ndarray[Any, Any]:
    y = y.detach().numpy()
    return np.moveaxis(y, 1, -1) if spatial else y


# Of each kind: ours, PyTorch's by its name and arguments, the input's shape, and how many axes a window has.
LAYERS: dict[str, tuple[Any, str, tuple[Any, ...], dict[str, Any], tuple[int, ...], int]] = {
    "Dense": (lambda: nn.Dense(3, 4, rng=made(), dtype=DOUBLE), "Linear", (3, 4), {}, (5, 3), 0),
    "Dense without bias": (
        lambda: nn.Dense(3, 4, rng=made(), bias=False, dtype=DOUBLE),
        "Linear",
        (3, 4),
        {"bias": False},
        (5, 3),
        0,
    ),
    "Conv": (
        lambda: nn.Conv(4, 6, (3, 2), rng=made(), groups=2, stride=2, dtype=DOUBLE),
        "Conv2d",
        (4, 6, (3, 2)),
        {"groups": 2, "stride": 2},
        (2, 7, 8, 4),
        2,
    ),
    "Conv1d": (lambda: nn.Conv1d(2, 3, 3, rng=made(), dtype=DOUBLE), "Conv1d", (2, 3, 3), {}, (2, 7, 2), 1),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2, rng=made(), dtype=DOUBLE), "Conv3d", (2, 3, 2), {}, (2, 4, 5, 3, 2), 3),
    "ConvTranspose": (
        lambda: nn.ConvTranspose(4, 6, (3, 2), rng=made(), stride=2, groups=2, dtype=DOUBLE),
        "ConvTranspose2d",
        (4, 6, (3, 2)),
        {"stride": 2, "groups": 2},
        (2, 4, 5, 4),
        2,
    ),
    "ConvTranspose1d": (
        lambda: nn.ConvTranspose1d(2, 3, 3, rng=made(), stride=2, dtype=DOUBLE),
        "ConvTranspose1d",
        (2, 3, 3),
        {"stride": 2},
        (2, 5, 2),
        1,
    ),
    "BatchNorm": (lambda: nn.BatchNorm(3, dtype=DOUBLE), "BatchNorm2d", (3,), {}, (2, 4, 4, 3), 2),
    "LayerNorm": (lambda: nn.LayerNorm(3, dtype=DOUBLE), "LayerNorm", (3,), {}, (5, 3), 0),
    "GroupNorm": (lambda: nn.GroupNorm(4, 2, dtype=DOUBLE), "GroupNorm", (2, 4), {}, (2, 3, 3, 4), 2),
    "InstanceNorm": (
        lambda: nn.InstanceNorm(3, dtype=DOUBLE),
        "InstanceNorm2d",
        (3,),
        {"affine": True},
        (2, 4, 4, 3),
        2,
    ),
    "RMSNorm": (lambda: nn.RMSNorm(3, dtype=DOUBLE), "RMSNorm", (3,), {"eps": 1e-6}, (5, 3), 0),
    "PReLU": (lambda: nn.PReLU(dtype=DOUBLE), "PReLU", (), {}, (5, 3), 0),
    "Embedding": (lambda: nn.Embedding(7, 3, rng=made(), dtype=DOUBLE), "Embedding", (7, 3), {}, (5,), 0),
    "RNN": (lambda: nn.RNN(3, 4, rng=made(), dtype=DOUBLE), "RNN", (3, 4), {"batch_first": True}, (2, 5, 3), 0),
    "LSTM": (lambda: nn.LSTM(3, 4, rng=made(), dtype=DOUBLE), "LSTM", (3, 4), {"batch_first": True}, (2, 5, 3), 0),
    "GRU": (lambda: nn.GRU(3, 4, rng=made(), dtype=DOUBLE), "GRU", (3, 4), {"batch_first": True}, (2, 5, 3), 0),
    "GRU without bias": (
        lambda: nn.GRU(3, 4, rng=made(), bias=False, dtype=DOUBLE),
        "GRU",
        (3, 4),
        {"batch_first": True, "bias": False},
        (2, 5, 3),
        0,
    ),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_with_pytorchs_parameters_gives_its_outputs(kind: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    make, name, arguments, options, shape, spatial = LAYERS[kind]
    theirs = getattr(torch.nn, name)(*arguments, **options).double().eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
        for key, buffer in theirs.named_buffers():
            if key.startswith("running"):
                buffer.copy_(torch.from_numpy(rng.uniform(0.5, 2.0, size=buffer.shape)))
    x = rng.integers(7, size=shape) if kind == "Embedding" else rng.normal(size=shape)
    outputs = theirs(to_torch(x, spatial))
    expected = from_torch(outputs[0] if isinstance(outputs, tuple) else outputs, spatial)
    ours = nn.from_torch_state(make(), theirs.state_dict())
    assert type(ours) is type(make())
    np.testing.assert_allclose(ours(x), expected, rtol=1e-10, atol=1e-12)
    # And back: PyTorch takes what we give, and gives the same.
    again = getattr(torch.nn, name)(*arguments, **options).double().eval()
    state = {key: torch.from_numpy(array) for key, array in nn.to_torch_state(ours).items()}
    again.load_state_dict(state, strict=False)
    assert {*again.state_dict()} - {*state} <= {"num_batches_tracked"}
    outputs = again(to_torch(x, spatial))
    found = from_torch(outputs[0] if isinstance(outputs, tuple) else outputs, spatial)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_every_layer_with_parameters_has_a_layout() -> None:
    kinds = {type(make()) for make, *_ in LAYERS.values()} | {nn.RNNCell, nn.LSTMCell, nn.GRUCell}
    kinds |= {nn.MultiHeadAttention, nn.TransformerBlock}
    public = [getattr(nn, name) for name in nn.__all__]
    with_arrays = {
        kind
        for kind in public
        if isinstance(kind, type)
        and attrs.has(kind)
        and {"kernel", "scale", "table", "slope", "cell"} & {field.name for field in attrs.fields(kind)}
    }
    assert with_arrays - kinds == set()


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_cells(cell: Any, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.nn, cell.__name__)(3, 4).double()
    ours = nn.from_torch_state(cell(3, 4, rng=rng, dtype=DOUBLE), theirs.state_dict())
    x = rng.normal(size=(2, 3))
    expected = theirs(torch.from_numpy(x))
    found, expected = (y[0] if isinstance(y, tuple) else y for y in (ours(x, ours.start(x)), expected))
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-10)


class Attending:
    """PyTorch's attention of x to itself, as a module of x."""

    def __new__(cls, features: int, heads: int) -> Any:
        torch = pytest.importorskip("torch")

        class Module(torch.nn.MultiheadAttention):  # type: ignore[misc,name-defined]  # as torch has no types here
            def forward(self, x: Any) -> Any:
                return super().forward(x, x, x, need_weights=False)[0]

        return Module(features, heads, batch_first=True)


def encoder_layer() -> Any:
    torch = pytest.importorskip("torch")
    options = {"norm_first": True, "batch_first": True, "activation": "gelu"}
    return torch.nn.TransformerEncoderLayer(8, 2, 16, **options)


BLOCKS = {
    "attention": (lambda: nn.MultiHeadAttention(8, 2, rng=made(), dtype=DOUBLE), lambda: Attending(8, 2)),
    "block": (lambda: nn.TransformerBlock(8, 2, hidden=16, rng=made(), dtype=DOUBLE), encoder_layer),
    "blocks": (
        lambda: nn.Sequential(*[nn.TransformerBlock(8, 2, hidden=16, rng=made(), dtype=DOUBLE) for _ in range(2)]),
        lambda: pytest.importorskip("torch").nn.Sequential(encoder_layer(), encoder_layer()),
    ),
}


@pytest.mark.parametrize("by", ["name", "order"])
@pytest.mark.parametrize("kind", BLOCKS)
def test_attention_and_blocks(kind: str, by: str, rng: np.random.Generator) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (make() for make in BLOCKS[kind])
    theirs = theirs.double().eval()
    with torch.no_grad():
        for parameter in theirs.parameters():
            parameter.copy_(torch.from_numpy(rng.normal(size=parameter.shape)))
    x = rng.normal(size=(2, 5, 8))
    expected = theirs(torch.from_numpy(x)).detach().numpy()
    if by == "name" or kind == "attention":  # PyTorch registers the parts of a block in another order
        ours = nn.from_torch_state(ours, theirs.state_dict(), by=by)
        np.testing.assert_allclose(ours(x), expected, rtol=1e-9, atol=1e-11)
        assert {*nn.to_torch_state(ours)} == {*theirs.state_dict()}


# ---- models ----


def model(dtype: Any = DOUBLE) -> nn.Sequential:
    rng = made()
    return nn.Sequential(
        nn.Conv(1, 4, 3, rng=rng, dtype=dtype),
        nn.BatchNorm(4, dtype=dtype),
        nn.relu,
        nn.GlobalAvgPool(),
        nn.Dense(4, 3, rng=rng, dtype=dtype),
    )


def torch_model() -> Any:
    torch = pytest.importorskip("torch")
    parts = (torch.nn.Conv2d(1, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU())
    theirs = torch.nn.Sequential(*parts, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(4, 3))
    theirs = theirs.double()
    theirs(torch.from_numpy(made().normal(size=(8, 1, 6, 6))))  # so that running statistics are not as at first
    return theirs.eval()


def test_a_model_by_order_and_by_names(rng: np.random.Generator, tmp_path: Path) -> None:
    theirs = torch_model()
    x = rng.normal(size=(2, 6, 6, 1))
    expected = theirs(to_torch(x, 2)).detach().numpy()
    state = theirs.state_dict()
    by_order = nn.from_torch_state(model(), state, by="order")
    by_name = nn.from_torch_state(model(), state, names={"layers.4": "5"})
    np.testing.assert_allclose(by_order(x), expected, rtol=1e-10)
    np.testing.assert_allclose(by_name(x), expected, rtol=1e-10)
    written = nn.to_torch_state(by_order, names={"layers.4": "5"})
    assert {*written} == {key for key in state if not key.endswith("num_batches_tracked")}
    pytest.importorskip("safetensors.torch").save_file(state, tmp_path / "x.safetensors")
    np.testing.assert_array_equal(
        nn.from_torch_state(model(), tn.load(tmp_path / "x.safetensors"), by="order")(x), by_order(x)
    )


def test_dtypes_are_those_of_the_model() -> None:
    state = nn.to_torch_state(nn.from_torch_state(model(np.float32), nn.to_torch_state(model())))
    assert {array.dtype for array in state.values()} == {np.dtype(np.float32)}


def test_fields_of_models_give_names() -> None:
    assert [*nn.to_torch_state(tn.models.LeNet(rng=made()))][:3] == [
        "layers.0.weight",
        "layers.0.bias",
        "layers.3.weight",
    ]


def test_every_difference_is_listed() -> None:
    state = nn.to_torch_state(model())
    del state["0.bias"]
    state["4.weight"] = np.ones((3, 5))
    state["7.weight"] = np.ones(2)
    with pytest.raises(tn.ArgumentError) as caught:
        nn.from_torch_state(model(), state)
    lines = str(caught.value).split("\n")
    assert lines[0].endswith("got 3 differences:")
    assert lines[1:-1] == [
        "  0.bias: missing, of shape (4,)",
        "  4.weight: shape (3, 5) where the model has (3, 4)",
        "  7.weight: not in the model",
    ]
    with pytest.raises(tn.ArgumentError, match=r"must have a layer for each .* got none left for 'layers.0'"):
        nn.from_torch_state(model(), state, by="order")


def test_wrong_arguments_are_named() -> None:
    @attrs.frozen(eq=False)
    class Loose(nn.Stateless):
        table: Any

        def __call__(self, x: Any) -> Any:
            return x + self.table

    with pytest.raises(tn.ArgumentTypeError, match=r"model must be of layers .* shape \(2,\) at 'table'"):
        nn.to_torch_state(Loose(np.ones(2)))
    with pytest.raises(tn.ArgumentError, match=re.escape("names must be of the paths of layers with parameters")):
        nn.to_torch_state(model(), names={"layers.9": "0"})
    with pytest.raises(tn.ArgumentTypeError, match=r"state\['a'\] must be an array of numbers; got 'x'"):
        nn.from_torch_state(model(), {"a": "x"})


# ---- Flax ----


def flax_variables(rng: np.random.Generator) -> dict[str, Any]:
    return {
        "params": {
            "BatchNorm_0": {"bias": rng.normal(size=4), "scale": rng.normal(size=4)},
            "Conv_0": {"bias": rng.normal(size=4), "kernel": rng.normal(size=(3, 3, 1, 4))},
            "Dense_0": {"bias": rng.normal(size=3), "kernel": rng.normal(size=(4, 3))},
        },
        "batch_stats": {"BatchNorm_0": {"mean": rng.normal(size=4), "var": rng.uniform(size=4)}},
    }


FLAX_NAMES = {"layers.0": "Conv_0", "layers.1": "BatchNorm_0", "layers.4": "Dense_0"}


@pytest.mark.parametrize("options", [{}, {"names": FLAX_NAMES}])
def test_flaxs_variables_there_and_back(options: Any, rng: np.random.Generator) -> None:
    variables = flax_variables(rng)
    ours = nn.from_flax_state(model(), variables, **options)
    np.testing.assert_array_equal(ours[0].kernel, variables["params"]["Conv_0"]["kernel"])
    np.testing.assert_array_equal(ours[1].running.var, variables["batch_stats"]["BatchNorm_0"]["var"])
    np.testing.assert_array_equal(ours[4].bias, variables["params"]["Dense_0"]["bias"])
    back = nn.to_flax_state(ours, names=FLAX_NAMES)
    assert tn.tree.paths(back) == tn.tree.paths(variables)
    assert tn.tree.allclose(back, variables, rtol=0, atol=0)


@pytest.mark.parametrize(("kind", "window"), [(nn.ConvTranspose, (3, 2)), (nn.ConvTranspose1d, 3)])
@pytest.mark.usefixtures("jax_in_double_precision")
def test_flaxs_transposed_convolutions_are_jaxs(kind: Any, window: Any, rng: np.random.Generator) -> None:
    jax = pytest.importorskip("jax")
    axes = "HW"[: np.size(window)]
    kernel, bias = rng.normal(size=(*np.atleast_1d(window), 2, 4)), rng.normal(size=4)
    ours = kind(2, 4, window, rng=rng, stride=2, dtype=DOUBLE)
    ours = nn.from_flax_state(ours, {"params": {"kernel": kernel, "bias": bias}})
    x = rng.normal(size=(3, *(5, 4)[: len(axes)], 2))
    layout = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
    expected = jax.lax.conv_transpose(x, kernel, (2,) * len(axes), "VALID", dimension_numbers=layout) + bias
    np.testing.assert_allclose(ours(x), expected, rtol=1e-10)
    np.testing.assert_array_equal(nn.to_flax_state(ours)["params"]["kernel"], kernel)


def test_flaxs_layers_of_one_shape_are_taken_in_the_order_of_their_numbers(rng: np.random.Generator) -> None:
    layers = nn.Sequential(*[nn.Dense(2, 2, rng=rng, dtype=DOUBLE) for _ in range(12)])
    params = {f"Dense_{i}": {"kernel": np.full((2, 2), i), "bias": np.zeros(2)} for i in reversed(range(12))}
    ours = nn.from_flax_state(layers, {"params": params})
    assert [layer.kernel[0, 0] for layer in ours] == list(range(12))


SEQUENCE, IMAGE = (1, 3, 2), (1, 4, 5, 4)

# Of each kind: ours, Flax's as a function of `flax.linen`, and the input's shape.
FLAX_LAYERS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any], tuple[int, ...]]] = {
    "Dense": (
        lambda: nn.Dense(2, 3, rng=made(), dtype=DOUBLE),
        lambda flax: flax.Dense(3),
        (1, 2),
    ),
    "Conv": (
        lambda: nn.Conv(4, 2, (3, 2), rng=made(), stride=2, padding="same", dtype=DOUBLE),
        lambda flax: flax.Conv(2, (3, 2), strides=2),
        IMAGE,
    ),
    "ConvTranspose": (
        lambda: nn.ConvTranspose1d(2, 2, 3, rng=made(), stride=2, dtype=DOUBLE),
        lambda flax: flax.ConvTranspose(2, (3,), strides=(2,), padding="VALID"),
        SEQUENCE,
    ),
    "BatchNorm": (
        lambda: nn.BatchNorm(4, dtype=DOUBLE),
        lambda flax: flax.BatchNorm(use_running_average=True),
        (1, 1, 2, 4),
    ),
    "LayerNorm": (
        lambda: nn.LayerNorm(4, eps=1e-6, dtype=DOUBLE),
        lambda flax: flax.LayerNorm(),
        (2, 4),
    ),
    "GroupNorm": (
        lambda: nn.GroupNorm(4, 2, eps=1e-6, dtype=DOUBLE),
        lambda flax: flax.GroupNorm(2),
        (1, 1, 2, 4),
    ),
    "InstanceNorm": (
        lambda: nn.InstanceNorm(4, eps=1e-6, dtype=DOUBLE),
        lambda flax: flax.InstanceNorm(),
        (1, 1, 2, 4),
    ),
    "RMSNorm": (
        lambda: nn.RMSNorm(4, dtype=DOUBLE),
        lambda flax: flax.RMSNorm(),
        (2, 4),
    ),
    "Embed": (
        lambda: nn.Embedding(4, 2, rng=made(), dtype=DOUBLE),
        lambda flax: flax.Embed(4, 2),
        (3,),
    ),
    "PReLU": (
        lambda: nn.PReLU(dtype=DOUBLE),
        lambda flax: flax.PReLU(),
        (2, 4),
    ),
    "SimpleCell": (
        lambda: nn.RNN(2, 2, rng=made(), dtype=DOUBLE),
        lambda flax: flax.RNN(flax.SimpleCell(2, param_dtype=DOUBLE)),
        SEQUENCE,
    ),
    "LSTMCell": (
        lambda: nn.LSTM(2, 2, rng=made(), dtype=DOUBLE),
        lambda flax: flax.RNN(flax.LSTMCell(2, param_dtype=DOUBLE)),
        SEQUENCE,
    ),
    "OptimizedLSTMCell": (
        lambda: nn.LSTM(2, 2, rng=made(), reverse=True, dtype=DOUBLE),
        lambda flax: flax.RNN(flax.OptimizedLSTMCell(2, param_dtype=DOUBLE), reverse=True, keep_order=True),
        SEQUENCE,
    ),
    "GRUCell": (
        lambda: nn.GRU(2, 2, rng=made(), dtype=DOUBLE),
        lambda flax: flax.RNN(flax.GRUCell(2, param_dtype=DOUBLE)),
        SEQUENCE,
    ),
    "MultiHeadDotProductAttention": (
        lambda: nn.MultiHeadAttention(4, 2, rng=made(), dtype=DOUBLE),
        lambda flax: flax.MultiHeadDotProductAttention(2),
        (1, 2, 4),
    ),
    "attention without bias": (
        lambda: nn.MultiHeadAttention(4, 2, rng=made(), bias=False, dtype=DOUBLE),
        lambda flax: flax.MultiHeadDotProductAttention(2, use_bias=False),
        (1, 2, 4),
    ),
}


# What Flax 0.12.8 gave of these, with the variables `drawn`.
FLAX_OUTPUTS = {
    "Dense": ("1.6781337673 1.50636281777 -0.0503511594711"),
    "Conv": (
        "0.857639904131 0.931678419715 0.5182856139 0.473795889676 0.77604367165 0.694010105383 0.110396873321 "
        "1.05073597864 0.83526924249 0.559608457838 0.934574418169 0.113951389265"
    ),
    "ConvTranspose": (
        "1.61292268191 0.977408569339 0.0838453335974 0.202599419112 1.2916442372 2.50622138533 1.39569682387 "
        "0.612245667245 -0.882549695153 -0.290775437492 1.1969517767 1.81417494433 1.31044909984 0.436384475293"
    ),
    "BatchNorm": (
        "0.304608860271 2.45206906302 0.733817632729 -1.45013545031 0.732116762957 0.589931664043 -0.435833448406 "
        "-1.02686476717"
    ),
    "LayerNorm": (
        "0.929198698728 1.6259426589 1.10230535684 -0.943802028848 0.901240177839 0.0815885052478 0.183914089086 "
        "-0.467766142059"
    ),
    "GroupNorm": (
        "0.844644537382 2.10205196347 1.21999139537 -0.875046281279 0.905949631683 0.0468252396472 -1.18727619704 "
        "-0.653341528863"
    ),
    "InstanceNorm": (
        "0.80493735764 1.70104017666 1.03321392323 -0.979991888792 0.91976144006 0.0829150555722 -0.830162469843 "
        "-0.584545006497"
    ),
    "RMSNorm": (
        "-0 1.09197395628 1.35883878014 0.044754919389 0.0614165827942 -1.09664300863 -0.367976672908 0.183618537499"
    ),
    "Embed": ("-0.206393744234 0.711838273611 0.975609465508 0.342409814071 -0.605599841319 -0.996823795467"),
    "PReLU": (
        "0 0.841470984808 0.909297426826 0.14112000806 -0.271683027468 -0.344242324343 -0.100306815772 0.656986598719"
    ),
    "SimpleCell": ("0.865801880328 0.317618560155 0.836402768524 0.670786953126 -0.555904110921 -0.233718831233"),
    "LSTMCell": ("-0.0326170421068 0.0134126685104 -0.158874518987 0.0831352105533 -0.42334787663 -0.241931931772"),
    "OptimizedLSTMCell": (
        "-0.115121691138 -0.0178859526641 -0.14716823219 -0.0397995359857 -0.361408768589 -0.275418870363"
    ),
    "GRUCell": ("0.45664359976 0.263429840061 0.40322103508 -0.39380865921 0.767563438032 -0.702306121618"),
    "MultiHeadDotProductAttention": (
        "0.201478101733 0.550685380179 0.393595059705 -0.125364743506 0.18604077147 0.482534341283 0.335388063042 "
        "-0.120112453639"
    ),
    "attention without bias": (
        "0.0616943802493 0.0909675129042 0.0366055337132 -0.0514114043587 0.0310761705454 -0.000231320936517 "
        "-0.0313261370162 -0.033619847191"
    ),
}


def drawn(tree: Any, path: str = "") -> Any:
    """The same structure with numbers that depend on the names and the places alone."""
    if isinstance(tree, dict):
        return {name: drawn(child, f"{path}.{name}") for name, child in tree.items()}
    x = np.cos(zlib.crc32(path.encode()) % 1000 + np.arange(np.size(tree), dtype=DOUBLE)).reshape(np.shape(tree))
    return x**2 if path.endswith("var") else x


def recorded(kind: str) -> list[float]:
    return [float(x) for x in FLAX_OUTPUTS[kind].split()]


def flax_input(kind: str, shape: tuple[int, ...]) -> Any:
    size = int(np.prod(shape))
    return np.arange(size) % 4 if kind == "Embed" else np.sin(np.arange(size, dtype=DOUBLE)).reshape(shape)


@pytest.mark.parametrize("kind", FLAX_LAYERS)
def test_a_layer_with_flaxs_variables_gives_its_outputs(kind: str) -> None:
    """By what Flax gave once, of the variables that we write: their names and orders are its own."""
    make, _, shape = FLAX_LAYERS[kind]
    ours = make()
    names = {"": "cell"} if isinstance(ours, nn.RNN | nn.LSTM | nn.GRU) else None
    variables = drawn(nn.to_flax_state(ours, names=names))
    filled = nn.from_flax_state(ours, variables)
    np.testing.assert_allclose(np.ravel(filled(flax_input(kind, shape))), recorded(kind), rtol=1e-9, atol=1e-12)
    back = nn.to_flax_state(filled, names=names)
    assert tn.tree.paths(back) == tn.tree.paths(variables)
    assert tn.tree.allclose(back, variables, rtol=0, atol=0)


@pytest.mark.parametrize("kind", FLAX_LAYERS)
@pytest.mark.usefixtures("jax_in_double_precision")
def test_flaxs_own_outputs_and_names_are_those_recorded(kind: str) -> None:
    linen = pytest.importorskip("flax.linen", reason="what Flax gave once is compared with above")
    jax = pytest.importorskip("jax")
    make, build, shape = FLAX_LAYERS[kind]
    x = flax_input(kind, shape)
    module = build(linen)
    variables = drawn(jax.tree.map(np.asarray, module.init(jax.random.PRNGKey(0), x)))
    outputs = module.apply(variables, x)
    np.testing.assert_allclose(np.ravel(outputs), recorded(kind), rtol=1e-10, atol=1e-12)
    ours = make()
    cell = isinstance(ours, nn.RNN | nn.LSTM | nn.GRU)
    assert tn.tree.paths(nn.to_flax_state(ours, names={"": "cell"} if cell else None)) == tn.tree.paths(variables)


@pytest.mark.parametrize("cell", [nn.RNNCell, nn.LSTMCell, nn.GRUCell])
def test_flaxs_cells(cell: Any, rng: np.random.Generator) -> None:
    """They have the arrays that the layers have, within the cell."""
    layer = {nn.RNNCell: nn.RNN, nn.LSTMCell: nn.LSTM, nn.GRUCell: nn.GRU}[cell](2, 3, rng=rng)
    state = nn.to_flax_state(layer)
    assert tn.tree.allclose(nn.to_flax_state(layer.cell), state, rtol=0, atol=0)
    assert tn.tree.allclose(nn.from_flax_state(cell(2, 3, rng=rng), state), layer.cell, rtol=0, atol=0)


def test_flaxs_layers_of_several_parts_are_taken_in_order_and_by_name(rng: np.random.Generator) -> None:
    def model() -> nn.Sequential:
        parts = nn.Dense(3, 4, rng=rng), nn.LSTM(4, 4, rng=rng), nn.MultiHeadAttention(4, 2, rng=rng)
        return nn.Sequential(*parts, nn.GRU(4, 4, rng=rng), nn.LSTM(4, 4, rng=rng))

    names = ["Dense_0", "LSTMCell_0", "MultiHeadDotProductAttention_0", "GRUCell_0", "LSTMCell_1"]
    by_path = {f"layers.{i}": name for i, name in enumerate(names)}
    ours = model()
    state = nn.to_flax_state(ours, names=by_path)
    assert [*state["params"]] == names
    for options in ({}, {"names": by_path}):
        assert tn.tree.allclose(nn.from_flax_state(model(), state, **options), ours, rtol=0, atol=0)
    del state["params"]["GRUCell_0"]["hn"]["bias"]
    with pytest.raises(tn.ArgumentError, match=r"GRUCell_0\.hn\.bias: missing, of shape \(4,\)"):
        nn.from_flax_state(model(), state, names=by_path)


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        (3, "variables must be a dict with 'params'; got 3"),
        ({"params": {1: np.ones(2)}}, "variables must be nested dicts by strings"),
        ({"params": {}, "batch_stats": 4}, "variables must be nested dicts by strings; got 4"),
        ({"params": {"kernel": "x"}}, r"state\['kernel'\] must be an array of numbers; got 'x'"),
    ],
)
def test_wrong_variables_are_named(variables: Any, says: str, rng: np.random.Generator) -> None:
    with pytest.raises(tn.ArgumentTypeError, match=says):
        nn.from_flax_state(nn.Dense(2, 3, rng=rng), variables)
