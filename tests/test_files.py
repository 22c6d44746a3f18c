"""`tn.save` and `tn.load`: what goes in comes back, differences are listed, and no file does harm."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import errno
import json
import os
import signal
import struct
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from hypothesis.extra import numpy as arrays

import tapenet as tn
import tapenet.numpy as tnp
from tapenet.errors import ArgumentError, ArgumentTypeError, FileError, FileFormatError, PicklingError

DTYPES = "bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64 complex64 complex128".split()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "x.safetensors"


def there_and_back(path: Path, tree: Any, **options: Any) -> Any:
    tn.save(path, tree)
    return tn.load(path, like=tree, **options)


def assert_same(a: Any, b: Any) -> None:
    """The same leaf: values, dtype with its byte order, shape, type."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray | np.generic):
        assert a.dtype.str == b.dtype.str
        np.testing.assert_array_equal(a, b)
        assert np.shape(a) == np.shape(b)
    elif a == a:
        assert a == b


# ---- there and back ----


@pytest.mark.parametrize("is_mapped", [False, True])
@pytest.mark.parametrize("dtype", [*DTYPES, ">f8", ">c8", ">i2", "datetime64[ns]", "timedelta64[D]"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (2, 3)])
def test_arrays_come_back_as_they_were(dtype: str, shape: Any, is_mapped: bool, path: Path) -> None:
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(dtype)
    assert_same(there_and_back(path, [x], mmap=is_mapped)[0], x)
    assert_same(tn.load(path, mmap=is_mapped)["0"], x)


