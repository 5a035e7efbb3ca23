"""How loud each note of a list is in the sound around each frame: what a player of notes learns.

A Hamming window of three frame periods, its middle on the middle of the frame's own period, so that
nothing lags; the spectrum of it with zeros added; the largest amplitude within a quarter tone.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from wyh.errors import WyhError, check_range
from wyh.signal.stft import stft_window
from wyh.specs import tick_start

MARIMBA = "F#4,G#4,A#4,C#5,D#5,F#5,G#5,A#5,C#6,D#6,F#6,G#6,A#6,C#7,D#7,F#7,G#7,A#7"
"""The 18 bars of seed 004: the black keys from 370 to 3729 Hz."""

QUARTER_TONE = 2 ** (1 / 24)

_PERIODS = 3  # of a frame in a window
_BIN_HZ = 1.0  # from bin to bin at most
_BINS_A_LOBE = 40  # at least, so that the peak of a tone lies on a bin to within 0.3 %
_CHUNK = 64  # frames at a time: 16 MB of spectra
_SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NAME = re.compile(r"([A-Ga-g])([#b]?)(-?[0-9]{1,2})")
_NUMBER = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(hz)?", re.IGNORECASE)
_LEAST_HZ, _MOST_HZ = 1.0, 100_000.0
_SAME_CENTS = 1.0  # closer ones are one note


class Note(NamedTuple):
    """A note and its frequency in Hz."""

    name: str
    hz: float


def parse_notes(text: str) -> tuple[Note, ...]:
    """The notes of a list such as `F#4,Bb4,60,440hz,1000.5`, in its order.

    Names are scientific pitch, C4 in the middle of the piano, equally tempered on A4 = 440 Hz.
    Whole numbers up to 127 are MIDI's; other numbers, and those with the unit, are Hz.

    Raises:
      WyhError: no notes, an unknown one, or one twice.
    """
    notes = tuple(_parse(word.strip()) for word in text.split(",")) if text.strip() else ()
    _check_any(notes)
    for low, high in pairwise(sorted(notes, key=lambda note: note.hz)):
        if 1200 * np.log2(high.hz / low.hz) < _SAME_CENTS:
            raise WyhError(
                f"got the notes {low.name} and {high.name}, which are the same: give it once"
            )
    return notes


def note_name(hz: float) -> str:
    """The name of a frequency with a sharp where need be: `A#4`; `443 Hz` if off by a cent."""
    check_range("a note's frequency", hz, _LEAST_HZ, _MOST_HZ, "Hz")
    midi = round(69 + 12 * np.log2(hz / 440))
    if abs(1200 * np.log2(hz / _midi_hz(midi))) >= _SAME_CENTS:
        return f"{hz:g} Hz"
    return f"{_SHARPS[midi % 12]}{midi // 12 - 1}"


@dataclass(frozen=True)
class NoteReader:
    """Reads the amplitudes of notes from the sound around frames; holds constants only.

    Raises:
      WyhError: no notes, one outside the spectrum, or two that a window cannot tell apart.
    """

    notes: tuple[Note, ...]
    sample_rate: int  # Hz, 4,000 to 192,000
    frame_rate: Fraction  # Hz, 1 to 240

    def __post_init__(self) -> None:
        check_range("sample rate", self.sample_rate, 4000, 192_000, "Hz")
        check_range("frame rate", float(self.frame_rate), 1, 240, "Hz")
        _check_any(self.notes)
        rate, lobe = f"three frames at {float(self.frame_rate):.5g} frames/s", self.lobe_hz
        low = lobe * QUARTER_TONE  # clear of a constant offset; then of half the rate, and beyond
        high = min(
            self.sample_rate / 2 / QUARTER_TONE, (self.sample_rate - lobe) / (1 + QUARTER_TONE)
        )
        for note in self.notes:
            if not low <= note.hz <= high:
                raise WyhError(
                    f"got the note {note.name} at {note.hz:.2f} Hz, wanted {low:.2f} to "
                    f"{high:.2f} Hz, which {rate} and a sample rate of {self.sample_rate} Hz can "
                    f"tell: leave it out"
                )
        for one, other in pairwise(sorted(self.notes, key=lambda note: note.hz)):
            least = (one.hz + lobe) * QUARTER_TONE
            if other.hz < least:
                raise WyhError(
                    f"got the notes {one.name} and {other.name}, {one.hz:.2f} and {other.hz:.2f} "
                    f"Hz, wanted the second at {least:.2f} Hz or above for {rate} to tell them "
                    f"apart: leave one out"
                )

    @property
    def length(self) -> int:
        """Samples of a window, an even number; the frame's middle is at `length // 2`."""
        return 2 * round(Fraction(_PERIODS * self.sample_rate, 2) / self.frame_rate)

    @property
    def lobe_hz(self) -> float:
        """How far a steady tone spreads to either side: half the main lobe of the window.

        Beyond it there is less than 0.8 % of the tone.
        """
        return 2 * self.sample_rate / self.length

    @property
    def hz(self) -> Float[np.ndarray, " notes"]:
        """The frequency of each note."""
        return np.array([note.hz for note in self.notes])

    @property
    def n_fft(self) -> int:
        """Samples of a window with the zeros added, a power of two."""
        least = max(self.sample_rate / _BIN_HZ, self.length * _BINS_A_LOBE / 4)
        return 1 << int(np.ceil(np.log2(least)))

    @cached_property
    def bins(self) -> tuple[tuple[int, int], ...]:
        """The first bin within a quarter tone of each note, and the one after the last."""
        of_hz = self.n_fft / self.sample_rate
        first = np.ceil(self.hz / QUARTER_TONE * of_hz).astype(int).tolist()
        last = np.floor(self.hz * QUARTER_TONE * of_hz).astype(int).tolist()
        return tuple((low, high + 1) for low, high in zip(first, last, strict=True))

    def middle(self, frame: int) -> int:
        """The sample in the middle of a frame's period, exact at any length."""
        return tick_start(2 * frame + 1, self.sample_rate, 2 * self.frame_rate)

    def amplitudes(self, windows: Float[Array, "*n length"]) -> Float[Array, "*n notes"]:
        """The amplitude of each note in windows around the middles of frames.

        A sine of amplitude a within a quarter tone of a note gives a. All spectra are in memory at
        once: `n_fft` single-precision values a window.
        """
        taper = jnp.asarray(stft_window("hamming", self.length))
        spectrum = jnp.fft.rfft(windows * jnp.broadcast_to(taper, windows.shape), self.n_fft)
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        largest = [jnp.max(power[..., low:high], axis=-1) for low, high in self.bins]
        scale = 2 / float(stft_window("hamming", self.length).sum(dtype=np.float64))
        return jnp.sqrt(jnp.stack(largest, axis=-1)) * scale

    def amplitudes_of(
        self, waveform: Float32[np.ndarray, " samples"], frames: int | None = None
    ) -> Float32[np.ndarray, "frames notes"]:
        """As `amplitudes`, for the frames of a recording from its first sample on.

        Silence lies before and after. A sound of any length is read by one compiled function.

        Args:
          waveform: mono.
          frames: how many; unless given, those whose period ends within the sound.
        """
        if frames is None:
            frames = int(len(waveform) * self.frame_rate / self.sample_rate)
            frames += tick_start(frames + 1, self.sample_rate, self.frame_rate) <= len(waveform)
        middles = np.array([self.middle(frame) for frame in range(frames)], int)
        half = self.length // 2
        after = max(self.middle(frames) + half - len(waveform), half)
        around = np.lib.stride_tricks.sliding_window_view(
            np.pad(waveform, (half, after)), self.length
        )
        found = np.zeros((frames, len(self.notes)), np.float32)
        chunk = np.zeros((_CHUNK, self.length), np.float32)
        for first in range(0, frames, _CHUNK):
            wanted = middles[first : first + _CHUNK]
            chunk[: len(wanted)] = around[wanted]
            found[first : first + _CHUNK] = _read(self, chunk)[: len(wanted)]
        return found


