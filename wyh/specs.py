"""Every rate and size of a stream, and the sizes that follow from them. Imports no JAX.

Rates are `Fraction`s, so that the start of tick 10 million is as exact as that of tick 1.
"""

from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

import numpy as np

from wyh.errors import WyhError, check_range

Fit = Literal["crop", "pad", "stretch"]
"""How a picture of any shape becomes the model's: cut the edges, add black bars, or distort."""

LUMA = (0.2126, 0.7152, 0.0722)
"""How much of brightness is red, green and blue (Recommendation ITU-R BT.709)."""

Direction = Literal["see-hear", "hear-see"]

SynthName = Literal[
    "noise",
    "continuous_phase",
    "reference_phase",
    "overlap",
    "granular",
    "exemplar",
    "raw",
    "additive",
    "knn",
]
"""Noise bands and oscillators; bands whose phases wander, or come from a recording; columns laid
over one another; clouds of their grains; grains of real sound; columns end to end, which hum; and
for notes alone, sines, or strikes of real sound."""


def as_rate(value: object) -> Fraction:
    """A rate in Hz from `24`, `"24000/1001"`, `23.976` or a `Fraction`.

    Decimals of the NTSC family (23.976, 29.97, 59.94) become n * 1000 / 1001. Denominators are
    100,000 at most, so that a tick's start can be worked out in 64 bits.

    Raises:
      WyhError: when it is no number above 0, or above a million.
    """
    text = str(value)
    try:
        # Without exponents: the digits of 1e999999999 would take for ever.
        rate = Fraction("" if "e" in text.lower() else text)
    except (ValueError, ZeroDivisionError):
        raise WyhError(f"got the rate {text!r}, wanted a number such as 24 or 24000/1001") from None
    rate = rate.limit_denominator(100_000)
    if not 0 < rate <= 1_000_000:
        raise WyhError(f"got the rate {text!r}, wanted one above 0 and up to 1,000,000 Hz")
    ntsc = Fraction(round(rate * 1001 / 1000) * 1000, 1001)
    near_ntsc = abs(rate - ntsc) < Fraction(1, 200) and rate.denominator not in (1, 1001)
    return ntsc if ntsc and near_ntsc else rate


def tick_start(tick: int, sample_rate: int, tick_rate: Fraction) -> int:
    """The first sample of a tick: `round(tick * sample_rate / tick_rate)`, never accumulated."""
    return round(tick * sample_rate / tick_rate)


def _tick_starts(ticks: np.ndarray, sample_rate: int, tick_rate: Fraction) -> np.ndarray:
    """`tick_start` of many ticks, in integers throughout (half goes to even, as in `round`)."""
    whole, rest = np.divmod(ticks * (sample_rate * tick_rate.denominator), tick_rate.numerator)
    twice = 2 * rest - tick_rate.numerator
    return whole + ((twice > 0) | ((twice == 0) & (whole % 2 == 1)))


