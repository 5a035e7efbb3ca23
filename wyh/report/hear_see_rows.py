"""The figures of a visualizer's report: what its pictures keep, and how they look and move."""

from dataclasses import dataclass, replace

from wyh.metrics.intervals import Interval
from wyh.metrics.painted import HUES, Kept, hues_used
from wyh.report.album import Album
from wyh.report.findings import Figure
from wyh.report.rivals import Rival
from wyh.report.sample import ReadBack
from wyh.report.showing import Agreement


@dataclass(frozen=True)
class Shown:
    """All that the figures are made of.

    Attributes:
      album: of the pictures.
      kept: by how they were seen: "float" and those of `Album.read`.
      r2: after H.264, with its interval.
      found: R@1 with its interval; None where there is no half second to tell from others.
      halves: how many half seconds there are.
      rivals: the run itself first.
      agreement: of sounds that begin and pictures that change.
      tone, music: change from picture to picture, in 1/255.
      flashes: most general flashes in a second, by sound and whether they are limited.
      offset_ms: of what is read, after the middle of its picture.
      latency_ms: declared.
      hear_ms: to hear the sound of one picture.
      paint_ms: to make one picture, by its side in pixels.
      back: sound read from the film.
    """

    album: Album
    kept: dict[str, Kept]
    r2: Interval
    found: Interval | None
    halves: int
    rivals: list[Rival]
    agreement: Agreement
    tone: float
    music: float
    flashes: dict[tuple[str, bool], int]
    offset_ms: float
    latency_ms: float
    hear_ms: float
    paint_ms: dict[int, float]
    back: list[ReadBack]


WANTED_FPS = {256: 200.0, 512: 60.0}


def figures(s: Shown) -> list[Figure]:
    """The table, in the order of the page."""
    grouped = {
        "the picture keeps the sound": _kept(s),
        "it moves as the sound does": _moves(s),
        "it is there to be seen": _looks(s),
        "safe, in time and quick": _plays(s),
    }
    return [replace(row, group=group) for group, rows in grouped.items() for row in rows]


def _kept(s: Shown) -> list[Figure]:
    others = [rival for rival in s.rivals if not rival.own]
    r2 = {"mean": 0.0} | {rival.name: rival.kept.r2 for rival in others}
    worst = {"mean": 0.0} | {rival.name: rival.kept.worst for rival in others}
    after = s.kept["h264"]
    rows = [
        Figure(
            "r2_h264",
            "features of the sound, read in the video",
            after.r2,
            "",
            "higher",
            s.r2,
            r2,
            "R2 over all features of held-out sound, from pictures of 256 pixels after H.264 at "
            "crf 23; others by ridge regression from 16x16 cells of theirs",
            headline="R2 of what is heard, read back from the compressed video",
            wanted=0.95,
        ),
        Figure(
            "worst_h264",
            "the feature that is read worst",
            after.worst,
            "",
            "higher",
            baselines=worst,
            about="R2 of each feature by itself, the least of them",
        ),
    ]
    for name, label in (
        ("bytes", "the same features from 8 bits, not compressed"),
        ("float", "before rounding to 8 bits"),
        ("unlimited", "and without the flash limit"),
        ("h264_crf30", "after H.264 at crf 30"),
    ):
        rows.append(Figure(f"r2_{name}", label, s.kept[name].r2, "", "higher"))
    if s.found is not None:
        chance = {"chance": 1 / s.halves}
        rows.append(
            Figure(
                "half_second_found",
                "the right half second found by its pictures",
                s.found.value,
                "",
                "higher",
                s.found,
                chance | {rival.name: rival.found for rival in others},
                f"R@1: the features read are nearest to its own of {s.halves} held-out half "
                f"seconds that do not overlap",
                wanted=0.9,
                headline=f"of {s.halves} half seconds told apart by their pictures",
            )
        )
    for one in s.back:
        rows.append(
            Figure(
                one.name,
                f"heard again: {one.label}",
                one.distance,
                "",
                "lower",
                baselines={"shuffled": one.shuffled},
                about="multi-resolution STFT distance of the sample, read from its film, to "
                "the original",
            )
        )
    return rows


