"""How the sound is to listen to, and to play: smooth, in time, and quick enough."""

import math
import time
from fractions import Fraction
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float, UInt8

from wyh import knobs
from wyh.knobs import PHASES
from wyh.metrics.smoothness import click_db, frame_rate_harmonics_db
from wyh.metrics.timing import offset_ms
from wyh.report.instrument import Instrument
from wyh.specs import tick_start
from wyh.synths.noise import NoiseSynth
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.kinds import Player

STATIC_SECS = 20.0  # of a picture that stands still: harmonics of noise measure about 1.5 dB then
TICKS = 300  # frames whose computing is timed
_FLASHES = (9, 14, 5, 11, 17, 6, 13, 8, 19, 7, 12, 16)  # frames dark and bright in turn, at 24 Hz


class Smoothness(NamedTuple):
    """Of a static picture, in dB; 0 where nothing stands out."""

    click: float
    harmonics: float


def smoothness(
    instrument: Instrument, synth: NoiseSynth, picture: UInt8[np.ndarray, "height width channel"]
) -> dict[str, Smoothness]:
    """Clicks and frame-rate harmonics of a picture that stands still, by phase policy."""
    spec = instrument.spec
    rate, frame_rate, hop = spec.audio.sample_rate, spec.video.frame_rate, spec.block
    count = math.ceil(max(STATIC_SECS * float(frame_rate), 160))
    frames = np.repeat(picture[None], count, axis=0)
    # Columns begin at every hop before the limiter, blocks are cut behind it; both lie in the file
    # where the latency puts them.
    late = spec.latency_samples
    joints = {-late % hop, (synth.limiter.latency_samples - late) % hop}
    found = {}
    for phase in PHASES:
        sound = instrument.play(frames, knobs.defaults(phase=phase))
        starts = np.array([tick_start(k, rate, frame_rate) for k in range(count)])
        boundaries = [np.arange(joint, len(sound), hop) for joint in joints] + [starts]
        clicks = max(click_db(sound, each) for each in boundaries)
        harmonics = frame_rate_harmonics_db(sound, rate, frame_rate).largest
        found[phase] = Smoothness(clicks, harmonics)
    return found


def flash_offset_ms(
    instrument: Instrument, picture: UInt8[np.ndarray, "height width channel"]
) -> float:
    """When a picture is heard, after the declared latency: 0 is in the middle of its time.

    A picture flashes out of the black, with black made silent.
    """
    spec = instrument.spec
    stretch = max(1, round(spec.video.frame_rate / 24))
    shown = np.concatenate(
        [np.full(n * stretch, i % 2) for i, n in enumerate((*_FLASHES, *_FLASHES[::-1]))]
    )
    frames = np.where(shown[:, None, None, None] > 0, np.maximum(picture, _VISIBLE), 0)
    sound = instrument.play(frames.astype(np.uint8), knobs.defaults(black=1))
    reach = max(200.0, 2000 / float(spec.video.frame_rate))
    return offset_ms(
        shown.astype(np.float64),
        sound,
        spec.audio.sample_rate,
        spec.video.frame_rate,
        reach_ms=reach,
    )


_VISIBLE = 40  # of 255: no pixel of the flashing picture is darker, so that all of it is loud


def compute_ms(player: Player) -> Float[np.ndarray, "ticks stages"]:
    """Time to observe each frame, and to emit all its blocks of sound, tick by tick as live does.

    Returns:
      Milliseconds, two columns: observe, emit.
    """
    spec, values = player.transducer.spec, knobs.defaults()
    compiled = compile_transducer(player.transducer, player.variables, values, seed=0)
    variables, turned = jax.device_put(player.variables), traced(values)
    carry_in, carry_out = compiled.carry_in, compiled.carry_out
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (8, 1, 1, *spec.video.shape), np.uint8)
    blocks, taken = 0, np.empty((TICKS, 2))
    age = np.zeros(1, np.float32)
    per_frame = Fraction(spec.audio.sample_rate, spec.block) / spec.video.frame_rate
    for tick in range(TICKS):
        began = time.perf_counter()
        carry_in, control = compiled.observe(
            variables, carry_in, frames[tick % len(frames)], turned, np.int32(tick)
        )
        jax.block_until_ready(control)
        observed = time.perf_counter()
        while blocks < (tick + 1) * per_frame:
            carry_out, sound = compiled.emit(
                variables, carry_out, control, age, turned, np.int32(blocks)
            )
            np.asarray(sound)
            blocks += 1
        taken[tick] = observed - began, time.perf_counter() - observed
    return 1000 * taken[TICKS // 10 :]  # the first ones warm up
