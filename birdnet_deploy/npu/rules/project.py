"""BD3xx: a rendered project and the bundle in it, and what a bundle of two models needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from birdnet_deploy.artifacts import CONFIG_FILE, LOCK_FILE, NPU_MODEL_FILE, PROJECT_FILE, PROLOGUE_FILE
from birdnet_deploy.model.config import FRONTENDS
from birdnet_deploy.npu.contract import is_foreign_frontend
from birdnet_deploy.npu.data import source
from birdnet_deploy.npu.rendered import CONFIG_HEADER, ELF, Rendered
from birdnet_deploy.npu.rules.rule import Hit, Rules
from birdnet_deploy.npu.subject import Subject
from birdnet_deploy.support.hashes import sha256_file

_RULES = Rules("graph", "contract")
_AGAIN = "run generate and build again"
_PROJECT = ("graph", "contract", "project")


@_RULES.add(
    "BD309", "frontend-without-c-twin", "error", limit=", ".join(FRONTENDS), source=source("contract"),
    fix="train with one of the frontends that the firmware computes",
    bad='"audio_frontend": "wavelet"', good='"audio_frontend": "hybrid"',
)  # fmt: skip
def frontend_without_c_twin(subject: Subject) -> Iterator[Hit]:
    """The config's frontend is one that the firmware computes in C.

    The firmware fills the model's input itself; nothing stands in for a frontend that it does not have.
    """
    contract = subject.contract
    if contract is not None and is_foreign_frontend(contract.raw_config):
        yield Hit(contract.config_name, f"the firmware has no frontend {contract.raw_config['audio_frontend']!r}")


@_RULES.add(
    "BD310", "built-from-different-locks", "error", source=source("contract"), fix=_AGAIN, needs=_PROJECT,
    bad="convert again, then run the ELF of before", good="convert, generate, build, run",
)  # fmt: skip
def built_from_different_locks(subject: Subject) -> Iterator[Hit]:
    """Headers, weights, description and ELF of a project belong to the lock and the model of its bundle.

    Firmware that was built from another lock runs other weights, or reads other labels, than the host expects.
    """
    rendered = subject.rendered
    if rendered is None or subject.contract is None:
        return
    folder = subject.contract.folder
    lock = _digest(folder / LOCK_FILE)
    held = {
        "model": (subject.fed.sha256, subject.model.sha256),
        "lock": (lock or None,),
        "npu": (None if subject.whole is None else subject.model.sha256,),
        "prologue": (_digest(folder / PROLOGUE_FILE) or None,),
    }
    for name, told in _identities(rendered):
        wrong = [kind for kind in held if told.get(kind) and held[kind][0] and told[kind] not in held[kind]]
        if wrong:
            text = " and ".join(f"{kind} {told[kind][:12]}" for kind in wrong)
            yield Hit(name, f"is of {text}, but {folder.name} holds {str(held[wrong[0]][0])[:12]}")
    if rendered.elf and lock and lock.encode() not in rendered.elf:
        yield Hit(ELF.as_posix(), f"does not name the lock {lock[:12]} of the bundle: built from another")


def _digest(path: Path) -> str:
    try:
        return sha256_file(path) if path.is_file() else ""
    except OSError:  # BD308 tells it
        return ""


def _identities(rendered: Rendered) -> Iterator[tuple[str, dict[str, str]]]:
    """Yields which model and lock each part of a project names."""
    yield PROJECT_FILE, {kind: str(rendered.description.get(kind) or "") for kind in ("model", "lock")}
    defines = rendered.defines
    told = {kind: defines.get(f"APP_{kind.upper()}_SHA256", "") for kind in ("model", "lock", "npu", "prologue")}
    banner = dict(rendered.banners.get(CONFIG_HEADER, {}))
    yield CONFIG_HEADER, {kind: told[kind] or banner.get(kind, "") for kind in told}
    for name, found in rendered.banners.items():
        if name != CONFIG_HEADER:
            yield name, dict(found)


@_RULES.add(
    "BD311", "firmware-config-differs", "error", source=source("contract"), fix=_AGAIN, needs=_PROJECT,
    bad="#define APP_SAMPLE_RATE 16000 beside a config of 22050 Hz", good="app_config.h as generate wrote it",
)  # fmt: skip
def firmware_config_differs(subject: Subject) -> Iterator[Hit]:
    """app_config.h says what config, labels and model of the project's bundle say.

    An edited rate, window or class count makes features that the model was not trained on, or reads past the outputs.
    """
    rendered, contract = subject.rendered, subject.contract
    if rendered is None or contract is None or contract.config is None or not rendered.defines:
        return
    config, model = contract.config, subject.model
    wanted: dict[str, object] = {
        "APP_SAMPLE_RATE": config.sample_rate,
        "APP_WINDOW": config.window_samples,
        "APP_INPUT_SIZE": math.prod(model.tensors[model.inputs[0]].shape),
        "APP_CLASSES": math.prod(model.tensors[model.outputs[0]].shape),
        "APP_ACTIVATION": config.output_activation,
    }
    output = model.tensors[model.outputs[0]].quantization
    if output is not None and len(output.scales) == 1:
        wanted["APP_OUTPUT_ZERO_POINT"] = output.zero_points[0]
    for name, value in wanted.items():
        if name in rendered.defines and rendered.defines[name] != str(value):
            text = f"{name} is {rendered.defines[name]!r}, the bundle says {str(value)!r}"
            yield Hit(f"{CONFIG_HEADER} {name}", text)


@_RULES.add(
    "BD312", "prologue-incomplete", "error", source=source("contract"), needs=("graph", "lock"),
    fix="run convert again", bad=f"a bundle with {NPU_MODEL_FILE} and no {PROLOGUE_FILE}",
    good=f"a bundle with both {NPU_MODEL_FILE} and {PROLOGUE_FILE}, or with neither",
)  # fmt: skip
def prologue_incomplete(subject: Subject) -> Iterator[Hit]:
    """A bundle whose first layers run outside of the network has both the layers and the rest.

    Without the prologue nobody computes what the rest takes; without the rest the prologue feeds nobody.
    """
    assert subject.contract is not None  # rules of this module run on bundles only
    folder = subject.contract.folder
    there = {name: (folder / name).is_file() for name in (NPU_MODEL_FILE, PROLOGUE_FILE)}
    if len(set(there.values())) > 1:
        missing = next(name for name, found in there.items() if not found)
        yield Hit(folder.name or CONFIG_FILE, f"{missing} is not there, but its other half is")


RULES = tuple(_RULES.all)
