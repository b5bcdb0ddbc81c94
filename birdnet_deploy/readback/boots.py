"""What is known of one boot of the board: which sequence numbers came, which are missing, what it said at the end."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

from birdnet_deploy.readback.records import Bye, Hello

REMEMBERED = 65_536  # records whose CRC-32 is kept at least, so that a repeat can be told from a restart
_DAMAGED = 65_536  # damaged numbers that are kept; one more counts as one that never comes again


class SequenceBook:
    """The sequence numbers that came, as ranges, and the CRC-32 of the JSON of the latest of them.

    A board may talk for weeks: without gaps the memory that this takes does not grow with time.
    """

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        self._recent: dict[int, int] = {}
        self._older: dict[int, int] = {}

    def __contains__(self, seq: object) -> bool:
        if not isinstance(seq, int):
            return False
        place = bisect_right(self._firsts, seq) - 1
        return place >= 0 and seq <= self._lasts[place]

    def __bool__(self) -> bool:
        return bool(self._firsts)

    def add(self, seq: int, check: int) -> None:
        """Enters a number that is not in the book."""
        if len(self._recent) >= REMEMBERED:
            self._older, self._recent = self._recent, {}
        self._recent[seq] = check
        place = bisect_right(self._firsts, seq)
        follows = place > 0 and self._lasts[place - 1] == seq - 1
        leads = place < len(self._firsts) and self._firsts[place] == seq + 1
        if follows and leads:
            self._lasts[place - 1] = self._lasts.pop(place)
            del self._firsts[place]
        elif follows:
            self._lasts[place - 1] = seq
        elif leads:
            self._firsts[place] = seq
        else:
            self._firsts.insert(place, seq)
            self._lasts.insert(place, seq)

    def repeats(self, seq: int, check: int) -> bool:
        """Says whether ``seq`` came with the same JSON; False for one that is so old that it cannot be told."""
        return self._recent.get(seq, self._older.get(seq)) == check

    @property
    def pieces(self) -> int:
        """How many ranges there are: one more with each new gap."""
        return len(self._firsts)

    def last_gap(self) -> tuple[int, int]:
        """Gives the gap before the last range, as (first, last)."""
        return (self._lasts[-2] + 1 if len(self._lasts) > 1 else 0), self._firsts[-1] - 1

    def forget(self) -> None:
        """Drops what is needed only while numbers may repeat."""
        self._recent, self._older = {}, {}

    def gaps(self) -> list[tuple[int, int]]:
        """Gives what is missing between 0 and the last that came, as (first, last)."""
        before = [-1, *self._lasts]
        return [(last + 1, first - 1) for last, first in zip(before, self._firsts, strict=False) if first > last + 1]


@dataclass
class Boot:
    """One boot: ``seen`` are its records, ``damaged`` what complete headers of damaged ones said."""

    hello: Hello | None = None
    bye: Bye | None = None
    seen: SequenceBook = field(default_factory=SequenceBook)
    damaged: set[int | None] = field(default_factory=set)
    windows: int = 0
    conflicts: int = 0

    def spoil(self, seq: int | None) -> None:
        """Enters the number of a damaged record, None where it had none."""
        if len(self.damaged) >= _DAMAGED and None not in self.damaged:
            self.damaged = {kept for kept in self.damaged if kept not in self.seen}
            if len(self.damaged) > _DAMAGED // 2:  # else each one more would look through all of them
                self.damaged.add(None)
        if len(self.damaged) < _DAMAGED:
            self.damaged.add(seq)

    def gaps(self) -> list[tuple[int, int]]:
        """Gives what is missing between ``seq`` 0 and the last that came, as (first, last)."""
        return self.seen.gaps()

    def problems(self) -> list[str]:
        """Gives what keeps this boot from being complete, apart from a missing bye."""
        problems = []
        if self.hello is None:
            problems.append("no hello record came")
        if gaps := self.gaps():
            problems.append(f"records {ranges_text(gaps)} are missing")
        if lost := sum(seq not in self.seen for seq in self.damaged):
            problems.append(f"{lost} damaged and never repeated")
        if self.conflicts:
            problems.append(f"{self.conflicts} with the number of an earlier one: a restart without a hello?")
        if self.bye is not None and self.bye.dropped:
            problems.append(f"the board dropped {self.bye.dropped} records")
        if self.bye is not None and self.bye.windows != self.windows:
            problems.append(f"the board counted {self.bye.windows} windows, {self.windows} came")
        return problems


def ranges_text(gaps: list[tuple[int, int]], most: int = 20) -> str:
    """Gives (first, last) pairs as people write them: ``4, 9-11``."""
    texts = [f"{first}" if first == last else f"{first}-{last}" for first, last in gaps[:most]]
    return ", ".join(texts) + (f" and {len(gaps) - most} gaps more" if len(gaps) > most else "")
