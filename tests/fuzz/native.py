"""The C that reads what others send, under ASan and UBSan: with libFuzzer where clang is, else with seeded changes."""

from __future__ import annotations

import functools
import os
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from birdnet_deploy.support.resources import firmware_dir
from tests.fuzz.driver import Failure, Outcome
from tests.support.frontend_builds import hybrid, mel, rendered

HERE = Path(__file__).parent / "c"
_SANITIZE = "address,undefined,float-cast-overflow"
_FLAGS = ("-std=gnu11", "-g", "-O1", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Werror")
_ENV = {"ASAN_OPTIONS": "abort_on_error=1:detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
_SLACK_S = 60.0


@dataclass(frozen=True)
class Harness:
    """One harness: ``sources`` are files of ``firmware_stub``; ``ci`` is how many inputs CI tries."""

    name: str
    sources: tuple[str, ...]
    ci: int
    frontend: str = ""

    @property
    def corpus(self) -> str:
        """The folder of its cases in tests/corpus."""
        return f"c_{self.name}"


HARNESSES = (
    Harness("wav", ("core/wav.c",), 8_000),
    Harness("command", ("core/command.c", "core/crc32.c"), 8_000),
    Harness("ring", ("core/ring.c",), 8_000),
    Harness("record", ("core/record.c", "core/json.c", "core/text.c", "core/crc32.c"), 8_000),
    Harness("upload", ("app/upload.c", "core/command.c", "core/crc32.c"), 8_000),
    Harness("frontend_hybrid", (), 600, "hybrid"),
    Harness("frontend_pcen", (), 600, "pcen"),
    Harness("frontend_mfcc", (), 600, "mfcc"),
)
_SIZES = {"sample_rate": 8000, "seconds": 0.25, "width": 16}
_CONFIGS = {
    "hybrid": lambda: hybrid(256, compression="log", **_SIZES),
    "pcen": lambda: mel("librosa", scale="pcen", num_mels=16, fft_length=256, **_SIZES),
    "mfcc": lambda: mel("mfcc", num_mels=16, n_mfcc=8, fft_length=256, **_SIZES),
}


@functools.cache
def has_libfuzzer() -> bool:
    """Says whether clang and its libFuzzer are here (Debian packs the latter apart: libclang-rt-14-dev)."""
    if shutil.which("clang") is None:
        return False
    harness = "int LLVMFuzzerTestOneInput(const char *data, unsigned long size) { return !data && size > 4096; }"
    command = ["clang", f"-fsanitize=fuzzer,{_SANITIZE}", "-xc", "-", "-o", "/dev/null"]
    return subprocess.run(command, input=harness, text=True, capture_output=True, check=False).returncode == 0


def compiled(harness: Harness, folder: Path, *, libfuzzer: bool) -> Path:
    """Gives the program of a harness: with libFuzzer's main, or with that of ``seeded.c``."""
    program = folder / f"{harness.name}{'_libfuzzer' if libfuzzer else ''}"
    stub = firmware_dir()
    main = [] if libfuzzer else [str(HERE / "seeded.c")]
    stem = "frontend" if harness.frontend else harness.name
    arguments = [f"-I{HERE}", f"-I{stub}/core", f"-I{stub}/port", f"-I{stub}/app", str(HERE / f"fuzz_{stem}.c"), *main]
    arguments += [str(stub / name) for name in harness.sources]
    if harness.frontend:
        arguments += rendered(_CONFIGS[harness.frontend](), folder / f"{harness.name}_sources")
        arguments = [name for name in arguments if not name.endswith("frontend_host.c")]
    sanitize = f"-fsanitize={'fuzzer,' if libfuzzer else ''}{_SANITIZE}"
    compiler = "clang" if libfuzzer else "cc"
    command = [compiler, *_FLAGS, sanitize, "-fno-sanitize-recover=all", *arguments, "-lm", "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def run_harness(
    harness: Harness,
    folder: Path,
    corpus: Path,
    *,
    inputs: int | None = None,
    seconds: float | None = None,
    seed: int = 1,
) -> Outcome:
    """Gives what a run found: ``inputs`` with the seeded driver, else ``seconds`` with libFuzzer."""
    libfuzzer = seconds is not None and has_libfuzzer()
    program = compiled(harness, folder, libfuzzer=libfuzzer)
    seeds = _seed_folder(harness, folder, corpus)
    cases = folder / f"{harness.name}_cases"
    cases.mkdir(exist_ok=True)
    if libfuzzer:
        grown = folder / f"{harness.name}_grown"
        grown.mkdir(exist_ok=True)
        command = [
            str(program), f"-max_total_time={seconds:.0f}", f"-seed={seed}", "-max_len=4096", "-rss_limit_mb=1024",
            "-timeout=10", "-print_final_stats=1", f"-artifact_prefix={cases}/", str(grown), str(seeds),
        ]  # fmt: skip
    else:
        count = inputs if inputs is not None else 2**31
        command = [str(program), str(count), str(seed), str(cases), *map(str, sorted(seeds.iterdir()))]
    limit = (seconds or 0) + _SLACK_S
    try:
        done = subprocess.run(command, capture_output=True, timeout=limit, env={**os.environ, **_ENV}, check=False)
    except subprocess.TimeoutExpired:
        if seconds is not None and not libfuzzer:
            return Outcome(harness.corpus, 0, ())
        return Outcome(harness.corpus, 0, (Failure("a hang", _case(cases)),))
    text = (done.stdout + done.stderr).decode("utf-8", "replace")
    found = re.search(r"tried (\d+)|number_of_executed_units: (\d+)", text)
    tried = int(found[1] or found[2]) if found else 0
    failures = () if done.returncode == 0 else (Failure(text[-3000:], _case(cases)),)
    return Outcome(harness.corpus, tried, failures)


def replay(harness: Harness, folder: Path, cases: list[Path]) -> str:
    """Gives "" where a harness takes all cases, else what the first sanitizer said."""
    program = compiled(harness, folder, libfuzzer=False)
    command = [str(program), "0", "1", str(folder), *map(str, cases)]
    done = subprocess.run(command, capture_output=True, timeout=60, env={**os.environ, **_ENV}, check=False)
    return "" if done.returncode == 0 else done.stderr.decode("utf-8", "replace")[-3000:]


def _case(cases: Path) -> bytes:
    files = [path for path in cases.iterdir() if path.is_file()]
    return max(files, key=lambda path: path.stat().st_mtime_ns).read_bytes() if files else b""


def _seed_folder(harness: Harness, folder: Path, corpus: Path) -> Path:
    seeds = folder / f"{harness.name}_seeds"
    seeds.mkdir(exist_ok=True)
    for number, data in enumerate(_seeds(harness)):
        (seeds / f"{number:03d}").write_bytes(data)
    if (corpus / harness.corpus).is_dir():
        for path in sorted((corpus / harness.corpus).iterdir()):
            shutil.copyfile(path, seeds / f"case_{path.name}")
    return seeds


def _seeds(harness: Harness) -> list[bytes]:
    if harness.name == "wav":
        sound = bytes(range(64)) * 4
        plain = struct.pack("<HHIIHH", 1, 1, 22050, 44100, 2, 16)
        extensible = struct.pack("<HHIIHHHHIH", 0xFFFE, 1, 22050, 44100, 2, 16, 22, 16, 4, 1) + b"\0" * 14
        info = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
        files = [
            _riff(b"fmt ", plain, b"", sound), _riff(b"fmt ", extensible, info, sound),
            _riff(b"fmt ", plain, info * 3, b""),
        ]  # fmt: skip
        return [
            bytes([reads, 0, 0, 0, 7, claimed]) + file for file in files for reads in (3, 200) for claimed in (0, 99)
        ]
    if harness.name == "command":
        texts = (
            b'{"t":"ping","n":1}',
            b'{"t":"window","kind":"pcm","off":0,"data":"00ff","crc":"01234567","win":4294967295}',
            b'{ "a" : 1 , "b":"" }', b"{}", b'{"a":01}', b"@BN1 0 2 00000000 {}\n",
        )  # fmt: skip
        return [bytes([mode]) + text for text in texts for mode in (0, 1)]
    if harness.frontend:
        tone = struct.pack("<16h", *(round(32767 * ((i % 8) / 4 - 1)) for i in range(16)))
        extremes = struct.pack("<4h", -32768, 32767, -32768, -32768)
        return [b"\0" + tone, b"\0" + extremes, b"\x0f" + extremes, b"\0" + b"\0" * 8, b"\0" + b"\0\0\xc0\x7f" * 4]
    return [bytes(range(256)), b"\x01\x09abcdefgh" * 8, b"\0" * 64]


def _riff(name: bytes, fmt: bytes, more: bytes, sound: bytes) -> bytes:
    body = b"WAVE" + name + struct.pack("<I", len(fmt)) + fmt + more + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(body)) + body
