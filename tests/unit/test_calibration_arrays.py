"""Windows given as arrays instead of recordings (F12)."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.calibration.collect import collect_windows
from birdnet_deploy.errors import CalibrationError
from birdnet_deploy.model.config import ModelConfig

CONFIG = ModelConfig(8000, 1.0, "hybrid", 32, fft_length=256)
PCM = np.random.default_rng(0).integers(-3000, 3000, (5, 8000)).astype(np.int16)


@pytest.mark.parametrize("name", ["windows.npz", "windows.npy", "WINDOWS.NPZ"])
def test_int16_windows_calibrate(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        if name.lower().endswith("z"):
            np.savez(file, pcm=PCM, sample_rate=8000, labels=np.arange(5))
        else:
            np.save(file, PCM)
    collected = collect_windows(path, CONFIG)
    assert np.array_equal(collected.calibration.pcm, PCM)
    assert [(ref.file, ref.start) for ref in collected.calibration.refs] == [(name, 8000 * i) for i in range(5)]
    assert len(collected.evaluation) == 0 and collected.warnings
    loudest = np.argsort(-PCM.astype(float).var(axis=1))[[0, 2]]
    assert np.array_equal(collect_windows(path, CONFIG, max_windows=2).calibration.pcm, PCM[sorted(loudest)])


def test_constant_rows_are_skipped_and_one_file_can_evaluate_another(tmp_path: Path) -> None:
    silent = PCM.copy()
    silent[[0, 3]] = 7
    np.savez(tmp_path / "a.npz", pcm=silent)
    np.savez_compressed(tmp_path / "b.npz", pcm=PCM[:2])
    collected = collect_windows(tmp_path / "a.npz", CONFIG, evaluation=tmp_path / "b.npz")
    assert np.array_equal(collected.calibration.pcm, PCM[[1, 2, 4]])
    assert np.array_equal(collected.evaluation.pcm, PCM[:2])
    assert collected.manifest["counts"]["silent_windows"] == 2


@pytest.mark.parametrize(
    ("arrays", "found"),
    [
        ({"pcm": PCM[:, :7999]}, r"found int16 \[5, 7999\]"),
        ({"pcm": PCM.astype(np.float32)}, r"found float32 \[5, 8000\]"),
        ({"pcm": PCM.ravel()}, r"found int16 \[40000\]"),
        ({"pcm": PCM, "sample_rate": np.array(22050)}, r"found sample_rate \[22050\]"),
        ({"features": np.zeros((2, 129, 32, 1), dtype=np.float32)}, r"found features\.npy"),
        ({"pcm": np.empty((0, 8000), dtype=np.int16)}, "nothing to calibrate on"),
        ({"pcm": np.full((2, 8000), 3, dtype=np.int16)}, "nothing to calibrate on"),
    ],
)
def test_other_arrays_are_refused_with_expected_and_found(tmp_path: Path, arrays: dict, found: str) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(CalibrationError, match=found) as caught:
        collect_windows(tmp_path / "a.npz", CONFIG)
    assert caught.value.exit_code == 3
    if "nothing" not in found:
        assert "expected pcm int16 [n, 8000] at 8000 Hz" in caught.value.line


def test_a_huge_or_broken_array_is_refused_without_being_read(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i2", "fortran_order": False, "shape": (10**9, 8000)})
    contents = {
        "huge.npy": header.getvalue(),
        "cut.npy": header.getvalue().replace(b"1000000000", b"3         "),
        "junk.npy": b"\x93NUMPY\x01\x00\xff\xffjunk",
        "junk.npz": b"PK\x03\x04junk",
        "empty.npz": b"",
    }
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CalibrationError):
            collect_windows(tmp_path / name, CONFIG)


def test_pickles_are_never_loaded(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", pcm=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CalibrationError, match="found object"):
        collect_windows(tmp_path / "a.npz", CONFIG)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        rate = io.BytesIO()
        np.save(rate, np.array([print], dtype=object))
        archive.writestr("sample_rate.npy", rate.getvalue())
        archive.writestr("pcm.npy", b"")
    with pytest.raises(CalibrationError, match="not a readable array"):
        collect_windows(tmp_path / "b.npz", CONFIG)
