"""How the sound is to listen to: smooth, and in time."""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from wyh import knobs
from wyh.knobs import PHASES
from wyh.metrics.smoothness import click_db, frame_rate_harmonics_db
from wyh.metrics.timing import offset_ms
from wyh.report.instrument import Instrument
from wyh.specs import tick_start
from wyh.synths.noise import NoiseSynth

STATIC_SECS = 20.0  # of a picture that stands still: harmonics of noise measure about 1.5 dB then
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
