"""Archives as they are: every odd recording gets its status, costs itself only, and is fatal only with ``--strict``."""

from __future__ import annotations

import csv
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from birdnet_deploy.errors import AudioError, OutputRefused
from birdnet_deploy.evaluation.evaluate import EvaluateRequest, Evaluation, evaluate
from birdnet_deploy.evaluation.finish import SummaryRequest
from birdnet_deploy.evaluation.intervals import Bootstrap
from birdnet_deploy.evaluation.jobs import Job
from birdnet_deploy.evaluation.pool import Pool
from birdnet_deploy.evaluation.prepare import Wanted, prepared
from birdnet_deploy.evaluation.records import head_of
from birdnet_deploy.support.progress import Silent
from tests.support.archives import LABELS, hour_file, make_archive, make_odd_files
from tests.support.command import fail, succeed

# Stands for a decoder that crashes or hangs: put before the workers' modules by PYTHONPATH.
BROKEN_DECODER = """
import os, signal, time
import soundfile

class Broken(soundfile.SoundFile):
    def __init__(self, file, *arguments, **options):
        name = os.path.basename(os.fsdecode(file))
        if "crash" in name:
            os.kill(os.getpid(), signal.SIGSEGV)
        if "leave" in name:
            os._exit(3)
        if "once" in name and not os.path.exists(SEEN):
            open(SEEN, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        if "hang" in name:
            time.sleep(1000)
        super().__init__(file, *arguments, **options)

soundfile.SoundFile = Broken
"""


