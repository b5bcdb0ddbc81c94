"""The examples of the documentation do what the pages say: each ``$`` line is run, its output held to the page.

``...`` in a page stands for anything within a line; alone on a line it stands for any lines. Each page starts in a
folder with model.keras, its labels and config, recordings/, the bundle out/, the built project fw/ and readback.jsonl;
n6/ is a built project of an STM32N6, session.bin a recorded line, network_validate_report.txt what stedgeai writes.
"""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.support import bn1_streams
from tests.support.command import birdnet_deploy, succeed
from tests.support.n6_projects import built
from tests.support.once import made_once
from tests.unit.test_st_validate import REPORT as VALIDATE_REPORT

DOCS = Path(__file__).resolve().parents[2] / "docs"
COMMANDS = sorted((DOCS / "commands").glob("*.md"))
PAGES = [DOCS / "getting-started.md", *COMMANDS]


def examples(page: Path) -> list[tuple[str, list[str]]]:
    """The commands of a page, each with the lines that it shows."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


def shown(lines: list[str]) -> re.Pattern[str]:
    """What the lines of a page stand for; runs of blanks are one blank."""
    pattern = ""
    for line in lines:
        words = re.escape(" ".join(line.split())).replace(re.escape("..."), ".*")
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else words + r"\n"
    return re.compile(pattern)


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, small_model: Path, small_bundle: Path, small_project: Path) -> Path:
    """The folder that each page starts in; copy it."""

    def make(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        for ending in (".keras", "_labels.txt", "_model_config.json"):
            shutil.copy(small_model / f"small{ending}", folder / f"model{ending}")
        shutil.copytree(small_model / "recordings", folder / "recordings")
        shutil.copytree(small_bundle, folder / "out")
        shutil.copytree(small_project, folder / "fw")
        built(folder / "n6", small_bundle)
        (folder / "session.bin").write_bytes(b"".join(bn1_streams.run()))
        judged = [line for line in VALIDATE_REPORT.splitlines(keepends=True) if "#2" not in line]
        (folder / "network_validate_report.txt").write_text("".join(judged))
        succeed("run", "fw", "--audio", "recordings", "--save", "readback.jsonl", cwd=folder)

    return made_once(tmp_path_factory, "desk", make)


@pytest.mark.emulator
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_do_what_the_page_shows(page: Path, desk: Path, tmp_path: Path) -> None:
    folder = tmp_path / "desk"
    shutil.copytree(desk, folder)
    assert examples(page)
    for command, lines in examples(page):
        program, *words = shlex.split(command)
        assert program == "birdnet-deploy", command
        done = birdnet_deploy(*words, cwd=folder)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        told = "".join(" ".join(line.split()) + "\n" for line in done.stdout.splitlines())
        assert shown(lines).fullmatch(told), f"{command}\n{told}"
