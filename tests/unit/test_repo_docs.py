"""The documents say what is: their commands, options, keys, exit codes and links exist."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from birdnet_deploy import __version__, errors
from birdnet_deploy.cli.main import COMMANDS
from birdnet_deploy.settings import KEYS

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = ROOT / "README.md"


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def blocks(path: Path) -> str:
    """The fenced code of a document, lines that end in a backslash joined."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return "\n".join(fenced).replace("\\\n", " ")


def typed(path: Path, program: str) -> list[list[str]]:
    """The commands of a document that call ``program``, split into words."""
    lines = re.findall(rf"^(?:\$ )?({program} .*)$", blocks(path), re.MULTILINE)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_command_and_option_exists(path: Path) -> None:
    for _, *words in typed(path, "birdnet-deploy"):
        if words[0].startswith("-"):
            continue
        assert words[0] in COMMANDS, words
        command: click.Command = importlib.import_module(f"birdnet_deploy.cli.{COMMANDS[words[0]][0]}").command
        known = {option for parameter in command.params for option in parameter.opts} | {"--help", "-h", "--debug"}
        if isinstance(command, click.Group):
            continue
        for word in words[1:]:
            if word.startswith("-"):
                assert word.split("=")[0] in known, f"{words[0]} {word}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_make_target_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for _, target, *_ in typed(path, "make"):
        assert target in targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_every_link_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (path.parent / target).exists(), target


def test_the_readme_starts_with_the_demo_and_the_tests() -> None:
    first, second, *_ = re.findall(r"^make \w+", blocks(README), re.MULTILINE)
    assert (first, second) == ("make demo", "make test")
    assert blocks(README).strip().startswith("make demo")


def test_the_readme_shows_every_command() -> None:
    shown = {words[1] for words in typed(README, "birdnet-deploy")}
    assert sorted(set(COMMANDS) - shown) == []


def test_the_readmes_exit_codes_are_those_of_the_errors() -> None:
    table = dict(re.findall(r"^\| (\d+) \| (.+?) \|$", README.read_text(encoding="utf-8"), re.MULTILINE))
    classes = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.DeployError)]
    codes = {str(c.exit_code) for c in classes} | {"0", str(errors.INTERRUPTED_EXIT_CODE)}
    assert set(table) == codes


def test_the_configuration_page_has_exactly_the_keys_that_exist() -> None:
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    documented = re.findall(r"^\| `([\w.-]+)` \|", text, re.MULTILINE)
    assert sorted(documented) == sorted(key.dotted for key in KEYS)
    assert all(key.example in text for key in KEYS)


def test_every_decision_record_is_listed() -> None:
    index = (ROOT / "docs/adr/README.md").read_text(encoding="utf-8")
    records = [path.name for path in (ROOT / "docs/adr").glob("0*.md")]
    assert len(records) >= 6
    for name in records:
        assert f"]({name})" in index


def test_the_release_notes_are_those_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    done = subprocess.run(
        [sys.executable, "scripts/release_notes.py", version], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith("### ") and version == __version__