_read = jax.jit(NoteReader.amplitudes, static_argnums=0)


def _check_any(notes: Sequence[Note]) -> None:
    if not notes:
        raise WyhError("got an empty list of notes, wanted one such as F#4,Bb4,60,440hz")


def _midi_hz(midi: int) -> float:
    return float(440 * 2 ** ((midi - 69) / 12))


def _parse(word: str) -> Note:
    """One note of a list."""
    if named := _NAME.fullmatch(word):
        letter, accidental, octave = named[1].upper(), named[2], int(named[3])
        step = {"": 0, "#": 1, "b": -1}[accidental]
        note = Note(
            f"{letter}{accidental}{octave}",
            _midi_hz(12 * (octave + 1) + _SEMITONES[letter] + step),
        )
        if _LEAST_HZ <= note.hz <= _MOST_HZ:
            return note
    elif number := _NUMBER.fullmatch(word):
        whole = number[1].isdigit() and not number[2]
        value = float(number[1])
        hz = _midi_hz(int(value)) if whole and value <= 127 else value
        if _LEAST_HZ <= hz <= _MOST_HZ:
            return Note(note_name(hz), hz)
    raise WyhError(
        f"got the note {word!r}, wanted a name such as F#4 or Bb4, a MIDI number from 0 to 127, or "
        f"a frequency such as 440hz"
    )
