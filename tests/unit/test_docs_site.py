"""The site: it builds strictly, works offline, has a page a command, and shows the options that exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from birdnet_deploy.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
LOADED = re.compile(r"<(?:script|img|iframe|source)[^>]+src=\"?(https?:[^\" >]+)|<link[^>]+href=\"?(https?:[^\" >]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_builds_strictly_and_has_a_page_for_each_command(site: Path) -> None:
    assert [name for name in COMMANDS if not (site / "commands" / f"{name}.html").is_file()] == []


def test_the_site_loads_nothing_from_elsewhere(site: Path) -> None:
    found = {name for page in site.rglob("*.html") for name in LOADED.findall(page.read_text(encoding="utf-8"))}
    assert found == set()


def test_links_out_of_the_site_lead_to_the_repository(site: Path) -> None:
    page = (site / "extending.html").read_text(encoding="utf-8")
    assert re.search(r"href=\"?https://github\.com/[\w-]+/birdnet-deploy/blob/main/CONTRIBUTING\.md", page)


def test_the_navigation_has_every_command_and_page() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f"commands/{name}.md" not in text] == []
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    assert {page for page in pages if page not in text and not page.startswith("adr/0")} == set()


def test_what_is_generated_is_fresh() -> None:
    command = [sys.executable, "scripts/refresh_docs.py", "--check"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_troubleshooting_quotes_what_the_tool_says() -> None:
    """What stands in backticks under "you see" is in a message of ours; the last table quotes ST's tools."""
    text = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8").partition("## A real STM32N6")[0]
    seen = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ") and "you see" not in line]
    quotes = [quote for cell in seen for quote in re.findall(r"`([^`]+)`", cell)]
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "birdnet_deploy").rglob("*.py")]
    said = [line for source in sources for line in source.splitlines() if '"' in line]
    assert len(quotes) > 12
    assert [quote for quote in quotes if not any(quote in line for line in said)] == []
