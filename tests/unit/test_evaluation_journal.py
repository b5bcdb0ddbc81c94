"""The journal: whole records survive a tear at any byte, and nothing that is broken is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from birdnet_deploy.errors import ModelError, OutputRefused
from birdnet_deploy.evaluation.journal import create_journal, held, open_journal

RECORDS = [b"", b"first", b"second" * 20, bytes(range(256))]


def make(path: Path) -> Path:
    with create_journal(path, {"a": 1}) as journal:
        for record in RECORDS[:2]:
            journal.append(record)
        journal.set_plan({"files": 4})
        for record in RECORDS[2:]:
            journal.append(record)
    return path


def read(path: Path) -> list[bytes]:
    with open_journal(path) as journal:
        return [record for _, record in journal.records()]


def test_records_come_back_in_order_and_by_their_place(tmp_path: Path) -> None:
    with open_journal(make(tmp_path / "j")) as journal:
        found = list(journal.records())
        assert [record for _, record in found] == RECORDS
        assert journal.header == {"a": 1}
        assert journal.plan == {"files": 4}
        assert [journal.record_at(place) for place, _ in reversed(found)] == RECORDS[::-1]


def test_torn_at_any_byte_the_whole_records_before_it_are_kept_and_more_can_be_added(tmp_path: Path) -> None:
    whole = make(tmp_path / "j").read_bytes()
    with open_journal(tmp_path / "j") as journal:
        begin = next(journal.records())[0]
    path, seen = tmp_path / "torn", set()
    for length in range(begin, len(whole)):
        path.write_bytes(whole[:length])
        with open_journal(path, append=True) as journal:
            kept = [record for _, record in journal.records()]
            assert kept == RECORDS[: len(kept)]
            journal.cut()
            journal.append(b"more")
        assert read(path) == [*kept, b"more"]
        seen.add(len(kept))
    assert seen == {0, 1, 2, 3}


def test_a_flipped_byte_ends_the_journal_before_its_record(tmp_path: Path) -> None:
    whole = make(tmp_path / "j").read_bytes()
    with open_journal(tmp_path / "j") as journal:
        places = [place for place, _ in journal.records()]
    for flipped in range(places[0], len(whole)):
        broken = bytearray(whole)
        broken[flipped] ^= 0x10
        (tmp_path / "j").write_bytes(broken)
        kept = read(tmp_path / "j")
        assert kept == RECORDS[: len(kept)]
        assert len(kept) <= sum(place <= flipped for place in places)


def test_what_lies_behind_a_tear_never_comes_back(tmp_path: Path) -> None:
    broken = bytearray(make(tmp_path / "j").read_bytes())
    broken[broken.index(b"first")] ^= 0x10
    (tmp_path / "j").write_bytes(broken)
    with open_journal(tmp_path / "j", append=True) as journal:
        assert [record for _, record in journal.records()] == [b""]
        assert journal.cut() == len(broken) - broken.index(b"BNJ1F", broken.index(b"BNJ1F") + 1)
        journal.append(b"again")  # as long as what was broken: whole frames would follow it
    assert read(tmp_path / "j") == [b"", b"again"]


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    for content in (b"", b"BNJ1", b"x" * 100):
        (tmp_path / "j").write_bytes(content)
        with pytest.raises(ModelError, match="not the journal"):
            open_journal(tmp_path / "j")
    with pytest.raises(ModelError, match="cannot be read"):
        open_journal(tmp_path / "none")


def test_a_folder_is_held_by_one_evaluation(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(OutputRefused, match="another evaluation writes here"), held(tmp_path):
        pass
    for name in (".results.csv.staging-7", ".mine.staging-7"):
        (tmp_path / name).touch()
    with held(tmp_path):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ".mine.staging-7"]
