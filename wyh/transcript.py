"""What was played in a recording: which note was struck when and how hard, one strike a line.

`NAME.truth.csv` lies beside the film `NAME.mp4`; `heard_transcript` is for films without one.
"""

import csv
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int

from wyh.errors import WyhError
from wyh.metrics.onsets import peaks
from wyh.signal.bands import mel_matrix
from wyh.signal.notes import QUARTER_TONE, NoteReader, parse_notes
from wyh.signal.stft import stft_window

COLUMNS = ("time_secs", "note", "velocity")
"""Of a truth file."""

LAW = 1.5
"""Amplitude is this power of velocity: ten times as hard is 30 dB louder."""

_CENTS = 50.0  # by which a note may be off

_HOP_SECS = 0.005  # from one time that is listened at to the next
_CHUNK = 512  # times at once
_ATTACK_SECS = 0.012  # of sound in which all bands are looked at
_BANDS = 24  # of the mel scale, from 60 Hz
_QUIET_DB = -60.0  # against the loudest band ever: what is under it is silence
_LEAST_RISE_DB = 0.3  # mean of all bands
_RISE_DB = 0.9  # the same, where a note is as loud again as it was: less is reverberation
_LEAST_RATIO = 0.25  # of a note's amplitude before, that a strike adds at least
_SHORTEST_SECS = 0.02  # in which a note is listened to
_GAP_SECS = 0.002  # between what is before and what is after
_NEAR_HOPS = 2  # a strike's notes begin within them
_BESIDE_HOPS = 9  # a strike sounds in windows that are as far off
_FLOOR_DB = -34.0  # against the loudest strike: what is under it is none
_BESIDE_DB = -12.0  # against the loudest note struck within `_BESIDE_HOPS`
_PARTIAL, _ANY = 0.4, 1.0  # part of a note that its partials may have, unless heard to have more
_OFTEN = 4  # strikes of a note from which its partials are known
_APART_SECS = 0.055  # between two strikes of one note, at least, to within a hop


class Transcript(NamedTuple):
    """The strikes of a recording, in order of time."""

    times_secs: Float[np.ndarray, " strikes"]
    hz: Float[np.ndarray, " strikes"]
    velocities: Float[np.ndarray, " strikes"]  # over 0, to 1


def transcript_beside(film: Path) -> Path:
    """Where the truth of a film lies: `NAME.truth.csv`."""
    return film.with_suffix(".truth.csv")


