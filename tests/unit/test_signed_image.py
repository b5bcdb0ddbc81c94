"""ST's header, checked without a board: a good one, and one wrong field at a time."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from birdnet_deploy.board.signed_image import check_signed_image, read_signed_image
from birdnet_deploy.errors import BoardError
from tests.support.command import fail, succeed
from tests.support.signed_images import RESET, app, signed


def image(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "app_sign.bin"
    path.write_bytes(data)
    return path


def test_a_signed_image_is_read(tmp_path: Path) -> None:
    path = image(tmp_path, signed(app(5000)))
    found = check_signed_image(path, kind="app", slot_bytes=524_288)
    assert (found.entry, found.reset, found.stack) == (RESET, RESET, 0x34100000)
    assert (found.size_bytes, found.length, found.kind_name) == (0x400 + 5000, 0x1C0 + 5000, "app")


def test_an_fsbl_is_none_where_an_application_is_wanted(tmp_path: Path) -> None:
    path = image(tmp_path, signed(app(), kind=0x10))
    assert check_signed_image(path, kind="fsbl").kind_name == "fsbl"
    with pytest.raises(BoardError, match="of kind fsbl, not app"):
        check_signed_image(path, kind="app")


@pytest.mark.parametrize(
    ("at", "word", "told"),
    [
        (0x00, 0x324D5453 ^ 1, "begins with"), (0x64, 1, "checksum 0x00000001"),
        (0x68, 0x00020200, "version 0x00020200"),
        (0x6C, 12, "length 12"), (0x70, 0x34000C01, "entry is 0x34000C01"), (0x78, 0, "at 0x78"), (0x84, 0, "at 0x84"),
        (0x88, 0x1A4, "at 0x88"), (0x8C, 0x11, "kind 0x11"), (0x300, 1, "not zero"),
    ],
)  # fmt: skip
def test_each_field_that_is_wrong_is_told(tmp_path: Path, at: int, word: int, told: str) -> None:
    data = bytearray(signed(app()))
    struct.pack_into("<I", data, at, word)
    with pytest.raises(BoardError, match=told):
        check_signed_image(image(tmp_path, bytes(data)))


def test_a_misaligned_image_is_refused_whatever_else_is_right(tmp_path: Path) -> None:
    """What the tool makes from 2.21 on without -align: the most reported dead board."""
    path = image(tmp_path, signed(app(), aligned=False))
    assert [text for text in read_signed_image(path).problems if "misaligned" not in text] == []
    with pytest.raises(BoardError, match="misaligned: the vectors are at 0x240, not at 0x400.* -> .*-align"):
        check_signed_image(path)


def test_an_image_over_its_slot_is_refused_with_both_sizes(tmp_path: Path) -> None:
    path = image(tmp_path, signed(app(524_288 - 0x400)))
    check_signed_image(path, slot_bytes=524_288)
    with pytest.raises(BoardError, match="524289 bytes do not fit the slot of 524288"):
        check_signed_image(image(tmp_path, signed(app(524_289 - 0x400))), slot_bytes=524_288)


@pytest.mark.parametrize("data", [b"", b"STM2", bytes(0x400)], ids=["empty", "short", "zeros"])
def test_what_is_no_image_is_told_in_one_line(tmp_path: Path, data: bytes) -> None:
    error = fail(7, "flash", "--check-image", image(tmp_path, data))
    assert error.count("\n") == 1 and "no signed image" in error


def test_the_command_shows_a_good_image_and_refuses_a_misaligned_one(tmp_path: Path) -> None:
    out = succeed("flash", "--check-image", image(tmp_path, signed(app(5000))))
    for part in (f"0x{RESET:08X}", "6,024 B", "application"):
        assert part in out
    assert "misaligned" in fail(7, "flash", "--check-image", image(tmp_path, signed(app(), aligned=False)))
    assert "cannot be read" in fail(7, "flash", "--check-image", tmp_path / "none.bin")


def test_every_cut_and_flipped_header_ends_in_an_answer(tmp_path: Path) -> None:
    whole = signed(app(100))
    for at in range(0, 0x410, 7):
        flipped = bytearray(whole)
        flipped[at] ^= 0x55
        read_signed_image(image(tmp_path, bytes(flipped)))
        with pytest.raises(BoardError):
            check_signed_image(image(tmp_path, whole[: at + 1]))
