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
from wyh.synths.protocol import Column, Magnitudes, NoteAmplitudes
from wyh.synths.strikes import unstruck
from wyh.transducers.compile import traced
from wyh.transducers.protocol import tick_keys

RATE, N_FFT, HOP, BANDS = 8000, 256, 64, 8
FRAME_RATE = Fraction(25)
AT_ONCE = 125  # ticks: a second


def predicted(frame_rate=FRAME_RATE, column=0, bands=BANDS, **changes):
    """The shape of small predictions."""
    noise = NoiseConfig(RATE, N_FFT, HOP, **{"low_hz": 100.0, "high_hz": 3500.0} | changes)
    return Prediction(noise, bands, float(frame_rate), column)


def magnitudes(values):
    """Controls of amplitudes `[batch, pictures, bands]` in a row."""
    values = jnp.asarray(values, jnp.float32)
    return Magnitudes(values, jnp.concatenate([values[:, :1], values[:, :-1]], axis=1))


def notes(values):
    """Controls of notes' amplitudes `[batch, pictures, notes]` in a row, none of them struck."""
    pair = magnitudes(values)
    return NoteAmplitudes(*pair, unstruck(pair.value), unstruck(pair.value))


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


@functools.cache
def begun(synth):
    """Its init, compiled."""
    return jax.jit(synth.init, static_argnums=2)


def spec_of(synth, prediction):
    """The stream that a synth plays."""
    frame_rate = Fraction(prediction.frame_rate).limit_denominator(1001)
    video, audio = VideoSpec(frame_rate, 8, 8), AudioSpec(RATE)
    return StreamSpec("see-hear", video, audio, synth.block, synth.latency_samples)


def play(
    synth, prediction, controls, variables=None, *, at_once=AT_ONCE, seed=0, first=0, **turned
):
    """Sound `[batch, samples]` for as long as the pictures of the controls last.

    However long, it is compiled once for a synth and a batch: the last picture is held until so
    many ticks are full, and what is too much is cut off.
    """
    spec, (batch, pictures) = spec_of(synth, prediction), jax.tree.leaves(controls)[0].shape[:2]
    samples = tick_start(pictures, RATE, spec.video.frame_rate)
    due, ages = spec.schedule(0, -(-samples // synth.block // at_once) * at_once)
    due, ages = np.minimum(due, pictures - 1), ages.astype(np.float32)
    variables = {"gain_db": jnp.float32(0.0)} | (variables or {})
    carry = begun(synth)(variables, jax.random.key(seed), batch)
    if first:
        carry = carry._replace(tick=jnp.int32(first))
    values, sounds = traced(knobs.defaults(**turned)), []
    for at in range(0, due.size, at_once):
        part = slice(at, at + at_once)
        chosen = jax.tree.map(lambda leaf, of=due[part]: leaf[:, of], controls)
        carry, sound = compiled(synth)(
            variables, carry, chosen, ages[part], values, np.int32(at), at_once
        )
        sounds.append(np.asarray(sound))
    return np.concatenate(sounds, axis=1)[:, :samples]


def bursts(picture):
    """Pictures `[1, 480, n]`: one of every 12 is as given, in the middle, the others nothing."""
    values = np.zeros((1, 480, len(picture)))
    values[:, 6::12] = picture
    return values


def bursts_are_late(synth, prediction, controls, variables=None, **turned):
    """Samples from the middle of the pictures of `bursts` to the middle of their sound's power."""
    sound = play(synth, prediction, controls, variables, **turned)[0]
    apart = 12 * prediction.period
    assert apart == round(apart)
    power = np.square(sound).reshape(-1, round(apart)).mean(axis=0)
    return np.sum(power * np.arange(power.size)) / np.sum(power) - 6.5 * prediction.period


def noise_recording(secs=20.0, level=3000.0, seed=0):
    """White noise, int16."""
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal(round(secs * RATE))).astype(np.int16)
