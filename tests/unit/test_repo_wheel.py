"""The wheel stands alone: installed where the checkout cannot be seen, it renders the very same project."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from birdnet_deploy import __version__
from tests.support.once import made_once

ROOT = Path(__file__).resolve().parents[2]
RESOURCES = ("templates", "firmware_stub")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this checkout."""

    def make(folder: Path) -> None:
        command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    (built,) = made_once(tmp_path_factory, "wheel", make).glob("*.whl")
    return built


@pytest.fixture(scope="session")
def clean(tmp_path_factory: pytest.TempPathFactory, wheel: Path) -> Path:
    """An environment that holds the wheel and, behind it, the packages it depends on; but not this checkout."""

    def make(folder: Path) -> None:
        venv.create(folder, with_pip=False)
        python = folder / "bin/python"
        install = ["-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
        done = subprocess.run([sys.executable, *install], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        # a folder that a .pth names is not searched for further .pth files, such as the checkout's editable one
        site = run(python, "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
        dependencies = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        (Path(site) / "dependencies.pth").write_text("".join(f"{path}\n" for path in dependencies))

    return made_once(tmp_path_factory, "clean_environment", make)


def run(python: Path, code: str, *arguments: object) -> str:
    command = [str(python), "-I", "-c", code, *map(str, arguments)]  # -I: no PYTHONPATH, no current folder
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=python.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_holds_every_template_and_firmware_source(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [path for name in RESOURCES for path in (ROOT / name).rglob("*") if path.is_file()]
    assert len(sources) > 20
    expected = {f"birdnet_deploy/_resources/{path.relative_to(ROOT).as_posix()}" for path in sources}
    assert sorted(expected - names) == []


def test_the_wheel_holds_the_packages_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    data = [p for p in (ROOT / "birdnet_deploy").rglob("*") if p.suffix in (".toml", ".csv", ".json")]
    assert sorted({p.relative_to(ROOT).as_posix() for p in data} - set(names)) == []
    tops = {name.split("/")[0] for name in names}
    assert tops == {"birdnet_deploy", f"birdnet_deploy-{__version__}.dist-info"}


def test_the_installed_package_is_not_the_checkout(clean: Path) -> None:
    code = (
        "import birdnet_deploy, sys, json; from birdnet_deploy.support import resources as r;"
        "print(json.dumps([birdnet_deploy.__file__, str(r.templates_dir()), str(r.firmware_dir()), *sys.path]))"
    )
    package, templates, firmware, *search = json.loads(run(clean / "bin/python", code))
    for path in (package, templates, firmware):
        assert Path(path).is_relative_to(clean)
    assert str(ROOT) not in search


@pytest.mark.parametrize("words", [["bin/birdnet-deploy"], ["bin/python", "-I", "-m", "birdnet_deploy"]], ids=" ".join)
def test_the_console_script_and_the_module_answer(clean: Path, tmp_path: Path, words: list[str]) -> None:
    command = [str(clean / words[0]), *words[1:]]
    for option, told in (("--version", __version__), ("--help", "generate")):
        done = subprocess.run([*command, option], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout


def test_a_template_renders_from_the_wheel(clean: Path) -> None:
    code = (
        "from birdnet_deploy.support.templating import render;"
        "print(render('c/banner.j2', {'model_sha256': 'aa11', 'lock_sha256': 'bb22'}))"
    )
    text = run(clean / "bin/python", code)
    assert "aa11" in text
    assert "bb22" in text


def test_generate_from_the_wheel_gives_the_checkouts_project(
    clean: Path, small_bundle: Path, small_project: Path, tmp_path: Path
) -> None:
    command = [clean / "bin/birdnet-deploy", "generate", small_bundle, "--target", "qemu-an547", "-o", tmp_path / "fw"]
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    def files(root: Path) -> dict[str, bytes]:
        found = (p for p in root.rglob("*") if p.is_file() and p.relative_to(root).parts[0] != "build")
        return {p.relative_to(root).as_posix(): p.read_bytes() for p in found}

    rendered, expected = files(tmp_path / "fw"), files(small_project)
    assert "generated/network.c" in rendered
    assert sorted(name for name in rendered | expected if rendered.get(name) != expected.get(name)) == []
