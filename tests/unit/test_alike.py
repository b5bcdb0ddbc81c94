"""The figures of a fidelity report, on numbers that can be checked by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from birdnet_deploy.quantization.by_file import file_figures, labelled_accuracy
from birdnet_deploy.support.alike import (
    by_confidence,
    cosines,
    counted,
    decibels,
    sqnr_db,
    ties,
    top_agreement,
    wilson,
)


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe 1998, table I (method 3): 81/263, 15/148, 0/20, 1/29
        (81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718),
    ],
)  # fmt: skip
def test_wilson_gives_the_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=6e-5)
    mirrored = wilson(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=6e-5)


def test_wilson_of_nothing_says_nothing_and_stays_within_0_and_1() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(0, 5)[0] == 0.0 and wilson(5, 5)[1] == 1.0
    assert counted(np.array([], bool)) == {"agreed": 0, "windows": 0, "share": None, "interval": [0.0, 1.0]}
    assert counted(np.array([True, False, True])) == {
        "agreed": 2, "windows": 3, "share": 0.6667, "interval": [0.2077, 0.9385],
    }  # fmt: skip


def test_bins_of_confidence_hold_their_upper_edge() -> None:
    best = np.array([0.05, 0.1, 0.11, 0.25, 0.3, 0.5, 0.9, 0.91, 1.0])
    wanted = np.stack([best, np.zeros(9)], axis=1)
    agrees = np.array([1, 0, 1, 1, 0, 1, 1, 1, 0], bool)
    found = by_confidence(wanted, agrees)
    assert [(bin_["above"], bin_["to"], bin_["agreed"], bin_["windows"]) for bin_ in found] == [
        (None, 0.1, 1, 2), (0.1, 0.25, 2, 2), (0.25, 0.5, 1, 2), (0.5, 0.9, 1, 1), (0.9, None, 1, 2),
    ]  # fmt: skip


def test_centred_noise_is_measured_against_what_tells_windows_apart() -> None:
    wanted = np.array([[11.0, -5.0], [9.0, -5.0]])
    got = wanted + [[0.1, 0.0], [0.0, 0.1]]
    assert sqnr_db(wanted, got) == round(10 * np.log10((121 + 81 + 50) / 0.02), 2)
    assert sqnr_db(wanted, got, centred=True) == round(10 * np.log10(2 / 0.02), 2)
    assert sqnr_db(wanted[:1], got[:1], centred=True) is None  # one window tells nothing apart
    assert sqnr_db(wanted, wanted) is None and decibels(0.0, 1.0) is None and decibels(100.0, 1.0) == 20.0


def test_cosines_of_rows_of_zeros() -> None:
    found = cosines([[0, 0], [0, 0], [1, 0], [1, 1]], [[0, 0], [1, 0], [0, 0], [1, 0]])
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0, 2**-0.5])


def test_ties_are_counted_apart() -> None:
    wanted = np.array([[0.1, 0.9, 0.2], [0.5, 0.5, 0.1], [0.3, 0.2, 0.1]])
    got = np.array([[0.9, 0.9, 0.2], [0.4, 0.5, 0.5], [0.2, 0.2, 0.3]])
    assert ties(wanted, got) == {"float_windows": 1, "int8_windows": 2, "agreed_counting_ties": 1}


def test_top_agreement_takes_no_more_classes_than_there_are() -> None:
    assert top_agreement(np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]])) == 1.0
    assert top_agreement(np.array([[1.0, 2.0]]), np.array([[2.0, 1.0]]), top=1) == 0.0


WANTED = np.array([[0.9, 0.1], [0.8, 0.3], [0.2, 0.1], [0.1, 0.6]])
GOT = np.array([[0.9, 0.1], [0.2, 0.3], [0.1, 0.2], [0.1, 0.6]])
FILES = ("x/b.wav", "x/b.wav", "x/b.wav", "Tit/a.wav")


def test_every_recording_counts_once() -> None:
    cosine = np.array([1.0, 0.5, 0.6, 0.9])
    found = file_figures(WANTED, GOT, cosine, FILES)
    assert found["cosine_mean"] == 0.8  # (0.9 + 0.7) / 2, not 0.75
    assert found["top1_agreement"] == round((1 + 1 / 3) / 2, 4)
    assert found["confident_top1_agreement"] == 0.75
    assert found["top1_of_files"]["agreed"] == 2  # the first window of b is its loudest, in both
    assert found["files"][1] == {
        "file": "x/b.wav", "windows": 3, "cosine_mean": 0.7, "cosine_min": 0.5, "top1_agreed": 1,
        "confident_windows": 2, "confident_agreed": 1, "same_best_class": True,
    }  # fmt: skip
    json.dumps(found, allow_nan=False)
    assert file_figures(WANTED[2:3], GOT[2:3], cosine[2:3], FILES[:1])["confident_top1_agreement"] is None


def test_labels_are_the_names_of_folders_of_float_and_int8() -> None:
    labels = ("Tit", "x")
    found = labelled_accuracy(WANTED, GOT, FILES, labels)
    assert found is not None
    # Tit is class 0, x class 1: float is right nowhere; int8 in the second and third window of b
    assert [found["float"][unit]["right"] for unit in ("windows", "files")] == [0, 0]
    assert [found["int8"][unit]["right"] for unit in ("windows", "files")] == [2, 0]
    assert found["int8"]["windows"]["of"] == 4 and found["int8"]["files"]["of"] == 2
    part = labelled_accuracy(WANTED, GOT, FILES, ("none", "Tit"))
    assert part is not None and part["float"]["windows"] == {
        "right": 1,
        "of": 1,
        "share": 1.0,
        "interval": [0.2065, 1.0],
    }
    assert labelled_accuracy(WANTED, GOT, ("a.wav",) * 4, labels) is None


def test_accents_of_a_folder_may_be_decomposed() -> None:
    found = labelled_accuracy(WANTED[:1], GOT[:1], ("Me\u0301sange/a.wav",), ("M\u00e9sange", "x"))
    assert found is not None and found["float"]["windows"]["right"] == 1
