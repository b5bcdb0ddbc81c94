"""What evaluating an archive costs, as ratios in one run: beside the plain way, by workers, by number of files.

    python -m benchmarks.evaluate [MODEL] [--plain FLOAT_IO.tflite] [--files 100 10000] [--json OUT]

MODEL is a bundle or an int8 .tflite; the default is the anchor of ../shared. The plain way is one process with librosa
features and the float-I/O .tflite. Decoding is left out where windows a second are compared, and is in everything else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.convert.measure import Cost, cost_of
from benchmarks.evaluate.archives import make_archive
from benchmarks.evaluate.ways import ways_of, windows_per_second
from birdnet_deploy.audio.reading import find_recordings, read_pcm16
from birdnet_deploy.audio.windows import window_at
from birdnet_deploy.evaluation.pool import Pool
from birdnet_deploy.evaluation.prepare import Prepared, Wanted, prepared
from birdnet_deploy.model.beside import ModelHints
from birdnet_deploy.support.progress import Silent

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared/models"
STEM = MODELS / "birdnet_stm32n6_100"
AIM = 3.0  # times the plain way
TEN_S_FILES = 400
MILLION = 1_000_000
FORTY = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints what was measured; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluate", description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="a bundle or an int8 .tflite; else the anchor")
    parser.add_argument("--plain", type=Path, default=Path(f"{STEM}.tflite"), help="a float-I/O .tflite of the network")
    parser.add_argument("--files", type=int, nargs="+", default=[100, 2000, 10_000], help="sizes of archives")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args(arguments)
    anchor = asked.model is None
    model = MODELS / "anchor_int8.tflite" if anchor else asked.model
    stem = ["--labels", f"{STEM}_labels.txt", "--config", f"{STEM}_model_config.json"] if anchor else []
    hints = ModelHints(Path(stem[1]), Path(stem[3])) if anchor else ModelHints()
    with tempfile.TemporaryDirectory(prefix="evaluate-") as name:
        folder = Path(name)
        with prepared(Wanted(model, hints=hints), folder / "prepared", Silent()) as ready:
            found: dict[str, Any] = {"cores": os.cpu_count(), "load_before": round(os.getloadavg()[0], 1)}
            found["ways"] = measure_ways(asked.plain if asked.plain.is_file() else None, ready, folder)
            found["workers"] = measure_workers(ready, folder)
            found["files"] = measure_files(model, stem, ready, folder, asked.files)
    found["paper"] = on_paper(found)
    for line in lines(found):
        print(line)
    if asked.json is not None:
        asked.json.write_text(json.dumps(found, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return 0


def measure_ways(plain: Path | None, ready: Prepared, folder: Path) -> dict[str, float]:
    """Gives windows a second of one core, decoding left out."""
    config = ready.config
    root = make_archive(folder / "windows", 64, config.chunk_duration, config.sample_rate, ready.labels[:1])
    sounds = [read_pcm16(path, config.sample_rate) for path in find_recordings(root)]
    windows = [window_at(pcm, 0, config.window_samples) for pcm in sounds]
    return windows_per_second(ways_of(plain, ready.job), windows)


def measure_workers(ready: Prepared, folder: Path) -> dict[str, Any]:
    """Gives files a second of ten-second recordings with one and with two workers, everything in."""
    root = make_archive(folder / "ten", TEN_S_FILES, 10.0, ready.config.sample_rate, ready.labels[:4])
    names = [path.relative_to(root).as_posix() for path in find_recordings(root)]
    told: dict[str, Any] = {"windows_a_file": len(ready.job.starts(10 * ready.config.sample_rate))}
    for workers in (1, 2):
        (few_s, few_cpu_s), (wall_s, cpu_s) = (_pool_cost(ready, root, part, workers) for part in (names[:40], names))
        files = len(names) - 40  # what a start costs is in both
        told[f"files_a_second_{workers}"] = files / (wall_s - few_s)
        told[f"cpu_ms_a_file_{workers}"] = 1000 * (cpu_s - few_cpu_s) / files
    told["speed_up"] = told["files_a_second_2"] / told["files_a_second_1"]
    return told


def _pool_cost(ready: Prepared, root: Path, names: Sequence[str], workers: int) -> tuple[float, float]:
    """Gives wall and processor seconds of evaluating some recordings, all workers started and ended."""
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    with Pool(ready.job, root, workers=workers, timeout_s=60.0) as pool:
        for _ in pool.run(names):
            pass
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.monotonic() - begin, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure_files(
    model: Path, options: list[str], ready: Prepared, folder: Path, sizes: Sequence[int]
) -> list[dict[str, Any]]:  # fmt: skip
    """Gives time and memory of the command for archives of several sizes, and of ``--resume`` with nothing to do."""
    rows = []
    for files in sizes:
        seconds = ready.config.chunk_duration
        root = make_archive(folder / f"n{files}", files, seconds, ready.config.sample_rate, ready.labels[:10])
        command = [
            sys.executable, "-m", "birdnet_deploy", "evaluate", str(model), str(root), *options,
            "-o", str(folder / f"out{files}"), "--workers", "2",
        ]  # fmt: skip
        whole, again = _cost(command), _cost([*command, "--resume"])
        rows.append({
            "files": files, "wall_s": whole.wall_s, "cpu_s": whole.cpu_s, "peak_mb": whole.peak_bytes / 1e6,
            "resume_wall_s": again.wall_s, "resume_share": again.wall_s / whole.wall_s,
            "resume_peak_mb": again.peak_bytes / 1e6,
        })  # fmt: skip
    return rows


def _cost(command: list[str]) -> Cost:
    return cost_of(command, env={**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"})


def on_paper(found: dict[str, Any]) -> dict[str, float]:
    """Gives the hours of a million ten-second files, from this run's processor time a file, on all cores of a
    machine and of forty.

    Tables and figures are written by one process: their time by file is that of a resumed run, its start taken off.
    """
    cpu_s, rows = found["workers"]["cpu_ms_a_file_2"] / 1000 * MILLION, found["files"]
    small, large = rows[0], rows[-1]
    apart = max(1, large["files"] - small["files"])
    table_s = max(0.0, large["resume_wall_s"] - small["resume_wall_s"]) / apart * MILLION
    work_s = cpu_s / found["cores"]
    return {
        "core_hours": cpu_s / 3600,
        "tables_hours": table_s / 3600,
        "one_machine_hours": (work_s + table_s) / 3600,
        "forty_machines_hours": (work_s / FORTY + table_s) / 3600,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Gives what was measured as text."""
    ways, workers, paper = found["ways"], found["workers"], found["paper"]
    told = [f"{found['cores']} cores, load {found['load_before']} before", "", "windows/s/core, decoding left out"]
    for name, rate in ways.items():
        ratio = f"  {rate / ways['plain']:.2f} x plain (aim {AIM:g})" if "plain" in ways and name != "plain" else ""
        told.append(f"  {name:26} {rate:8.1f}{ratio}")
    told += [
        "",
        f"ten-second files ({workers['windows_a_file']} windows), reading and decoding in",
        f"  one worker   {workers['files_a_second_1']:8.1f} files/s, {workers['cpu_ms_a_file_1']:.1f} ms CPU a file",
        f"  two workers  {workers['files_a_second_2']:8.1f} files/s, {workers['cpu_ms_a_file_2']:.1f} ms CPU a file, "
        f"{workers['speed_up']:.2f} x",
        "",
        "files of one window, two workers      wall s   peak MB   --resume, all done: wall s  of the whole  peak MB",
    ]
    for row in found["files"]:
        told.append(
            f"  {row['files']:>7,} {'':26} {row['wall_s']:8.1f}  {row['peak_mb']:8.0f}   {row['resume_wall_s']:27.1f}"
            f"  {100 * row['resume_share']:10.1f} %  {row['resume_peak_mb']:7.0f}"
        )
    return [
        *told,
        "",
        "on paper, 1,000,000 ten-second files",
        f"  {paper['core_hours']:.1f} core-hours of reading, decoding, int8; {paper['tables_hours']:.2f} h of tables "
        "and figures in one process",
        f"  this machine {paper['one_machine_hours']:.1f} h, forty like it {paper['forty_machines_hours']:.2f} h",
    ]


if __name__ == "__main__":
    sys.exit(main())
