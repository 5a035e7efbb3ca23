"""What is true of a sound, what is read of its pictures, and what others make of it."""

from dataclasses import replace
from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from tests.report.hearing import RATE, make_heard_run, song, write_song
from wyh import knobs
from wyh.metrics.painted import kept
from wyh.report import album as album_module
from wyh.report import showing
from wyh.report.album import Heard, heard, paint, tile
from wyh.report.beside_pictures import resampled
from wyh.report.coded import Coded
from wyh.report.hear_see_charts import mosaic
from wyh.report.painter import SoundPainter, chunked, looks_of
from wyh.report.rivals import by_ridge, component_pictures
from wyh.report.soundtrack import HELD_OUT, TRAIN, gather
from wyh.specs import VideoSpec
from wyh.transducers.hearing import Hearing


@pytest.fixture
def painter(tmp_path):
    run = make_heard_run(tmp_path / "run", write_song(tmp_path / "song.wav"))
    return SoundPainter(run, "best")


@pytest.fixture
def track(painter):
    return gather(painter.player.run, (), painter.spec, 129)


def test_true_features_are_those_that_are_heard(painter):
    sound, hop = song(2.0), painter.spec.block
    hearing = Hearing(painter.features)
    _, controls = hearing(
        {name: jnp.asarray(painter.variables[name]) for name in ("mean", "std")},
        hearing.init(1),
        jnp.asarray(sound[: len(sound) // hop * hop].reshape(1, -1, hop)),
        {name: jnp.float32(value) for name, value in knobs.defaults().items()},
    )
    ends = (np.arange(len(sound) // hop) + 1) * hop
    true = painter.true_features(sound, ends - painter.features.win_length // 2)
    np.testing.assert_allclose(true, controls.value[0], atol=2e-3)


def test_reading_before_rounding_is_nearly_the_same(painter):
    sound = song(3.0)
    bytes_read = painter.read(np.concatenate(list(painter.paint(sound, painter.video))))
    before = painter.read_before_rounding(sound)
    assert before.shape == bytes_read.shape == (72, 9)
    assert np.abs(before - bytes_read).max() < 0.1 * bytes_read.std() + 0.05


def test_an_album_of_a_soundtrack(painter, track, tmp_path, monkeypatch):
    monkeypatch.setattr(album_module, "SHORT", 32)
    facts = heard(painter, track)
    assert len(facts.true) == len(facts.kinds) == 288 and facts.firsts == [0]
    album = paint(painter, track, [3, 100], tmp_path)
    assert {name: read.shape for name, read in album.read.items()} == dict.fromkeys(
        ("bytes", "h264", "h264_crf30"), (288, 9)
    )
    assert np.isnan(album.change[0]) and np.isfinite(album.change[1:]).all()
    assert set(album.tiles) == {3, 100} and album.tiles[3].shape == (32, 32, 3)
    pictures = np.concatenate(list(painter.paint(track.stretches[0].waveform, painter.sized(32))))
    np.testing.assert_array_equal(album.tiles[100], tile(pictures[100]))
    np.testing.assert_allclose(album.read["bytes"], painter.read(pictures), atol=1e-5)
    halves = showing.half_seconds_of(facts, 24.0)
    np.testing.assert_array_equal(halves.ravel(), np.flatnonzero(facts.kinds == HELD_OUT))


@pytest.mark.parametrize("late_ms", [-7.0, 0.0, 11.0])
def test_the_offset_of_what_is_read(painter, track, late_ms):
    facts = heard(painter, track)
    at = np.rint((np.arange(288) + 0.5) * RATE / 24 + late_ms * RATE / 1000).astype(int)
    read = painter.true_features(track.stretches[0].waveform, at)
    assert showing.offset_ms(painter, track, facts, read) == pytest.approx(late_ms, abs=1)


def test_changes_where_sounds_begin(painter, track):
    from wyh.metrics.onsets import onsets

    facts = heard(painter, track)
    at = onsets(track.stretches[0].waveform, RATE)
    change = np.full(288, 0.1)
    change[np.clip(np.rint(at * 24).astype(int), 0, 287)] = 5
    found = showing.Agreement(painter, track, facts, change)
    assert found.onsets > 2
    assert found.f1[50] > 0.9 and found.f1_shuffled[50] < 0.7
    assert abs(found.lag_ms) < 12


def test_a_strobe_is_on_half_of_the_time():
    sound = showing.strobe(RATE)
    assert len(sound) == 4 * RATE
    on = np.abs(sound) > 0
    assert np.sum(np.diff(on.astype(int)) == -1) == 32
    assert on.mean() == pytest.approx(0.5, abs=0.01)


def test_coded_pictures_come_back(tmp_path):
    video = VideoSpec(Fraction(24), 64, 48)
    shades = np.arange(150) % 200 + 20
    pictures = np.broadcast_to(shades[:, None, None, None], (150, 64, 48, 3)).astype(np.uint8)
    with Coded(tmp_path / "some.mp4", video, 23) as way:
        for some in np.array_split(pictures, 4):
            way.write(some)
        back = np.concatenate(list(way.read(16, 16)))
        assert way.bytes_written > 100
    assert back.shape == (150, 16, 16, 3)
    assert np.abs(back.astype(int) - shades[:, None, None, None]).mean() < 3
    assert not list(tmp_path.iterdir())


def test_components_are_square_cells(rng):
    true = (rng.standard_normal((100, 5)) @ rng.standard_normal((5, 5))).astype(np.float32)
    facts = Heard(true, np.repeat([TRAIN, HELD_OUT], 50), np.arange(100) // 10, [100])
    pictures = np.concatenate(list(component_pictures(facts, 32, 48)))
    assert pictures.shape == (100, 32, 48, 3)
    cells = pictures[:, ::16, ::24]  # two by two, of which five values are used
    np.testing.assert_array_equal(pictures, cells.repeat(16, axis=1).repeat(24, axis=2))
    assert (cells.reshape(100, 12)[:, 5:] == 128).all()
    read = by_ridge(looks_of(pictures), facts)
    assert kept(read[50:], true[50:]).r2 > 0.98


def test_the_shape_of_other_sizes(painter):
    wide = replace(painter.video, height=16, width=24)
    painter.video = wide
    assert (painter.sized(256).height, painter.sized(256).width) == (256, 384)


def test_runs_of_a_fixed_length():
    runs = list(chunked([np.arange(5), np.arange(3), np.arange(4)], 4))
    assert [list(run) for run in runs] == [[0, 1, 2, 3], [4, 0, 1, 2], [0, 1, 2, 3]]
    assert [len(run) for run in chunked([np.arange(5)], 4)] == [4, 1]


def test_a_mosaic_is_in_order():
    pictures = [np.full((2, 3, 3), number, np.uint8) for number in range(1, 6)]
    whole = mosaic(pictures, 2)
    assert whole.shape == (3 * 2 + 2 * 4, 3 * 2 + 4, 3)
    assert whole[0, 0, 0] == 1 and whole[0, 7, 0] == 2 and whole[12, 0, 0] == 5


def test_sound_at_another_rate():
    sound = np.sin(np.arange(8000) / 8000 * 2 * np.pi * 440).astype(np.float32)
    assert resampled(sound, 8000, 8000) is sound
    other = resampled(sound, 8000, 22050)
    assert len(other) == 22050
    wanted = np.sin(np.arange(22050) / 22050 * 2 * np.pi * 440)
    np.testing.assert_allclose(other[500:-500], wanted[500:-500], atol=5e-3)
