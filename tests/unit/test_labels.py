"""Label files: order kept, everything doubtful refused with its line."""

from __future__ import annotations

import pytest

from birdnet_deploy.errors import LabelsError
from birdnet_deploy.model.labels import check_label_count, checked_names, format_labels, parse_labels


@pytest.mark.parametrize("data", [b"b\na\nc\n", b"b\r\na\r\nc", b"\xef\xbb\xbfb\na\nc\n"])
def test_order_is_kept_and_bom_and_crlf_go(data: bytes) -> None:
    assert parse_labels(data) == ("b", "a", "c")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"a\n\nb\n", 2), (b"a\nb\na\n", 3), (b"a\n\x00b\n", 2), (b"a\n\xff\n", 2), (b"x" * 600 + b"\n", 1),
        (b"a\n  \n", 2), (b"a\tb\n", 1), (b"a\n\n", 2), ("a\nb\u2028c\n".encode(), 2),
    ],
)  # fmt: skip
def test_what_is_doubtful_is_refused_with_its_line(data: bytes, line: int) -> None:
    with pytest.raises(LabelsError) as caught:
        parse_labels(data, where="l.txt")
    assert f"l.txt:{line}" in caught.value.line
    assert caught.value.exit_code == 3


def test_an_empty_file_is_refused() -> None:
    with pytest.raises(LabelsError, match="no label"):
        parse_labels(b"")


def test_written_labels_read_back() -> None:
    labels = ('Great "Tit"', "??/ */ %s", "é")
    assert parse_labels(format_labels(labels).encode()) == labels


def test_the_count_names_both_numbers() -> None:
    with pytest.raises(LabelsError, match="3 labels but the model has 4 outputs"):
        check_label_count(("a", "b", "c"), 4, where="l.txt")


@pytest.mark.parametrize(
    "names", [("a", "b\n#error"), ("a", "a"), ("a", ""), ("a", "\ud800"), ("a", "x" * 600), ("a", "\x1b[2J")]
)
def test_class_names_of_a_config_are_held_to_the_same(names: tuple[str, ...]) -> None:
    with pytest.raises(LabelsError, match="c.json: class_names entry 2") as caught:
        checked_names(names, where="c.json")
    assert "\n" not in caught.value.line
    assert checked_names(('Great "Tit"', "é"), where="c.json") == ('Great "Tit"', "é")
