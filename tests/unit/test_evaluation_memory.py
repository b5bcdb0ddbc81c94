"""Memory of tables and figures: that of a few recordings, however many there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from birdnet_deploy.evaluation.jobs import Job, Meaning
from birdnet_deploy.evaluation.journal import create_journal
from birdnet_deploy.evaluation.records import Head, encode
from birdnet_deploy.model.config import ModelConfig

ROOT = Path(__file__).resolve().parents[2]
CLASSES = 100

# A process of its own: its peak is of these tables and figures alone.
FINISH = """
import sys
from pathlib import Path
from birdnet_deploy.evaluation.archive import Archive
from birdnet_deploy.evaluation.finish import SummaryRequest, finish, truth_of
from birdnet_deploy.evaluation.intervals import Bootstrap
from birdnet_deploy.evaluation.journal import open_journal
from birdnet_deploy.support.progress import Silent

folder = Path(sys.argv[1])
asked = SummaryRequest(bootstrap=Bootstrap(8))
with open_journal(folder / "journal.bin") as journal:
    truth = truth_of(Archive(folder, ()), journal.header, asked)
    finish(folder, ((journal, place) for place, _ in list(journal.records())), journal.header, truth, asked, Silent())
status = Path("/proc/self/status").read_text()
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


def peak_mib(folder: Path, recordings: int) -> float:
    """Gives the peak memory of the tables and figures of recordings of one window, all labelled."""
    folder.mkdir()
    config = ModelConfig(8000, 1, "hybrid", 64)
    labels = [f"Species {number:02}" for number in range(CLASSES)]
    job = Job(("int8",), config.to_json(), 4000, Meaning(CLASSES, 0.1, 0, "sigmoid", "none", ""))
    header = {"job": job.to_json(), "labels": labels, "kernels": {"int8": "none"}, "fingerprint": {"lock": ""}}
    outputs = np.random.default_rng(1).integers(-128, 128, (recordings, 1, CLASSES), np.int8)
    with create_journal(folder / "journal.bin", header) as journal:
        for number, values in enumerate(outputs):
            head = Head(f"{labels[number % 10]}/{number:06}.wav", "0" * 64, "ok", "", 1, 1, 8000, 1, 8000, 1)
            journal.append(encode(head, [values]))
    told = subprocess.run(
        [sys.executable, "-c", FINISH, str(folder)], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout  # fmt: skip
    return int(told) / 1024


def test_tables_and_figures_take_the_memory_of_few_recordings(tmp_path: Path) -> None:
    few, many = peak_mib(tmp_path / "few", 3000), peak_mib(tmp_path / "many", 15_000)
    assert many - few < 12, f"{few:.0f} MiB became {many:.0f}"
