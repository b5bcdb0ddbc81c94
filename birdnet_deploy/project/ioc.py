"""An X-CUBE-AI section for a user's CubeMX project: merged into the file that is there, never a whole one of our own.

The keys are those of X-CUBE-AI 10.1 in a public ``.ioc``. Nothing else of the file changes and lines keep their order;
what it holds for X-CUBE-AI already stays but for these keys. Not tried in CubeMX.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import UsageError
from birdnet_deploy.support.inputs import read_input

PACK = "STMicroelectronics.X-CUBE-AI"
VERSION = "10.1.0"  # of a project that names no other
_FIRST = "#MicroXplorer Configuration settings"
_FIX = "name the .ioc of a CubeMX project for an STM32N6"
_MAX_BYTES = 16 << 20
_KEY = re.compile(rf"^({re.escape(PACK)}\.([0-9]+\.[0-9]+\.[0-9]+)(?:_\w+)?)\.", re.MULTILINE)


def merged_ioc(path: Path, context: Mapping[str, Any]) -> str:
    """Gives the text of ``path`` with the section for this model; ``context`` is that of the templates.

    Raises: UsageError (exit 2) for a file that is no CubeMX project, or one for another chip.
    """
    try:
        text = read_input(path, _MAX_BYTES).decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot be read ({type(error).__name__})", where=path, fix=_FIX) from error
    lines = text.splitlines()
    if not lines or not lines[0].startswith(_FIRST):
        raise UsageError("not a CubeMX project", where=path, fix=_FIX)
    keys = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    if not keys.get("Mcu.Family", "").startswith("STM32N6"):
        raise UsageError(f"is for {keys.get('Mcu.Family', 'no family')}, not STM32N6", where=path, fix=_FIX)
    prefix = _prefix(text, keys)
    section = {f"{prefix}.{key}": value for key, value in _section(context).items()}
    listed = keys.get(f"{prefix}.IPParameters", "").split(",")
    names = dict.fromkeys([*filter(None, listed), *(key.removeprefix(f"{prefix}.") for key in section)])
    section[f"{prefix}.IPParameters"] = ",".join(names)
    if not any(key.startswith(f"{prefix}.") for key in keys):
        section |= _third_party(keys, prefix)
    ending = "\r\n" if "\r\n" in text else "\n"
    kept = [_replaced(line, section) for line in lines]
    return ending.join([*kept, *(f"{key}={section[key]}" for key in sorted(section.keys() - keys.keys())), ""])


def _replaced(line: str, section: Mapping[str, str]) -> str:
    key = line.split("=", 1)[0]
    return f"{key}={section[key]}" if key in section and "=" in line else line


def _third_party(keys: Mapping[str, str], prefix: str) -> dict[str, str]:
    """Gives the entries that name the pack among those of the project, which has none of it yet."""
    count = keys.get("Mcu.ThirdPartyNb", "0")
    number = int(count) if count.isdigit() else 0
    name = f"Mcu.ThirdParty{number}"
    entries = {name: prefix.removesuffix("_Appli"), "Mcu.ThirdPartyNb": str(number + 1)}
    if prefix.endswith("_Appli"):
        entries |= {f"{name}_ContextShortName": "Appli", f"{name}_Instance": prefix}
    return entries


def _prefix(text: str, keys: Mapping[str, str]) -> str:
    """Gives the name of the section: the one that is there, else the pack for the application's context."""
    found = _KEY.search(text)
    if found:
        return found[1]
    return f"{PACK}.{VERSION}" + ("_Appli" if any(key.startswith("Appli.") for key in keys) else "")


def _section(context: Mapping[str, Any]) -> dict[str, str]:
    """Gives what CubeMX needs to know of the model; the rest is what X-CUBE-AI finds out by analyzing it."""
    model = f"model-{str(context['npu_sha256'] or context['model_sha256'])[:32]}"
    return {
        "ModelHashList": model,
        "ModelNameList": "network",
        f"ModelName-{model}": "network",
        f"ModelKind-{model}": "TFLITE",
        f"ModelStructureFile-{model}": str(context["tflite"]),
        f"ModelType-{model}": "STM32Cube.AI Neural-ART\\u2122 runtime",
        f"NeuralARTProfile-{model}": "default@neuralart/user_neuralart_2.json",
        f"copyWeightToRam-{model}": "false",
    }
