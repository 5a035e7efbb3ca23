"""Pictures with the sound that belongs to them, for training: which go together, and when."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8

from wyh.dataset import Dataset
from wyh.errors import WyhError
from wyh.frames import FrameBank, shuffled, thinned
from wyh.soundtracks import Soundtrack
from wyh.synths.reference import corpus
from wyh.synths.targets import Target

FADE = 64
"""Samples in which a piece of the reference begins, and ends."""


class Pairs(NamedTuple):
    """Pictures in a row, and the sound around the middle of each but the first few."""

    films: UInt8[np.ndarray, "batch reach_and_time height width channel"]
    sound: Float[np.ndarray, "batch time length"]  # in [-1, 1], recordings equally loud


@dataclass(frozen=True)
class PairBank:
    """The pictures of a data set and their sound, for training and for choosing the best.

    Attributes:
      training, validation: sequences of frames by number, of `reach + time` each.
      anchors: black and white pictures with silence, as many as so many sequences.
    """

    bank: FrameBank
    track: Soundtrack
    length: int  # samples around each picture's middle
    reach: int  # pictures before the first that has its sound
    training: Int[np.ndarray, "n reach_and_time"]
    validation: Int[np.ndarray, "m reach_and_time"]
    anchors: int

    @classmethod
    def of(
        cls, dataset: Dataset, length: int, reach: int, time: int, anchor_secs: float
    ) -> "PairBank":
        """Read the training part of a data set.

        Args:
          dataset: of films with sound.
          length: samples around each picture's middle.
          reach: pictures before each.
          time: pictures in a row that have their sound.
          anchor_secs: seconds of silence to add, half of them black pictures and half white.

        Raises:
          WyhError: no sound, or too little of both.
        """
        bank = FrameBank(dataset, "train")
        track = Soundtrack(dataset, "train", bank)
        fits = track.fits(length)
        training, validation = bank.divide()
        # Frames between the two, on whose sound nobody learns, may still be seen before others.
        between = np.setdiff1d(np.arange(bank.size), np.union1d(training, validation))
        found = [
            led(bank, chosen[fits[chosen]], np.union1d(chosen, between), reach, time)
            for chosen in (training, validation)
        ]
        if not all(len(sequences) for sequences in found):
            secs = (reach + time) / float(dataset.spec.video.frame_rate)
            raise WyhError(
                f"{dataset.path}: no {secs:.2g} s of pictures and sound in a row to learn from: "
                f"give longer films"
            )
        anchors = round(anchor_secs * float(dataset.spec.video.frame_rate))
        return cls(bank, track, length, reach, found[0], found[1], anchors)

    def step(self, step: int, batch_size: int, seed: int) -> Pairs:
        """The batch of a training step: sequences in an order of their own in every epoch."""
        count = len(self.training)
        chosen = shuffled(step, batch_size, count + self.anchors, seed)
        pairs = self.at(self.training[np.minimum(chosen, count - 1)])
        for row in np.flatnonzero(chosen >= count):
            pairs.films[row], pairs.sound[row] = 255 * (chosen[row] % 2), 0.0
        return pairs

    def at(self, sequences: Int[np.ndarray, "n reach_and_time"]) -> Pairs:
        """Sequences by number."""
        sound = self.track.waveform_at(sequences[:, self.reach :], self.length)
        return Pairs(self.bank.films_at(sequences), sound)

    def some(self, most: int) -> Pairs:
        """Training sequences, evenly spread."""
        return self.at(thinned(self.training, most))

    def held(self, most: int, time: int) -> Pairs:
        """Sequences that choose the best variables, hardly overlapping."""
        return self.at(thinned(self.validation[:: max(1, time // 2)], most))

    def reference(self, target: Target, secs: float) -> dict[str, np.ndarray]:
        """Real sound to choose grains and phases from: up to so many seconds, evenly spread."""
        piece = round(2 * target.prediction.noise.sample_rate)  # samples that follow one another
        fits = np.flatnonzero(self.track.fits(piece))
        few = thinned(fits[:: max(1, round(2 * target.prediction.frame_rate))], round(secs / 2))
        if not len(few):
            few = thinned(self.training[:, -1], 1000)
            piece = max(self.length, round(3 * target.prediction.period))
        ramp = np.minimum((np.arange(piece) + 0.5) / FADE, 1.0)
        sound = (self.track.waveform_at(few, piece) * (ramp * ramp[::-1])[None]).ravel()
        pcm = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
        return corpus(pcm, target.prediction)


def led(
    bank: FrameBank,
    chosen: Int[np.ndarray, " n"],
    among: Int[np.ndarray, " k"],
    reach: int,
    time: int,
) -> Int[np.ndarray, "m reach_and_time"]:
    """Runs of `time` frames out of those chosen, each led by the `reach` frames before it.

    Where there are not so many before, the first is held, as it is when playing begins.

    Args:
      bank: of the frames.
      chosen: frames by number, in order.
      among: what leads must be taken from; it contains the chosen ones.
      reach: frames that lead.
      time: frames that follow.
    """
    begins = np.zeros(bank.size, np.int64)  # of the run that each frame is in
    for run in bank.runs(among):
        begins[run] = run[0]
    firsts = [run[: max(0, len(run) - time + 1)] for run in bank.runs(chosen)]
    first = np.concatenate(firsts)
    places = first[:, None] + np.arange(-reach, time)[None]
    return np.maximum(places, begins[first][:, None])
