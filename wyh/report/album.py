"""All pictures of a soundtrack, painted once: what is kept of them when they are gone."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from wyh.metrics import painted
from wyh.metrics.flashes import general_flashes
from wyh.report.coded import Coded
from wyh.report.painter import SoundPainter, chunked, looks_of
from wyh.report.soundtrack import Soundtrack, middles_of
from wyh.specs import VideoSpec

SHORT = 256  # pixels of the short side of pictures that are judged
CRFS = (23, 30)  # of H.264 that they are read back from
FLASH_PIXELS = 64  # about so many across and down are watched for flashes
TILE = 128  # pixels of the short side of pictures on the page
SPECTRA = 200  # pictures whose spectrum is taken, at most


@dataclass(frozen=True)
class Heard:
    """What is known of the sound of each picture, all stretches joined."""

    true: Float32[np.ndarray, "n features"]
    kinds: Int[np.ndarray, " n"]
    groups: Int[np.ndarray, " n"]  # which second of all
    lengths: list[int]  # pictures of each stretch

    @property
    def firsts(self) -> list[int]:
        """The first picture of each stretch."""
        return [int(n) for n in np.cumsum([0, *self.lengths])[:-1]]


@dataclass(frozen=True)
class Album:
    """What is kept of a run's own pictures.

    Attributes:
      read: features by how they were seen: "bytes", "h264", "h264_crf30".
      looks: coarse, after H.264.
      change: from the picture before, in 1/255; not a number where a stretch begins.
      spread, low_share, slope: of each picture, or of some.
      hues: amounts of colour.
      clipped: share of values.
      flashes: most general flashes in a second.
      tiles: small pictures, of the numbers asked for.
      megabytes_an_hour: of H.264 at crf 23.
    """

    read: dict[str, Float32[np.ndarray, "n features"]]
    looks: Float32[np.ndarray, "n values"]
    change: Float[np.ndarray, " n"]
    spread: Float[np.ndarray, " n"]
    low_share: Float[np.ndarray, " some"]
    slope: Float[np.ndarray, " some"]
    hues: Float[np.ndarray, " hues"]
    clipped: float
    flashes: int
    tiles: dict[int, UInt8[np.ndarray, "height width 3"]]
    megabytes_an_hour: float


def judged_size(painter: SoundPainter) -> VideoSpec:
    """The pictures that are judged."""
    return painter.sized(SHORT)


def heard(painter: SoundPainter, track: Soundtrack) -> Heard:
    """The truth about all pictures."""
    true, groups, second = [], [], 0
    for stretch in track.stretches:
        count = len(stretch.kinds)
        true.append(painter.true_features(stretch.waveform, middles_of(count, painter.spec)))
        groups.append(second + (np.arange(count) / painter.frame_rate).astype(int))
        second = int(groups[-1][-1]) + 1
    kinds = np.concatenate([stretch.kinds for stretch in track.stretches])
    lengths = [len(stretch.kinds) for stretch in track.stretches]
    return Heard(np.concatenate(true), kinds, np.concatenate(groups), lengths)


def paint(painter: SoundPainter, track: Soundtrack, wanted: Iterable[int], folder: Path) -> Album:
    """Paint all, and look at it as it goes by.

    Args:
      painter: of the run.
      track: what is painted.
      wanted: numbers of the pictures to keep a tile of.
      folder: for files that go again.
    """
    video = judged_size(painter)
    lengths = [len(stretch.kinds) for stretch in track.stretches]
    keep, every = set(wanted), max(1, sum(lengths) // SPECTRA)
    step = max(1, SHORT // FLASH_PIXELS)
    read, change, spread, spectra, clipped = [], [], [], [], []
    hues, tiles, most, number = np.zeros(painted.HUES), {}, 0, 0
    with ExitStack() as stack:
        ways = {
            crf: stack.enter_context(Coded(folder / f".crf{crf}.mp4", video, crf)) for crf in CRFS
        }
        for stretch in track.stretches:
            before: Any = None
            watched = []
            for some in chunked(painter.paint(stretch.waveform, video)):
                for way in ways.values():
                    way.write(some)
                read.append(painter.read(some))
                joined = some if before is None else np.concatenate([before, some])
                change += [np.full(1, np.nan)] if before is None else []
                change.append(painted.changes(joined))
                before = some[-1:]
                few = some[:, ::2, ::2]
                spread.append(painted.spread(few))
                clipped.append(np.full(len(few), painted.clipped(few)))
                hues += painted.hue_amounts(some[::4, ::4, ::4])
                watched.append(some[:, ::step, ::step].copy())
                for place, picture in enumerate(some, number):
                    if place % every == 0:
                        spectra.append(painted.spectrum(picture))
                    if place in keep:
                        tiles[place] = tile(picture)
                number += len(some)
            rate = painter.video.frame_rate
            most = max(most, general_flashes(np.concatenate(watched), rate).most)
        shape = painter.video.height, painter.video.width
        coded = {"bytes": np.concatenate(read)}
        for crf, way in ways.items():
            name = "h264" if crf == CRFS[0] else f"h264_crf{crf}"
            found = [(painter.read(x), looks_of(x)) for x in chunked(way.read(*shape))]
            coded[name] = np.concatenate([features for features, _ in found])
            if crf == CRFS[0]:
                looks = np.concatenate([look for _, look in found])
                size = way.bytes_written / 1e6 * 3600 * painter.frame_rate / number
    return Album(
        read=coded,
        looks=looks,
        change=np.concatenate(change),
        spread=np.concatenate(spread),
        low_share=np.array([one.low_share for one in spectra]),
        slope=np.array([one.slope for one in spectra]),
        hues=hues,
        clipped=float(np.concatenate(clipped).mean()),
        flashes=most,
        tiles=tiles,
        megabytes_an_hour=size,
    )


def looks_after_coding(
    pictures: Iterable[UInt8[np.ndarray, "_ height width 3"]],
    video: VideoSpec,
    shape: tuple[int, int],
    folder: Path,
) -> Float32[np.ndarray, "n values"]:
    """Coarse looks at any pictures after the same H.264, decoded at the same size."""
    with Coded(folder / ".other.mp4", video, CRFS[0]) as way:
        for some in pictures:
            way.write(some)
        return np.concatenate([looks_of(x) for x in chunked(way.read(*shape))])


def tile(picture: UInt8[np.ndarray, "height width 3"]) -> UInt8[np.ndarray, "rows columns 3"]:
    """A picture of a size for the page, by the mean over areas."""
    factor = max(1, min(picture.shape[:2]) // TILE)
    height, width = (side // factor for side in picture.shape[:2])
    cut = picture[: height * factor, : width * factor]
    mean = cut.reshape(height, factor, width, factor, 3).mean(axis=(1, 3))
    return np.rint(mean).astype(np.uint8)


def all_of(
    painter: SoundPainter, track: Soundtrack, variables: Any, video: VideoSpec
) -> Iterator[UInt8[np.ndarray, "_ height width 3"]]:
    """The pictures of all stretches, made with other variables."""
    for stretch in track.stretches:
        yield from painter.paint(stretch.waveform, video, variables)
