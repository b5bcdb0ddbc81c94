"""birdnet-deploy.toml: every key documented, every mistake named."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from birdnet_deploy.errors import ConfigError
from birdnet_deploy.settings import KEYS, SETTINGS_FILE, find_settings, read_settings, settings_template

ROOT = Path(__file__).resolve().parents[2]


def settings_of(tmp_path: Path, text: str):
    path = tmp_path / SETTINGS_FILE
    path.write_text(text)
    return read_settings(path)


def test_the_template_is_valid_and_sets_nothing(tmp_path: Path) -> None:
    assert settings_of(tmp_path, settings_template()).values == {}


def test_every_example_of_the_template_is_accepted(tmp_path: Path) -> None:
    lines = []
    for line in settings_template().splitlines():
        body = line.removeprefix("# ")
        is_key = any(body.startswith(f"{key.name} = ") for key in KEYS)
        lines.append(body if is_key or line.startswith("[") else "")
    settings = settings_of(tmp_path, "\n".join(lines))
    assert set(settings.values) == {key.dotted for key in KEYS}


def test_every_key_is_documented() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert [key.dotted for key in KEYS if f"`{key.dotted}`" not in text] == []


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, 'model = "m.keras"\n[convert]\ncalibration = "rec"\n')
    assert settings.model == tmp_path / "m.keras"
    assert settings.get_path("convert.calibration") == tmp_path / "rec"


def test_the_nearest_file_wins(tmp_path: Path) -> None:
    deep = tmp_path / "a/b"
    deep.mkdir(parents=True)
    (tmp_path / SETTINGS_FILE).write_text('target = "far"\n')
    (tmp_path / "a" / SETTINGS_FILE).write_text('target = "near"\n')
    assert find_settings(deep).target == "near"
    assert find_settings(tmp_path).target == "far"


@pytest.mark.parametrize(
    ("text", "named", "suggested"),
    [
        ('modle = "x"', "modle", "model"),
        ('[convert]\ncalibraton = "x"', "convert.calibraton", "convert.calibration"),
        ('calibration = "x"', "calibration", "convert.calibration"),
        ("[gate]\nmin_cosine = 1", "gate", "gates"),
        ("[gates]\nmin_cosin = 1", "gates.min_cosin", "gates.min_cosine"),
        ('[tools]\nqemu-system-amr = "x"', "qemu-system-amr", "qemu-system-arm"),
    ],
)
def test_a_near_miss_names_the_valid_key(tmp_path: Path, text: str, named: str, suggested: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, text)
    assert named in caught.value.line
    assert suggested in caught.value.line
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        "model = 3",
        "model = ''",
        "[gates]\nmin_cosine = true",
        "[gates]\nmin_cosine = nan",
        "[gates]\nmin_cosine = -1",
        "[gates]\nmin_cosine = 1.5",
        "[convert]\nmax_windows = true",
        "[convert]\nmax_windows = 0.5",
        "[rules]\nselect = 'BD1'",
        "this is no toml",
    ],
)
def test_a_wrong_value_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError):
        settings_of(tmp_path, text)


def test_the_template_is_toml_with_all_tables() -> None:
    assert set(tomllib.loads(settings_template())) == {key.table for key in KEYS if key.table}
