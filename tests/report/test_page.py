"""The page and the figures in it."""

import numpy as np
import pytest

from wyh.metrics.intervals import Interval
from wyh.report import document
from wyh.report.charts import evenly, strip
from wyh.report.findings import Figure, Pictures


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (8.2, "8.20"),
        (-1.25, "\N{MINUS SIGN}1.25"),
        (41.667, "41.7"),
        (0.0069, "0.007"),
        (0.049, "0.049"),
        (128, "128"),
        (1234.5, "1234"),
    ],
)
def test_numbers_have_the_digits_that_people_read(value, text):
    assert document.number(value) == text


def test_a_row_tells_what_is_wanted_and_whether_it_is_so():
    figure = Figure(
        "a", "<b> & c", 3.0, "dB", "higher", Interval(3, 2, 4), {"voice": 2.0}, "so", 2.5
    )
    assert figure.met
    row = document._row(figure, {"voice": "The <vOICe>"})
    assert "&lt;b&gt; &amp; c" in row and "The &lt;vOICe&gt;&nbsp;2" in row
    assert "&#10003; &ge;&nbsp;2.50" in row and "[2, 4]" in row and "&uarr;" in row
    low = Figure("a", "c", 0.06, "", "lower", wanted=0.05)
    assert not low.met
    assert "&#10007; &le;&nbsp;0.05" in document._row(low, {})
    assert Figure("a", "c", -0.99995, "dBFS", "lower", wanted=-1).met
    assert Figure("a", "c", 1.0, "", "lower").met


def test_files_become_data(tmp_path):
    file = tmp_path / "a.wav"
    file.write_bytes(b"RIFF")
    assert document.inlined(file) == "data:audio/wav;base64,UklGRg=="


def test_pictures_are_spread_evenly():
    assert list(evenly(8, 8)) == list(range(8))
    assert list(evenly(100, 4)) == [12, 37, 62, 87]
    assert list(evenly(2, 8)) == [0, 1]


def test_the_strip_shows_originals_above_what_is_known():
    seen = np.full((4, 8, 16, 1), 255, np.uint8)
    known = np.zeros((4, 8, 16, 1))
    empty = np.zeros(0)
    made = strip(Pictures(seen, known, empty, empty, empty, empty, empty), tile=32)
    assert made.shape == (2 * 16 + 6, 4 * 38 - 6, 3)
    assert made[:16, :32].min() == 255
    assert made[22:, :32].max() == 0
