"""The report of hallucinations: sounds that are played through a whole run, measured and drawn."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wyh.classifying import Held, figures_of
from wyh.dataset import Dataset
from wyh.errors import WyhError
from wyh.metrics.classes import confusion
from wyh.models.dcgan import Gan
from wyh.report import dreams_charts as charts
from wyh.report.dreams_data import Judged, find_pictures, judged, split_of
from wyh.report.dreams_gan import Dreamer
from wyh.report.dreams_heard import (
    Watched,
    alarms_of,
    heard_of,
    picture_at,
    watch,
)
from wyh.report.dreams_heard_rows import (
    LABELS,
    Hallucinated,
    figures,
    method,
    sentence,
    shuffled_share,
)
from wyh.report.dreams_page import Drawing, Section, Told
from wyh.report.dreams_sounds import Kept, check_rate, find_sounds, learned_of, part_of
from wyh.report.dreams_track import AFTER_SECS, QUIET_EACH, Track, sounds_of, track_of
from wyh.report.live_cost import live_ms
from wyh.report.players import movie
from wyh.report.telling import class_names, configured
from wyh.runs import Run
from wyh.specs import VideoSpec
from wyh.transducers.hallucination import HallucinationConfig
from wyh.transducers.kinds import Player, load_player

FRAME_RATE = Fraction(25)
SHOWN_SECS = 0.2  # after the end of a sound: what is on the sheet
FILM = 10  # sounds of the film
_ROWS, _COLUMNS = 12, 10
_MADE = 50  # of each class, to see what the generator is worth by itself


class _Sample(NamedTuple):
    """Numbers of the pictures that are shown."""

    sheet: list[list[int]]  # of each class
    classes: list[int]
    film: range


def told(
    run: Run,
    checkpoint: str,
    inputs: tuple[Path, ...],
    out: Path,
    say: Callable[[str], None],
    steps: int | None = None,
) -> Told:
    """Measure a hallucination from end to end, and draw what it shows.

    Args:
      run: of the kind hallucinate.
      checkpoint: best, latest, or a step's number.
      inputs: a set of sounds, one of pictures, or both; its parts' own where one is not given.
      out: a folder that is there.
      say: tells how far it is.
      steps: to train the judge; by the number of pictures unless given.

    Raises:
      WyhError: no sounds, or no pictures to judge by.
    """
    dream = configured(run, HallucinationConfig, "dream")
    video = VideoSpec(FRAME_RATE, dream.dreams.size, dream.dreams.size)
    player = load_player(run, checkpoint, video=video)
    names, shown_names = class_names(run, "heard"), class_names(run, "shown")
    shown = np.asarray(player.variables["shown"])
    kept = _kept(run, names, inputs)
    check_rate(kept.sounds, dream.hears)
    held = split_of(_pictures(run, shown_names, inputs), "test")
    waves, labels = sounds_of(kept)
    meant = np.any(shown > 0, axis=1)[labels]
    if not meant.any():
        raise WyhError(f"{run.directory}: none of the sounds for testing is of a class it shows")
    waves = [wave for wave, keep in zip(waves, meant, strict=True) if keep]
    track = track_of(waves, labels[meant], kept.sounds.sample_rate, QUIET_EACH)
    say(f"{len(waves)} held-out sounds, {kept.told} of {kept.sounds.path.name}")
    known = judged(held, shown_names, steps)
    say(f"a judge that tells {100 * known.accuracy:.1f} % of real pictures")
    sample = _sample(player, track)
    wanted = {number for row in sample.sheet for number in row} | set(sample.film)
    watched = watch(player, track, known.judge, wanted)
    heard = heard_of(track, watched, shown)
    say(f"played: {100 * heard.right.mean():.1f} % right")
    found = Hallucinated(
        names=names,
        labels=track.labels,
        heard=heard,
        shuffled=shuffled_share(track, heard, shown),
        alarms=alarms_of(track, watched),
        quiet=len(track.quiet),
        told=_told_alone(dream, player, kept),
        made=_made_alone(dream, player, known),
        judge=known.accuracy,
        frame_ms=live_ms(player),
        latency_ms=1000 * player.transducer.spec.latency_secs,
    )
    say(sentence(found))
    film = _film(track, watched, sample.film, out)
    sections = _drawn(found, watched, sample, (names, shown_names), out)
    classes = ", ".join(names[k] for k in track.labels[:FILM])
    return Told(
        title="What is heard is dreamt",
        source=f"{len(waves)} held-out sounds, {kept.told} of {kept.sounds.path.name}",
        sentence=sentence(found),
        figures=figures(found),
        sections=sections,
        labels=LABELS,
        method=method(found, kept.told, len(known.known.labels)),
        film=(film, f"Held-out sounds, no choice: {classes}."),
    )


def _kept(run: Run, names: tuple[str, ...], inputs: tuple[Path, ...]) -> Kept:
    own = run.data.get("sounds", {}).get("fingerprint")
    kept = find_sounds(part_of(run, "classifier"), names, own, inputs)
    if kept is None:
        raise WyhError(
            f"{run.directory}: the sounds its classifier was trained on are not here: name a set "
            f"of them that python -m data_prep.sounds has made"
        )
    return kept


def _pictures(run: Run, names: tuple[str, ...], inputs: tuple[Path, ...]) -> Dataset:
    """The set that the generator learned from, as `find_pictures` finds it."""
    part = part_of(run, "generator")
    config = {} if part is None else part.config
    own = replace(run, config=config, data=run.data.get("pictures", {}) | {"classes": list(names)})
    return find_pictures(own, inputs)


def _told_alone(dream: HallucinationConfig, player: Player, kept: Kept) -> float:
    config, variables = dream.hears, player.variables["recogniser"]
    samples = kept.sounds.samples // config.block * config.block
    learned = learned_of(config, dream.heard, variables)
    return figures_of(learned, variables, Held.of(kept.sounds, kept.rows, samples)).accuracy


def _made_alone(dream: HallucinationConfig, player: Player, known: Judged) -> float:
    dreamer = Dreamer(Gan(dream.dreams, dream.shown), player.variables["gan"])
    labels = np.repeat(np.arange(dream.shown), _MADE)
    made = dreamer.of_classes(labels, np.random.default_rng(0))
    return float((known.judge.say(made.pictures).best == labels).mean())


def _sample(player: Player, track: Track) -> _Sample:
    at = [picture_at(player, end + SHOWN_SECS) for end in track.ends]
    classes = np.unique(track.labels)[:_ROWS].tolist()
    sheet = []
    for label in classes:
        places = np.flatnonzero(track.labels == label)
        sheet.append([at[k] for k in np.resize(places, _COLUMNS)])
    last = track.ends[:FILM][-1] + AFTER_SECS
    return _Sample(sheet, classes, range(int(last * FRAME_RATE)))


def _film(track: Track, watched: Watched, numbers: range, out: Path) -> Path:
    frames = np.stack([watched.kept[k] for k in numbers if k in watched.kept])
    sound = track.waveform[: round(len(frames) * track.sample_rate / FRAME_RATE)]
    return movie(frames, sound, FRAME_RATE, track.sample_rate, out / "film.mp4")


def _drawn(
    found: Hallucinated,
    watched: Watched,
    sample: _Sample,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    out: Path,
) -> list[Section]:
    rows = [np.stack([watched.kept[k] for k in row]) for row in sample.sheet]
    heard_names = [names[0][k] for k in sample.classes]
    sheet = charts.sheet(rows, heard_names, out / "sheet.png")
    dark = len(names[1])
    seen = np.where(found.heard.seen < 0, dark, found.heard.seen)
    counts = confusion(found.labels, seen, max(len(names[0]), dark + 1))
    counts = counts[: len(names[0]), : dark + 1]
    taken = charts.confusions(
        counts, (names[0], (*names[1], "dark")), ("heard", "seen by the judge"), out / "taken.png"
    )
    delays = charts.delays(found.heard.delay_ms, 300.0, out / "delays.png")
    about = f"A row for each class that is heard, {SHOWN_SECS:g} s after the end of some sounds."
    return [
        Section("What is shown", about, [Drawing(sheet, "Held-out sounds.", "No choice.")]),
        Section(
            "Sound by sound",
            "What the judge sees after each, and how soon the right picture comes.",
            [
                Drawing(taken, "Heard and seen.", wide=False),
                Drawing(delays, "From the end of the sound.", "Dashed: 300 ms.", wide=False),
            ],
        ),
    ]
