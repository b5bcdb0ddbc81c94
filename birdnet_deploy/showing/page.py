"""The page of a report: one HTML file that needs nothing else, rendered of the facts and the worst windows' sound."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from birdnet_deploy.showing.figures import fidelity, resources
from birdnet_deploy.showing.figures.style import Picture
from birdnet_deploy.showing.figures.windows import Heard, wav_of, window_pictures
from birdnet_deploy.showing.limits import OPEN, REFUSE, RELEASE
from birdnet_deploy.showing.tables import all_tables
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.templating import render_html

Facts = Mapping[str, Any]
SECTIONS = (
    ("verdict", "Verdict"), ("fidelity", "Float against int8"), ("windows", "Worst windows"), ("layers", "Layers"),
    ("prologue", "Prologue"), ("rules", "Rules"), ("memory", "Memory"), ("speed", "Speed"), ("device", "Device"),
    ("model", "Model"),
)  # fmt: skip
_PICTURES = (
    fidelity.scatter, fidelity.differences, fidelity.layers, fidelity.frontier, resources.regions,
    resources.memory_plan, resources.work, resources.device,
)  # fmt: skip
_VERDICTS = {
    RELEASE: ("release", "✔", "Release", "Every check passed:"),
    REFUSE: ("refuse", "✘", "Do not release", "What speaks against it:"),
    OPEN: ("open", "?", "Not yet: something was not shown", "Nothing failed, but this is not shown:"),
}  # fmt: skip
_SEVERITIES = {"error": ("is-bad", "✘"), "warning": ("is-open", "!"), "info": ("is-good", "i")}


def render_page(facts: Facts, heard: Heard | None = None, *, audio: bool = False) -> str:
    """Gives the page as HTML; ``heard`` are the worst windows, whose sound it plays where ``audio`` says so.

    The facts are in it once more as JSON. The same facts and sound give the same bytes.
    """
    pictures = [draw(facts) for draw in _PICTURES]
    windows = window_pictures(facts, heard)
    kind, icon, says, because = _VERDICTS[facts["verdict"]["status"]]
    if kind == "release" and facts["verdict"]["scope"]:
        says = f"{says}, as far as an emulated board shows"
    context = {
        "facts": facts,
        "model_name": ((facts["model"] or {}).get("source") or {}).get("name") or facts["name"],
        "facts_json": Markup(inert(facts)),
        "verdict": {"kind": kind, "icon": icon, "says": says, "because": because},
        "sections": [{"id": name, "title": title} for name, title in SECTIONS],
        "cards": _cards(facts),
        "tables": all_tables(facts),
        "pictures": {found.name: _shown(found) for found in pictures if found is not None},
        "windows": [
            _shown(
                found, wav_of(heard.pcm[number], facts["model"]["config"]["sample_rate"]) if audio and heard else b""
            )
            for number, found in enumerate(windows)
        ],
        "audio_note": "The sound of these windows is in this file: pass it on only where the recordings may be."
        if audio
        else "Without their sound: recordings may be private. --embed-audio puts players here.",
        "rules": _rules(facts["validation"]),
        "card_list": _card_list(facts),
        "card_details": _card_details(facts["model"]),
    }
    return render_html("report/page.html.j2", context)


def inert(facts: Facts) -> str:
    """Gives the facts as JSON that cannot end its element."""
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _shown(found: Picture, wav: bytes = b"") -> dict[str, Any]:
    light, dark = (base64.b64encode(image).decode("ascii") for image in found.png)
    return {
        "name": found.name, "title": found.title, "alt": found.alt, "svg": Markup(found.svg), "light": light,
        "dark": dark, "wav": base64.b64encode(wav).decode("ascii"),
    }  # fmt: skip


def _cards(facts: Facts) -> list[dict[str, Any]]:
    """Gives the answers that a reader looks for first."""
    verdict = facts["verdict"]
    worst, layer, slow, limit = (
        verdict[key] for key in ("worst_window", "costliest_layer", "slowest_layer", "nearest_limit")
    )
    nothing: tuple[str, list[str]] = ("not measured", [])
    told = [
        ("limit", "Nearest limit", nothing if limit is None else (
            limit["name"],
            [f"{limit['value']}, allowed {limit['limit']} ({limit['why']})",
             f"{100 * limit['used']:.0f} % of what is allowed is taken" if limit["holds"]
             else f"exceeded: {limit['used']:.1f} times what is allowed"],
        )),
        ("window", "Worst window", nothing if worst is None else (
            f"cosine {worst['cosine']:.4f}",
            [f"{worst['file']} at {worst['start_s']:.2f} s", *_confusion(facts["detail"])],
        )),
        ("layer", "Costliest layer (accuracy)", nothing if layer is None else (
            layer["name"],
            [f"alone in int8 it leaves {layer['alone_db']:.1f} dB of signal to noise ({layer['operator']})",
             *([layer["fix"]] if layer["fix"] else [])],
        )),
        ("slow", "Costliest layer (time)", nothing if slow is None else (
            slow["name"],
            [f"{slow['macs'] / 1e6:.2f} M MAC ({slow['operator']})",
             "" if slow["time_share"] is None
             else f"{100 * slow['time_share']:.0f} % of the time, estimated for the {slow['target']}"],
        )),
    ]  # fmt: skip
    return [
        {"id": name, "title": title, "fact": fact, "lines": [line for line in lines if line]}
        for name, title, (fact, lines) in told
    ]


def _confusion(detail: Facts | None) -> list[str]:
    """Gives what both models hear in the worst window."""
    if not detail or not detail["worst_windows"]:
        return []
    window = detail["worst_windows"][0]
    wanted, got = window["float"][0], window["int8"][0]
    same = "; int8 too" if wanted["label"] == got["label"] else f"; int8 hears {got['label']}"
    return [f"float hears {wanted['label']} ({wanted['score']:.2f}){same} ({got['score']:.2f})"]


def _rules(validation: Facts) -> list[dict[str, Any]]:
    """Gives the rules that found something, with what they found, worst first."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    known = {rule["id"]: rule for rule in validation["rules"]}
    for finding in validation["findings"]:
        css, icon = _SEVERITIES[finding["severity"]]
        rule = known.get(finding["rule"], {"name": "", "summary": "", "why": "", "limit": "", "source": ""})
        entry = found.setdefault(
            (finding["rule"], finding["severity"]),
            {**rule, "id": finding["rule"], "severity": finding["severity"], "css": css, "icon": icon, "findings": []},
        )
        entry["findings"].append(finding)
    return list(found.values())


