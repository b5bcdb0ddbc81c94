"""Driving a board over the recordings of a card: what is missing is asked for, what is there is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from birdnet_deploy.audio.windows import window_at
from birdnet_deploy.board.card import Card, CardFile
from birdnet_deploy.boardtest.heard import Heard
from birdnet_deploy.boardtest.link import Link, Replayed, WatchedPort
from birdnet_deploy.boardtest.reference import Reference
from birdnet_deploy.errors import BoardError, ProtocolError
from birdnet_deploy.readback.client import Client, DuplexPort, Info
from birdnet_deploy.readback.framing import FrameParser
from birdnet_deploy.readback.identity import Identity
from birdnet_deploy.readback.ledger import Ledger
from birdnet_deploy.readback.records import Hello
from birdnet_deploy.readback.session import read_port, read_session
from birdnet_deploy.report.verdict import Verdict
from birdnet_deploy.support.progress import Progress

_GREETING_S = 1.5  # how long a board that boots now takes to say hello before it is asked
_PASSES = 3  # how often a window is asked for that came damaged
_RESTARTS = 3
_STAGE_FILES = 2  # that are run again with stages, where outputs differ
_KEPT_BYTES = 2**20


@dataclass(frozen=True)
class DriveOptions:
    """How long to wait for a board (``wait_s``) and for its next record (``silence_s``); whether it has our card."""

    wait_s: float = 60.0
    silence_s: float = 60.0
    has_card: bool = True
    stages: bool = False


class LinkGone(Exception):
    """The line is gone; it may come back."""


def greeted(port: WatchedPort, identity: Identity, until: float) -> tuple[Hello | None, bytes]:
    """Gives the hello that comes up to a time, and the bytes that were read.

    Raises: BoardError (7) for another model or lock, ProtocolError (8) for another protocol, LinkGone.
    """
    parser, ledger, data = FrameParser(), Ledger(identity), b""
    while ledger.boot.hello is None and time.monotonic() < until:
        chunk = read_port(port)
        if chunk is None:
            raise LinkGone
        data = (data + chunk)[-_KEPT_BYTES:]
        for event in parser.feed(chunk):
            ledger.take(event)
    return ledger.boot.hello, data


class Driver:
    """Runs a card's files on a board, over one connection or, where it is unplugged, several.

    ``judge`` gives the verdict over what has come of some files; where outputs differ, files run again with stages.
    """

    def __init__(
        self, reference: Reference, card: Card, heard: Heard, options: DriveOptions,
        judge: Callable[[Sequence[CardFile]], Verdict], progress: Progress,
    ) -> None:  # fmt: skip
        self._reference, self._card, self._heard, self._options = reference, card, heard, options
        self._judge, self._progress = judge, progress
        self._refused: set[str] = set()
        self._total = reference.count(card.files)
        self._restarts = 0
        self.verdict: Verdict | None = None

    @property
    def missing(self) -> list[CardFile]:
        """The files of which windows are missing."""
        return [file for file in self._card.files if self._windows_missing(file)]

    def run(self, link: Link) -> None:
        """Reads all that the board gives. What keeps that from being all is a problem of what was heard.

        Raises: BoardError (7) where the firmware is of another model, ProtocolError (8) of another protocol.
        """
        while True:
            try:
                self._connection(link.port)
                return
            except LinkGone:
                self._progress.warn(f"{link.name}: {link.port.gone}; waiting for it")
                gone = link.port.gone or "the port is gone"
                if not link.again():
                    self._heard.problems.append(f"{link.name}: {gone}")
                    return
                self._heard.counts["reconnected"] += 1

    def _connection(self, port: WatchedPort) -> None:
        identity, deadline = self._reference.identity, time.monotonic() + self._options.wait_s
        self._progress.step("waiting for the board")
        hello, data = greeted(port, identity, min(deadline, time.monotonic() + _GREETING_S))
        while hello is None:
            if self._drives(port, Ledger(identity)):
                return
            if time.monotonic() >= deadline:
                self._heard.problems.append(f"no hello record within {self._options.wait_s:g} s")
                return
            self._progress.step("waiting for the board: reset it if nothing happens")
            hello, data = greeted(port, identity, min(deadline, time.monotonic() + _GREETING_S))
        again = Replayed(port, data)
        if "rx" not in hello.extra or not hello.extra.get("listen"):
            self._listen(again, port)
        elif not self._drives(again, Ledger(identity), port):
            self._heard.problems.append("the board takes commands but answers none")

    def _listen(self, again: Replayed, port: WatchedPort) -> None:
        """Reads a board that takes no commands until its bye."""
        self._progress.step(f"reading {self._total} windows; the board takes no commands")
        session = read_session(
            again, self._reference.identity, silence_s=self._options.silence_s,
            ended=lambda: port.gone, on_record=self._heard.record,
        )  # fmt: skip
        self._heard.counts.update(vars(session.counts))
        self._heard.problems += session.problems
        self._heard.tell(session.errors)
        self._heard.fw = session.hello.fw if session.hello else None

    def _drives(self, port: DuplexPort, ledger: Ledger, watched: WatchedPort | None = None) -> bool:
        """Drives a board that answers; False where this one does not."""
        client = Client(port, ledger, on_record=self._heard.record, tries=2)
        watched = watched if watched is not None else port if isinstance(port, WatchedPort) else None
        answers = False
        try:
            client.ping()
            info, answers = client.info(), True
            self._check(info)
            self._drive(client, info)
        except (BoardError, ProtocolError) as error:
            if watched is not None and watched.gone is not None:
                raise LinkGone from error
            if isinstance(error, BoardError):
                raise
            if answers:
                self._heard.problems.append(error.what)
        finally:
            if answers:
                self._heard.close_connection(ledger)
        return answers

    def _check(self, info: Info) -> None:
        config = self._reference.bundle.config
        if (info.rate, info.window) != (config.sample_rate, config.window_samples):
            what = f"takes {info.window} samples at {info.rate} Hz, the bundle {config.window_samples} at"
            raise BoardError(f"{what} {config.sample_rate}", where="board", fix="flash the firmware of this bundle")

    def _drive(self, client: Client, info: Info) -> None:
        card = info.card and self._options.has_card
        if self._options.has_card and not card:
            self._progress.warn("the board has no card that it can read")
        if self._options.stages:
            client.stages(True)
        self._progress.step(
            f"running {self._total} windows" + ("" if card else ": sending each over the line, which takes its time")
        )
        for _ in range(_PASSES):
            for file in self.missing:
                if file.name not in self._refused:
                    self._one(client, file, card)
        self.verdict = self._judge(self._card.files)
        # within a tolerance a mistake of the frontend may hide: its stages are exact on every board
        if (self.verdict.beyond or self.verdict.tolerance.lsb) and info.stages and not self._options.stages:
            self._explain(client, self.verdict, card)
        client.reset()

    def _one(self, client: Client, file: CardFile, card: bool) -> None:
        """Asks for what is missing of a file; a board that goes on living gets another chance with the next."""
        boots = len(client.ledger.boots)
        try:
            if card:
                done = client.run(file.name, silence_s=self._options.silence_s)
                if done.code:
                    self._refuse(file, f"ended with code {done.code} after {done.windows} windows")
            else:
                self._upload(client, file)
        except ProtocolError as error:
            client.ping()  # raises where it is dead
            if len(client.ledger.boots) > boots and self._restarts < _RESTARTS:
                self._restarts += 1
                self._heard.problems.append(f"the board restarted at {file.name}")
                return
            self._refuse(file, error.what)
        self._progress.advance(len(self._heard.windows), self._total)

    def _refuse(self, file: CardFile, why: str) -> None:
        self._refused.add(file.name)
        self._heard.problems.append(f"{file.name} ({file.original}): {why}")

    def _upload(self, client: Client, file: CardFile) -> None:
        for win, start in self._windows_missing(file):
            self._send(client, file, win, start)
            self._progress.advance(len(self._heard.windows), self._total)

    def _send(self, client: Client, file: CardFile, win: int, start: int) -> None:
        pcm = window_at(self._card.pcm(file), start, self._reference.bundle.config.window_samples)
        data = pcm.astype(np.dtype("<i2")).tobytes()
        client.window(data, file=file.name, win=win, start=start, silence_s=self._options.silence_s)

    def _windows_missing(self, file: CardFile) -> list[tuple[int, int]]:
        found = enumerate(self._reference.starts(file))
        return [(win, start) for win, start in found if not self._heard.has(file, win, start)]

    def _explain(self, client: Client, verdict: Verdict, card: bool) -> None:
        """Runs a little of what differs again with stages, so that the verdict can say where."""
        self._progress.step("running what differs again, with stages")
        client.stages(True)
        differ = [found.file for found in verdict.beyond or verdict.comparison.differences]
        files = [file for file in self._card.files if not differ or file.original in differ]
        few = sorted(files, key=lambda file: file.samples)[:_STAGE_FILES]
        for file in few:
            if card:
                client.run(file.name, silence_s=self._options.silence_s)
            else:
                starts = {found.win: found.start for found in verdict.beyond if found.file == file.original}
                self._send(client, file, *next(iter(starts.items()), (0, 0)))
        self.verdict = replace(verdict, stages=self._judge(few).stages)
