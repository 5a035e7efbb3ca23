from fractions import Fraction

import numpy as np
import pytest

from tests.media import clips
from wyh.media import decode
from wyh.media.decode import probe
from wyh.media.fit import decoding_options
from wyh.media.probe import MediaInfo
from wyh.specs import VideoSpec

SMALL = VideoSpec(Fraction(25), 8, 8, 1, "stretch")


def test_what_is_not_seen_is_not_decoded_where_64_pixels_become_one():
    for size, small in [((64, 64), True), ((63, 64), False), ((512, 8), True), ((8, 8), False)]:
        info = MediaInfo("a.mp4", "mov", True, False, *size)
        assert bool(decoding_options(info, SMALL)) is small, size


def test_of_what_is_not_known_all_is_decoded():
    assert decoding_options(None, SMALL) == []  # a URL
    assert decoding_options(MediaInfo("a.ts", "mpegts", True, False), SMALL) == []


@pytest.mark.parametrize("name", ["cfr_mp4", "b_frames", "webm"])
def test_small_pictures_are_as_they_would_be(media, name, monkeypatch):
    assert decoding_options(probe(media(name)), SMALL)
    times, quick = clips.read_video(media(name), SMALL)
    monkeypatch.setattr(decode, "decoding_options", lambda info, spec: [])
    exact_times, exact = clips.read_video(media(name), SMALL)
    np.testing.assert_array_equal(times, exact_times)
    difference = np.abs(quick.astype(int) - exact)
    assert difference.max() <= 4 and difference.mean() < 0.5
