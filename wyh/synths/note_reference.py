"""Recordings of struck notes -> single strikes of each, to be played one by one.

A strike in a recording is rarely alone: others still ring, and the next one comes soon. What rings
is led on from the moment before and taken out; after the next strike the note rings on as the
decaying sine that is left of it by then. So a strike of a note is that note and nothing else.
Pure NumPy, run once; nothing here is on the playing path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, Int16

from wyh.errors import WyhError, check_range

LEAD_SECS = 0.004
"""Of a piece before its strike, in which it fades in and the one before it out."""

EMPTY_DB = -999.0
"""The level where a note has no further piece."""

_LONGEST_SECS = 1.5  # of a piece
_SHIFT_SEMITONES = 3.0  # by which a note lends its strikes to one that has none
_BEFORE_SECS = 0.04  # in which no other strike may begin: what rings is measured there
_ALONE_SECS = 0.08  # until the next strike at least: its loudness is read there
_ATTACK_SECS = 0.02  # that the measuring of pitch and decay leaves out
_JOIN_SECS = 0.01  # from what was recorded to the sine that goes on
_END_SECS = 0.02  # in which a piece fades out
_FALL = np.log(1000.0)  # a note is over 60 dB down
_STEADY_SECS = 0.15  # alone, from which on a strike tells its note's pitch and decay
_CLEAN_DB, _LONG_SECS = 40.0, 0.5  # better than this is not better


class Struck(NamedTuple):
    """A recording, or a part of one, and which notes are struck in it."""

    sound: Int16[np.ndarray, " samples"]
    times_secs: Float[np.ndarray, " strikes"]  # from its start, in any order
    notes: Int[np.ndarray, " strikes"]  # index into the list of notes


class _Strike(NamedTuple):
    """One that can be used."""

    recording: int
    at: int  # sample
    alone: int  # samples until the next strike, or the end
    level_db: float
    quality_db: float


class _Mode(NamedTuple):
    """How a note rings."""

    hz: float
    decay_secs: float  # in which it falls to 1 / e


_Pieces = list[tuple[np.ndarray, float]]  # int16, and their levels in dB


def note_corpus(
    recordings: Sequence[Struck],
    sample_rate: int,
    notes_hz: Float[np.ndarray, " notes"],
    *,
    most_a_note: int = 8,
    most_bytes: int = 1 << 22,
) -> dict[str, np.ndarray]:
    """What the synth "knn" plays: some strikes of each note, from soft to loud.

    Of those about equally loud the one is taken that is alone for longest and has least ringing
    before it. A note without any is played by the nearest one within three semitones, resampled.

    Args:
      recordings: mono.
      sample_rate: in Hz.
      notes_hz: frequency of each note, 1 Hz to half the sample rate.
      most_a_note: strikes that are kept of a note, 1 to 64.
      most_bytes: of sound; fewer strikes of each note are kept until they fit.

    Returns:
      `{"sound": int16 [samples], "starts", "lengths": int32 [notes, pieces], "levels_db": float32
      [notes, pieces]}`: where each piece lies, `LEAD_SECS` before its strike, and the amplitude in
      dB of the sine it begins with, `EMPTY_DB` where there is none.

    Raises:
      WyhError: notes or times that do not fit, or no strike that is alone for long enough.
    """
    check_range("most_a_note", most_a_note, 1, 64)
    if not len(notes_hz):
        raise WyhError("got no notes to play, wanted one at least")
    for hz in notes_hz:
        check_range("a note to play at", float(hz), 1, sample_rate / 2, "Hz")
    for recording in recordings:
        _check(recording, sample_rate, len(notes_hz))
    cutter = _Cutter(recordings, sample_rate, notes_hz)
    each = 2 * sum(cutter.length(note) for note in range(len(notes_hz)))
    return _laid_out(cutter.pieces(max(1, min(most_a_note, most_bytes // each))))


def _laid_out(pieces: list[_Pieces]) -> dict[str, np.ndarray]:
    """All pieces in a row, and where they are."""
    shape = (len(pieces), max(len(of_note) for of_note in pieces))
    starts, lengths = np.zeros((2, *shape), np.int32)
    levels, sound = np.full(shape, EMPTY_DB, np.float32), list[np.ndarray]()
    for note, of_note in enumerate(pieces):
        for number, (piece, level) in enumerate(of_note):
            starts[note, number], lengths[note, number] = sum(map(len, sound)), len(piece)
            levels[note, number] = level
            sound.append(piece)
    tables = {"starts": starts, "lengths": lengths, "levels_db": levels}
    return {"sound": np.concatenate(sound)} | tables


def _check(recording: Struck, sample_rate: int, notes: int) -> None:
    """Refuse strikes that are not of this sound."""
    count, secs = len(recording.times_secs), len(recording.sound) / sample_rate
    if len(recording.notes) != count:
        raise WyhError(
            f"got {count} times of strikes and {len(recording.notes)} notes, wanted as many: "
            f"give both for every strike"
        )
    for note in recording.notes:
        if not 0 <= note < notes:
            raise WyhError(
                f"got a strike of note {note}, wanted 0 to {notes - 1}: give its own list of notes"
            )
    for time in recording.times_secs:
        if not 0 <= time <= secs:
            raise WyhError(
                f"got a strike at {time:.3f} s, wanted 0 to {secs:.3f} s: give its own sound"
            )


@dataclass(frozen=True)
class _Cutter:
    """Finds strikes and cuts them out."""

    recordings: Sequence[Struck]
    sample_rate: int
    notes_hz: Float[np.ndarray, " notes"]

    def pieces(self, most: int) -> list[_Pieces]:
        """Of each note, its pieces and their levels in dB."""
        strikes = self.strikes
        own = [note for note, found in enumerate(strikes) if found]
        if not own:
            raise WyhError(
                "got no strike that can be heard alone, wanted one at least that has none other "
                f"{_BEFORE_SECS:g} s before it and {_ALONE_SECS:g} s after it: give more recordings"
            )
        pieces: list[_Pieces] = []
        for note in range(len(strikes)):
            away = np.abs(12 * np.log2(self.notes_hz[own] / self.notes_hz[note]))
            near = own[int(np.argmin(away))]
            ratio = 1.0 if near == note else self.notes_hz[note] / self.modes[near].hz
            chosen = _spread(strikes[near], most) if away.min() < _SHIFT_SEMITONES + 0.01 else []
            pieces.append([self.cut(strike, near, float(ratio)) for strike in chosen])
        return pieces

    @cached_property
    def strikes(self) -> list[list[_Strike]]:
        """The strikes of each note that can be heard alone."""
        rate = self.sample_rate
        found: list[list[_Strike]] = [[] for _ in self.notes_hz]
        lead, before, least = (round(s * rate) for s in (LEAD_SECS, _BEFORE_SECS, _ALONE_SECS))
        probes = [self.probe(float(hz)) for hz in self.notes_hz]
        for number, (sound, times, notes) in enumerate(self.recordings):
            order = np.argsort(times, kind="stable")
            at = np.rint(times[order] * rate).astype(int)
            ends = np.minimum(np.append(at[1:], len(sound)), _silent_from(sound, at, lead)) - lead
            begins = np.append(0, at[:-1])
            for strike, note in enumerate(notes[order].tolist()):
                alone = int(ends[strike] - at[strike])
                if at[strike] - begins[strike] < before + lead or alone < least:
                    continue
                heard = _float(sound[at[strike] : at[strike] + least])
                rung = _float(sound[at[strike] - before : at[strike] - lead])
                clean = 10 * np.log10((np.mean(heard**2) + 1e-12) / (np.mean(rung**2) + 1e-12))
                long = min(alone / rate / _LONG_SECS, 1.0)
                quality = float(min(clean, _CLEAN_DB) + _CLEAN_DB * long)
                level = float(20 * np.log10(abs(probes[note] @ heard) + 1e-9))
                if clean > 0 and level > -90:
                    found[note].append(_Strike(number, int(at[strike]), alone, level, quality))
        return found

    @cached_property
    def modes(self) -> list[_Mode]:
        """How the notes ring."""
        return [self.mode(note, found) for note, found in enumerate(self.strikes)]

    def mode(self, note: int, strikes: list[_Strike]) -> _Mode:
        """How a note rings: the median over its best strikes."""
        expected, rate = _bar(float(self.notes_hz[note])), self.sample_rate
        found = []
        for strike in sorted(strikes, key=lambda strike: -strike.quality_db)[:9]:
            length = min(strike.alone, round(2.5 * expected.decay_secs * rate))
            if length < _STEADY_SECS * rate:
                continue
            begin = strike.at + round(_ATTACK_SECS * rate)
            sound = self.recordings[strike.recording].sound[begin : strike.at + length]
            found.append(_measured(_float(sound), rate, expected))
        return _Mode(*map(float, np.median(np.array(found or [expected]), axis=0)))

    def length(self, note: int) -> int:
        """Samples of a note's pieces after the strike."""
        return round(min(_LONGEST_SECS, _FALL * self.modes[note].decay_secs) * self.sample_rate)

    def ringing(self, sound: np.ndarray, begin: int, modes: list[_Mode]) -> np.ndarray:
        """Complex amplitudes of modes at sample 0, by least squares on samples from `begin` on."""
        waves = self.waves(np.arange(begin, begin + len(sound)), modes)
        basis = np.concatenate([waves.real, -waves.imag])
        squares = basis @ basis.T
        squares += 1e-6 * np.trace(squares) / len(squares) * np.eye(len(squares))
        found = np.linalg.solve(squares, basis @ sound)
        return found[: len(modes)] + 1j * found[len(modes) :]

    def probe(self, hz: float) -> np.ndarray:
        """Reads a strike's amplitude as pictures at 25 Hz do: two thirds of their window."""
        at = np.arange(round(_ALONE_SECS * self.sample_rate))
        wave = self.waves(at, [_bar(hz)])[0]
        window = np.hamming(len(at) * 3 // 2)[-len(at) :] * np.exp(-1j * np.angle(wave))
        return 2 * window / abs(window @ wave)

    def waves(self, at: np.ndarray, modes: list[_Mode]) -> np.ndarray:
        """Each mode with amplitude 1 at sample 0: `complex [modes, samples]`."""
        hz, decay = np.array(modes).T[..., None]
        return np.exp((2j * np.pi * hz - 1 / decay) * at[None] / self.sample_rate)

    def cut(self, strike: _Strike, note: int, ratio: float) -> tuple[np.ndarray, float]:
        """A note's strike alone from `LEAD_SECS` before it, `ratio` times as high; and its dB."""
        rate, modes, mode = self.sample_rate, self.modes, self.modes[note]
        sound = self.recordings[strike.recording].sound
        lead = round(LEAD_SECS * rate * ratio)
        before = min(strike.at, round(_BEFORE_SECS * rate))
        length = round(self.length(note) * ratio)
        heard = _float(sound[strike.at - before : strike.at + min(length, strike.alone)])
        # A bar that is struck again stops: its own ringing does not go on.
        rung = self.ringing(heard[: before - 1], -before, modes)
        rung[note] = 0
        at = np.arange(-before, len(heard) - before)
        alone = (heard - (rung[:, None] * self.waves(at, modes)).real.sum(axis=0))[before - lead :]
        level = abs(self.probe(mode.hz) @ alone[lead:][: round(_ALONE_SECS * rate)])
        piece = np.zeros(lead + length)
        piece[: len(alone)] = alone
        if strike.alone < length:
            last = len(alone) - round(_BEFORE_SECS * rate)
            left = self.ringing(alone[last:], last - lead, [mode])
            goes_on = (left[:, None] * self.waves(np.arange(-lead, length), [mode])).real[0]
            join = round(_JOIN_SECS * rate)
            share = np.clip((np.arange(lead + length) - len(alone) + join) / join, 0, 1)
            piece += share * (goes_on - piece)
        end = round(_END_SECS * rate)
        piece[-end:] *= 0.5 + 0.5 * np.cos(np.pi * (np.arange(end) + 1) / end)
        if ratio != 1:
            size = round(len(piece) / ratio)
            piece = np.fft.irfft(np.fft.rfft(piece), size) * (size / len(piece))
        stored = np.clip(np.rint(piece * 32768), -32768, 32767).astype(np.int16)
        return stored, float(20 * np.log10(level + 1e-9))


def _silent_from(sound: np.ndarray, at: np.ndarray, least: int) -> np.ndarray:
    """Where no sound is kept next, for so many samples: another split may have it."""
    edges = np.flatnonzero(np.diff(sound == 0, prepend=False, append=False))
    begins = edges[::2][edges[1::2] - edges[::2] >= least]
    return np.append(begins, len(sound))[np.searchsorted(begins, at)]


def _bar(hz: float) -> _Mode:
    """How a marimba's bar of this pitch rings."""
    return _Mode(hz, 0.18 * (440 / hz) ** (1 / 3))


def _measured(sound: Float[np.ndarray, " samples"], rate: int, expected: _Mode) -> _Mode:
    """The pitch within a quarter tone, and the decay from one half to the other."""
    time, taper = np.arange(len(sound)) / rate, np.hanning(len(sound))
    hz = np.fft.rfftfreq(n_fft := 4 * rate, 1 / rate)
    near = np.abs(np.log2(np.maximum(hz, 1e-3) / expected.hz)) < 1 / 24
    pitch = float(hz[near][np.argmax(np.abs(np.fft.rfft(sound * taper, n_fft))[near])])
    turned = sound * np.exp(-2j * np.pi * pitch * time)
    half = len(sound) // 2
    first, second = (abs(turned[some : some + half] @ np.hanning(half)) for some in (0, half))
    fall = np.log(max(first, 1e-12) / max(second, 1e-12))
    decay = half / rate / fall if fall > 0 else np.inf
    return _Mode(pitch, float(np.clip(decay, expected.decay_secs / 4, expected.decay_secs * 4)))


def _spread(strikes: list[_Strike], most: int) -> list[_Strike]:
    """The best of each of some groups from soft to loud."""
    order = sorted(strikes, key=lambda strike: strike.level_db)
    groups = np.array_split(np.arange(len(order)), min(most, len(order)))
    return [max((order[i] for i in group), key=lambda one: one.quality_db) for group in groups]


def _float(sound: Int16[np.ndarray, " samples"]) -> Float[np.ndarray, " samples"]:
    return sound.astype(np.float64) / 32768