def read_transcript(path: Path, secs: float | None = None) -> Transcript:
    """Read a truth file: CSV with the columns `time_secs,note,velocity`.

    Args:
      path: of the file. Its notes are what `wyh.signal.notes.parse_notes` knows, one a line.
      secs: the length of its recording, if strikes after its end are to be refused.

    Raises:
      WyhError: no such file, another header, no strikes, or a line that is no strike.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise WyhError(f"{path}: cannot be read as a truth file ({error})") from error
    header = ",".join(COLUMNS)
    if lines and lines[0].strip() != header:
        raise WyhError(f"{path}: got the header {lines[0]!r:.60}, wanted {header}")
    rows = [(line, row) for line, row in enumerate(csv.reader(lines[1:]), 2) if row]
    if not rows:
        raise WyhError(f"{path}: got no strikes, wanted a line {header} for each; play something")
    strikes = [_strike_of(f"{path} line {line}", row) for line, row in rows]
    for (line, _), (before, after) in zip(rows[1:], pairwise(strikes), strict=True):
        if after[0] < before[0]:
            raise WyhError(
                f"{path} line {line}: got {after[0]:g} s after {before[0]:g} s, wanted times that "
                f"do not fall; sort the lines"
            )
    if secs is not None and strikes[-1][0] > secs:
        raise WyhError(
            f"{path}: got a strike at {strikes[-1][0]:g} s, wanted none after the {secs:g} s of "
            f"its recording; is it the truth of another one?"
        )
    times, hz, velocities = zip(*strikes, strict=True)
    return Transcript(np.array(times), np.array(hz), np.array(velocities))


def _strike_of(where: str, row: Sequence[str]) -> tuple[float, float, float]:
    """Time, frequency and velocity of one line."""
    if len(row) != len(COLUMNS):
        raise WyhError(f"{where}: got {len(row)} values, wanted {', '.join(COLUMNS)}")
    if "," in row[1]:
        raise WyhError(f"{where}: got the notes {row[1]!r:.40}, wanted one; give each a line")
    try:
        (note,) = parse_notes(row[1].strip())
    except WyhError as error:
        raise WyhError(f"{where}: {error}") from None
    try:
        time, velocity = float(row[0]), float(row[2])
    except ValueError:
        raise WyhError(
            f"{where}: got {row[0]!r:.40} and {row[2]!r:.40}, wanted numbers: seconds and velocity"
        ) from None
    if not 0 <= time < np.inf:
        raise WyhError(f"{where}: got {time:g} s, wanted seconds from the start, 0 or later")
    if not 0 < velocity <= 1:
        raise WyhError(f"{where}: got velocity {velocity:g}, wanted one over 0, to 1")
    return time, note.hz, velocity


def notes_of(
    transcript: Transcript, notes_hz: Float[np.ndarray, " notes"]
) -> Int[np.ndarray, " strikes"]:
    """Which note of a list each strike is of: the nearest within 50 cents; -1 where there is none.

    Args:
      transcript: the strikes.
      notes_hz: the list, in any order.
    """
    if not len(notes_hz):
        return np.full(len(transcript.hz), -1)
    off = np.abs(1200 * np.log2(transcript.hz[:, None] / notes_hz[None, :]))
    return np.where(off.min(axis=1, initial=np.inf) <= _CENTS + 1e-6, off.argmin(axis=1), -1)


def heard_transcript(waveform: Float32[np.ndarray, " samples"], reader: NoteReader) -> Transcript:
    """Find the strikes of a recording in its own sound, for want of a truth file.

    Where all bands rise at once something is struck; it is the notes whose sound just after is not
    what was there just before, dying away. What is no louder than partials of a deeper note that
    begins with it is not struck: how loud those may be is learned from all strikes of that note.
    Made for instruments that are struck or plucked, and played alone.

    Args:
      waveform: mono.
      reader: the notes that there are, and the sample rate.

    Returns:
      The strikes, perhaps none. Times are those of the attacks, to some 10 ms; velocities are
      relative to the loudest strike, which has 1.
    """
    hop = round(_HOP_SECS * reader.sample_rate)
    count = len(waveform) // hop
    hz = reader.hz
    if not count or not np.any(waveform):
        return Transcript(np.zeros(0), np.zeros(0), np.zeros(0))
    rise = _rises_db(waveform, reader.sample_rate, hop, count)
    rate = reader.sample_rate / hop
    at = peaks(rise, rate, alone_secs=0.02, around_secs=0.25, factor=1.5, least=_LEAST_RISE_DB)
    new, ratio = (_most_near(values, _NEAR_HOPS) for values in _new_sound(waveform, reader, hop))
    beside = _most_near(new.max(axis=1, keepdims=True), _BESIDE_HOPS - _NEAR_HOPS)
    loudest, new, ratio = new.max(), new[at], ratio[at]
    struck = (new > 10 ** (_FLOOR_DB / 20) * loudest) & (new > 10 ** (_BESIDE_DB / 20) * beside[at])
    struck &= (ratio > _LEAST_RATIO) & (np.minimum(ratio, 2) * rise[at][:, None] > _RISE_DB)
    for note, most in enumerate(_partials(new, hz)):
        struck &= new > new[:, note, None] * most[None]
    times = np.maximum(at - 0.5, 0) / rate
    events = _apart(times, np.where(struck, new, 0))
    velocities = (new[events] / max(new[events], default=1)) ** (1 / LAW)
    return Transcript(times[events[0]], hz[events[1]], velocities.astype(np.float64))


def _rises_db(
    waveform: Float32[np.ndarray, " samples"], sample_rate: int, hop: int, count: int
) -> Float[np.ndarray, " times"]:
    """By how much bands rise around each time, in the mean; falls count as none."""
    length = round(_ATTACK_SECS * sample_rate)
    n_fft = 1 << int(np.ceil(np.log2(sample_rate / 20)))  # bins closer than the narrowest band
    fold = mel_matrix(_BANDS, n_fft=n_fft, sample_rate=sample_rate, low_hz=60.0).T
    taper = stft_window("hann", length)[None].astype(np.float32)
    padded = np.pad(waveform, (length + hop, length + 2 * hop))
    windows = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop][: count + 2]
    power = np.concatenate(
        [
            np.abs(np.fft.rfft(windows[some : some + _CHUNK] * taper, n_fft)) ** 2 @ fold
            for some in range(0, len(windows), _CHUNK)
        ]
    )
    levels = 10 * np.log10(power / power.max() + 10 ** (_QUIET_DB / 10))
    return np.maximum(levels[2:] - levels[:-2], 0).mean(axis=1)


def _new_sound(
    waveform: Float32[np.ndarray, " samples"], reader: NoteReader, hop: int
) -> tuple[Float32[np.ndarray, "times notes"], Float32[np.ndarray, "times notes"]]:
    """The amplitude of each note just after each time that is new, and its ratio to that before.

    New is what no part of what was before, of the same phase, explains: a tone that goes on or dies
    away brings nothing, one that is struck again does.
    """
    rate, gap = reader.sample_rate, round(_GAP_SECS * reader.sample_rate)
    starts = np.arange(len(waveform) // hop) * hop
    new = np.empty((len(starts), len(reader.notes)), np.float32)
    ratio = np.empty_like(new)
    for note, hz in enumerate(_tuned(waveform, reader)):
        # Long enough to hear nothing of the next note, if the reader takes so much.
        apart = np.abs(np.delete(reader.hz, note) - hz).min(initial=np.inf)
        length = round(np.clip(2.2 / apart, _SHORTEST_SECS, reader.length / rate) * rate)
        before = _heard(waveform, starts - gap - length, length, hz / rate)
        after = _heard(waveform, starts + gap, length, hz / rate)
        size = np.maximum(np.abs(before), 1e-12)
        kept = np.clip((after * before.conj()).real / size**2, 0, 1)
        new[:, note] = np.abs(after - kept * before)
        ratio[:, note] = new[:, note] / size
    return new, ratio


def _heard(
    waveform: Float32[np.ndarray, " samples"],
    starts: Int[np.ndarray, " times"],
    length: int,
    turns: float,
) -> np.ndarray:
    """Amplitude and phase of a tone, of so many turns a sample, in windows from some samples on."""
    taper = stft_window("hann", length)
    wave = taper * (2 / taper.sum()) * np.exp(-2j * np.pi * turns * np.arange(length))
    parts = np.stack([wave.real, wave.imag], axis=1).astype(np.float32)
    lead = 2 * length
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(waveform, lead), length)
    some = [
        windows[starts[first : first + _CHUNK] + lead] @ parts
        for first in range(0, len(starts), _CHUNK)
    ]
    real, imag = np.concatenate(some).T
    return np.asarray((real + 1j * imag) * np.exp(-2j * np.pi * (turns * starts % 1)))


def _tuned(
    waveform: Float32[np.ndarray, " samples"], reader: NoteReader
) -> Float[np.ndarray, " notes"]:
    """The frequency that each note really has: the peak within a quarter tone, if there is one."""
    size = 1 << int(np.ceil(np.log2(reader.sample_rate)))
    taper = stft_window("hann", size)
    padded = np.pad(waveform, (0, size))
    power = np.zeros(size // 2 + 1)
    for first in range(0, len(waveform), size // 2):
        power += np.abs(np.fft.rfft(padded[first : first + size] * taper)) ** 2
    tuned = reader.hz
    for note, hz in enumerate(reader.hz):
        low = int(np.ceil(hz / QUARTER_TONE * size / reader.sample_rate))
        high = int(hz * QUARTER_TONE * size / reader.sample_rate) + 1
        peak = low + int(np.argmax(power[low:high])) if high > low else 0
        # At the edge it is the foot of another note.
        if low < peak < high - 1:
            tuned[note] = peak * reader.sample_rate / size
    return tuned


def _partials(
    new: Float32[np.ndarray, "events notes"], hz: Float[np.ndarray, " notes"]
) -> Float[np.ndarray, "notes notes"]:
    """How loud the second may be with the first and yet not be struck; 0 where it is no partial."""
    most = np.zeros((len(hz), len(hz)))
    for note, of in enumerate(hz):
        times = hz / of
        nearest = np.maximum(np.rint(times), 1)
        partial = (times > 1.5) & (np.abs(1200 * np.log2(times / nearest)) < _CENTS)
        most[note, partial] = _PARTIAL
        often = new[:, note] >= 0.5 * new.max(axis=1, initial=0)
        often &= new[:, note] > 0
        if partial.any() and often.sum() >= _OFTEN:
            # What it mostly has; more is another note that is struck with it.
            with_it = new[often][:, partial] / new[often, note][:, None]
            most[note, partial] = np.clip(2 * np.quantile(with_it, 0.25, axis=0), _PARTIAL, _ANY)
    return most


def _most_near(values: Float32[np.ndarray, "times n"], hops: int) -> np.ndarray:
    """The largest of each column up to so many times before and after."""
    padded = np.pad(values, ((hops, hops), (0, 0)))
    return np.lib.stride_tricks.sliding_window_view(padded, 2 * hops + 1, axis=0).max(axis=-1)


def _apart(
    times: Float[np.ndarray, " events"], new: Float[np.ndarray, "events notes"]
) -> tuple[np.ndarray, np.ndarray]:
    """Events and notes that are struck, in order: of two too close to be two, the louder."""
    events, notes = np.nonzero(new)
    taken: dict[int, list[float]] = {}
    kept = []
    for strike in np.argsort(-new[events, notes], kind="stable"):
        before, time = taken.setdefault(int(notes[strike]), []), float(times[events[strike]])
        if all(abs(time - other) >= _APART_SECS for other in before):
            before.append(time)
            kept.append(strike)
    chosen = np.sort(np.array(kept, int))
    return events[chosen], notes[chosen]
