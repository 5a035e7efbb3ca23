"""The sound that belongs to the frames of a data set, in memory: windows of any length.

The windows of a data set are as long as one frame or a few. Here neighbours are put back together,
each at its sample of the recording, so that a model can hear as far around a frame as it likes.
"""

from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Int, Int16

from wyh.dataset import Dataset, to_waveform
from wyh.errors import WyhError
from wyh.frames import FrameBank, each_window
from wyh.loudness import recording_gain
from wyh.specs import tick_start
from wyh.windows import Split

SILENT_PEAK = 10
"""Of 32,768: where no sample is larger, which is -70 dB, there is no sound."""

NAMED = 3
"""Recordings that an error names at most."""


class Soundtrack:
    """The sound of a split, by the numbers of its frames as in `FrameBank`.

    Recordings keep their holes, such as seconds held out, which are silent here.

    Attributes:
      silent: names of the recordings of the split that have no sound; no frame of them `fits`.
      secs: seconds stored of the others.

    Args:
      dataset: with windows of any length.
      split: of it.
      bank: the frames of this split, where they have been read; else the times are read twice.

    Raises:
      WyhError: no recording of the split has any sound, or the split is empty.
    """

    def __init__(self, dataset: Dataset, split: Split, bank: FrameBank | None = None) -> None:
        spec = dataset.spec
        rate, self._rate = spec.video.frame_rate, spec.audio.sample_rate
        length = spec.window.window_samples
        bank = bank or FrameBank(dataset, split, memory_bytes=0)
        starts_secs, self._recording = bank.places
        ticks = np.rint(starts_secs * float(rate)).astype(int).tolist()
        one = slice(None, None, spec.frames_per_window)  # the first frame of each window
        begins = np.array([tick_start(tick, self._rate, rate) for tick in ticks[one]])
        middles = np.array([tick_start(2 * tick + 1, self._rate, 2 * rate) for tick in ticks])

        # All recordings in one array, each from its own sample 0 and too far apart to be joined.
        sizes = np.zeros(len(dataset.recordings), np.int64)
        np.maximum.at(sizes, self._recording[one], begins + length + 2)
        self._edges = np.concatenate([[0], np.cumsum(sizes)])
        begins += self._edges[self._recording[one]]
        self._middles = middles + self._edges[self._recording]
        self._sound = np.zeros(self._edges[-1], np.int16)
        for begin, window in zip(begins, each_window(dataset, split), strict=True):
            self._sound[begin : begin + length] = window["audio"][0]

        begins.sort()
        apart = np.diff(begins) - length
        missing = begins[:-1][apart == 1] + length  # starts are rounded: it may be one sample
        self._sound[missing] = self._sound[missing - 1] // 2 + self._sound[missing + 1] // 2
        first = np.flatnonzero(np.append(True, apart > 1))
        self._run_begins = begins[first]
        self._run_ends = begins[np.append(first[1:], len(begins)) - 1] + length
        self._run_recording = np.searchsorted(self._edges, self._run_begins, side="right") - 1

        slices = zip(self._edges[:-1], self._edges[1:], strict=True)
        self._audible = np.array([_is_audible(self._sound[low:high]) for low, high in slices])
        seen = np.unique(self._recording)
        self.silent = [dataset.recordings[i].name for i in seen if not self._audible[i]]
        if not self._audible.any():
            raise _no_sound(dataset, self.silent)
        lengths = (self._run_ends - self._run_begins)[self._audible[self._run_recording]]
        self.secs = float(lengths.sum() / self._rate)

    def fits(self, length: int) -> Bool[np.ndarray, " n"]:
        """Which frames have sound for a window of `length` samples around their middle.

        It lies in what is stored of one recording without a hole, and that recording is not silent.
        """
        begins = self._middles - length // 2
        run = np.searchsorted(self._run_begins, self._middles, side="right") - 1
        inside = (begins >= self._run_begins[run]) & (begins + length <= self._run_ends[run])
        return inside & self._audible[self._recording]

    def windows_at(
        self, indices: Int[np.ndarray, "*n"], length: int
    ) -> Int16[np.ndarray, "*n {length}"]:
        """Sound around the middles of frames; silence where none is stored of their recording.

        The middle of frame k, counted from the first of its recording, is the sample
        `round((k + 1/2) * sample_rate / frame_rate)`, and lies at `length // 2` of the window.
        """
        frames = np.asarray(indices).ravel()
        sound = np.zeros((len(frames), length), np.int16)
        begins = self._middles[frames] - length // 2
        lows, highs = (self._edges[self._recording[frames] + more] for more in (0, 1))
        # A row at a time: places of all samples would be four times as large as the sound itself.
        for row, begin, low, high in zip(
            sound, begins.tolist(), lows.tolist(), highs.tolist(), strict=True
        ):
            piece = self._sound[max(begin, low) : max(min(begin + length, high), low)]
            before = max(low - begin, 0)
            row[before : before + len(piece)] = piece
        return sound.reshape(*np.shape(indices), length)

    def waveform_at(
        self,
        indices: Int[np.ndarray, "*n"],
        length: int,
        gains: Float32[np.ndarray, " recordings"] | None = None,
    ) -> Float32[np.ndarray, "*n {length}"]:
        """As `windows_at`, each recording made as loud as the others; may exceed [-1, 1].

        Args:
          indices: of frames.
          length: in samples.
          gains: of the training split, for a recording that is divided; unless given, `gains`.
        """
        gains = self.gains if gains is None else gains
        factors = gains[self._recording[indices]]
        return to_waveform(self.windows_at(indices, length)) * factors[..., None]

    @cached_property
    def gains(self) -> Float32[np.ndarray, " recordings"]:
        """What brings each recording of the data set to -23 LUFS; 1 where this split has none."""
        gains = np.ones(len(self._audible), np.float32)
        for i in np.flatnonzero(self._audible):
            gains[i] = recording_gain(to_waveform(self._stored(int(i))), self._rate)
        return gains

    def recording(self, number: int) -> Float32[np.ndarray, " samples"]:
        """The sound of a recording from its first sample on, with its holes, in [-1, 1)."""
        return to_waveform(self._sound[self._edges[number] : self._edges[number + 1]])

    def _stored(self, recording: int) -> Int16[np.ndarray, " samples"]:
        """The sound of a recording without its holes."""
        mine = np.flatnonzero(self._run_recording == recording)
        runs = [self._sound[self._run_begins[i] : self._run_ends[i]] for i in mine]
        return np.concatenate(runs) if runs else np.zeros(0, np.int16)


def check_sound(dataset: Dataset, split: Split = "train") -> None:
    """See that a data set has any sound, by reading up to the first window that has some.

    Raises:
      WyhError: it has none.
    """
    if not any(_is_audible(window["audio"]) for window in each_window(dataset, split)):
        raise _no_sound(dataset, [recording.name for recording in dataset.recordings])


def _is_audible(sound: Int16[np.ndarray, "*shape"]) -> bool:
    return bool(sound.size) and max(int(sound.max()), -int(sound.min())) > SILENT_PEAK


def _no_sound(dataset: Dataset, silent: list[str]) -> WyhError:
    more = f" and {len(silent) - NAMED} more" if len(silent) > NAMED else ""
    names = ", ".join(silent[:NAMED]) + more
    return WyhError(
        f"{dataset.path} has no sound to learn from: {names} {'are' if silent[1:] else 'is'} "
        "silent; give films with sound"
    )