def _moves(s: Shown) -> list[Figure]:
    agreement = s.agreement
    rows = [
        Figure(
            "onset_lag_ms",
            "pictures change off the beginning of sounds",
            abs(agreement.lag_ms),
            "ms",
            "lower",
            about=f"peak of the cross-correlation of onset strength and change, "
            f"{agreement.lag_ms:+.0f} ms: a window of sound reaches ahead of its middle",
        )
    ]
    for within, value in agreement.f1.items():
        rows.append(
            Figure(
                f"onset_f1_{within}ms",
                f"sounds that begin, seen within {within} ms",
                value,
                "",
                "higher",
                baselines={"shuffled": agreement.f1_shuffled[within]},
                about=f"F1 of peaks of change against {agreement.onsets} onsets in held-out sound",
            )
        )
    steady = 100 * s.tone / s.music if s.music else 0.0
    rows.append(
        Figure(
            "tone_change_percent",
            "change on a steady tone",
            steady,
            "%",
            "lower",
            baselines={"music": 100.0},
            about=f"mean change from picture to picture on 440 Hz, against held-out sound: "
            f"{s.tone:.2f} of 255 to {s.music:.2f}",
            wanted=5,
            headline="of its usual motion on a steady tone",
        )
    )
    return rows


def _looks(s: Shown) -> list[Figure]:
    album, hues = s.album, hues_used(s.album.hues)
    return [
        Figure(
            "picture_std",
            "contrast within a picture",
            float(album.spread.mean()),
            "of 255",
            "higher",
            about="standard deviation over the places of each channel, the mean of all pictures",
            wanted=45,
        ),
        Figure(
            "hues_used",
            "of the colour circle in use",
            hues,
            f"of {HUES} parts",
            "higher",
            about=f"parts with 1/{2 * HUES} or more of all chroma of the song",
            wanted=HUES / 3,
            headline="of the colour circle in use",
        ),
        Figure(
            "large_forms",
            "energy in large forms",
            float(album.low_share.mean()),
            "",
            "higher",
            about="share of the energy below 1/8 of the highest frequency, without the mean",
            wanted=0.5,
        ),
        Figure(
            "spectral_slope",
            "fall of energy towards fine texture",
            float(album.slope.mean()),
            "",
            "lower",
            baselines={"photographs": -2.0},
            about="slope of log power over log frequency",
        ),
        Figure(
            "clipped",
            "values at an end of the scale",
            album.clipped,
            "",
            "lower",
            about="share of 0 and 255",
        ),
    ]


def _plays(s: Shown) -> list[Figure]:
    rows = []
    for sound, label in (("music", "this sound"), ("strobe", "bursts of noise, 8 a second")):
        rows.append(
            Figure(
                f"flashes_{sound}",
                f"general flashes in the worst second: {label}",
                s.flashes[sound, True],
                "a second",
                "lower",
                baselines={"limit_off": s.flashes[sound, False]},
                about="opposing changes of luminance over a quarter of the picture (WCAG 2.3.1)",
                wanted=3,
            )
        )
    rows.append(
        Figure(
            "offset_ms",
            "sound off the middle of its picture",
            abs(s.offset_ms),
            "ms",
            "lower",
            about=f"in the video: when the sound was as the picture tells, {s.offset_ms:+.1f} ms",
            wanted=2,
        )
    )
    rows.append(
        Figure(
            "latency_ms",
            "latency of the method",
            s.latency_ms,
            "ms",
            "lower",
            about="declared: half a window, a block, half a picture",
        )
    )
    for side, ms in s.paint_ms.items():
        rows.append(
            Figure(
                f"fps_{side}",
                f"pictures of {side}x{side} a second",
                1000 / ms,
                "Hz",
                "higher",
                about=f"one at a time, {ms:.1f} ms each, on this machine beside whatever else it "
                "did; median",
                wanted=WANTED_FPS.get(side),
                headline=f"pictures of {side}x{side} a second" if side == 256 else "",
            )
        )
    rows.append(
        Figure(
            "hear_ms",
            "hearing the sound of a picture",
            s.hear_ms,
            "ms",
            "lower",
            about="features of the blocks that come in its time; median",
        )
    )
    return rows
