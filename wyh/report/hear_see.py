"""The protocol of a visualizer's report, from top to bottom: what its pictures keep of sound."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from wyh.metrics.intervals import Interval, bootstrap_interval
from wyh.metrics.onsets import onset_strength
from wyh.metrics.painted import Kept, kept, nearest_is_own
from wyh.report import hear_see_charts as charts
from wyh.report import showing
from wyh.report.album import Album, Heard, heard, judged_size, paint
from wyh.report.beside import Other
from wyh.report.beside_pictures import section
from wyh.report.hear_see_page import Told, page
from wyh.report.hear_see_rows import Shown, figures
from wyh.report.live_cost import live_ms
from wyh.report.painter import SoundPainter
from wyh.report.rivals import Rival, rivals
from wyh.report.sample import Sample, make
from wyh.report.soundtrack import HELD_OUT, TRAIN, Soundtrack, gather
from wyh.report.telling import teller, write_report
from wyh.runs import Run, cannot_write

SHEET = (6, 8)  # rows and columns of the contact sheet
TICKS = {256: 120, 512: 50}  # pictures that are timed, by their side
_RESAMPLES = 1000


def report(
    run: Run,
    checkpoint: str,
    inputs: tuple[Path, ...],
    out: Path,
    beside: Sequence[tuple[Path, Other]] = (),
) -> Path:
    """Measure all there is to say of a run that makes pictures from sound, and make a page of it.

    Args:
      run: the run.
      checkpoint: best, latest, or a step's number.
      inputs: sound to measure on; what training held out if none.
      out: a folder that is there.
      beside: other runs, and what their reports say.

    Returns:
      The page.

    Raises:
      WyhError: no sound to measure on, or the folder cannot be written.
    """
    say = teller()
    painter = SoundPainter(run, checkpoint)
    track = gather(run, inputs, painter.spec, painter.features.centre_samples + 1)
    facts = heard(painter, track)
    held_out = facts.kinds == HELD_OUT
    say(f"{track.secs(HELD_OUT, painter.frame_rate):.0f} s of sound from {track.source}")

    halves = showing.half_seconds_of(facts, painter.frame_rate)
    strips = _strips(facts, halves)
    sheet = _sheet(track, facts)
    wanted = np.unique(np.concatenate([sheet, *strips.values()]))
    album = paint(painter, track, wanted.tolist(), out)
    say("all pictures, and H.264 of them")
    known = {name: kept(read[held_out], facts.true[held_out]) for name, read in album.read.items()}
    known["float"] = _before_rounding(painter, track, facts)
    known["unlimited"] = _before_rounding(painter, track, facts, flash_limit=0)
    say(f"read with R2 {known['h264'].r2:.3f}")
    contenders: list[Rival] = []
    for rival in rivals(painter, track, facts, album, halves, out):
        contenders.append(rival)
        say(f"{rival.label}: R2 {rival.kept.r2:.3f}")

    strobe = showing.strobe(painter.sample_rate)
    flashes = {
        ("music", True): album.flashes,
        ("music", False): max(
            showing.flashes(painter, stretch.waveform, limited=False) for stretch in track.stretches
        ),
        ("strobe", True): showing.flashes(painter, strobe, limited=True),
        ("strobe", False): showing.flashes(painter, strobe, limited=False),
    }
    tone = showing.tone_change(painter)
    agreement = showing.Agreement(painter, track, facts, album.change)
    offset = showing.offset_ms(painter, track, facts, album.read["h264"])
    say("a steady tone, flashes and onsets")
    sample = make(painter, track, out)
    say("a film, and its sound read back")
    timed = {
        side: live_ms(painter.at(showing.square(painter, side)), ticks)
        for side, ticks in TICKS.items()
    }
    say("computing time")
    shown = Shown(
        album=album,
        kept=known,
        r2=_r2_interval(album.read["h264"], facts),
        found=_found_interval(album.read["h264"], facts, halves),
        halves=len(halves),
        rivals=contenders,
        agreement=agreement,
        tone=tone,
        music=showing.music_change(album, facts),
        flashes=flashes,
        offset_ms=offset,
        latency_ms=1000 * painter.spec.latency_secs,
        hear_ms=min(float(taken[:, 0].mean()) for taken in timed.values()),
        paint_ms={side: float(np.median(taken[:, 1])) for side, taken in timed.items()},
        back=sample.back,
    )
    rows = figures(shown)
    try:
        drawn = _draw(painter, track, facts, shown, sample, sheet, strips, out)
        beside_section = section(painter, sample, rows, beside, out)
    except OSError as error:
        raise cannot_write(out, error) from None
    told = Told(
        source=track.source,
        sentence=_sentence(shown),
        figures=rows,
        rivals=contenders,
        drawn=drawn,
        sounds=[("the original", "as it was heard", sample.original)]
        + [
            (one.label, f"distance {one.distance:.2f}, shuffled {one.shuffled:.2f}", one.path)
            for one in sample.back
        ],
        stretch=track.stretches[sample.stretch].name,
        begin_secs=sample.begin_secs,
        method=_method(painter, track, shown),
        beside=beside_section,
        facts={"created": run.created, "versions": run.versions},
    )
    index = write_report(run, rows, page(told, run.directory.name, run.kind), out)
    say("the page")
    return index


def _sheet(track: Soundtrack, facts: Heard) -> Int[np.ndarray, " n"]:
    """Pictures evenly spread over all stretches in which something is held out."""
    shown = np.concatenate(
        [
            np.arange(first, first + len(stretch.kinds))
            for stretch, first in zip(track.stretches, facts.firsts, strict=True)
            if (stretch.kinds == HELD_OUT).any()
        ]
    )
    return shown[np.linspace(0, len(shown) - 1, SHEET[0] * SHEET[1]).round().astype(int)]


def _before_rounding(
    painter: SoundPainter, track: Soundtrack, facts: Heard, **turned: float | str
) -> Kept:
    """What is kept in pictures that were never rounded to 8 bits."""
    read, true = [], []
    for stretch, first in zip(track.stretches, facts.firsts, strict=True):
        held = np.flatnonzero(stretch.kinds == HELD_OUT)
        if len(held):
            read.append(painter.read_before_rounding(stretch.waveform, **turned)[held])
            true.append(facts.true[first + held])
    return kept(np.concatenate(read), np.concatenate(true))


def _strips(
    facts: Heard, halves: Int[np.ndarray, "halves pictures"]
) -> dict[str, Int[np.ndarray, " pictures"]]:
    """The held-out half seconds in which the sound changes most, and least."""
    if not len(halves):
        halves = np.flatnonzero(facts.kinds == HELD_OUT)[None]
    moved = np.abs(np.diff(facts.true[halves], axis=1)).mean(axis=(1, 2))
    return {"busy": halves[moved.argmax()][:12], "calm": halves[moved.argmin()][:12]}


def _r2_interval(read: Float[np.ndarray, "n features"], facts: Heard) -> Interval:
    held = facts.kinds == HELD_OUT
    true = facts.true[held].astype(np.float64)
    errors = np.square(read[held] - true).sum(axis=1)
    whole = np.square(true - true.mean(axis=0)).sum(axis=1)
    return bootstrap_interval(
        lambda error, all_of_it: 1 - float(error.sum() / max(all_of_it.sum(), 1e-12)),
        errors,
        whole,
        groups=facts.groups[held],
        resamples=_RESAMPLES,
    )


def _found_interval(
    read: Float[np.ndarray, "n features"], facts: Heard, halves: Int[np.ndarray, "m pictures"]
) -> Interval | None:
    """Each half second among all, then drawn again."""
    if len(halves) < 2:
        return None
    flat = (values[halves].reshape(len(halves), -1) for values in (read, facts.true))
    hits = nearest_is_own(*flat).astype(np.float64)
    return bootstrap_interval(lambda some: float(some.mean()), hits, resamples=_RESAMPLES)


def _draw(
    painter: SoundPainter,
    track: Soundtrack,
    facts: Heard,
    shown: Shown,
    sample: Sample,
    sheet: Int[np.ndarray, " n"],
    strips: dict[str, Int[np.ndarray, " m"]],
    out: Path,
) -> dict[str, Path]:
    """All pictures of the page."""
    album: Album = shown.album
    held = facts.kinds == HELD_OUT
    tiles = [album.tiles[number] for number in sheet.tolist()]
    drawn = {"sheet": charts.save(charts.mosaic(tiles, SHEET[1]), out / "sheet.png")}
    for name, numbers in strips.items():
        row = [album.tiles[number] for number in numbers.tolist()]
        drawn[name] = charts.save(charts.mosaic(row, len(row)), out / f"{name}.png")
    drawn["features"] = charts.features(
        facts.true[held], album.read["h264"][held], painter.frame_rate, out / "features.png"
    )
    # The run by ridge regression is nearly the run itself: it would hide what is beside it.
    each = {rival.label: rival.kept.each for rival in shown.rivals if rival.name != "run_ridge"}
    drawn["each"] = charts.each_feature(each, "feature", out / "each.png")
    first = facts.firsts[sample.stretch] + round(sample.begin_secs * painter.frame_rate)
    count = round(len(sample.waveform) / painter.sample_rate * painter.frame_rate)
    drawn["events"] = charts.events(
        onset_strength(sample.waveform, painter.sample_rate),
        np.nan_to_num(album.change[first : first + count]),
        painter.frame_rate,
        out / "events.png",
    )
    return drawn | {"film": sample.film}


def _sentence(shown: Shown) -> str:
    after = shown.kept["h264"]
    said = (
        f"From the compressed video alone, {100 * max(after.r2, 0):.0f} % of what tells one moment "
        f"of the sound from another can be read back."
    )
    if shown.found is not None:
        said += (
            f" Of {shown.halves} half seconds it never trained on, {100 * shown.found.value:.0f} % "
            f"are told apart by their pictures."
        )
    return said


def _method(painter: SoundPainter, track: Soundtrack, shown: Shown) -> list[str]:
    rate = painter.frame_rate
    video = judged_size(painter)
    return [
        f"Measured on {track.secs(HELD_OUT, rate):.0f} s of sound: {track.source}. Other readers "
        f"are fitted to {track.secs(TRAIN, rate):.0f} s of training sound.",
        f"All pictures are painted at {video.width}x{video.height} as wyh render makes them, the "
        f"flash limit on, and read as a decoder gives them back. One hour of them at crf 23 is "
        f"{shown.album.megabytes_an_hour:.0f} MB.",
        "What is true are the features of the window around the middle of each picture's time on "
        "the screen, each by its mean and standard deviation in training. R2 is 1 less the squared "
        "errors over the squared distances from the mean of the held-out sound.",
        "Other pictures are read by ridge regression from the means of 16x16 cells; its strength "
        "is chosen by leaving out training seconds. The untrained generator is the same network as "
        "it began. Principal components of the features are painted as square cells, three to a "
        "cell as red, green and blue, all of the same contrast.",
        "Sounds begin where the mean rise of 24 mel bands within 20 ms peaks: the largest within "
        "50 ms on either side, above 2 dB and twice the mean around. Pictures change most "
        "where the mean absolute change peaks. Shuffled ones are the same, moved round in time.",
        "Flashes are counted in pictures as they are shown; without the limit, and for bursts of "
        "noise, at the size of training. The tone is 440 Hz, from one second after it has begun.",
    ]
