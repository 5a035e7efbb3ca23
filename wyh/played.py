"""Films of an instrument being played, with the notes that are heard in them, for training."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from wyh.dataset import Dataset
from wyh.errors import WyhError
from wyh.frames import FrameBank, shuffled
from wyh.signal.notes import NoteReader
from wyh.soundtracks import Soundtrack
from wyh.transcript import LAW, Transcript, heard_transcript, notes_of, read_transcript
from wyh.windows import Split

NEAR = 0.75
"""Frame periods from a strike to the middle of a frame that is still told of it.

More than a half, so that one between two frames is no matter of chance: both tell of it."""

LOUDEST = 0.25
"""Amplitude of a note that is struck as hard as can be, whatever the level of its recording was:
there is room for chords."""

_HOLE = 1e-3  # of the loudest amplitude: what is under it is of another split, and not stored
_HEARD = 1 / 3  # of the strikes of a truth file, at least, are heard in its own film
_LOUDER, _FAINT = 1.1, 0.03  # times as before, and of the loudest amplitude: a strike that is heard


class NoteTruth(NamedTuple):
    """What is to be seen in frames: the notes around each, and those struck in it."""

    amplitude: Float32[np.ndarray, "*lead notes"]  # `LOUDEST`: a note struck with velocity 1
    onset: Bool[np.ndarray, "*lead notes"]
    offset: Float32[np.ndarray, "*lead notes"]  # in periods from the middle, -0.5 to 0.5


class PlayedRecording(NamedTuple):
    """A recording, or the part of one that is in a split."""

    name: str
    frames: Int[np.ndarray, " frames"]  # numbers in the bank, in order of time
    ticks: Int[np.ndarray, " frames"]  # numbers in the recording
    waveform: Float32[np.ndarray, " samples"]  # of all of it; silent where another split has it
    amplitude: Float32[np.ndarray, "frames notes"]  # of the frames
    strikes: Transcript  # those of the notes that are looked for
    told: bool  # by a truth file, not by its sound


class Played(NamedTuple):
    """A batch: pictures in a row, and the notes of all but the first and the last."""

    films: UInt8[np.ndarray, "batch time_and_two height width channel"]
    truth: NoteTruth


def recordings_of(
    dataset: Dataset, split: Split, bank: FrameBank, track: Soundtrack, reader: NoteReader
) -> Iterator[PlayedRecording]:
    """The recordings of a split that have sound, with what is played in each.

    Raises:
      WyhError: a truth file that does not match its film.
    """
    starts, owners = bank.places
    rate = float(dataset.spec.video.frame_rate)
    for owner in np.unique(owners):
        name = dataset.recordings[owner].name
        if name in track.silent:
            continue
        mine = np.flatnonzero(owners == owner)
        mine = mine[np.argsort(starts[mine])]
        ticks = np.rint(starts[mine] * rate).astype(int)
        waveform = track.recording(int(owner))
        heard = reader.amplitudes_of(waveform, int(ticks[-1]) + 1)
        path = dataset.truth(name)
        if path is None:
            strikes = heard_transcript(waveform, reader)
        else:
            strikes = read_transcript(path)
        known = notes_of(strikes, reader.hz) >= 0
        strikes = Transcript(*(values[known] for values in strikes))
        gain = level_gain(heard, strikes, reader)
        yield PlayedRecording(
            name, mine, ticks, gain * waveform, gain * heard[ticks], strikes, path is not None
        )


def level_gain(
    amplitude: Float32[np.ndarray, "frames notes"], strikes: Transcript, reader: NoteReader
) -> np.float32:
    """What brings a recording to the level at which a strike of velocity 1 is `LOUDEST`.

    How far a microphone was turned up is not to be seen in any picture; how hard is struck is.

    Args:
      amplitude: of all frames from the recording's first.
      strikes: of the reader's notes.
      reader: that has read them.
    """
    at = np.floor(strikes.times_secs * float(reader.frame_rate)).astype(int)
    inside = at < len(amplitude)
    at, notes = at[inside], notes_of(strikes, reader.hz)[inside]
    after = np.minimum(at + 1, len(amplitude) - 1)
    heard = np.maximum(amplitude[at, notes], amplitude[after, notes])
    as_hard = heard / strikes.velocities[inside] ** LAW
    stored = heard > _HOLE * amplitude.max(initial=0)
    usual = as_hard[stored].mean() if stored.any() else amplitude.max(initial=0)
    return np.float32(LOUDEST / max(usual, 1e-6))


def note_truth(recording: PlayedRecording, reader: NoteReader) -> NoteTruth:
    """What is to be seen in the frames of a recording.

    Raises:
      WyhError: its truth file tells of strikes that are not heard.
    """
    onset, offset = struck_in(recording.strikes, recording.ticks, reader)
    if recording.told:
        _check_heard(recording.name, recording.amplitude, onset)
    return NoteTruth(recording.amplitude, onset, offset)


def struck_in(
    strikes: Transcript, ticks: Int[np.ndarray, " frames"], reader: NoteReader
) -> tuple[Bool[np.ndarray, "frames notes"], Float32[np.ndarray, "frames notes"]]:
    """Which notes are struck in or near the time of frames, and when.

    Args:
      strikes: of the reader's notes.
      ticks: numbers of the frames in their recording, in order.
      reader: the notes, and the frame rate.
    """
    shape = (len(ticks), len(reader.notes))
    nearest = np.full(shape, np.inf)
    offset = np.zeros(shape, np.float32)
    at = strikes.times_secs * float(reader.frame_rate)
    notes = notes_of(strikes, reader.hz)
    for step in (-1, 0, 1):
        tick = np.floor(at).astype(int) + step
        row = np.minimum(np.searchsorted(ticks, tick), len(ticks) - 1)
        away = at - tick - 0.5
        for i in np.flatnonzero((ticks[row] == tick) & (np.abs(away) <= NEAR)):
            cell = row[i], notes[i]
            if abs(away[i]) < nearest[cell]:
                nearest[cell], offset[cell] = abs(away[i]), np.clip(away[i], -0.5, 0.5)
    return np.isfinite(nearest), offset


def _check_heard(name: str, amplitude: np.ndarray, onset: np.ndarray) -> None:
    """See that notes become louder where they are struck: a truth is its film's."""
    if not onset.any():
        return
    frames = np.arange(len(amplitude))
    after = amplitude[np.minimum(frames + 1, len(frames) - 1)]
    before = amplitude[np.maximum(frames - 2, 0)]
    begins = (after > _LOUDER * before) & (after > _FAINT * amplitude.max())
    if (share := begins[onset].mean()) < _HEARD:
        raise WyhError(
            f"{name}: got a truth file of whose strikes {share:.0%} are heard, wanted {_HEARD:.0%} "
            f"at least: it is another film's; put its own beside it, or none"
        )


