"""Playing a synth on pictures that each predict something, by the schedule of blocks."""

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
from wyh.transducers.protocol import tick_keys

RATE, N_FFT, HOP, BANDS = 8000, 256, 64, 8
FRAME_RATE = Fraction(25)


def predicted(frame_rate=FRAME_RATE, column=0, bands=BANDS, **changes):
    """The shape of small predictions."""
    noise = NoiseConfig(RATE, N_FFT, HOP, **{"low_hz": 100.0, "high_hz": 3500.0} | changes)
    return Prediction(noise, bands, float(frame_rate), column)


def magnitudes(values):
    """Controls of amplitudes `[batch, pictures, bands]` in a row."""
    values = jnp.asarray(values, jnp.float32)
    return Magnitudes(values, jnp.concatenate([values[:, :1], values[:, :-1]], axis=1))


def columns(values):
    """Controls of samples `[batch, pictures, n]`."""
    return Column(jnp.asarray(values, jnp.float32))


@functools.cache
def compiled(synth):
    """Its emit, compiled; the last argument is how many ticks."""

    @functools.partial(jax.jit, static_argnums=6)
    def emit(variables, carry, controls, ages, turned, first, count):
        keys = tick_keys(jax.random.key(7), first, count)
        return synth.emit_many(variables, carry, controls, ages, turned, keys)

    return emit


def spec_of(synth, prediction):
    """The stream that a synth plays."""
    frame_rate = Fraction(prediction.frame_rate).limit_denominator(1001)
    video, audio = VideoSpec(frame_rate, 8, 8), AudioSpec(RATE)
    return StreamSpec("see-hear", video, audio, synth.block, synth.latency_samples)


def play(synth, prediction, controls, variables=None, chunks=None, *, seed=0, first=0, **turned):
    """Sound `[batch, samples]` for as long as the pictures of the controls last."""
    spec, leaf = spec_of(synth, prediction), jax.tree.leaves(controls)[0]
    blocks = tick_start(leaf.shape[1], RATE, spec.video.frame_rate) // synth.block
    due, ages = spec.schedule(0, blocks)
    ages = ages.astype(np.float32)
    variables = {"gain_db": jnp.float32(0.0)} | (variables or {})
    carry = synth.init(variables, jax.random.key(seed), len(leaf))
    if first:
        carry = carry._replace(tick=jnp.int32(first))
    values, at, sounds = traced(knobs.defaults(**turned)), 0, []
    for count in chunks or [blocks]:
        part = slice(at, at + count)
        chosen = jax.tree.map(lambda leaf, of=due[part]: leaf[:, of], controls)
        carry, sound = compiled(synth)(
            variables, carry, chosen, ages[part], values, np.int32(at), count
        )
        at += count
        sounds.append(np.asarray(sound))
    return np.concatenate(sounds, axis=1)


def burst_is_late(synth, prediction, controls, picture, variables=None, **turned):
    """Samples from the middle of a picture's time to the middle of all sound's power."""
    power = np.square(play(synth, prediction, controls, variables, **turned)).mean(axis=0)
    middle = (picture + 0.5) * prediction.period
    return np.sum(power * np.arange(power.size)) / np.sum(power) - middle


def noise_recording(secs=8.0, level=3000.0, seed=0):
    """White noise, int16."""
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(secs * RATE))).astype(np.int16)
