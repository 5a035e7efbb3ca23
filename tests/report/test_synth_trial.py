"""What a synth makes of a stream, with a stand-in whose sound tells which picture it is of."""

from fractions import Fraction

import jax.numpy as jnp
import numpy as np
import pytest

from wyh.report.excerpts import Excerpt, samples_each
from wyh.report.synth_trial import SETTLE_SECS, Stream, stream_of, tried
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.transducers.protocol import Transducer

RATE, BLOCK = 8000, 80


def excerpt(value, before, count, shape=(8, 8, 1)):
    """Pictures all of one value, after others of another."""
    frames = np.full((count, *shape), value, np.uint8)
    return Excerpt("film", 0.0, np.full((before, *shape), 255, np.uint8), frames, np.zeros(1))


def repeater(frame_rate, late=2 * BLOCK, period=0):
    """A transducer whose sound is the value of the picture, `late` samples late.

    With a period, it is that many samples of noise over and over.
    """
    video = VideoSpec(frame_rate, 8, 8, 1)
    spec = StreamSpec("see-hear", video, AudioSpec(RATE), BLOCK, late)
    noise = np.random.default_rng(0).standard_normal(max(period, 1)).astype(np.float32)

    def init(variables, key, batch_size):
        return jnp.zeros(1), (jnp.zeros((batch_size, late)), jnp.int32(0))

    def observe_many(variables, carry, frames, knobs, keys):
        return carry, (frames[:, :, 0, 0, 0].astype(jnp.float32) / 255,)

    def emit_many(variables, carry, controls, ages_secs, knobs, keys):
        held, begin = carry
        count = controls[0].shape[1] * BLOCK
        now = jnp.repeat(controls[0], BLOCK, axis=1)
        if period:
            now = now * jnp.asarray(noise)[(begin + jnp.arange(count)) % period][None]
        sound = jnp.concatenate([held, now], axis=1)
        return (sound[:, count:], begin + count), sound[:, :count]

    return Transducer(spec, init, observe_many, emit_many)


@pytest.mark.parametrize("frame_rate", [Fraction(25), Fraction(24000, 1001)])
def test_the_sound_of_each_excerpt_is_found_again(frame_rate):
    count = int(frame_rate)
    values = (51, 102, 204)
    some = [excerpt(value, before, count) for value, before in zip(values, (7, 0, 5), strict=True)]
    transducer = repeater(frame_rate)
    frames = list(Stream(some, []).frames(frame_rate))
    assert sum(map(len, frames)) == 12 + 3 * count
    stream = stream_of(some)
    assert len(stream.still) == 3
    trial = tried(transducer, {}, stream)
    assert trial.sounds.shape == (3, samples_each(frame_rate, RATE))
    for sound, value in zip(trial.sounds, values, strict=True):
        # A picture is heard from the next block on: at the start, the one before may still be.
        np.testing.assert_allclose(sound[2 * BLOCK :], value / 255, atol=1e-6)


def test_pictures_stand_still_for_as_long_as_it_takes():
    frame_rate = Fraction(2)
    some = [excerpt(value, 1, 2) for value in (10, 20)]
    stream = stream_of(some)
    shown = np.concatenate(list(stream.frames(frame_rate)))[:, 0, 0, 0]
    # 160 pictures are longer than 20 s here.
    assert len(shown) == 2 * 3 + 2 * (4 + 160 + 2)
    assert (shown[6 : 6 + 166] == 10).all() and (shown[6 + 166 :] == 20).all()
    made = np.arange(len(shown) * RATE // 2, dtype=np.float32)
    sounds, still = stream.cut(made, RATE, frame_rate)
    assert sounds[:, 0].tolist() == [RATE // 2, 2 * RATE]
    assert [(tick, len(sound)) for tick, sound in still] == [(10, 80 * RATE), (176, 80 * RATE)]
    assert still[0][1][0] == (3 + SETTLE_SECS) * RATE


def test_what_repeats_with_the_frames_is_heard_as_their_harmonics():
    frame_rate = Fraction(25)
    stream = stream_of([excerpt(255, 0, 25)])
    humming = tried(repeater(frame_rate, period=320), {}, stream)
    noisy = tried(repeater(frame_rate, period=320 * 479), {}, stream)
    assert len(humming.harmonics_db) == 1
    assert humming.harmonics_db[0] > 20 > 4 > noisy.harmonics_db[0]
    assert abs(noisy.click_db) < 1
