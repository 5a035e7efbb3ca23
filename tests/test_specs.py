import copy
import json
from fractions import Fraction

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.specs import AudioSpec, StreamSpec, VideoSpec, as_rate, tick_start

NTSC = Fraction(24000, 1001)


def stream(frame_rate=Fraction(30), sample_rate=22050, block=256, latency=0):
    video = VideoSpec(Fraction(frame_rate))
    return StreamSpec("see-hear", video, AudioSpec(sample_rate), block, latency)


@pytest.mark.parametrize(
    ("given", "rate"),
    [
        (24, Fraction(24)),
        (24.0, Fraction(24)),
        ("24", Fraction(24)),
        (" 24 ", Fraction(24)),
        (12.5, Fraction(25, 2)),
        ("25/2", Fraction(25, 2)),
        ("24000/1001", NTSC),
        (NTSC, NTSC),
        ("23.976", NTSC),
        ("23.98", NTSC),
        (23.976, NTSC),
        (24000 / 1001, NTSC),
        (float(np.float32(24000 / 1001)), NTSC),
        ("29.97", Fraction(30000, 1001)),
        (29.97003, Fraction(30000, 1001)),
        ("47.952", Fraction(48000, 1001)),
        ("59.94", Fraction(60000, 1001)),
        ("119.88", Fraction(120000, 1001)),
        ("14.985", Fraction(15000, 1001)),
        ("24.5", Fraction(49, 2)),
        ("29.9", Fraction(299, 10)),
        ("0.5", Fraction(1, 2)),
        ("0.001", Fraction(1, 1000)),
        (90_000, Fraction(90_000)),
    ],
)
def test_rates(given, rate):
    assert as_rate(given) == rate


def test_a_rate_of_many_digits_is_cut_to_what_64_bits_can_count():
    rate = as_rate("25.000012345678901")
    assert rate.denominator <= 100_000
    assert abs(rate - Fraction("25.000012345678901")) < Fraction(1, 10**6)
    ten_hours = 36_000 * 192_000 // 256
    ticks, _ = stream(rate, 192_000).schedule(ten_hours, 3)
    assert [int(t) for t in ticks] == [
        naive(b * 256, 192_000, rate)[0] for b in range(ten_hours, ten_hours + 3)
    ]


@pytest.mark.parametrize(
    "given", ["fast", "", None, "24/0", "nan", "inf", "1e999999999", "1E3", True, "24 Hz", [24]]
)
def test_no_rate_at_all(given):
    with pytest.raises(WyhError, match="wanted a number such as 24 or 24000/1001"):
        as_rate(given)


@pytest.mark.parametrize("given", [0, -24, "-1/2", "0/5", "1" + "0" * 300, "0.0000000001"])
def test_a_rate_out_of_range(given):
    with pytest.raises(WyhError, match="wanted one above 0 and up to 1,000,000 Hz"):
        as_rate(given)


def naive(sample, sample_rate, frame_rate):
    """The newest tick that has started by `sample`, and its age, by exact fractions alone."""
    tick = int(Fraction(sample, sample_rate) * frame_rate) + 2
    while tick_start(tick, sample_rate, frame_rate) > sample:
        tick -= 1
    start = round(Fraction(tick) * sample_rate / frame_rate)
    return tick, float(Fraction(sample - start, sample_rate))


@pytest.mark.parametrize("sample_rate", [8000, 22050, 44100, 48000])
@pytest.mark.parametrize("frame_rate", [1, 10, 24, NTSC, 25, Fraction(30000, 1001), 60, 240])
@pytest.mark.parametrize("first", [0, 3, 3_600 * 90, 36_000 * 187 + 5])
def test_the_schedule_is_that_of_exact_fractions(frame_rate, sample_rate, first):
    frame_rate, block = Fraction(frame_rate), 221
    spec = stream(frame_rate, sample_rate, block)
    ticks, ages = spec.schedule(first, 60)
    expected = [naive(b * block, sample_rate, frame_rate) for b in range(first, first + 60)]
    np.testing.assert_array_equal(ticks, [tick for tick, _ in expected])
    np.testing.assert_allclose(ages, [age for _, age in expected], rtol=0, atol=1e-12)
    assert (ages >= 0).all()
    assert (ages <= float(1 / frame_rate) + 1 / sample_rate).all()


@pytest.mark.parametrize("frame_rate", [7, NTSC, Fraction(60000, 1001)])
def test_every_sample_near_a_tick_is_on_its_right_side(frame_rate):
    frame_rate = Fraction(frame_rate)
    spec = stream(frame_rate, 22050)
    for tick in (1, 2, 3, 86_400 * 24):
        start = tick_start(tick, 22050, frame_rate)
        assert [spec.frame_tick_at(start + d) for d in (-1, 0, 1)] == [tick - 1, tick, tick]


