"""What is checked: a model, and what lies with it in a bundle, project, published folder or ST output folder.

Only an unreadable model stops a check. Everything else that is wrong is kept here as it is, for rules to report
all at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from birdnet_deploy.artifacts import BUNDLE_FOLDER, LOCK_FILE, MODEL_FILE, NPU_MODEL_FILE
from birdnet_deploy.errors import ModelError, UsageError
from birdnet_deploy.model.published import find_keras, find_tflite, refuse_unconverted
from birdnet_deploy.npu.contract import Contract, bundle_contract, published_contract
from birdnet_deploy.npu.data import Target
from birdnet_deploy.npu.evidence import Evidence, read_evidence
from birdnet_deploy.npu.graph import Graph
from birdnet_deploy.npu.rendered import Rendered, is_project, read_rendered
from birdnet_deploy.npu.roles import roles
from birdnet_deploy.tflite.head import head_activation
from birdnet_deploy.tflite.reader import TfliteModel, read_model

if TYPE_CHECKING:
    from birdnet_deploy.npu.stedgeai import StedgeaiRun

_RUN_FOLDERS = (".", "stedgeai", "st_ai_output", "network_output")
_RUN_FILES = ("_c_info.json", "_generate_report.txt", "_analyze_report.txt", "_validate_report.txt")
_NO_MODEL = TfliteModel("", 0, (), (), (), ())
_FIX = "name a bundle, a project, a .tflite, a .keras or a folder of stedgeai's output"


@dataclass(frozen=True)
class Subject:
    """One model to check for one target.

    ``kind`` is tflite, bundle, project, published, keras or stedgeai. ``model`` is what runs; where a prologue computes
    the first layers, ``whole`` is the model of which it is a part. A ``.keras`` has the graph that conversion gives,
    without quantization; a folder of stedgeai's output has an empty one.
    """

    path: Path
    model: TfliteModel
    target: Target
    contract: Contract | None = None
    kind: str = "tflite"
    whole: TfliteModel | None = None
    evidence: Evidence | None = None
    rendered: Rendered | None = None
    run: StedgeaiRun | None = None

    @cached_property
    def parts(self) -> frozenset[str]:
        """What there is to look at: graph, int8, contract, lock, evidence, project, run, versions."""
        there = {
            "graph": bool(self.model.inputs), "int8": bool(self.model.inputs) and self.kind != "keras",
            "contract": self.contract is not None, "lock": self.contract is not None and self.contract.locked,
            "evidence": self.evidence is not None, "project": self.rendered is not None, "run": self.run is not None,
            "versions": self.rendered is not None or self.run is not None,
        }  # fmt: skip
        return frozenset(part for part, is_there in there.items() if is_there)

    @property
    def fed(self) -> TfliteModel:
        """The model that takes the features of the config's frontend."""
        return self.whole or self.model

    @cached_property
    def graph(self) -> Graph:
        """The model's connections."""
        return Graph(self.model)

    @cached_property
    def roles(self) -> Mapping[int, str]:
        """The role of every convolution and dense layer by operator index."""
        return roles(self.graph)


def open_subject(path: Path, target: Target) -> Subject:
    """Gives what lies at ``path``: a ``.tflite``, ``.keras``, bundle folder, rendered project, folder of the published
    layout, or output of stedgeai.

    Raises: UsageError (exit 2) where there is nothing of the kind; ModelError (exit 3) where the model is
    unreadable.
    """
    if path.is_file():
        return _open_file(path, target)
    if not path.is_dir():
        raise UsageError("no such file or folder", where=path, fix=_FIX)
    if is_project(path) or (path / BUNDLE_FOLDER / MODEL_FILE).is_file():
        subject = _open_bundle(path / BUNDLE_FOLDER, target)
        return replace(subject, path=path, kind="project", rendered=read_rendered(path), run=_run_in(path))
    if (path / MODEL_FILE).is_file() or (path / LOCK_FILE).is_file():
        return replace(_open_bundle(path, target), run=_run_in(path))
    if is_run(path):
        return _open_run(path, target)
    published = find_tflite(path)
    if published is not None:
        read = read_model(published)
        contract = published_contract(published, head_activation(read))
        return Subject(published, read, target, contract, kind="published")
    found = find_keras(path)
    if found.is_file():
        return _open_file(found, target)
    raise UsageError(f"no bundle: {MODEL_FILE} is not there", where=path, fix="birdnet-deploy validate BUNDLE")


def _open_file(path: Path, target: Target) -> Subject:
    if path.suffix == ".keras":
        from birdnet_deploy.npu.keras_graph import open_keras

        model, head = open_keras(path)
        return Subject(path, model, target, published_contract(path, head), kind="keras")
    refuse_unconverted(path)
    if path.name.endswith(_RUN_FILES):
        return _open_run(path, target)
    return Subject(path, read_model(path), target)


def _open_bundle(folder: Path, target: Target) -> Subject:
    model = folder / MODEL_FILE
    if not model.is_file():
        raise ModelError(f"the bundle has no {MODEL_FILE}", where=folder, fix="run convert again")
    contract = bundle_contract(folder)
    read, whole = read_model(model), None
    if (folder / NPU_MODEL_FILE).is_file():
        read, whole = read_model(folder / NPU_MODEL_FILE), read
    evidence = read_evidence(folder, contract.lock)
    return Subject(model, read, target, contract, kind="bundle", whole=whole, evidence=evidence)


def is_run(folder: Path) -> bool:
    """Says whether a folder holds a report of stedgeai."""
    try:
        return folder.is_dir() and any(path.name.endswith(_RUN_FILES) for path in folder.iterdir())
    except OSError:  # not ours to read
        return False


def _open_run(path: Path, target: Target) -> Subject:
    from birdnet_deploy.npu.stedgeai import read_stedgeai

    return Subject(path, _NO_MODEL, target, kind="stedgeai", run=read_stedgeai(path))


def _run_in(folder: Path) -> StedgeaiRun | None:
    """Gives what stedgeai wrote into a bundle or project."""
    place = next((folder / name for name in _RUN_FOLDERS if is_run(folder / name)), None)
    if place is None:
        return None
    from birdnet_deploy.npu.stedgeai import read_stedgeai

    return read_stedgeai(place)