@pytest.fixture(scope="module")
def job(small_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """The job of the small bundle with int8."""
    with prepared(Wanted(small_bundle), tmp_path_factory.mktemp("prepared"), Silent()) as ready:
        yield ready.job


def run(bundle: Path, archive: Path, output: Path, **changes: object) -> Evaluation:
    summary = SummaryRequest(bootstrap=Bootstrap(20))
    request = EvaluateRequest(Wanted(bundle), archive, output, workers=2, summary=summary)
    return evaluate(replace(request, **changes))  # type: ignore[arg-type]


def files_of(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "files.csv").open(encoding="utf-8", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_odd_recordings_are_told_and_counted_and_the_others_evaluated(small_bundle: Path, tmp_path: Path) -> None:
    make_archive(tmp_path / "archive", 4)
    expected = make_odd_files(tmp_path / "archive/odd")
    (tmp_path / "archive/odd/loop").symlink_to("..")
    told = succeed("evaluate", small_bundle, tmp_path / "archive", "-o", tmp_path / "out")
    found = files_of(tmp_path / "out")
    shown = {name.removeprefix("odd/"): row["status"] for name, row in found.items() if name.startswith("odd/")}
    assert shown == {name.replace("\u202e", "\\u202e"): status for name, status in expected.items()}
    assert "(3 empty, 9 ok, 5 unreadable)" in told
    assert "unreadable: odd/a pipe.wav: is no regular file" in told
    assert "empty: odd/empty.wav: it is empty" in told
    assert "is cut short" in found["odd/cut short.wav"]["detail"]
    assert "holds nan at 0.000 s" in found["odd/not a number.wav"]["detail"]
    assert found["odd/a link to nothing.wav"]["detail"] == "cannot be read (No such file or directory)"
    assert str(tmp_path) not in (tmp_path / "out/files.csv").read_text(encoding="utf-8")
    one = found["odd/one sample.wav"]
    assert (one["windows"], float(one["seconds"])) == ("1", 1 / 8000)
    many = found["odd/six channels.flac"]
    assert (many["sample_rate"], many["channels"], many["windows"]) == ("16000", "6", "5")
    assert (found["odd/96 kHz.wav"]["sample_rate"], found["odd/96 kHz.wav"]["windows"]) == ("96000", "1")


def test_strict_ends_at_a_recording_without_results_and_the_rest_can_be_resumed(
    small_bundle: Path, tmp_path: Path
) -> None:
    archive = make_archive(tmp_path / "archive", 4)
    (archive / "broken.wav").write_text("no sound")
    line = fail(3, "evaluate", small_bundle, archive, "--strict", "-o", tmp_path / "out")
    assert "broken.wav: unreadable: cannot be decoded" in line
    assert not (tmp_path / "out/results.parquet").exists()
    with pytest.raises(AudioError, match="broken.wav"):
        run(small_bundle, archive, tmp_path / "out", resume=True, strict=True)
    done = run(small_bundle, archive, tmp_path / "out", resume=True)
    assert dict(done.statuses) == {"ok": 4, "unreadable": 1}


def test_what_crashes_or_hangs_a_worker_costs_itself(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path / "archive", 24)
    good = run(small_bundle, archive, tmp_path / "good")
    take = archive / LABELS[0] / "take 00000.wav"
    for name in ("00 hang.wav", "a crash.wav", "leave.wav", "zz crash.wav", "only once.wav"):
        shutil.copyfile(take, archive / LABELS[1] / name)
    (tmp_path / "sitecustomize.py").write_text(f"SEEN = {str(tmp_path / 'seen')!r}\n{BROKEN_DECODER}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = run(small_bundle, archive, tmp_path / "bad", timeout_s=1.5)
    assert dict(good.statuses) == {"ok": 24}
    assert dict(found.statuses) == {"crashed": 3, "ok": 25, "timeout": 1}
    rows, before = files_of(tmp_path / "bad"), files_of(tmp_path / "good")
    assert {name: row for name, row in rows.items() if name in before} == before
    told = {Path(name).name: (row["status"], row["detail"]) for name, row in rows.items() if name not in before}
    assert told == {
        "00 hang.wav": ("timeout", "nothing came for 1.5 s"),
        "a crash.wav": ("crashed", "ended its worker twice (SIGSEGV)"),
        "zz crash.wav": ("crashed", "ended its worker twice (SIGSEGV)"),
        "leave.wav": ("crashed", "ended its worker twice (exit 3)"),
        "only once.wav": ("ok", ""),
    }


def test_workers_that_cannot_start_end_the_run(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = make_archive(tmp_path / "archive", 2)
    (tmp_path / "sitecustomize.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(Exception, match=r"the worker ended before it began \(SIGABRT\)") as caught:
        run(small_bundle, archive, tmp_path / "out")
    assert caught.value.exit_code == 3


def peak_kib(pool: Pool) -> int:
    text = Path(f"/proc/{pool.processes[0]}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM"))


def test_memory_does_not_grow_with_the_length_of_a_recording(job: Job, tmp_path: Path) -> None:
    hour_file(tmp_path / "short.wav", seconds=3, rate=96000, channels=4)
    hour_file(tmp_path / "long.wav", seconds=240, rate=96000, channels=4)  # 184 MB, 1.4 GB as float64
    with Pool(job, tmp_path, workers=1, timeout_s=60) as pool:
        short = [head_of(record) for record in pool.run(["short.wav"])]
        before = peak_kib(pool)
        long = [head_of(record) for record in pool.run(["long.wav"])]
        grown = peak_kib(pool) - before
    assert [(head.windows, head.status) for head in (*short, *long)] == [(5, "ok"), (479, "ok")]
    assert grown < 24 * 1024


def test_a_full_disk_leaves_a_journal_that_can_be_resumed(
    small_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from birdnet_deploy.evaluation.journal import Journal

    archive = make_archive(tmp_path / "archive", 6)
    append, calls = Journal.append, 0

    def full(self: Journal, record: bytes) -> int:
        nonlocal calls
        calls += 1
        if calls == 4:
            self._file.write(b"BNJ1F")  # what a write leaves of which a part had room
            raise OutputRefused("cannot be written (No space left on device)", where=self.path)
        return append(self, record)

    monkeypatch.setattr(Journal, "append", full)
    with pytest.raises(OutputRefused, match="No space left"):
        run(small_bundle, archive, tmp_path / "out")
    monkeypatch.undo()
    done = run(small_bundle, archive, tmp_path / "out", resume=True)
    assert (done.evaluated, dict(done.statuses)) == (3, {"ok": 6})


def test_a_full_disk_under_a_copy_names_the_copy() -> None:
    script = "import sys; from birdnet_deploy.cli.main import _unexpected as told\n"
    script += "sys.exit(told(OSError(28, 'No space left on device', 'source.c', None, 'copy.c')))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == OutputRefused.exit_code
    assert done.stderr.startswith("error: copy.c: cannot be written (No space left on device)")