@dataclass(frozen=True)
class PlayedBank:
    """The frames of a data set's training part and their notes.

    Attributes:
      truth: of every frame; nothing for those of silent recordings.
      training: frames in a row by number, `time + 2` of them.
      validation: frames by number.
      recordings: with sound.
    """

    bank: FrameBank
    truth: NoteTruth
    training: Int[np.ndarray, "n time_and_two"]
    validation: Int[np.ndarray, " m"]
    recordings: tuple[PlayedRecording, ...]

    @classmethod
    def of(cls, dataset: Dataset, reader: NoteReader, time: int) -> "PlayedBank":
        """Read the training part of a data set.

        Args:
          dataset: of films with sound, with truth or without.
          reader: of the notes that are looked for.
          time: frames in a row.

        Raises:
          WyhError: no sound, none of the notes, too little in a row, or a wrong truth.
        """
        bank = FrameBank(dataset, "train")
        track = Soundtrack(dataset, "train", bank)
        recordings = tuple(recordings_of(dataset, "train", bank, track, reader))
        shape = (bank.size, len(reader.notes))
        truth = NoteTruth(
            np.zeros(shape, np.float32), np.zeros(shape, bool), np.zeros(shape, np.float32)
        )
        heard = np.zeros(bank.size, bool)
        for recording in recordings:
            heard[recording.frames] = True
            for values, own in zip(truth, note_truth(recording, reader), strict=True):
                values[recording.frames] = own
        if not truth.onset.any():
            raise WyhError(
                f"{dataset.path}: none of the notes {reader.notes[0].name} to "
                f"{reader.notes[-1].name} is struck: name those of the instrument with --notes"
            )
        chosen = [frames[heard[frames]] for frames in bank.divide()]
        training = rows_of(bank, chosen[0], time)
        if not len(training):
            secs = (time + 2) / float(dataset.spec.video.frame_rate)
            raise WyhError(
                f"{dataset.path}: no {secs:.2g} s of pictures and sound in a row to learn from: "
                f"give longer films"
            )
        held = chosen[1]
        if not len(rows_of(bank, held, 1)):  # those recordings are silent
            held = chosen[0]
        return cls(bank, truth, training, held, recordings)

    def step(self, step: int, batch_size: int, seed: int) -> Played:
        """The batch of a training step: rows in an order of their own in every epoch."""
        return self.at(self.training[shuffled(step, batch_size, len(self.training), seed)])

    def at(self, rows: Int[np.ndarray, "n time_and_two"]) -> Played:
        """Rows of frames by number."""
        told = rows[:, 1:-1]
        return Played(self.bank.films_at(rows), NoteTruth(*(values[told] for values in self.truth)))

    def held(self, time: int, most: int) -> list[Played]:
        """Frames in a row that choose the best variables, as many as there are up to `time`.

        Args:
          time: frames in a row, at most.
          most: rows.
        """
        longest = max(len(run) for run in self.bank.runs(self.validation)) - 2
        time = min(time, longest)
        rows = rows_of(self.bank, self.validation, time)
        apart = [run for run in np.split(rows, np.flatnonzero(np.diff(rows[:, 0]) != 1) + 1)]
        return [self.at(row[None]) for run in apart for row in run[::time]][:most]


def rows_of(
    bank: FrameBank, chosen: Int[np.ndarray, " n"], time: int
) -> Int[np.ndarray, "m time_and_two"]:
    """All `time + 2` frames in a row out of those chosen, by number."""
    runs = [run for run in bank.runs(chosen) if len(run) >= time + 2]
    places = np.arange(time + 2)[None]
    rows = [run[: len(run) - time - 1, None] + places for run in runs]
    return np.concatenate([np.zeros((0, time + 2), int), *rows])
