"""F01 to F07: .keras files that are damaged, hostile or of another kind. One line, an exit code, nothing of it runs."""

from __future__ import annotations

import json
import random
import shutil
import stat
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from birdnet_deploy.errors import DeployError, ModelError, UsageError
from birdnet_deploy.model.archive import inspect_archive
from tests.support.small_models import build, edit_config, edit_weights, layer_config, members, save, write_members


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small hybrid model."""
    return save(build(mag_scale="pwl"), tmp_path_factory.mktemp("faults"))


@pytest.fixture
def model(saved: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copy(saved, tmp_path / "model.keras"))


def refusal(path: Path, kind: type[DeployError] = ModelError) -> str:
    """Gives the line of the refusal that a path meets, in less than 5 s."""
    started = time.monotonic()
    with pytest.raises(kind) as caught:
        inspect_archive(path)
    assert time.monotonic() - started < 5
    assert caught.value.exit_code == (2 if kind is UsageError else 3)
    assert "\n" not in caught.value.line and str(path) in caught.value.line
    return caught.value.line


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip at all", b"PK\x03\x04" + bytes(100)])
def test_f01_what_is_no_archive(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    line = refusal(path)
    assert "not a readable .keras archive" in line
    assert "not found" not in line.lower()


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_f01_truncated(model: Path, kept: float) -> None:
    data = model.read_bytes()
    model.write_bytes(data[: int(len(data) * kept)])
    assert "not a readable .keras archive" in refusal(model)


@pytest.mark.parametrize("member", ["config.json", "metadata.json", "model.weights.h5"])
def test_f01_a_member_is_missing_or_rotten(model: Path, member: str) -> None:
    content = members(model)
    rest = {name: data for name, data in content.items() if name != member}
    assert f"no {member}" in refusal(write_members(model, rest))
    write_members(model, content)
    data = bytearray(model.read_bytes())
    at = data.index(content[member][:64]) + len(content[member]) // 2
    data[at] ^= 0xFF
    model.write_bytes(bytes(data))
    assert "not a readable .keras archive" in refusal(model)


def test_old_and_converted_files_get_the_way_out(tmp_path: Path) -> None:
    old = tmp_path / "model.h5"
    old.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(64))
    assert "load it with the Keras that wrote it" in refusal(old)
    converted = tmp_path / "model.tflite"
    converted.write_bytes(b"\x1c\x00\x00\x00TFL3" + bytes(64))
    assert "converted already" in refusal(converted)


@pytest.mark.parametrize("name", ["hf://user/model.keras", "gs://bucket/model.keras", "https://x.org/model.keras"])
def test_f02_urls_are_named_and_not_fetched(name: str) -> None:
    with pytest.raises(UsageError, match="a URL, not a file"):
        inspect_archive(Path(name))


def test_f02_missing_paths_and_folders(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "none.keras", UsageError)
    (tmp_path / "saved_model.keras").mkdir()
    assert "a folder" in refusal(tmp_path / "saved_model.keras", UsageError)


def poison(name: str, module: str | None, **config: Any) -> Callable[[dict[str, Any]], None]:
    """Puts an object of a class and module where an initializer was."""

    def edit(model: dict[str, Any]) -> None:
        entry = {"class_name": name, "module": module, "config": config, "registered_name": None}
        layer_config(model, "Conv2D")["config"]["kernel_initializer"] = entry

    return edit


def replace_layer(name: str, module: str | None, **config: Any) -> Callable[[dict[str, Any]], None]:
    """Puts a layer of a class and module in place of one."""

    def edit(model: dict[str, Any]) -> None:
        layer = layer_config(model, "ReLU")
        layer.update(class_name=name, module=module, registered_name=name)
        layer["config"].update(config)

    return edit


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (replace_layer("Lambda", "keras.layers", function={"class_name": "__lambda__", "config": {}}), "Lambda"),
        (replace_layer("TFSMLayer", "keras.layers", filepath="/tmp/x"), "TFSMLayer"),
        (replace_layer("TorchModuleWrapper", "keras.layers"), "TorchModuleWrapper"),
        (replace_layer("Evil", "canary_module"), "canary_module"),
        (replace_layer("Popen", "subprocess"), "subprocess"),
        (replace_layer("AudioFrontendLayer", "canary_module"), "canary_module"),
        (replace_layer("ReLU", "keras.layers.canary_module"), "canary_module"),
        (poison("function", "builtins"), "builtins"),
        (poison("__typespec__", "canary_module", spec_name="Evil"), "canary_module"),
        (poison("__lambda__", None, value="x"), "__lambda__"),
        (poison("get_file", "keras.utils", origin="http://x.org"), "get_file"),
        (lambda model: model.update(module="canary_module"), "canary_module"),
        (lambda model: model.update(registered_name="canary>Evil"), "canary>Evil"),
        (lambda model: layer_config(model, "Dense")["config"].update(activation="canary"), "canary"),
    ],
)  # fmt: skip
def test_f03_nothing_outside_the_list_is_loaded(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[dict[str, Any]], None], named: str
) -> None:
    """A module that the file names lies ready to be imported: it would leave a mark."""
    mark = tmp_path / "mark"
    (tmp_path / "canary_module.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert named in refusal(edit_config(model, edit))
    assert not mark.exists() and "canary_module" not in sys.modules


@pytest.mark.parametrize("name", ["../outside", "a/../../b", "/etc/passwd", "c:\\x", "..\\x"])
def test_f04_members_that_lead_out(model: Path, name: str) -> None:
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr(name, b"x")
    line = refusal(model)
    assert "leads out of the archive" in line and name.replace("\\", "\\\\") in line


def test_f04_links_duplicates_and_strangers(model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(model, tmp_path / "linked.keras"))
    with zipfile.ZipFile(copy, "a") as archive:
        link = zipfile.ZipInfo("assets")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "'assets' is a symbolic link" in refusal(copy)
    copy = Path(shutil.copy(model, tmp_path / "twice.keras"))
    with zipfile.ZipFile(copy, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("config.json", "{}")
    assert "'config.json' is there twice" in refusal(copy)
    with zipfile.ZipFile(model, "a") as archive:
        archive.writestr("assets/vocabulary.txt", "x")
    assert "'assets/vocabulary.txt' belongs to no model" in refusal(model)


def test_f05_zip_bombs(model: Path, tmp_path: Path) -> None:
    content = members(model)
    bomb = tmp_path / "bomb.keras"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", content["metadata.json"])
        archive.writestr("model.weights.h5", content["model.weights.h5"])
        with archive.open("config.json", "w") as file:
            for _ in range(40):
                file.write(bytes(1 << 20))
    assert bomb.stat().st_size < 1 << 20
    assert "'config.json' holds 41943040 bytes" in refusal(bomb)
    many = tmp_path / "many.keras"
    with zipfile.ZipFile(many, "w") as archive:
        for index in range(5000):
            archive.writestr(f"{index}", b"")
    assert "too many members" in refusal(many)


def test_f05_hdf5_bombs(model: Path) -> None:
    def huge(file: Any) -> None:
        del file["layers/dense/vars/0"]
        file.create_dataset("layers/dense/vars/0", shape=(1 << 20, 1 << 20), chunks=(1024, 1024), dtype="f4")

    assert "over 536870912 bytes" in refusal(edit_weights(model, huge))


def test_f05_hdf5_links_to_other_files(model: Path, tmp_path: Path) -> None:
    import h5py

    secret = tmp_path / "secret.bin"
    secret.write_bytes(bytes(4096))

    def outside(file: Any) -> None:
        file["layers/dense/vars/1"] = h5py.ExternalLink(str(secret), "/x")

    with pytest.raises(ModelError, match="is a link to elsewhere"):
        inspect_archive(edit_weights(Path(shutil.copy(model, tmp_path / "link.keras")), lambda file: (
            file.__delitem__("layers/dense/vars/1"), outside(file))))  # fmt: skip

    def stored_outside(file: Any) -> None:
        del file["layers/dense/vars/1"]
        file["layers/dense/vars"].create_dataset("1", (6,), "f4", external=[(str(secret), 0, 24)])

    assert "points outside the file" in refusal(edit_weights(model, stored_outside))


def test_f05_a_config_cannot_ask_for_more_than_the_file_has(model: Path) -> None:
    edit_config(model, lambda config: layer_config(config, "Dense")["config"].update(units=10**9))
    assert "layer 'pred' has units 1000000000 but weights of shape [64, 6]" in refusal(model)


def test_f05_nor_can_a_frontend(model: Path) -> None:
    edit_config(model, lambda config: layer_config(config, "AudioFrontendLayer")["config"].update(mel_bins=10**9))
    assert "mel_bins 1000000000" in refusal(model)


@pytest.mark.parametrize(
    ("data", "named"),
    [(b"{", "config.json is not readable JSON"), (b"[]", "config.json is not a JSON object"),
     (b"\xff\xfe", "config.json is not readable JSON"), (b"[" * 100_000, "config.json is not readable JSON"),
     (b"{}", "not a functional one"), (b'{"class_name": 3, "config": 4}', "class 3")],
)  # fmt: skip
def test_f06_configs_that_are_none(model: Path, data: bytes, named: str) -> None:
    assert named in refusal(write_members(model, {**members(model), "config.json": data}))


def test_f06_unknown_classes_and_missing_weights(model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(model, tmp_path / "copy.keras"))
    assert "LeakyBirdLayer" in refusal(edit_config(copy, replace_layer("LeakyBirdLayer", "keras.layers")))

    def drop(file: Any) -> None:
        del file["layers/dense"]

    assert "weights of layer 'pred' are missing" in refusal(edit_weights(model, drop))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_f07_weights_that_are_not_finite(model: Path, value: float) -> None:
    def spoil(file: Any) -> None:
        file["layers/batch_normalization_3/vars/2"][5] = value

    assert "layer 'stage2_ds1_dw_bn' holds NaN or infinite weights" in refusal(edit_weights(model, spoil))


def test_damaged_hdf5_never_ends_the_process(model: Path) -> None:
    """Bytes flipped under a correct CRC: the C library reads them, in a child."""
    content = members(model)
    rng = random.Random(5)
    for _ in range(8):
        data = bytearray(content["model.weights.h5"])
        for _ in range(30):
            data[rng.randrange(min(len(data), 20_000))] = rng.randrange(256)
        write_members(model, {**content, "model.weights.h5": bytes(data)})
        try:
            inspect_archive(model)
        except ModelError as error:
            assert error.exit_code == 3


def test_nothing_is_left_in_the_temporary_folder(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    inspect_archive(model)
    assert list(scratch.iterdir()) == []
    write_members(model, {**members(model), "model.weights.h5": b"rubbish"})
    refusal(model)
    assert list(scratch.iterdir()) == []


def test_a_config_of_any_json_is_refused_or_read(model: Path) -> None:
    """Values of a valid config replaced at random: a ModelError, or an archive, never another exception."""
    content = members(model)
    original = json.loads(content["config.json"])
    rng = random.Random(9)
    paths = list(_paths(original))
    for _ in range(15):
        config = json.loads(content["config.json"])
        path = rng.choice(paths)
        target = config
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = rng.choice([None, -1, 1e308, "x", [], {}, [[]], True, {"class_name": "ReLU"}])
        write_members(model, {**content, "config.json": json.dumps(config).encode()})
        try:
            inspect_archive(model)
        except ModelError as error:
            assert error.exit_code == 3


def _paths(value: Any, prefix: tuple[Any, ...] = ()) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*prefix, key)
        yield from _paths(item, (*prefix, key))
