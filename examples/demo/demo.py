"""Takes the trained demo model through the commands that a user types, to the predictions of the firmware.

    python examples/demo/demo.py .demo

Each command is echoed as it can be typed. Needs ``.demo/songs`` (songs.py) and ``.demo/model`` (train.py).
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NAME = "demo"
TARGET = "qemu-an547"


def commands(work: Path) -> list[list[str]]:
    """Gives the commands from the ``.keras`` to the predictions of an emulated Cortex-M55, in order."""
    model, bundle, project = work / "model" / f"{NAME}.keras", work / "bundle", work / "firmware"
    predictions = work / "predictions.jsonl"
    return [
        ["convert", str(model), "--calibration", str(work / "songs/calibration"), "-o", str(bundle)],
        ["validate", str(bundle)],
        ["generate", str(bundle), "--target", TARGET, "-o", str(project)],
        ["build", str(project)],
        ["run", str(project), "--audio", str(work / "songs/test"), "--save", str(predictions)],
    ]


def typed(command: Sequence[str]) -> int:
    """Echoes and runs one ``birdnet-deploy`` command and gives its exit code."""
    print(f"\n$ birdnet-deploy {shlex.join(command)}", flush=True)
    return subprocess.run([sys.executable, "-m", "birdnet_deploy", *command], check=False).returncode


def top1(windows: Sequence[Mapping[str, Any]], labels: Sequence[str]) -> float:
    """Gives the part (0 to 1) of the windows whose highest score is the label that their folder is named after.

    ``windows`` are lines of ``run --save``.
    """
    best = [labels[max(range(len(labels)), key=window["scores"].__getitem__)] for window in windows]
    right = [label == window["file"].split("/")[0] for label, window in zip(best, windows, strict=True)]
    return sum(right) / len(right)


def summary(work: Path) -> str:
    """Gives how often the float model and the firmware were right, on the same held-out windows."""
    lines = (work / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    windows = [json.loads(line) for line in lines]
    labels = (work / "bundle/labels.txt").read_text(encoding="utf-8").splitlines()
    training = json.loads((work / f"model/{NAME}_training.json").read_text(encoding="utf-8"))
    return (
        f"top-1 of {len(windows)} windows: {training['top1']:.3f} float Keras, "
        f"{top1(windows, labels):.3f} int8 on the emulated Cortex-M55"
    )


def main() -> int:
    """Runs all commands; stops at the first that fails, with its exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("work", type=Path, help="the demo's folder, with songs/ and model/")
    work = parser.parse_args().work
    for command in commands(work):
        code = typed(command)
        if code:
            return code
    print(summary(work))
    return 0


if __name__ == "__main__":
    sys.exit(main())