@given(
    arrays.arrays(
        st.one_of(arrays.floating_dtypes(), arrays.complex_number_dtypes(sizes=(64, 128)), arrays.integer_dtypes()),
        arrays.array_shapes(min_dims=0, min_side=0, max_dims=4, max_side=4),
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_array_comes_back_bit_for_bit(path: Path, x: np.ndarray[Any, Any]) -> None:
    back = there_and_back(path, x)
    assert back.dtype.str == x.dtype.str
    assert back.tobytes() == x.tobytes()
    assert back.shape == x.shape


LEAVES = [
    True,
    3,
    -(10**40),
    0.1,
    float("inf"),
    float("nan"),
    -0.0,
    1 - 2j,
    "a\n\u00e9\U0001f600",
    np.float32(2.5),
    np.int8(-3),
]


@pytest.mark.parametrize("leaf", LEAVES, ids=repr)
def test_other_leaves_come_back_as_they_were(leaf: Any, path: Path) -> None:
    assert_same(there_and_back(path, {"a": leaf})["a"], leaf)
    assert_same(tn.load(path)["a"], leaf)


def test_memory_order_and_sharing_are_kept(path: Path) -> None:
    shared, column = np.ones(3), np.asfortranarray(np.arange(6.0).reshape(2, 3))
    turned = np.arange(24.0).reshape(2, 3, 4).transpose(1, 2, 0)
    a, (b, c, d, e) = there_and_back(path, (shared, [shared, column, turned, np.arange(10.0)[::2]]))
    assert a is b
    assert c.strides == column.strides
    assert d.strides == turned.strides
    np.testing.assert_array_equal(d, turned)
    np.testing.assert_array_equal(e, np.arange(0.0, 10.0, 2))
    assert a.flags.owndata or a.base.flags.owndata
    a[:] = 0  # writable


@pytest.mark.parametrize("bits", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_a_generator_goes_on_where_it_was(bits: str, path: Path) -> None:
    seed = np.random.SeedSequence([1, 2**70])
    seed.spawn(3)
    rng = np.random.Generator(getattr(np.random, bits)(seed))
    rng.standard_normal(5, np.float32)
    rng.integers(5, dtype=np.int32)
    tn.save(path, (rng, rng))
    again = tn.load(path, like=(np.random.Generator(getattr(np.random, bits)()),) * 2)
    assert again[0] is again[1]
    loose = tn.load(path)["0"]
    for other in (again[0], loose):
        twin = copy.deepcopy(rng)
        np.testing.assert_array_equal(other.normal(size=9), twin.normal(size=9))
        np.testing.assert_array_equal(other.integers(5, size=9), twin.integers(5, size=9))
        np.testing.assert_array_equal(other.spawn(1)[0].normal(size=3), twin.spawn(1)[0].normal(size=3))


@attrs.frozen(eq=False)
class Normed(tn.nn.Stateless):
    kernel: Any
    norm: tn.nn.BatchNorm
    function: Any
    scale: float = tn.static_field(default=2.0)

    def __call__(self, x: Any) -> Any:
        return self.function(self.norm(x @ self.kernel)) * self.scale


@dataclasses.dataclass(frozen=True)
class Pair:
    first: Any
    second: Any


def test_a_model_comes_back_with_its_running_statistics(path: Path, rng: np.random.Generator) -> None:
    x = rng.normal(1.0, 3.0, size=(8, 3)).astype(np.float32)
    network = tn.nn.Sequential(tn.nn.BatchNorm(3), np.tanh, tn.nn.Dense(3, 2, rng=rng), tn.nn.Dropout(0.5))
    _, network = network.train(x, rng)
    fresh = tn.nn.Sequential(tn.nn.BatchNorm(3), np.tanh, tn.nn.Dense(3, 2, rng=rng), tn.nn.Dropout(0.5))
    tn.save(path, network)
    np.testing.assert_array_equal(tn.load(path, like=fresh)(x), network(x))
    np.testing.assert_array_equal(tn.load(path)["layers.0.running.mean"], network[0].running.mean)


def test_a_whole_run_comes_back(path: Path, rng: np.random.Generator) -> None:
    model = Normed(rng.normal(size=(3, 3)), tn.nn.BatchNorm(3), tnp.tanh)
    optimizer = tn.optim.adam(1e-3)
    model, state = optimizer.update(model, optimizer.init(model), model)
    run = {"model": model, "state": state, "rng": rng, "epoch": 3, "pair": Pair(np.ones(2), None), "empty": ({}, [])}
    back = there_and_back(path, run)
    assert type(back["model"]) is Normed
    assert back["model"].function is tnp.tanh
    assert back["state"].step == 1
    assert back["pair"].second is None
    assert back["empty"] == ({}, [])
    np.testing.assert_array_equal(back["state"].mean.kernel, state.mean.kernel)


def test_values_of_a_closed_tape_are_stored_and_those_of_an_open_one_are_not(path: Path) -> None:
    with tn.GradientTape() as tape:
        x = tape.watch(np.ones(3))
        with pytest.raises(PicklingError, match=r"save: tree.a must be a value; got a Tensor of an open tape"):
            tn.save(path, {"a": x})
    tn.save(path, {"a": x})
    np.testing.assert_array_equal(tn.load(path)["a"], np.ones(3))


def test_paths_that_are_equal_are_told_apart(path: Path) -> None:
    tree = {"a.b": np.ones(1), "a": {"b": np.zeros(2)}, "__metadata__": np.ones(3), "": np.ones(4)}
    back = there_and_back(path, tree)
    assert {key: np.shape(back[key]) for key in ("a.b", "__metadata__", "")} == {
        "a.b": (1,),
        "__metadata__": (3,),
        "": (4,),
    }
    assert back["a"]["b"].shape == (2,)


def test_metadata_are_kept(path: Path) -> None:
    tn.save(path, [1.5], metadata={"note": "\u00e9"})
    assert tn.load_metadata(path) == {"note": "\u00e9"}


def test_other_programs_read_the_file_and_theirs_are_read(path: Path) -> None:
    numpy_files = pytest.importorskip("safetensors.numpy")
    tn.save(path, {"a": np.arange(3.0), "z": np.array([1 + 2j])})
    read = numpy_files.load_file(path)
    np.testing.assert_array_equal(read["a"], np.arange(3.0))
    np.testing.assert_array_equal(read["z"], [[1.0, 2.0]])
    numpy_files.save_file({"w.x": np.arange(4, dtype=np.int16), "c": np.ones(2, np.complex64)}, path)
    assert tn.load(path)["w.x"].dtype == np.int16
    assert tn.load(path)["c"].dtype == np.complex64
    np.testing.assert_array_equal(
        tn.load(path, like={"w": {"x": np.zeros(4, np.int16)}}, strict=False)["w"]["x"], np.arange(4)
    )


def test_bfloat16_is_read_as_float32(path: Path) -> None:
    write(
        path,
        {"x": {"dtype": "BF16", "shape": [2], "data_offsets": [0, 4]}},
        np.array([0x3FC0, 0xC000], "<u2").tobytes(),
    )
    assert_same(tn.load(path)["x"], np.array([1.5, -2.0], np.float32))


def test_names_of_files_may_be_any_bytes(tmp_path: Path) -> None:
    path = tmp_path / (os.fsdecode(b"\xff \xc3\xa9") if sys.platform == "linux" else "\u00e9")  # elsewhere of text
    assert there_and_back(path, [1.5]) == [1.5]


def test_a_mapped_array_stays_as_it_was_when_the_file_is_replaced(path: Path) -> None:
    tn.save(path, {"x": np.arange(5.0)})
    old = tn.load(path, mmap=True)["x"]
    tn.save(path, {"x": np.zeros(5)})
    np.testing.assert_array_equal(old, np.arange(5.0))
    with pytest.raises(ValueError, match="read-only"):
        old[0] = 1


# ---- what is not stored ----


@pytest.mark.parametrize(
    ("leaf", "text"),
    [
        (
            np.ones(2, np.longdouble),
            r"save: tree\.a\.0 must have a dtype that safetensors can hold; got .*astype\(numpy.float64\)",
        ),
        (np.array([object()]), r"save: tree\.a\.0 must have a dtype"),
        (np.array(["x"]), r"save: tree\.a\.0 must have a dtype"),
        (np.ma.array([1.0], mask=[True]), r"save: tree\.a\.0 must be a NumPy array; got numpy.ma"),
        (object(), r"save: tree\.a\.0 must be an array, a number, a string or .*static_field"),
        (np.random.RandomState(0), r"save: tree\.a\.0 must be an array"),
    ],
    ids=["longdouble", "object", "text", "masked", "other", "legacy generator"],
)
def test_what_cannot_be_stored_is_named_and_leaves_the_old_file(leaf: Any, text: str, path: Path) -> None:
    tn.save(path, [1])
    with pytest.raises(ArgumentTypeError, match=text):
        tn.save(path, {"a": [leaf], "b": np.ones(3)})
    assert tn.load(path) == {"0": 1}
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("value", [None, 3, b"x", ["a"], ""])
def test_wrong_paths(value: Any) -> None:
    for function in (lambda: tn.save(value, [1.0]), lambda: tn.load(value), lambda: tn.load_metadata(value)):
        with pytest.raises((ArgumentTypeError, ArgumentError), match=r"^(save|load|load_metadata): path must"):
            function()


@pytest.mark.parametrize("value", [3, {"a": 1}, {1: "a"}, {"tapenet": "a"}, ["a"]])
def test_wrong_metadata(value: Any, path: Path) -> None:
    with pytest.raises((ArgumentTypeError, ArgumentError), match="save: metadata must"):
        tn.save(path, [1.0], metadata=value)
    assert not path.exists()


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"load: path must be that of a file; got .* where there is none"):
        tn.load(tmp_path / "missing")
    with pytest.raises(tn.errors.MissingFileError, match="save: path must be in a folder that exists"):
        tn.save(tmp_path / "missing" / "x", [1.0])
    with pytest.raises(FileError, match="path must be that of a file"):
        tn.load(tmp_path)
    with pytest.raises(FileError, match="path must be that of a file"):
        tn.save(tmp_path, [1.0])


# ---- differences from `like` ----


def test_every_difference_is_listed_by_path(path: Path) -> None:
    rng = np.random.default_rng(0)
    old = {"a": tn.nn.Conv(1, 2, 3, rng=rng, stride=2), "b": np.ones(3), "c": 1.0, "d": "x", "e": np.ones(2)}
    new = {"a": tn.nn.Conv(1, 2, 5, rng=rng), "b": np.ones(3, np.float32), "c": "x", "f": np.ones(2)}
    tn.save(path, old)
    with pytest.raises(ArgumentError) as caught:
        tn.load(path, like=new)
    lines = str(caught.value).split("\n")
    assert lines[0].endswith("got 7 differences:")
    assert lines[1:-1] == [
        "  a.kernel: shape (3, 3, 1, 2), float32 in the file, shape (5, 5, 1, 2), float32 in like",
        "  a.stride: static 2 in the file, 1 in like",
        "  b: shape (3,), float64 in the file, shape (3,), float32 in like",
        "  c: shape (), float64 in the file, str in like",
        "  f: missing in the file, shape (2,), float64 in like",
        "  d: in the file, missing in like",
        "  e: in the file, missing in like",
    ]
    taken = tn.load(path, like=new, strict=False)
    np.testing.assert_array_equal(taken["a"].kernel, new["a"].kernel)
    assert taken["a"].stride == 1
    np.testing.assert_array_equal(taken["b"], np.ones(3, np.float32))
    assert taken["b"].dtype == np.float32
    assert taken["c"] == "x"


def test_a_number_is_loaded_as_the_array_in_like_and_the_other_way(path: Path) -> None:
    tn.save(path, {"lr": 3.0, "step": 2, "z": 1j, "flag": True, "array": np.array(4.0), "scalar": np.float64(5)})
    like = {
        "lr": np.array(0.0),
        "step": np.array(0),
        "z": np.array(0j),
        "flag": np.array(False),
        "array": 0.0,
        "scalar": np.array(0.0),
    }
    found = tn.load(path, like=like)
    for name, x in like.items():
        assert type(found[name]) is type(x)
        assert np.asarray(found[name]).dtype == np.asarray(x).dtype
    assert [complex(found[name]) for name in like] == [3, 2, 1j, 1, 4, 5]
    cast = tn.load(path, like={"lr": np.array(0.0, np.float32)}, strict=False)["lr"]
    assert cast.dtype == np.float32


def test_none_leaves_nothing_in_a_file(path: Path) -> None:
    tn.save(path, {"a": None, "b": 1.0})
    assert tn.load(path) == {"b": 1.0}
    assert tn.load(path, like={"a": None, "b": 0.0}) == {"a": None, "b": 1.0}
    tn.save(path, None)
    assert tn.load(path) == {}


def test_a_part_of_a_checkpoint_is_taken(path: Path) -> None:
    rng = np.random.default_rng(0)
    model = tn.nn.Dense(2, 3, rng=rng)
    tn.save(path, (model, tn.optim.adam().init(model), rng, 5))
    part, *rest = tn.load(path, like=(tn.nn.Dense(2, 3, rng=rng), None, None, None), strict=False)
    np.testing.assert_array_equal(part.kernel, model.kernel)
    assert rest == [None, None, None]
    with pytest.raises(ArgumentTypeError, match="load: like must be a pytree, such as a model; got the class Dense"):
        tn.load(path, like=tn.nn.Dense)


def test_a_file_that_shares_nothing_is_an_error_however_loose(path: Path) -> None:
    tn.save(path, {"a": np.ones(2)})
    with pytest.raises(ArgumentError, match=r"load: like must share a leaf with .*; got none of the file's 1"):
        tn.load(path, like={"b": np.ones(2)}, strict=False)


# ---- files that were tampered with ----


def write(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def entry(start: Any, end: Any, shape: Any = (2,), dtype: str = "F32") -> dict[str, Any]:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


def described(leaves: Any = None, static: Any = None, version: Any = 1, **tensors: Any) -> dict[str, Any]:
    description = {"version": version, "nodes": {}, "leaves": leaves, "static": static}
    return {"__metadata__": {"tapenet": json.dumps(description)}, **tensors}


HOSTILE: dict[str, tuple[Any, ...]] = {
    "empty file": (b"",),
    "a header longer than the file": ({}, b"", 10**6),
    "a huge header": ({}, b"", 2**63),
    "a header just over the limit": ({}, b"", 100_000_001),
    "no JSON": (b"not json at all",),
    "a list": ([1, 2],),
    "data cut off": ({"a": entry(0, 8)}, b"1234"),
    "data left over": ({"a": entry(0, 8)}, b"123456789"),
    "overlapping": ({"a": entry(0, 8), "b": entry(4, 12)}, b"0" * 12),
    "a hole": ({"a": entry(0, 8), "b": entry(12, 20)}, b"0" * 20),
    "negative": ({"a": entry(-8, 0)}, b"0" * 8),
    "backward": ({"a": entry(8, 0)}, b"0" * 8),
    "a shape that lies": ({"a": entry(0, 8, (2**40,))}, b"0" * 8),
    "more axes than NumPy has": ({"a": entry(0, 4, (1,) * 100)}, b"0" * 4),
    "as many axes as NumPy has, of pairs": (
        described({"a": {"array": "t", "dtype": "<c8"}}, {}, t=entry(0, 8, (1,) * 64 + (2,))),
        b"0" * 8,
    ),
    "nothing of a shape that overflows": ({"a": entry(0, 0, (0, 2**62, 2**62))},),
    "a shape that overflows": ({"a": entry(0, 8, (2**33, 2**33))}, b"0" * 8),
    "a negative shape": ({"a": entry(0, 8, (-2,))}, b"0" * 8),
    "a dtype that is unknown": ({"a": entry(0, 8, dtype="Q99")}, b"0" * 8),
    "a dtype NumPy lacks": ({"a": entry(0, 2, dtype="F8_E4M3")}, b"00"),
    "metadata that are no texts": ({"__metadata__": {"tapenet": 3}},),
    "a description that is not JSON": ({"__metadata__": {"tapenet": "{"}},),
    "a description nested deep": ({"__metadata__": {"tapenet": "[" * 10**5}},),
    "a description that is a list": ({"__metadata__": {"tapenet": "[]"}},),
    "no tables": (described(),),
    "leaves that are no tables": (described({"a": 3}, {}),),
    "another version": (described({}, {}, 99),),
    "a leaf without a tensor": (described({"a": {"array": "b"}}, {}),),
    "a leaf of a list": (described({"a": {"array": ["b"]}}, {}),),
    "a leaf that is itself": (described({"a": {"same": "a"}}, {}),),
    "leaves that go round": (described({"a": {"same": "b"}, "b": {"same": "a"}}, {}),),
    "a leaf that is like a list": (described({"a": {"same": ["b"]}}, {}),),
    "a leaf of no kind": (described({"a": {}}, {}),),
    "a leaf of an unknown kind": (described({"a": {"pickle": "cos\nsystem\n"}}, {}),),
    "an int that is none": (described({"a": {"int": "x"}}, {}),),
    "a float that is none": (described({"a": {"float": 3}}, {}),),
    "a bool that is none": (described({"a": {"bool": "yes"}}, {}),),
    "a complex number of one part": (described({"a": {"complex": ["0x1p0"]}}, {}),),
    "an object dtype": (described({"a": {"array": "t", "dtype": "|O"}}, {}, t=entry(0, 8)), b"0" * 8),
    "a dtype that is no text": (described({"a": {"array": "t", "dtype": [["a", "O"]]}}, {}, t=entry(0, 8)), b"0" * 8),
    "a dtype that does not fit": (described({"a": {"array": "t", "dtype": "<c16"}}, {}, t=entry(0, 8)), b"0" * 8),
    "complex of three": (described({"a": {"array": "t", "dtype": "<c8"}}, {}, t=entry(0, 12, (3,))), b"0" * 12),
    "axes that are none": (described({"a": {"array": "t", "axes": [0, 0]}}, {}, t=entry(0, 8, (2, 1))), b"0" * 8),
    "axes of truth values": (
        described({"a": {"array": "t", "axes": [True, False]}}, {}, t=entry(0, 8, (2, 1))),
        b"0" * 8,
    ),
    "axes that are not whole": (described({"a": {"array": "t", "axes": [0.0]}}, {}, t=entry(0, 8)), b"0" * 8),
    "axes of one that is not there": (described({"a": {"array": "t", "axes": [1]}}, {}, t=entry(0, 8)), b"0" * 8),
    "a generator of nothing": (described({"a": {"generator": {}}}, {}),),
    "a generator of another kind": (
        described({"a": {"generator": {"state": {"bit_generator": "seed"}, "seed": {}}}}, {}),
    ),
    "a generator with a huge pool": (
        described(
            {
                "a": {
                    "generator": {
                        "state": {"bit_generator": "PCG64"},
                        "seed": {"entropy": 1, "spawn_key": [], "pool_size": 10**12, "n_children_spawned": 0},
                    }
                }
            },
            {},
        ),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_lies_gives_one_clear_error_and_no_large_allocation(name: str, path: Path) -> None:
    if name == "empty file":
        path.write_bytes(b"")
    else:
        write(path, *HOSTILE[name])
    for options in ({}, {"mmap": True}, {"like": {"a": np.ones(2, np.float32)}}):
        tracemalloc.start()
        try:
            with pytest.raises((FileFormatError, ArgumentError), match=r"^load: ") as caught:
                tn.load(path, **options)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 20_000_000
        assert isinstance(caught.value, FileFormatError) or "like" in options
        assert len(str(caught.value)) < 1000


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_a_file_with_changed_bytes_loads_or_gives_the_error(path: Path, data: st.DataObject) -> None:
    tn.save(
        path, {"a": np.arange(4.0), "b": (np.random.default_rng(0), 1 + 2j, "x"), "c": np.ones((2, 1), np.complex64)}
    )
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content))
    with contextlib.suppress(FileFormatError):  # anything else is a failure
        tn.load(path)


# ---- replacing ----


def test_a_link_and_the_modes_of_the_old_file_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    tn.save(real, [1])
    real.chmod(0o640)
    link.symlink_to(real)
    tn.save(link, [2])
    assert link.is_symlink()
    assert tn.load(real) == {"0": 2}
    assert real.stat().st_mode & 0o777 == 0o640


def test_an_error_while_writing_leaves_the_old_file_alone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tn.save(path, [1])
    write = os.write

    def full(handle: int, data: Any) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, data[:50])

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            tn.save(path, [2])
    assert tn.load(path) == {"0": 1}
    assert os.listdir(path.parent) == [path.name]


WRITER = """
import sys
import numpy as np
import tapenet as tn
step = 0
while True:
    step += 1
    tn.save(sys.argv[1], {"step": step, "x": np.full(200_000, step), "y": np.full(100_000, float(step))})
    if step == 1:
        print("ready", flush=True)
"""


def test_whenever_the_writer_is_killed_the_file_is_whole(path: Path) -> None:
    for attempt in range(8):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.02 + 0.013 * attempt)
            process.send_signal(signal.SIGKILL)
        found = tn.load(path)
        assert np.all(found["x"] == found["step"])
        assert np.all(found["y"] == found["step"])
    tn.save(path, [1])
    assert os.listdir(path.parent) == [path.name]  # what the killed writers left is gone


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="a system without pipes in the file system")
def test_devices_and_pipes_are_not_replaced(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(tn.errors.FileError, match="save: path must be that of a regular file; got the device or pipe"):
        tn.save(path, {"x": np.ones(3)})
    assert path.is_fifo()


# ---- descriptions that are changed anywhere ----

ODD: list[Any] = [None, 0, -1, 2**63, 1e308, True, "", "F64", "same", [], [0, 2**62], [[1]], {}, {"same": "x"}, 0.5]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, child in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(child, (*path, key))


def changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(copy[path[0]], path[1:], new)
    return copy


@given(st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_a_file_with_odd_values_anywhere_loads_or_gives_the_error(path: Path, data: st.DataObject) -> None:
    x = np.asfortranarray(np.ones((2, 3)))
    tree = {"a": x, "b": (np.random.default_rng(0), 1 + 2j, x), "c": np.ones(2, ">c8"), "d": tn.nn.BatchNorm(2)}
    tn.save(path, tree)
    content = path.read_bytes()
    length = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:length])
    description = json.loads(header["__metadata__"]["tapenet"])
    odd = data.draw(st.sampled_from(ODD))
    if data.draw(st.booleans()):
        description = changed(description, data.draw(st.sampled_from([*places(description)])), odd)
        header["__metadata__"]["tapenet"] = json.dumps(description)
    else:
        header = changed(header, data.draw(st.sampled_from([*places(header)])), odd)
    write(path, header, content[length:])
    for options in ({}, {"mmap": True}, {"like": tree}, {"like": tree, "strict": False}):
        with contextlib.suppress(FileFormatError, ArgumentError):  # anything else is a failure
            tn.load(path, **options)
