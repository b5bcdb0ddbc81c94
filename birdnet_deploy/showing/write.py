"""``report``: facts gathered, drawn, and published as a folder of two files, or as the page of another command."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from birdnet_deploy.errors import ModelError
from birdnet_deploy.settings import find_settings
from birdnet_deploy.showing.device import read_device
from birdnet_deploy.showing.figures.windows import read_heard
from birdnet_deploy.showing.gather import gather
from birdnet_deploy.showing.page import render_page
from birdnet_deploy.showing.place import refuse_inside
from birdnet_deploy.showing.sources import Sources, open_sources
from birdnet_deploy.support import jsonfile
from birdnet_deploy.support.files import replaced_text
from birdnet_deploy.support.progress import Progress, Silent
from birdnet_deploy.support.publish import published

KIND = "report"
PAGE_FILE, FACTS_FILE = "report.html", "report.json"


@dataclass(frozen=True)
class ReportRequest:
    """What ``report`` is asked for; ``output`` is the folder ``report`` beside the bundle or project where None.

    ``embed_audio`` puts the sound of the worst windows into the page.
    """

    paths: tuple[Path, ...] = ()
    output: Path | None = None
    readbacks: tuple[Path, ...] = ()
    audio: Path | None = None
    target: str | None = None
    embed_audio: bool = False
    force: bool = False


@dataclass(frozen=True)
class WrittenReport:
    """A report: its folder, the page in it, and its facts."""

    path: Path
    page: Path
    facts: Mapping[str, Any]


def write_report(request: ReportRequest, progress: Progress | None = None) -> WrittenReport:
    """Gives the report of a bundle, a project and readbacks, written as ``report.html`` and ``report.json``.

    Raises: UsageError (2), ModelError (3), OutputRefused where the folder is not ours or lies in a bundle or project
    (5), and what a comparison with a readback raises.
    """
    progress, settings = progress or Silent(), find_settings()
    sources = open_sources(
        request.paths, settings, target=request.target, readbacks=request.readbacks, audio=request.audio
    )
    output = request.output or sources.path.resolve().parent / KIND
    refuse_inside(output)
    device = read_device(sources, progress)
    progress.step("drawing the report")
    with published(output, kind=KIND, force=request.force) as staging, _understood(sources):
        facts = gather(sources, settings, device)
        (staging / PAGE_FILE).write_text(_page(sources, facts, audio=request.embed_audio), "utf-8", newline="\n")
        jsonfile.write(staging / FACTS_FILE, facts)
    return WrittenReport(output, output / PAGE_FILE, facts)


def write_page(page: Path, sources: Sources, device: Sequence[Mapping[str, Any]] = (), **known: Any) -> dict[str, Any]:
    """Gives the facts of a report whose page was written to ``page``: what ``--report`` of other commands does.

    ``known`` goes to ``gather``. Raises: OutputRefused (exit 5), ModelError (3).
    """
    refuse_inside(page)
    with _understood(sources):
        facts = gather(sources, find_settings(), device, **known)
        text = _page(sources, facts)
    with replaced_text(page) as file:
        file.write(text)
    return facts


@contextmanager
def _understood(sources: Sources) -> Iterator[None]:
    """Blames the bundle's report.json for what cannot be shown: it is JSON of others, and its lock may be theirs too.

    Raises: ModelError (exit 3).
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        if sources.bundle is None:
            raise
        raise ModelError(
            f"is not what convert writes ({type(error).__name__}: {error})", where=sources.bundle.report,
            fix="convert the model again; if that does not help, run with --debug and report it",
        ) from error  # fmt: skip


def _page(sources: Sources, facts: Mapping[str, Any], *, audio: bool = False) -> str:
    heard = None if sources.bundle is None else read_heard(sources.bundle.golden)
    return render_page(facts, heard, audio=audio)
