"""Children end, whatever they do, and leave nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from birdnet_deploy.errors import LabelsError, ModelError
from birdnet_deploy.support.process import is_alive, run_child, run_worker, scratch_folder

GRANDCHILD = (
    "import subprocess, sys, time\n"
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "open(sys.argv[1], 'w').write(str(child.pid))\n"
    "time.sleep(60)\n"
)


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def gone(pid: int) -> bool:
    """Waits a little for a process to be gone (or a zombie that nobody waits for)."""
    for _ in range(100):
        if not is_alive(pid) or "State:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.05)
    return False


def test_gives_code_and_log(tmp_path: Path) -> None:
    result = run_child(
        python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(5)"),
        log=tmp_path / "log", timeout_s=20,
    )  # fmt: skip
    assert (result.returncode, result.signal_name, result.timed_out) == (5, None, False)
    assert sorted((tmp_path / "log").read_text().split()) == ["err", "out"]


def test_names_the_signal(tmp_path: Path) -> None:
    code = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"
    assert run_child(python(code), log=tmp_path / "log", timeout_s=20).signal_name == "SIGSEGV"


def test_a_hang_ends_with_all_its_children(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    result = run_child(python(GRANDCHILD, str(pid_file)), log=tmp_path / "log", timeout_s=1)
    assert result.timed_out
    assert gone(int(pid_file.read_text()))


def test_an_interrupt_ends_the_children_too(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"

    def interrupt() -> None:
        if pid_file.exists() and pid_file.read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_child(python(GRANDCHILD, str(pid_file)), log=tmp_path / "log", timeout_s=20, on_tick=interrupt)
    assert gone(int(pid_file.read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of the death of their parent")
def test_the_child_of_a_parent_that_is_killed_ends(tmp_path: Path) -> None:
    child = f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = (
        "import sys; from pathlib import Path; from birdnet_deploy.support.process import run_child\n"
        f"run_child([sys.executable, '-c', {child!r}], log=Path({str(tmp_path / 'log')!r}), timeout_s=60)"
    )
    parent = subprocess.Popen(python(code))
    for _ in range(200):
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text():
            break
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    assert gone(int((tmp_path / "pid").read_text()))


def test_scratch_folders_vanish_and_those_of_dead_runs_are_swept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    dead = subprocess.Popen(python("pass"))
    dead.wait()
    leftover, other = tmp_path / f"birdnet-deploy-{dead.pid}-x", tmp_path / f"birdnet-deploy-{os.getppid()}-x"
    for folder in (leftover, other):
        folder.mkdir()
        (folder / "big.npy").write_bytes(b"x")
    with scratch_folder() as folder:
        assert folder.parent == tmp_path
        assert not leftover.exists() and other.exists()
        (folder / "file").write_text("x")
    assert not folder.exists()


WORKER = """
import sys, time
from pathlib import Path
from birdnet_deploy.errors import LabelsError
from birdnet_deploy.support.process import reporting, worker_limits
folder = Path(sys.argv[1])
worker_limits(memory_bytes=1 << 30, cpu_s=2, file_bytes=1 << 20)
with reporting(folder):
    {body}
"""


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A job folder."""
    folder = tmp_path / "job"
    folder.mkdir()
    return folder


def run(job: Path, body: str, monkeypatch: pytest.MonkeyPatch, timeout_s: float = 20) -> None:
    """Runs ``body`` as a worker."""
    (job.parent / "made_worker.py").write_text(WORKER.format(body=body))
    monkeypatch.setenv("PYTHONPATH", str(job.parent))
    run_worker("made_worker", job, name="the worker", where="m.keras", timeout_s=timeout_s)


def test_a_reported_error_comes_through_whole(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LabelsError) as caught:
        run(job, "raise LabelsError('two\\nlines', where='x.txt', fix='mend it')", monkeypatch)
    assert caught.value.line == "x.txt: two\\nlines -> mend it"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGBUS)", r"the worker crashed \(SIGBUS\)"),
        ("raise RuntimeError('boom')", r"the worker failed \(RuntimeError: boom\)"),
        ("bytearray(2 << 30)", r"the worker failed \(MemoryError\)"),
        ("open(folder / 'f', 'wb').write(bytes(2 << 20))", "the worker (crashed|failed)"),
        ("while True: pass", "the worker was still busy"),
    ],
)
def test_workers_are_limited_and_their_ends_told(
    job: Path, monkeypatch: pytest.MonkeyPatch, body: str, text: str
) -> None:
    with pytest.raises(ModelError, match=f"m.keras: {text}"):
        run(job, body, monkeypatch)


def test_a_sleeping_worker_is_stopped_in_time(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="still busy after 1 s"):
        run(job, "time.sleep(60)", monkeypatch, timeout_s=1)


def test_a_folder_of_the_user_cannot_stand_in_for_a_module(
    job: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path / "here")
    run(job, "(folder / 'done').touch()", monkeypatch)
    assert (job / "done").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child's life to its parent's")
def test_a_worker_dies_with_its_parent(tmp_path: Path) -> None:
    """Killed without a chance to clean up, as by the out-of-memory killer."""
    pid_file = tmp_path / "pid"
    worker = (
        "import os, sys, time\n"
        "from birdnet_deploy.support.process import worker_limits\n"
        "worker_limits(memory_bytes=1 << 34, cpu_s=99, file_bytes=1 << 20)\n"
        "open(sys.argv[1], 'w').write(str(os.getpid()))\n"
        "time.sleep(60)\n"
    )
    parent = (
        "import os, subprocess, sys, time\n"
        "subprocess.Popen([sys.executable, '-c', sys.argv[1], sys.argv[2]], start_new_session=True)\n"
        "while not (os.path.exists(sys.argv[2]) and os.path.getsize(sys.argv[2])): time.sleep(0.02)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    subprocess.run(python(parent, worker, str(pid_file)), check=False, timeout=30)
    assert gone(int(pid_file.read_text()))
