"""The sound of a score: bars made of real marimba notes, in a room that is drawn at random.

Bars up to three semitones from a sample are that sample, resampled to the bar's pitch. The higher
ones are modal synthesis: modes at about 1, 4 and 9.5 times the pitch whose levels, decays and
attacks are fitted to the samples and follow their trend upwards, under the sample's own knock of
the mallet. NumPy and SciPy; nothing here is on the playing path.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from jaxtyping import Float, Float32
from scipy import signal

from data_prep.marimba_score import MIDI, NOTES_HZ, Score
from wyh import samples
from wyh.errors import check_range

SAMPLES = Path(samples.__file__).parent / "marimba"
"""Five real notes, FLAC (see its ORIGIN.md)."""

PEAK_DB = -1.5  # dBFS; no recording is louder
_SHIFT_SEMITONES = 3  # a sample is not shifted farther
_RATIOS = (1.0, 4.0, 9.5)  # of the modes: a bar is tuned to the second, roughly to the third
_LEAD = 0.01  # of its peak: where a sample begins
_FIT_SAMPLES = 1 << 19  # to which a stroke is padded to find its modes
_SMOOTHING_SECS = 0.012  # of the level of a mode
_KNOCK_SECS = 0.003  # in which the knock fades to 1 / e
_DAMPING_SECS = 0.006  # in which a bar's sound ends when it is struck again
_FLOOR_DB = -70.0  # a stroke is over where it has decayed to this


class Mode(NamedTuple):
    """One partial of a bar that is struck once."""

    ratio: float  # to the pitch
    level_db: float  # of the amplitude where its decay is led back to the stroke
    decay_db_per_sec: float  # positive
    attack_secs: float  # until it is loudest


def fit_mode(
    stroke: Float[np.ndarray, " samples"], sample_rate: int, pitch_hz: float, ratio: float
) -> Mode | None:
    """Measure the mode nearest to a multiple of the pitch, by a line through its level in dB.

    The line is drawn from where the mode is loudest to 30 dB below.

    Args:
      stroke: of a bar, from its beginning.
      sample_rate: Hz.
      pitch_hz: of the bar.
      ratio: about which multiple of it; the mode is looked for within 3 percent.

    Returns:
      The mode, or nothing where it would lie over 0.45 times the sample rate.
    """
    if pitch_hz * ratio * 1.03 > 0.45 * sample_rate:
        return None
    # The whole stroke: where it begins, the pitch of a real bar is up to 3 cents higher.
    magnitude = np.abs(np.fft.rfft(stroke, _FIT_SAMPLES))
    hz = np.fft.rfftfreq(_FIT_SAMPLES, 1 / sample_rate)
    band = np.abs(hz / (pitch_hz * ratio) - 1) < 0.03
    mode_hz = float(hz[band][np.argmax(magnitude[band])])

    time = np.arange(stroke.size) / sample_rate
    window = np.hanning(round(_SMOOTHING_SECS * sample_rate))
    alone = np.convolve(
        stroke * np.exp(-2j * np.pi * mode_hz * time), window / window.sum(), "same"
    )
    level_db = 20 * np.log10(2 * np.abs(alone) + 1e-9)
    loudest = int(np.argmax(level_db))
    faded = np.flatnonzero(level_db[loudest:] < level_db[loudest] - 30)
    end = loudest + int(faded[0]) if faded.size else stroke.size
    slope, level = np.polyfit(time[loudest:end], level_db[loudest:end], 1)
    return Mode(mode_hz / pitch_hz, float(level), -float(slope), max(1e-3, loudest / sample_rate))


def mode_at(midi: float, fits: dict[int, Mode]) -> Mode:
    """The mode of a bar that has no sample, from the same mode of bars that have.

    Levels in dB, and decays and attacks in octaves, follow straight lines over the pitch.

    Args:
      midi: MIDI number of the bar.
      fits: MIDI numbers and modes, two at least.
    """
    pitches, modes = np.array(list(fits)), list(fits.values())

    def line(values: list[float]) -> float:
        return float(np.polyval(np.polyfit(pitches, values, 1), midi))

    return Mode(
        float(np.mean([mode.ratio for mode in modes])),
        line([mode.level_db for mode in modes]),
        2 ** line([np.log2(mode.decay_db_per_sec) for mode in modes]),
        2 ** line([np.log2(mode.attack_secs) for mode in modes]),
    )


@dataclass(frozen=True)
class Instrument:
    """The 18 bars, each as it sounds when struck as hard as can be, alone in no room."""

    sample_rate: int  # Hz
    strokes: tuple[Float32[np.ndarray, " _"], ...]  # of each bar, from the stroke on

    def stroke(
        self, note: int, velocity: float, brightness: float = 0.0
    ) -> Float32[np.ndarray, " samples"]:
        """One bar struck once: the harder, the louder and the brighter.

        30 dB of level lie between velocities 0.1 and 1, and what a one-pole low-pass takes: it
        opens from 0.5 to 8 kHz for the lowest bar, from 1.7 to 27 kHz for the highest.

        Args:
          note: index of the bar.
          velocity: over 0, to 1.
          brightness: octaves by which the low-pass is opened further.
        """
        middle_hz = np.sqrt(NOTES_HZ[0] * NOTES_HZ[note])  # a contact is as short on every bar
        cutoff_hz = middle_hz * 2 ** (0.5 + 4 * velocity + brightness)
        passed = 1 - np.exp(-2 * np.pi * cutoff_hz / self.sample_rate)
        taps = (np.array([passed * velocity**1.5]), np.array([1, passed - 1]))
        return np.asarray(signal.lfilter(*taps, self.strokes[note]), np.float32)


@cache
def load_instrument(sample_rate: int) -> Instrument:
    """Make the bars at a sample rate in Hz; the same one is made once.

    Raises:
      WyhError: a sample rate that has no room for the highest bar, or is none of sound.
    """
    check_range("sample_rate", sample_rate, 8000, 192_000, "Hz")
    real: dict[int, Float[np.ndarray, " _"]] = {}
    fits: dict[float, dict[int, Mode]] = {ratio: {} for ratio in _RATIOS}
    source_rate = 44_100
    for path in sorted(SAMPLES.glob("*.flac")):
        sound, source_rate = soundfile.read(path, dtype="float64")
        mono = sound.mean(axis=1)
        midi = int(path.stem.split("_midi")[1])
        real[midi] = mono[np.argmax(np.abs(mono) > _LEAD * np.abs(mono).max()) :]
        for ratio in _RATIOS:
            mode = fit_mode(real[midi], source_rate, _hz(midi), ratio)
            if mode is not None:
                fits[ratio][midi] = mode
    highest = max(real)
    knock = _resampled(_knock(real[highest], source_rate, _hz(highest)), sample_rate / source_rate)
    strokes = []
    for midi in map(int, MIDI):
        near = min(real, key=lambda other: (abs(other - midi), other))
        if abs(near - midi) <= _SHIFT_SEMITONES:
            tuned = _hz(near) * fits[1.0][near].ratio
            stroke = _resampled(real[near], sample_rate / source_rate * tuned / _hz(midi))
        else:
            stroke = _modal(midi, [mode_at(midi, fit) for fit in fits.values()], sample_rate, knock)
        strokes.append(np.asarray(stroke, np.float32))
    return Instrument(sample_rate, tuple(strokes))


def _hz(midi: float) -> float:
    return float(440 * 2 ** ((midi - 69) / 12))


def _resampled(sound: Float[np.ndarray, " _"], ratio: float) -> Float[np.ndarray, " _"]:
    """`ratio` times as many samples of the same sound, by FFT; what rings before it is cut off."""
    lead = 1000
    padded = np.pad(sound, (lead, 1000))
    longer = signal.resample(padded, round(padded.size * ratio))
    return np.asarray(longer)[round(lead * ratio) :]


def _knock(sample: Float[np.ndarray, " _"], rate: int, pitch_hz: float) -> np.ndarray:
    """What a mallet adds to the modes: the first milliseconds of a sample without these."""
    spectrum = np.fft.rfft(sample)
    hz = np.fft.rfftfreq(sample.size, 1 / rate)
    for ratio in _RATIOS:
        spectrum[np.abs(hz / (pitch_hz * ratio) - 1) < 0.08] = 0
    start = np.fft.irfft(spectrum, sample.size)[: round(8 * _KNOCK_SECS * rate)]
    return np.asarray(start * np.exp(-np.arange(start.size) / (_KNOCK_SECS * rate)))


def _modal(midi: int, modes: list[Mode], sample_rate: int, knock: np.ndarray) -> np.ndarray:
    """Decaying partials and a knock. The lowest grows to its loudest, the others begin at once."""
    secs = (_FLOOR_DB - modes[0].level_db) / -modes[0].decay_db_per_sec
    time = np.arange(round(secs * sample_rate)) / sample_rate
    sound = np.zeros(time.size)
    for number, mode in enumerate(modes):
        hz = _hz(midi) * (1.0 if number == 0 else mode.ratio)
        if hz > 0.45 * sample_rate:
            continue
        level = 10 ** ((mode.level_db - mode.decay_db_per_sec * time) / 20)
        if number == 0:
            level *= 1 - np.exp(-3 * time / mode.attack_secs)  # near its peak after 3 of them
        sound += level * np.sin(2 * np.pi * hz * time)
    sound[: knock.size] += knock[: sound.size]
    return sound


@dataclass(frozen=True)
class Room:
    """Where and how a recording is made."""

    early_secs: tuple[float, ...]  # delays of single reflections
    early_gain: tuple[float, ...]  # of each, to the direct sound
    tail_secs: float  # until the reverberation is 60 dB down
    tail_db: float  # energy of the reverberation, to the direct sound
    level_db: float  # dBFS of the hardest stroke, about
    noise_db: float  # dBFS, RMS of the background
    noise_hz: float  # over which the background falls off


def draw_room(rng: np.random.Generator) -> Room:
    """A room between a padded booth and a hall, a microphone and its noise."""
    count = int(rng.integers(3, 9))
    early_secs = np.sort(rng.uniform(0.004, 0.04, count))
    gain = rng.choice([-1.0, 1.0], count) * 10 ** (rng.uniform(-26, -12, count) / 20)
    return Room(
        tuple(map(float, early_secs)),
        tuple(map(float, gain)),
        tail_secs=float(rng.uniform(0.15, 1.2)),
        tail_db=float(rng.uniform(-30, -12)),
        level_db=float(rng.uniform(-18, -7)),
        noise_db=float(rng.uniform(-85, -60)),
        noise_hz=float(500 * 16 ** rng.uniform()),
    )


def render(
    score: Score, secs: float, sample_rate: int, rng: np.random.Generator, room: Room | None = None
) -> Float32[np.ndarray, " samples"]:
    """The sound of a score. A strike begins on the sample nearest to its time.

    Args:
      score: what is played; strikes after the end are left out.
      secs: length of the sound.
      sample_rate: Hz.
      rng: small differences of brightness between strokes, the room's reverberation, the noise.
      room: none means the bars alone, without noise.

    Returns:
      `round(secs * sample_rate)` samples, none over `PEAK_DB`.

    Raises:
      WyhError: as for `load_instrument`.
    """
    instrument = load_instrument(sample_rate)
    sound = np.zeros(round(secs * sample_rate), np.float32)
    brightness = rng.normal(0, 0.2, len(score.strikes))
    damping = 0.5 + 0.5 * np.cos(np.linspace(0, np.pi, round(_DAMPING_SECS * sample_rate)))
    struck_again: dict[int, int] = {}
    for strike, bright in zip(reversed(score.strikes), brightness[::-1], strict=True):
        at = round(strike.time_secs * sample_rate)
        stroke = instrument.stroke(strike.note, strike.velocity, float(bright))
        if strike.note in struck_again:
            left = struck_again[strike.note] - at
            stroke = stroke[: left + damping.size]
            end = stroke[left:]
            end *= damping[: end.size].astype(np.float32)
        struck_again[strike.note] = at
        stroke = stroke[: max(0, sound.size - at)]
        sound[at : at + stroke.size] += stroke
    if room is not None:
        sound = _in_room(sound, sample_rate, rng, room)
    peak, most = np.abs(sound).max(initial=0), 10 ** (PEAK_DB / 20)
    return sound * np.float32(0.999 * most / peak) if peak > most else sound


def _in_room(
    sound: Float32[np.ndarray, " samples"], rate: int, rng: np.random.Generator, room: Room
) -> Float32[np.ndarray, " samples"]:
    """Reflections, reverberation, level and background noise."""
    response = np.zeros(round((0.05 + room.tail_secs) * rate))
    begin = round(0.012 * rate)
    tail = rng.standard_normal(response.size - begin)
    tail *= 10 ** (-3 * np.arange(tail.size) / (room.tail_secs * rate))
    response[begin:] = _dulled(tail, 4000, rate)
    response *= np.sqrt(10 ** (room.tail_db / 10) / np.sum(response**2))
    for delay, gain in zip(room.early_secs, room.early_gain, strict=True):
        response[round(delay * rate)] += gain
    response[0] = 1
    heard = signal.oaconvolve(sound, response.astype(np.float32))[: sound.size]
    noise = _dulled(rng.standard_normal(sound.size), room.noise_hz, rate)
    noise *= 10 ** (room.noise_db / 20) / max(1e-9, float(np.sqrt(np.mean(noise**2))))
    return np.asarray(heard * 10 ** (room.level_db / 20) + noise, np.float32)


def _dulled(sound: Float[np.ndarray, " _"], cutoff_hz: float, rate: int) -> np.ndarray:
    """A one-pole low-pass."""
    passed = 1 - np.exp(-2 * np.pi * cutoff_hz / rate)
    return np.asarray(signal.lfilter([passed], [1, passed - 1], sound))