@dataclass(frozen=True)
class VideoSpec:
    """The pictures a model sees or makes: `uint8 [height, width, channels]` at `frame_rate`."""

    frame_rate: Fraction  # Hz, 1 to 240
    height: int = 64  # pixels, 8 to 4096
    width: int = 64  # pixels, 8 to 4096
    channels: int = 3  # 3 = RGB, 1 = grey
    fit: Fit = "crop"

    def __post_init__(self) -> None:
        check_range("frame rate", float(self.frame_rate), 1, 240, "Hz")
        check_range("height", self.height, 8, 4096, "pixels")
        check_range("width", self.width, 8, 4096, "pixels")
        if self.channels not in (1, 3):
            raise WyhError(f"got {self.channels} channels, wanted 3 (colour) or 1 (grey)")
        if self.fit not in get_args(Fit):
            raise WyhError(f"got fit {self.fit!r}, wanted crop, pad or stretch")

    @property
    def shape(self) -> tuple[int, int, int]:
        """`(height, width, channels)`."""
        return self.height, self.width, self.channels

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame."""
        return self.height * self.width * self.channels


@dataclass(frozen=True)
class AudioSpec:
    """The sound a model hears or makes: float32 in [-1, 1] at `sample_rate`."""

    sample_rate: int = 22050  # Hz, 4,000 to 192,000
    channels: int = 1  # 1 = mono, waveforms [samples]; 2 = stereo, [samples, 2], left first

    def __post_init__(self) -> None:
        check_range("sample rate", self.sample_rate, 4000, 192_000, "Hz")
        if self.channels not in (1, 2):
            raise WyhError(f"got {self.channels} channels of sound, wanted 1 (mono) or 2 (stereo)")


@dataclass(frozen=True)
class StreamSpec:
    """Both clocks of a transducer: pictures tick at `video.frame_rate`, sound in blocks.

    Block k starts at sample `k * block`, whether it is made or heard.

    `latency_samples` is the time from the middle of a picture to the middle of its sound (or the
    reverse) that the algorithm itself costs; `render` takes it out, `live` reports it.
    """

    direction: Direction
    video: VideoSpec
    audio: AudioSpec
    block: int  # samples of one tick of sound
    latency_samples: int = 0

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise WyhError(f"got direction {self.direction!r}, wanted see-hear or hear-see")
        check_range("block", self.block, 1, 1 << 16, "samples")
        check_range("latency", self.latency_samples, 0, 1 << 20, "samples")

    @property
    def budget_ms(self) -> float:
        """Time one frame may take, in ms."""
        return 1000 / float(self.video.frame_rate)

    @property
    def latency_secs(self) -> float:
        """The declared latency in seconds."""
        return self.latency_samples / self.audio.sample_rate

    def frame_tick_at(self, sample: int) -> int:
        """The newest frame tick that starts at or before `sample`, exact at any length."""
        return int(self.schedule(sample, 1, step=1)[0][0])

    def schedule(
        self, first_block: int, blocks: int, *, step: int | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each block of sound: the frame tick it uses, and that tick's age.

        Args:
          first_block: the first of `blocks` blocks in a row.
          blocks: how many.
          step: samples from one block to the next, `block` unless given.

        Returns:
          Ticks `int64 [blocks]` and ages in seconds `float64 [blocks]`.
        """
        rate, step = self.audio.sample_rate, step or self.block
        frame_rate = self.video.frame_rate
        samples = (first_block + np.arange(blocks, dtype=np.int64)) * step
        ticks = samples * frame_rate.numerator // (rate * frame_rate.denominator) + 1
        # The start of a tick is rounded, so the next tick may already start on this very sample.
        ticks -= _tick_starts(ticks, rate, frame_rate) > samples
        return ticks, (samples - _tick_starts(ticks, rate, frame_rate)) / rate

    def picture_schedule(
        self, first: int, count: int, *, late: int = 0
    ) -> tuple[np.ndarray, np.ndarray]:
        """For each picture made from sound: the block it uses, and how old that is.

        A block is known when it has ended, so picture k uses the newest block that ends at or
        before the picture's tick, and before there is one the first.

        Args:
          first: the first of `count` pictures in a row.
          count: how many.
          late: samples by which pictures are made later than their tick: `latency_samples` puts
            their sound in the middle of them, where it can be waited for.

        Returns:
          Blocks `int64 [count]` and ages in seconds `float64 [count]`, 0 up to a block.
        """
        ticks = first + np.arange(count, dtype=np.int64)
        at = _tick_starts(ticks, self.audio.sample_rate, self.video.frame_rate) + late
        blocks = np.maximum(at // self.block - 1, 0)
        ages = np.maximum(at - (blocks + 1) * self.block, 0)
        return blocks, ages / self.audio.sample_rate

    def to_json(self) -> dict[str, Any]:
        """Plain values for `config.json`; `from_json` reads them back."""
        values = asdict(self)
        values["video"]["frame_rate"] = str(self.video.frame_rate)
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "StreamSpec":
        """Read what `to_json` wrote.

        Raises:
          WyhError: when a value is missing, unknown or out of range.
        """
        try:
            video = dict(values["video"])
            video["frame_rate"] = as_rate(video["frame_rate"])
            rest = {k: v for k, v in values.items() if k not in ("video", "audio")}
            return cls(video=VideoSpec(**video), audio=AudioSpec(**values["audio"]), **rest)
        except (KeyError, TypeError, ValueError) as error:
            raise WyhError(f"the stream description is damaged: {error}") from None