def test_a_tick_that_starts_half_way_between_samples_rounds_as_python_does():
    spec = stream(Fraction(240), 4200, block=1)  # 17.5 samples a frame
    ticks, ages = spec.schedule(0, 60)
    assert list(np.flatnonzero(np.diff(ticks)) + 1) == [18, 35, 52]
    assert ages[18] == 0


def test_the_step_of_a_schedule_may_differ_from_the_block():
    spec = stream(30, 22050, block=256)
    ticks, ages = spec.schedule(100, 5, step=10)
    expected = [naive(s, 22050, Fraction(30)) for s in range(1000, 1050, 10)]
    assert list(ticks) == [tick for tick, _ in expected]
    assert list(ages) == pytest.approx([age for _, age in expected])


@pytest.mark.parametrize("frame_rate", [NTSC, Fraction(24), Fraction(60), Fraction(1)])
@pytest.mark.parametrize("late", [0, 700, 1479])
@pytest.mark.parametrize("first", [0, 9_999_990])
def test_pictures_use_the_newest_block_that_has_ended(frame_rate, late, first):
    spec = stream(frame_rate, 44100, 256)
    blocks, ages = spec.picture_schedule(first, 60, late=late)
    assert blocks.dtype == np.int64
    for picture, block, age in zip(range(first, first + 60), blocks, ages, strict=True):
        at = round(picture * Fraction(44100) / frame_rate) + late
        ended = at // 256  # so many blocks
        assert block == max(ended - 1, 0)
        assert age * 44100 == pytest.approx(at - 256 * ended if ended else 0, abs=1e-6)
        assert 0 <= age < 256 / 44100


def test_pictures_come_one_by_one_as_they_come_together():
    spec = stream(NTSC, 22050, 100)
    blocks, ages = spec.picture_schedule(1000, 50, late=33)
    for k in range(50):
        (block,), (age,) = spec.picture_schedule(1000 + k, 1, late=33)
        assert (block, age) == (blocks[k], ages[k])
    assert (np.diff(blocks) >= 0).all()


def test_what_follows_from_the_rates():
    spec = stream(25, 8000, latency=400)
    assert spec.budget_ms == 40
    assert spec.latency_secs == 0.05
    assert VideoSpec(NTSC, 48, 64, 1).shape == (48, 64, 1)
    assert VideoSpec(NTSC, 48, 64, 3).frame_bytes == 48 * 64 * 3


def test_json_gives_back_the_same_stream():
    spec = StreamSpec(
        "hear-see", VideoSpec(NTSC, 48, 96, 1, "pad"), AudioSpec(48000), 480, latency_samples=99
    )
    assert StreamSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda v: v.pop("video"), "'video'"),
        (lambda v: v["video"].pop("frame_rate"), "'frame_rate'"),
        (lambda v: v.pop("block"), "block"),
        (lambda v: v.update(mood=1), "mood"),
        (lambda v: v["audio"].update(mood=1), "mood"),
        (lambda v: v.update(video=None), ""),
        (lambda v: v.update(video="abc"), ""),
        (lambda v: v.update(audio=[1]), ""),
        (lambda v: v.update(block="256"), ""),
    ],
)
def test_a_damaged_description(change, told):
    values = stream().to_json()
    change(values)
    with pytest.raises(WyhError, match=f"the stream description is damaged: .*{told}"):
        StreamSpec.from_json(values)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VideoSpec(Fraction(1, 2)), "got frame rate 0.5 Hz, wanted 1 to 240 Hz"),
        (lambda: VideoSpec(Fraction(241)), "got frame rate 241 Hz, wanted 1 to 240 Hz"),
        (lambda: VideoSpec(NTSC, height=7), "got height 7 pixels, wanted 8 to 4096 pixels"),
        (lambda: VideoSpec(NTSC, width=4097), "got width 4097 pixels, wanted 8 to 4096 pixels"),
        (
            lambda: VideoSpec(NTSC, channels=4),
            r"got 4 channels, wanted 3 \(colour\) or 1 \(grey\)",
        ),
        (lambda: AudioSpec(3999), "got sample rate 3999 Hz, wanted 4000 to 192000 Hz"),
        (lambda: AudioSpec(channels=3), "got 3 channels of sound, wanted 1 .mono. or 2 .stereo."),
        (lambda: stream(block=0), "got block 0 samples, wanted 1 to 65536 samples"),
        (lambda: stream(latency=-1), "got latency -1 samples, wanted 0 to"),
    ],
)
def test_values_out_of_range(make, message):
    with pytest.raises(WyhError, match=message):
        make()


@pytest.mark.parametrize(
    ("spec", "name", "value", "message"),
    [
        (VideoSpec(NTSC), "fit", "zoom", "got fit 'zoom', wanted crop, pad or stretch"),
        (stream(), "direction", "up", "got direction 'up', wanted see-hear or hear-see"),
    ],
)
def test_unknown_words(spec, name, value, message):
    spec = copy.copy(spec)  # the constructor's annotations are checked here, unlike in use
    object.__setattr__(spec, name, value)
    with pytest.raises(WyhError, match=message):
        spec.__post_init__()