def _card_list(facts: Facts) -> list[tuple[str, str, bool]]:
    model = facts["model"]
    if model is None:
        return []
    network, prologue, calibration = model["network"], model["prologue"], model["calibration"]
    source = model["source"] or {}
    rows: list[tuple[str, Any, bool]] = [
        ("trained model", source.get("name"), False),
        ("its SHA-256", source.get("sha256"), True),
        ("int8 model, SHA-256", model["model_sha256"], True),
        ("lock, SHA-256", model["lock_sha256"], True),
        ("size", None if network["bytes"] is None else f"{network['bytes']:,} bytes", False),
        ("operators", ", ".join(f"{count} {name}" for name, count in sorted(model["operators"].items())), False),
        ("work", None if network["macs"] is None else f"{network['macs'] / 1e6:.2f} M MAC in int8", False),
        ("prologue", None if prologue is None else f"{prologue['cut']}, {prologue['macs'] / 1e6:.2f} M MAC", False),
        ("input", _port(network["input"]), False),
        ("output", _port(network["output"]), False),
        ("head", f"{network['head']}, then {network['output_activation']}" if network["head"] else None, False),
        ("classes", str(len(model["labels"])), False),
        ("calibration", None if calibration is None else f"{calibration['windows']} windows of "
         f"{'SYNTHETIC sound' if calibration['synthetic'] else str(calibration['files']) + ' files'}", False),
        ("licence", "that of the trained model; the bundle says nothing of it", False),
        ("made by", ", ".join(f"{name} {version}" for name, version in sorted(model["versions"].items())), False),
    ]  # fmt: skip
    return [(name, str(text), mono) for name, text, mono in rows if text]


def _port(port: Facts | None) -> str | None:
    if not port:
        return None
    shape = " x ".join(str(size) for size in port["shape"])
    return f"{shape}, scale {port['scale']:.6g}, zero point {port['zero_point']}"


def _card_details(model: Facts | None) -> list[tuple[str, Sequence[tuple[str, str]]]]:
    if model is None:
        return []
    parts = (("Config", model["config"]), ("Options of convert", model["options"]), ("Files, SHA-256", model["files"]))
    return [(title, [(name, _plain(value)) for name, value in sorted(part.items())]) for title, part in parts if part]


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else jsonfile.dumps(value).strip()
