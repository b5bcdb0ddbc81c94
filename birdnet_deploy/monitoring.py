"""What ``monitor`` does, in order: what to expect, the source and its lock, watching, what is saved, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from birdnet_deploy import bundle as bundles
from birdnet_deploy.artifacts import MODEL_FILE, Bundle
from birdnet_deploy.errors import CheckFailed, DeployError, UsageError
from birdnet_deploy.project.open import open_project
from birdnet_deploy.readback.identity import identity_of
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.portlock import PortLock
from birdnet_deploy.readback.ports import AUTO, Finder, Port, choose_port, ports_here
from birdnet_deploy.readback.pump import Pump
from birdnet_deploy.readback.records import AnyRecord, Hello, Inference, scores_of
from birdnet_deploy.readback.session import SessionResult
from birdnet_deploy.readback.sources import FileSource, LineOptions, LineSource, Source, recorded_files
from birdnet_deploy.readback.watch import Limits, watch
from birdnet_deploy.report.card_names import Names, read_manifest
from birdnet_deploy.report.outputs import Outputs, Wanted
from birdnet_deploy.report.predictions import Prediction
from birdnet_deploy.report.selections import Choice, Timing
from birdnet_deploy.support.lines import LineFile

SCHEMA_VERSION = 1
STDIN = "-"


class View(Protocol):
    """Who watches, and what it is told."""

    def record(self, record: AnyRecord) -> None:
        """A record that is intact, new and usable."""

    def text(self, text: str) -> None:
        """A line that is no record."""

    def note(self, text: str) -> None:
        """Something happened to the line."""

    def tick(self) -> None:
        """Some time has passed."""

    def ready(self, name: str, choice: Choice, ledger: Ledger) -> None:
        """The source is open; ``choice`` has the labels, ``ledger`` the counts."""

    def prediction(self, prediction: Prediction) -> None:
        """A window came."""

    def csv(self, line: str) -> None:
        """A line of CSV that goes to stdout."""

    def raw(self, data: bytes) -> None:
        """Bytes as they came that go to stdout."""


@dataclass(frozen=True)
class MonitorRequest:
    """What ``monitor`` is asked for. ``replay`` are files or folders; it and ``raw`` may be ``-``, stdout."""

    port: str = AUTO
    replay: tuple[str, ...] = ()
    bundle: Path | None = None
    manifest: Path | None = None
    wanted: Wanted = Wanted()
    raw: str | None = None
    threshold: float = 0.25
    top_k: int = 3
    limits: Limits = Limits()
    line: LineOptions = LineOptions()
    reconnect_s: float = 30.0


@dataclass(frozen=True)
class MonitorResult:
    """What came; ``failure`` is the error to end with, None where nothing is missing and the bye came."""

    request: MonitorRequest
    source: str
    session: SessionResult
    windows: int
    interrupted: bool

    @property
    def failure(self) -> DeployError | None:
        """The error of an incomplete readback (exit 8)."""
        return self.session.failure


def monitor(
    request: MonitorRequest, view: View, *, choose: Callable[[Sequence[Port]], Port] | None = None,
    find: Finder = ports_here,
) -> MonitorResult:  # fmt: skip
    """Gives what a board said until a limit, the end of the source, or Ctrl-C; all of it is saved as it comes.

    ``choose`` asks a person where several boards fit.

    Raises: UsageError (2), ModelError (3), CheckFailed (4) where the bundle differs from its lock, OutputRefused (5),
    BoardError (7) where there is no such port, it is in use, or it carries another model or lock, ProtocolError (8)
    where it speaks another protocol. What is missing is the result's ``failure``.
    """
    expected = None if request.bundle is None else _open_bundle(request.bundle)
    names = Names({}, None, {}) if request.manifest is None else read_manifest(request.manifest)
    _check_outputs(request, expected)
    choice = Choice(expected.labels if expected else (), request.threshold, request.top_k)
    ledger = Ledger(identity_of(expected) if expected else None, keep=False)
    with ExitStack() as stack:
        source = stack.enter_context(_opened(request, choose, find))
        raw = _raw(request, view, stack)
        outputs = Outputs(request.wanted, choice, _timing(expected, names), view.csv)
        stack.callback(outputs.close)
        view.ready(source.name, choice, ledger)
        pump = Pump(source, reconnect_s=request.reconnect_s)
        stack.callback(pump.close)
        rate = expected.config.sample_rate if expected else names.sample_rate
        watched = watch(pump, ledger, _Recorder(view, outputs, ledger, rate, names, raw), request.limits)
        outputs.finish(complete=watched.session.complete)
    return MonitorResult(request, source.name, watched.session, outputs.windows, watched.interrupted)


def _open_bundle(path: Path) -> Bundle:
    """Opens a bundle, or the copy inside a project. The board's hello tells whether the model is the right one."""
    opened = open_project(path).bundle if path.is_dir() and not bundles.is_bundle(path) else bundles.open_bundle(path)
    stale = [line for line in bundles.stale_lines(opened.path, opened.lock) if not line.startswith(MODEL_FILE)]
    if stale:
        raise CheckFailed("; ".join(stale), where=opened.path, fix="run convert and generate again")
    return opened


