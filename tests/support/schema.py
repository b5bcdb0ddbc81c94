"""TFLite's own generated schema classes: the oracle of our reader, and the way tests edit a model."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import flatbuffers

SOURCES = {
    "tensorflow": ("tensorflow", "lite/python/schema_py_generated.py"),
    "ai-edge-litert": ("ai_edge_litert", "schema_py_generated.py"),
}


@lru_cache(maxsize=2)
def schema(source: str = "ai-edge-litert") -> ModuleType:
    """Gives the generated module of a package, without importing the package."""
    package, relative = SOURCES[source]
    spec = importlib.util.find_spec(package)
    assert spec is not None and spec.submodule_search_locations, f"{source} is not installed"
    path = Path(spec.submodule_search_locations[0]) / relative
    module_spec = importlib.util.spec_from_file_location(f"schema_of_{package}", path)
    assert module_spec is not None and module_spec.loader is not None, f"no {path} in {version(source)}"
    module = importlib.util.module_from_spec(module_spec)
    module_spec.loader.exec_module(module)
    return module


def unpack(data: bytes, source: str = "ai-edge-litert") -> Any:
    """Gives the object tree (ModelT) of a model's bytes."""
    module = schema(source)
    return module.ModelT.InitFromObj(module.Model.GetRootAs(data, 0))


def pack(model: Any) -> bytes:
    """Gives the bytes of an object tree."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def edited(data: bytes, edit: Callable[[Any], None]) -> bytes:
    """Gives a model's bytes after ``edit(ModelT)``."""
    model = unpack(data)
    edit(model)
    return pack(model)


def names_of(enum: type) -> dict[int, str]:
    """Gives the names of a generated enum class by value."""
    return {value: name for name, value in vars(enum).items() if not name.startswith("_")}


def snake(name: str) -> str:
    """Gives the schema's spelling of a generated attribute: ``dilationWFactor`` is ``dilation_w_factor``."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower()
