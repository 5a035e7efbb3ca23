"""Playing a synth on made-up predictions, by the exact schedule of blocks and pictures."""

import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np

from wyh import knobs
from wyh.specs import AudioSpec, StreamSpec, VideoSpec, tick_start
from wyh.synths.noise import NoiseConfig
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Column, Magnitudes
from wyh.transducers.compile import traced
from wyh.transducers.protocol import Transducer, tick_keys

AT_ONCE = 64  # ticks


def predicted(rate=22050, frame_rate=24, column=0, bands=16):
    """A prediction of samples, or of so many bands."""
    noise = NoiseConfig(rate, layout="mel", low_hz=100.0, high_hz=0.45 * rate)
    return Prediction(noise, bands, float(frame_rate), column)


def of_rows(rows):
    """Controls of predicted samples `[batch, frames, n]`."""
    return Column(jnp.asarray(rows, jnp.float32))


def of_bands(values):
    """Controls of amplitudes `[batch, frames, bands]`."""
    values = jnp.asarray(values, jnp.float32)
    return Magnitudes(values, values)


def stream(synth, prediction):
    """What pictures and blocks this synth is played with."""
    video = VideoSpec(Fraction(prediction.frame_rate).limit_denominator(1001), 8, 8)
    audio = AudioSpec(prediction.noise.sample_rate)
    return StreamSpec("see-hear", video, audio, synth.block, synth.latency_samples)


@functools.cache
def compiled(synth):
    """Its emit, compiled; the last argument is how many ticks."""

    @functools.partial(jax.jit, static_argnums=6)
    def emit(carry, controls, ages, gain_db, turned, first, count):
        keys = tick_keys(jax.random.key(7), first, count)
        return synth.emit_many({"gain_db": gain_db}, carry, controls, ages, turned, keys)

    return emit


def play(synth, prediction, controls, blocks, chunks=None, *, gain_db=0.0, held=None, **turned):
    """Sound `[batch, blocks * block]` of controls `[batch, frames, ...]`, the last one held.

    `held` are two frames: the first is held while the time of those up to the second goes by.
    """
    spec, frames = stream(synth, prediction), jax.tree.leaves(controls)[0].shape[1]
    due, ages = spec.schedule(0, blocks)
    ticks = np.minimum(due, frames - 1)
    if held:
        ticks[(due >= held[0]) & (due < held[1])] = held[0]
    rate = spec.audio.sample_rate
    known = [tick_start(int(tick), rate, spec.video.frame_rate) for tick in ticks]
    ages = ((np.arange(blocks) * spec.block - np.array(known)) / rate).astype(np.float32)
    carry = synth.init({}, jax.random.key(0), len(jax.tree.leaves(controls)[0]))
    values, at, sounds = traced(knobs.defaults(**turned)), 0, []
    many = [AT_ONCE] * (blocks // AT_ONCE)
    for count in chunks or [*many, *([blocks % AT_ONCE] if blocks % AT_ONCE else [])]:
        part = slice(at, at + count)
        chosen = jax.tree.map(lambda leaf, of=ticks[part]: leaf[:, of], controls)
        carry, sound = compiled(synth)(
            carry, chosen, ages[part], jnp.float32(gain_db), values, np.int32(at), count
        )
        at += count
        sounds.append(np.asarray(sound))
    assert at == blocks
    return np.concatenate(sounds, axis=1)


def starts(synth, prediction, frames):
    """The sample at which each picture's sound begins, and that at which the last one's ends."""
    spec = stream(synth, prediction)
    rate, frame_rate = spec.audio.sample_rate, spec.video.frame_rate
    late = synth.block + limiter_latency(prediction)
    return np.array([tick_start(k, rate, frame_rate) + late for k in range(frames + 1)])


def limiter_latency(prediction):
    """Of the last stage, at its defaults: two means of 2 ms together, and the interpolator's."""
    box = max(8, round(2.0 * prediction.noise.sample_rate / 2000))
    return 2 * box - 2 + 23


def watching(synth, prediction, column):
    """A transducer whose pictures predict `column`, the louder the brighter."""

    def init(variables, key, batch_size):
        return (), synth.init(variables, key, batch_size)

    def observe_many(variables, carry, frames, turned, keys):
        bright = jnp.mean(frames.astype(jnp.float32), axis=(2, 3, 4)) / 255
        return carry, Column(bright[..., None] * jnp.asarray(column, jnp.float32)[None, None])

    return Transducer(stream(synth, prediction), init, observe_many, synth.emit_many, synth.needs)