def _check_outputs(request: MonitorRequest, expected: Bundle | None) -> None:
    raw = [] if request.raw is None or request.raw == STDIN else [Path(request.raw)]
    for path in [*request.wanted.paths, *raw]:
        if not path.absolute().parent.is_dir():
            raise UsageError("no such folder to save in", where=path.parent, fix="make it first")
        if path.is_dir():
            raise UsageError("is a folder", where=path, fix="name a file")
    _check_apart(written=[*request.wanted.paths, *raw], read=[*map(Path, request.replay), request.manifest])
    if (request.wanted.raven or request.wanted.birdnet) and expected is None:
        raise UsageError("selection tables need labels and the length of a window", fix="name the model by --bundle")
    if request.wanted.csv == STDIN and request.raw == STDIN:
        raise UsageError("--csv and --raw cannot both go to stdout", fix="name a file for one of them")


def _check_apart(*, written: Sequence[Path], read: Sequence[Path | None]) -> None:
    """Refuses files that would overwrite each other, or what is being read."""
    sources = [path.resolve() for path in read if path is not None]
    places: set[Path] = set()
    for path in written:
        place = path.resolve()
        if place in sources or (place.parent in sources and place.parent.is_dir()):
            raise UsageError("is what is read", where=path, fix="write to another place")
        if place in places and not (place.exists() and not place.is_file()):  # a device such as /dev/null takes all
            raise UsageError("would be written by two options", where=path, fix="name a file for each")
        places.add(place)


@contextmanager
def _opened(
    request: MonitorRequest, choose: Callable[[Sequence[Port]], Port] | None, find: Finder
) -> Iterator[Source]:  # fmt: skip
    """Gives the open source and holds its lock; the pump closes the source."""
    if request.replay or request.port == STDIN:
        paths = [Path(name) for name in request.replay if name != STDIN]
        yield FileSource(recorded_files(paths))
        return
    port = choose_port(request.port, find=find, choose=choose)
    with closing(PortLock(port)), closing(LineSource(port, request.line, find=find)) as source:
        yield source


def _raw(request: MonitorRequest, view: View, stack: ExitStack) -> Callable[[bytes], None] | None:
    if request.raw is None or request.raw == STDIN:
        return None if request.raw is None else view.raw
    file = LineFile(Path(request.raw))
    stack.callback(file.close)
    return file.write_bytes


def _timing(expected: Bundle | None, names: Names) -> Timing:
    if expected is None:
        return Timing(0.0, 0, names.file_s)
    config = expected.config
    return Timing(config.window_samples / config.sample_rate, config.sample_rate, names.file_s)


class _Recorder:
    """Turns records into predictions for the files and for who watches."""

    def __init__(
        self, view: View, outputs: Outputs, ledger: Ledger, rate: int | None, names: Names,
        raw: Callable[[bytes], None] | None,
    ) -> None:  # fmt: skip
        self._view, self._outputs, self._ledger, self._names = view, outputs, ledger, names
        self._rate, self._raw = rate, raw
        self.text, self.note, self.tick = view.text, view.note, view.tick

    def data(self, data: bytes) -> None:
        if self._raw is not None:
            self._raw(data)

    def record(self, record: AnyRecord) -> None:
        if isinstance(record, Hello):
            self._outputs.open()
        self._view.record(record)
        hello = self._ledger.boot.hello
        if isinstance(record, Inference) and hello is not None:
            prediction = self._prediction(record, hello)
            self._outputs.add(prediction)
            self._view.prediction(prediction)

    def _prediction(self, record: Inference, hello: Hello) -> Prediction:
        return Prediction(
            file=self._names.originals.get(record.file, record.file),
            win=record.win,
            start=record.start,
            start_s=record.start / self._rate if self._rate else record.start_ms / 1000,
            seq=record.seq,
            boot=record.boot,
            outputs=record.outputs,
            scores=scores_of(record.outputs, hello),
            us=record.us,
        )


def result_json(result: MonitorResult) -> dict[str, Any]:
    """Gives a readback as the object that ``--output-format json`` shows."""
    session, hello = result.session, result.session.hello
    device = None if hello is None else {key: value for key, value in asdict(hello).items() if key != "seq"}
    return {
        "schema_version": SCHEMA_VERSION,
        "source": result.source,
        "device": device,
        "windows": result.windows,
        **asdict(session.counts),
        "readback": {**asdict(session.counts), "complete": session.complete},  # as `run` has it
        "missing_seq": [list(gap) for gap in session.missing],
        "bye": None if session.bye is None else {"windows": session.bye.windows, "dropped": session.bye.dropped},
        "complete": session.complete,
        "interrupted": result.interrupted,
        "problems": list(session.problems),
        "errors": [error.text for error in session.errors],
        "faults": [fault.text for fault in session.faults],
        "error": None if result.failure is None else result.failure.line,
    }
