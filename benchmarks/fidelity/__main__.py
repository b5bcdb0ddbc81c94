"""How much of what the float model heard survives int8: upstream's way, ours without and with a prologue.

    python -m benchmarks.fidelity [--model M.keras] [--audio FOLDER] [--folds 5 | --folds 0] [--json OUT]

Every recording is judged by models that were calibrated on others: the recordings are dealt to folds (``--folds 0``:
each is its own), each fold's windows, at half-window hop, are evaluated by models whose ranges, corrections and cut
come from the rest, and all windows are pooled. Upstream's way: the graph as traced, min/max, the scores inside, float
ends.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from birdnet_deploy.artifacts import SourceModel
from birdnet_deploy.audio.frontend import features_of_windows
from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.audio.windows import window_at, window_starts
from birdnet_deploy.errors import GatesNotMet
from birdnet_deploy.model.source import open_source
from birdnet_deploy.quantization.convert import QuantizedModel, quantize_model
from birdnet_deploy.quantization.folds import assign_folds
from birdnet_deploy.quantization.judge import run_int8
from birdnet_deploy.support.alike import CONFIDENT, cosines, sqnr_db, wilson
from birdnet_deploy.tflite.floats import run_float
from birdnet_deploy.tflite.scores import activate

SHARED = Path(__file__).resolve().parents[3] / "shared"
WAYS = {"upstream": "upstream's way", "none": "here, none", "auto": "here, auto"}


@dataclass(frozen=True)
class Windows:
    """All windows of a folder of recordings: the input features, and the recording of each."""

    features: Any
    files: Sequence[str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fidelity", description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=SHARED / "models" / "birdnet_stm32n6_100.keras")
    parser.add_argument("--audio", type=Path, default=SHARED / "audio")
    parser.add_argument("--folds", type=int, default=5, help="0: every recording is a fold of its own")
    parser.add_argument("--ways", default=",".join(WAYS), help="some of them, separated by commas")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    source = open_source(asked.model)
    windows = load(asked.audio, source)
    found = measure(source, windows, asked.folds or len(set(windows.files)), asked.ways.split(","))
    show(found)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def load(folder: Path, source: SourceModel) -> Windows:
    """Gives every window of the recordings of a folder that is not silent, at half-window hop."""
    config, pcm, files = source.config, [], []
    for path in find_recordings(folder):
        samples = read_pcm16(path, config.sample_rate)
        for start in window_starts(len(samples), config.window_samples, config.window_samples // 2):
            window = window_at(samples, start, config.window_samples)
            if window.max() > window.min():
                pcm.append(window)
                files.append(path.relative_to(folder).as_posix())
    return Windows(features_of_windows(np.stack(pcm), config), files)


def measure(source: SourceModel, windows: Windows, count: int, ways: Sequence[str]) -> dict[str, Any]:
    """Gives the figures of each way, pooled over ``count`` folds."""
    folds = assign_folds(windows.files, count)
    wanted: Any = None
    scores: dict[str, Any] = {}
    details: dict[str, list[str]] = {way: [] for way in ways}
    for fold in range(int(folds.max()) + 1):
        held, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        for way, quantized, detail in conversions(source, windows, rest, held, ways):
            outputs = run(quantized, windows.features[held], whole=way != "auto")
            if wanted is None:
                wanted = np.empty((len(windows.files), outputs.shape[1]))
            wanted[held] = activate(quantized.float_outputs, quantized.output_activation)
            scores.setdefault(way, np.empty_like(wanted))[held] = activate(outputs, quantized.output_activation)
            details[way].append(detail)
            now = figures(wanted[held], scores[way][held])
            sys.stderr.write(f"fold {fold}: {len(held)} windows, {way} ({detail}): {now['cosine_mean']}\n")
    return {
        "model": source.path.name, "windows": len(windows.files), "recordings": len(set(windows.files)),
        "folds": int(folds.max()) + 1,
        "ways": [{"way": WAYS[way], **figures(wanted, scores[way]), "folds": details[way]} for way in ways],
    }  # fmt: skip


def conversions(
    source: SourceModel, windows: Windows, rest: Any, held: Any, ways: Sequence[str]
) -> Iterator[tuple[str, QuantizedModel, str]]:
    """Gives each way, its model calibrated on the windows ``rest``, and what was cut; ``auto`` holds ``none`` too."""
    calibration, evaluation = windows.features[rest], windows.features[held]
    files = [windows.files[index] for index in rest]

    def convert(**options: Any) -> QuantizedModel:
        return quantize_model(source, calibration, evaluation, files=files, **options)

    if "upstream" in ways:
        yield "upstream", convert(simplify=False, ranges="minmax", io="float32", head="probabilities"), "as traced"
    if "auto" not in ways:
        if "none" in ways:
            yield "none", convert(), "none"
        return
    failed = ""
    try:
        quantized = convert(prologue="auto")
    except GatesNotMet as error:
        best = max(error.frontier, key=lambda point: float(point["cosine_mean"]))["name"]
        quantized, failed = convert(prologue=best), ", gates not met"
    if "none" in ways:
        yield "none", quantized, "none"
    yield "auto", quantized, ("none" if quantized.cut is None else quantized.cut.name) + failed


def run(quantized: QuantizedModel, features: Any, *, whole: bool) -> Any:
    """Gives real outputs: of the int8 model alone, or of the prologue and the network behind it."""
    if whole or quantized.prologue_tflite is None:
        return run_int8(quantized.tflite, features)
    return run_int8(quantized.network, run_float(quantized.prologue_tflite, features))


def figures(wanted: Any, got: Any) -> dict[str, Any]:
    """Gives cosines and agreements of scores, with counts and 95 % Wilson intervals."""
    alike, agrees, sure = (
        cosines(wanted, got),
        wanted.argmax(axis=1) == got.argmax(axis=1),
        wanted.max(axis=1) > CONFIDENT,
    )
    counts = {"top1": agrees, "confident_top1": agrees[sure]}
    return {
        "cosine_mean": round(float(alike.mean()), 4), "cosine_p5": round(float(np.percentile(alike, 5)), 4),
        "cosine_min": round(float(alike.min()), 4), "score_sqnr_db": sqnr_db(wanted, got, centred=True),
        "max_score_error": round(float(np.abs(wanted - got).max()), 3),
        **{
            name: {
                "agreed": int(hits.sum()), "of": len(hits),
                "interval": [round(end, 3) for end in wilson(int(hits.sum()), len(hits))],
            }
            for name, hits in counts.items()
        },
    }  # fmt: skip


def show(found: dict[str, Any]) -> None:
    """Prints the table."""
    head = f"{found['model']}: {found['windows']} windows of {found['recordings']} recordings, {found['folds']} folds"
    print(head)
    print("| way | cosine mean / p5 / min | top-1 | confident top-1 | max score error |")
    print("|---|---|---|---|---|")
    for way in found["ways"]:
        cosine = f"{way['cosine_mean']:.4f} / {way['cosine_p5']:.3f} / {way['cosine_min']:.3f}"
        shares = " | ".join(_share(way[name]) for name in ("top1", "confident_top1"))
        print(f"| {way['way']} | {cosine} | {shares} | {way['max_score_error']} |")


def _share(counted: dict[str, Any]) -> str:
    low, high = counted["interval"]
    return f"{counted['agreed']}/{counted['of']} = {counted['agreed'] / max(counted['of'], 1):.3f} ({low}-{high})"


if __name__ == "__main__":
    raise SystemExit(main())
