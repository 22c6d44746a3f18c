"""Machine code for this processor from LLVM's intermediate representation, compiled by llvmlite and kept on disk."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import platform
from collections.abc import Callable
from typing import Any

import attrs

from tapenet.core.version import __version__
from tapenet.kernels import code_cache
from tapenet.kernels.forks import compiling

_LEVEL = 2
_QUICK = 1  # of code without passes: it schedules instructions once rather than twice

# Code is written in vectors, and loops as they are to run. All of LLVM's passes take 2 to 5 times as long, and the code
# is not faster.
PASSES = "always_inliner sroa instruction_combine simplify_cfg"


@attrs.frozen
class Processor:
    """What code is compiled for.

    Attributes:
        name: LLVM's name of the processor.
        features: LLVM's list of its instruction sets.
        vector_size: bytes of its widest vectors; 0 if it has no vectors with fused multiply-add that we make use of.
    """

    name: str
    features: str
    vector_size: int


@functools.cache
def processor() -> Processor:
    """Return the processor that this process runs on."""
    with compiling:
        llvm = _llvm()
        features = llvm.get_host_cpu_features()
        return Processor(llvm.get_host_cpu_name(), features.flatten(), _vector_size(features))


def _vector_size(features: Any) -> int:
    if platform.machine().lower() not in ("x86_64", "amd64") or not features.get("fma"):
        return 0
    # The others of the family have 512 bits for some operations, or none.
    has_wide = all(features.get(name) for name in ("avx512f", "avx512vl", "avx512dq", "avx512bw"))
    return 64 if has_wide else 32 if features.get("avx2") else 0


@attrs.frozen(eq=False)
class Library:
    """Compiled functions. Their code is freed with this object.

    Attributes:
        engine: llvmlite's, which owns the code.
    """

    engine: Any

    def address(self, name: str) -> int:
        """Return the address of a function."""
        with compiling:
            return int(self.engine.get_function_address(name))


def compile_module(make: Callable[[], str], *depends: str, passes: str = PASSES) -> Library:
    """Compile a module for this processor, or load what was compiled of it before.

    Args:
        make: returns LLVM's intermediate representation; called where nothing is on disk.
        depends: texts that say what `make` returns, such as `source_of` the module that it is in and its arguments.
        passes: LLVM's over the representation, by name. Code that is written as it is to run, without calls of
            functions to be written out and without variables in memory, needs none: it is then compiled in two thirds
            of the time, and is as fast.
    """
    with compiling:
        llvm, target = _llvm(), processor()
        key = code_cache.key_of(
            *depends,
            passes,
            _CODE_MODEL,
            target.name,
            target.features,
            __version__,
            llvm_version(),
            llvm.get_process_triple(),
        )
        machine = _target_machine(_LEVEL if passes else _QUICK)
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        code = code_cache.read(key)
        if code is None:
            code = _emit(make(), machine, passes)
            code_cache.write(key, code)
        engine.add_object_file(llvm.object_file.ObjectFileRef.from_data(code))
        engine.finalize_object()
    return Library(engine)


def source_of(*modules: str) -> str:
    """Return the source of modules that generate code, which are not imported for that."""
    specs = [importlib.util.find_spec(name) for name in modules]
    return "\0".join(spec.loader.get_source(spec.name) for spec in specs)  # type: ignore[union-attr]  # files of ours


def _emit(text: str, machine: Any, passes: str) -> bytes:
    """Return the object file of a module."""
    llvm = _llvm()
    module = llvm.parse_assembly(text)
    module.verify()
    if passes:
        _run_passes(module, text, machine, passes)
    return bytes(machine.emit_object(module))


def _run_passes(module: Any, text: str, machine: Any, passes: str) -> None:
    llvm = _llvm()
    builder = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(speed_level=_LEVEL))
    manager = llvm.create_new_module_pass_manager()
    for name in passes.split():
        if name != "instruction_combine" or len(text) <= _LONGEST_COMBINED:
            getattr(manager, f"add_{name}_pass")()
    manager.run(module, builder)


def _target_machine(level: int) -> Any:
    llvm, target = _llvm(), processor()
    # Sections are mapped one by one. Where much is mapped already they may lie more than 2 GiB apart, and addresses of
    # 32 bits, those of the small code model, would end the process when the code is loaded.
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=target.name, features=target.features, opt=level, reloc="static", codemodel=_CODE_MODEL, jit=True
    )


# Length of a text beyond which instructions are not combined: the time for that grows with the square of the length
# where a kernel has many conditions.
_LONGEST_COMBINED = 2**16
_CODE_MODEL = "large"


@functools.cache
def _llvm() -> Any:
    llvm = importlib.import_module("llvmlite.binding")
    importlib.import_module("llvmlite.binding.object_file")
    with compiling:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
    return llvm


@functools.cache
def llvm_version() -> str:
    """Return the versions of llvmlite and of its LLVM."""
    return f"{importlib.import_module('llvmlite').__version__} {_llvm().llvm_version_info}"
