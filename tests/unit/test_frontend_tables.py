"""The rendered files of a frontend: what they hold, and what they leave out."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from birdnet_deploy.audio.frontend import features_of_pcm
from birdnet_deploy.audio.mel import dct_table, mel_bank
from birdnet_deploy.codegen.frontend_tables import frontend_files
from birdnet_deploy.errors import ConfigError, InternalError
from birdnet_deploy.model.config import FRONTENDS, INPUT_COMPRESSIONS, MAG_SCALES, ModelConfig
from birdnet_deploy.model.mel import slaney_mel_basis
from birdnet_deploy.support.c_literals import c_real_array
from tests.support.frontend_builds import INPUT_SCALE, INPUT_ZERO_POINT, hybrid, mel, mel_configs, name_of
from tests.support.sounds import hard_windows


def header_of(config: ModelConfig) -> str:
    return frontend_files(config, INPUT_SCALE, INPUT_ZERO_POINT)["frontend_config.h"]


def table(text: str, name: str) -> list[float]:
    """Gives the numbers of one rendered array."""
    body = re.search(rf"\b{name}\[[^=]*= {{\n(.*?)\n}};", text, re.DOTALL)
    assert body, name
    return [float(number.rstrip("f")) for number in body[1].replace(",", " ").split()]


@pytest.mark.parametrize("config", [hybrid(compression="sqrt", nyquist=False), *mel_configs()], ids=name_of)
def test_rendered_files_are_the_same_on_every_run_and_plain_text(config: ModelConfig) -> None:
    files = frontend_files(config, INPUT_SCALE, INPUT_ZERO_POINT)
    assert files == frontend_files(config, INPUT_SCALE, INPUT_ZERO_POINT)
    assert sorted(files) == ["frontend_config.h", "frontend_tables.c"]
    for text in files.values():
        assert text.isascii() and text.endswith("\n") and "\n\n\n" not in text


@pytest.mark.parametrize(
    ("config", "lines"),
    [
        (
            hybrid(512, compression="sqrt", nyquist=False),
            [
                "#define FRONTEND_HYBRID 1", "#define FRONTEND_COMPRESSION_SQRT 1", "#define FRONTEND_ROWS 256",
                "#define FRONTEND_FFT 512 /* samples in one frame */",
                "#define FRONTEND_HOP 250 /* samples between frames */",
                "#define FRONTEND_INPUT_SCALE 3.921569e-03f", "#define FRONTEND_INPUT_ZERO_POINT (-128)",
            ],
        ),
        (
            mel("librosa", scale="pcen", num_mels=48),
            [
                "#define FRONTEND_LIBROSA 1", "#define FRONTEND_MAG_SCALE_PCEN 1", "#define FRONTEND_FFT_DOUBLE 1",
                "#define FRONTEND_ROWS 48", "#define FRONTEND_MELS 48",
            ],
        ),
        (mel("mfcc"), ["#define FRONTEND_MFCC 1", "#define FRONTEND_ROWS 20", "#define FRONTEND_MELS 64"]),
    ],
    ids=["hybrid", "pcen", "mfcc"],
)  # fmt: skip
def test_the_header_says_what_the_config_says(config: ModelConfig, lines: list[str]) -> None:
    assert set(lines) <= set(header_of(config).splitlines())


def test_two_configs_share_their_c_exactly_where_numpy_gives_the_same_features() -> None:
    """All five frontends in all scalings and compressions: 60 configs, 12 of which differ."""
    bits_of = defaultdict(set)
    for frontend, scale, compression in itertools.product(FRONTENDS, MAG_SCALES, INPUT_COMPRESSIONS):
        config = mel(frontend, scale=scale, compression=compression, width=16)
        pcm = hard_windows(config.window_samples, config.sample_rate)["noise"]
        files = frontend_files(config, INPUT_SCALE, INPUT_ZERO_POINT)
        bits_of[tuple(files.values())].add(features_of_pcm(pcm, config).tobytes())
    assert all(len(bits) == 1 for bits in bits_of.values())
    assert len({bits for group in bits_of.values() for bits in group}) == len(bits_of) == 12


@pytest.mark.parametrize("rate", [16000, 22050, 24000, 44100, 48000])
def test_mel_tables_hold_the_filters_without_their_zeros(rate: int) -> None:
    config = mel("librosa", sample_rate=rate)
    text = frontend_files(config, INPUT_SCALE, INPUT_ZERO_POINT)["frontend_tables.c"]
    first, taps, weights = (table(text, name) for name in ("mel_first", "mel_taps", "mel_weights"))
    assert len(weights) == sum(taps) and min(weights) > 1e-9
    filters, position = np.zeros((64, 257), dtype=np.float32), 0
    for row, start, count in zip(filters, map(int, first), map(int, taps), strict=True):
        row[start : start + count] = weights[position : position + count]
        position += count
    exact = slaney_mel_basis(rate, 512, 64, 150, rate / 2)
    assert np.abs(filters - exact).max() < 1e-12
    assert np.count_nonzero(filters) == len(weights) <= np.count_nonzero(exact)


def test_a_filter_between_two_bins_is_empty() -> None:
    bank = mel_bank(mel("librosa", sample_rate=44100, fft_length=256, num_mels=128))
    assert bank.taps.min() == 0 and bank.taps.max() > 3
    assert not bank.weights[bank.taps == 0].any()


def test_the_cosine_table_is_an_orthonormal_dct() -> None:
    text = frontend_files(mel("mfcc", n_mfcc=64), INPUT_SCALE, INPUT_ZERO_POINT)["frontend_tables.c"]
    cosines = np.array(table(text, "dct_cosines")).reshape(64, 64)
    assert np.abs(cosines @ cosines.T - np.eye(64)).max() < 1e-6
    assert np.array_equal(cosines[0], np.full(64, 0.125))
    assert np.array_equal(cosines[:20].astype(np.float32), dct_table(64, 20))


def test_the_double_tables_of_pcen_are_the_planned_values() -> None:
    text = frontend_files(mel("librosa", scale="pcen"), INPUT_SCALE, INPUT_ZERO_POINT)["frontend_tables.c"]
    window = np.array(table(text, "frontend_window"))
    n = np.arange(512)
    assert np.abs(window - 0.5 * np.sin(np.pi * n / 512) ** 2).max() < 1e-15
    assert "f," not in re.search(r"frontend_window\[.*?};", text, re.DOTALL)[0]


def test_real_literals_read_back_the_same(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(size=300)
    singles = values.astype(np.float32)
    body = f"static const double d[] = {{\n{c_real_array(values)}\n}};\n"
    body += f"static const float f[] = {{\n{c_real_array(singles)}\n}};\n"
    body += "int main(void) { fwrite(d, 8, 300, stdout); fwrite(f, 4, 300, stdout); return 0; }\n"
    (tmp_path / "x.c").write_text("#include <stdio.h>\n" + body, encoding="ascii")
    flags = ["-std=c11", "-Wall", "-Werror", "-Wconversion", "-Wdouble-promotion"]
    subprocess.run(["cc", *flags, tmp_path / "x.c", "-o", tmp_path / "x"], check=True)
    output = subprocess.run([tmp_path / "x"], check=True, capture_output=True).stdout
    assert output == values.tobytes() + singles.tobytes()
    with pytest.raises(InternalError):
        c_real_array(np.array([np.inf]))


@pytest.mark.parametrize("frontend", ["hybrid", "librosa", "mfcc"])
def test_an_fft_length_that_the_firmware_cannot_compute_is_refused(frontend: str) -> None:
    with pytest.raises(ConfigError, match="fft_length is 400"):
        frontend_files(mel(frontend, fft_length=400), 0.1, 0)


def test_rows_that_the_frontend_does_not_give_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"the mfcc frontend gives \(20, 64, 1\)"):
        frontend_files(mel("mfcc").with_(input_shape=(64, 64, 1)), 0.1, 0)
