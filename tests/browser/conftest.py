"""A report of the small model, and Debian's Chromium to look at it with; nothing here asks the network for anything."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import succeed
from tests.support.once import made_once


@pytest.fixture(scope="session")
def reported(
    tmp_path_factory: pytest.TempPathFactory, small_model: Path, small_bundle: Path, small_project: Path
) -> Path:
    """A folder with ``report/`` of bundle, project and readback, sound embedded, and ``run.html`` of the run itself."""

    def make(folder: Path) -> None:
        sounds = small_model / "recordings"
        succeed(
            "run", small_project, "--audio", sounds, "--target", "host", "--save", folder / "run.jsonl",
            "--report", folder / "run.html",
        )  # fmt: skip
        succeed(
            "report", small_bundle, small_project, "--readback", folder / "run.jsonl", "--audio", sounds,
            "--embed-audio", "-o", folder / "report",
        )  # fmt: skip

    return made_once(tmp_path_factory, "reported", make)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A running browser."""
    from playwright.sync_api import sync_playwright

    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "no chromium -> scripts/setup-debian.sh chromium (make test does it)"
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


class Watched:
    """An open page, and what it said or asked for: console messages, errors, requests of anything but itself."""

    def __init__(self, page: Any, url: str) -> None:
        self.page = page
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", lambda dialog: (self.said.append("dialog"), dialog.dismiss()))
        page.on("request", lambda request: self._request(request.url, url))
        page.goto(url)
        page.wait_for_load_state("load")

    def _request(self, asked: str, own: str) -> None:
        if not asked.startswith("data:") and asked != own:
            self.asked.append(asked)


@pytest.fixture
def opened(chromium: Any) -> Any:
    """Gives a context manager: ``with opened(path, width=360, scheme="dark") as watched``."""

    @contextmanager
    def look(path: Path, *, width: int = 1280, scheme: str = "light") -> Iterator[Watched]:
        context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
        try:
            yield Watched(context.new_page(), path.as_uri())
        finally:
            context.close()

    return look
