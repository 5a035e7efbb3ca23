"""The protocol of a report of played notes: what a run sees, against what was played."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError
from wyh.plain import from_plain
from wyh.report.beside import Other, table
from wyh.report.charts import coloured
from wyh.report.notes_charts import ROLL_SECS, Roll, roll
from wyh.report.notes_films import Take, gather
from wyh.report.notes_heard import (
    begun_of,
    compiled_of,
    sound_of,
    step_ms,
    streaming_gap,
    true_controls,
)
from wyh.report.notes_method import method, sentence
from wyh.report.notes_page import Heard, Told, page
from wyh.report.notes_rows import SOUNDS, Watched, figures
from wyh.report.notes_seen import (
    Seen,
    always,
    controls_of,
    forgetful,
    found_events,
    fresh,
    late_of,
    score_of,
    seen_of,
    shuffled,
    true_events,
)
from wyh.report.players import movie, wav
from wyh.report.telling import teller, write_report
from wyh.runs import Run, cannot_write
from wyh.signal.notes import NoteReader
from wyh.specs import SynthName
from wyh.synths.protocol import NoteAmplitudes
from wyh.transducers.kinds import Player, load_player
from wyh.transducers.recurrent import PlayerConfig
from wyh.watching import reader_of

HEARD_SECS = 300.0
"""Of film whose sound is made, at most."""

STREAMED = 75
"""Pictures that are seen one at a time, to compare."""

_PLAYED_BY: tuple[SynthName, ...] = ("additive", "knn")


class Sounds(NamedTuple):
    """The sounds of some films, by their name in `SOUNDS`, and why there are no others."""

    of: dict[str, list[Float32[np.ndarray, " _"]]]
    mute: list[str]


def report(
    run: Run, checkpoint: str, inputs: tuple[Path, ...], out: Path, beside: Sequence[Other] = ()
) -> Path:
    """Measure all there is to say of a run that watches an instrument, and show it.

    Args:
      run: the run.
      checkpoint: best, latest, or a step's number.
      inputs: films to measure on; what training held out if none.
      out: a folder that is there.
      beside: what the reports of other runs say.

    Returns:
      The page.

    Raises:
      WyhError: no films to measure on, or the folder cannot be written.
    """
    say = teller()
    player = load_player(run, checkpoint)
    spec = player.transducer.spec
    reader = reader_of(from_plain(PlayerConfig, run.config.get("sound")), spec.video)
    takes, source = gather(run, inputs, spec.video, reader, out)
    say(f"{len(takes)} films: {source}")
    compiled = compiled_of(player)
    controls = [controls_of(compiled, player.variables, take.frames) for take in takes]
    late = late_of(spec, player.transducer.late_samples)
    seen = [seen_of(each, late) for each in controls]
    constant = np.asarray(player.variables["scale"]["mean"])
    rivals = {
        "constant": always(constant, seen),
        "shuffled": shuffled(seen),
        "forgets": [forgetful(player, take.frames) for take in takes],
    }
    say("watched")
    some = _shortest_sum(takes, reader)
    sounds = sounds_of(run, checkpoint, takes[:some], controls[:some], reader)
    say("played")
    counts = [len(each.onset) for each in seen]
    watched = Watched(
        score=score_of(seen, takes, constant, reader),
        rivals={name: score_of(said, takes, constant, reader) for name, said in rivals.items()},
        begun={name: begun_of(each, takes[:some], reader) for name, each in sounds.of.items()},
        step_ms=step_ms(player),
        gap=streaming_gap(player, takes[0].frames[:STREAMED], controls[0]),
        period_ms=1000 / float(spec.video.frame_rate),
        latency_ms=1000 * spec.latency_samples / spec.audio.sample_rate,
        secs=sum(float(take.measured.sum()) for take in takes) / float(spec.video.frame_rate),
        films=len(takes),
        heard=sum(not take.told for take in takes),
        strikes=sum(
            len(true_events(take, count, reader).hz)
            for take, count in zip(takes, counts, strict=True)
        ),
    )
    say(sentence(watched))
    rows = figures(watched)
    try:
        sample = _median(watched.score.each[:some])
        film, heard = _sample(takes[sample], player, sounds, sample, out)
        rolls = _rolls(takes, seen, watched.score.each, reader, out)
    except OSError as error:
        raise cannot_write(out, error) from None
    names = [note.name for note in reader.notes]
    shown = Told(
        watched=watched,
        source=source,
        figures=rows,
        rolls=rolls,
        film=film,
        where=f"{takes[sample].name}, of a middling F1 ({watched.score.each[sample]:.2f})",
        sample=heard,
        method=method(
            watched, source, f"{len(names)} notes, {names[0]} to {names[-1]}", sounds.mute
        ),
        beside=table(rows, beside),
        dimmed=not all(take.measured.all() for take in takes),
    )
    index = write_report(run, rows, page(shown, run), out)
    say("the page")
    return index


def sounds_of(
    run: Run,
    checkpoint: str,
    takes: Sequence[Take],
    controls: Sequence[NoteAmplitudes],
    reader: NoteReader,
) -> Sounds:
    """Films as they were recorded, as each synth plays what is seen, and from the true notes.

    Args:
      run: the run.
      checkpoint: of it.
      takes: films.
      controls: of each.
      reader: of the notes.
    """
    made: dict[str, list[Float32[np.ndarray, " _"]]] = {"true": [take.waveform for take in takes]}
    mute = []
    for name in _PLAYED_BY:
        try:
            player = load_player(run, checkpoint, synth=name)
        except WyhError as error:
            mute.append(f"Not played by {SOUNDS[name]}: {error}.")
            continue
        compiled, spec = compiled_of(player), player.transducer.spec
        told: dict[str, list[NoteAmplitudes]] = {name: list(controls)}
        if name == "additive":
            late = late_of(spec, player.transducer.late_samples)
            told["true_notes"] = [true_controls(take, reader, late) for take in takes]
        for sound, each in told.items():
            made[sound] = [sound_of(fresh(compiled), player.variables, spec, one) for one in each]
    return Sounds({name: made[name] for name in SOUNDS if name in made}, mute)


def _shortest_sum(takes: Sequence[Take], reader: NoteReader) -> int:
    """How many films, from the first, are no longer than `HEARD_SECS`; one at least."""
    secs = np.cumsum([len(take.frames) for take in takes]) / float(reader.frame_rate)
    return max(1, int(np.sum(secs <= HEARD_SECS)))


def _median(values: Sequence[float]) -> int:
    """Which of them is in the middle."""
    return int(np.argsort(values, kind="stable")[len(values) // 2])


def _sample(
    take: Take, player: Player, sounds: Sounds, number: int, out: Path
) -> tuple[Path, list[Heard]]:
    """The film and the sounds that are heard on the page."""
    video, rate = player.transducer.spec.video, player.transducer.spec.audio.sample_rate
    own = str((player.run.config.get("sound") or {}).get("synth", "additive"))
    own = own if own in sounds.of else next(name for name in sounds.of if name != "true")
    names = ["true", own, *(name for name in sounds.of if name not in ("true", own))]
    heard, most = [], round(ROLL_SECS * rate)
    for name in names:
        sound = sounds.of[name][number][:most]
        if name == "true":  # as loud as what the run makes
            other = sounds.of[own][number][:most]
            gain = np.sqrt(np.mean(np.square(other)) / max(float(np.mean(np.square(sound))), 1e-12))
            sound = np.clip(sound * np.float32(gain), -1, 1)
        heard.append(Heard(name, wav(sound, rate, out / f"{name}.wav")))
    frames = take.frames[: round(ROLL_SECS * video.frame_rate)]
    sound = sounds.of[own][number][: round(len(frames) * rate / video.frame_rate)]
    return movie(coloured(frames), sound, video.frame_rate, rate, out / "film.mp4"), heard


def _rolls(
    takes: Sequence[Take],
    seen: Sequence[Seen],
    each: Sequence[float],
    reader: NoteReader,
    out: Path,
) -> list[tuple[str, Path]]:
    """Piano rolls of the best and of the worst film, or of the only one."""
    chosen = {"the film that is seen best": int(np.argmax(each))}
    if min(each) < max(each):
        chosen["the film that is seen worst"] = int(np.argmin(each))
    drawn, rate = [], float(reader.frame_rate)
    for number, (about, which) in enumerate(chosen.items()):
        count = min(len(seen[which].onset), round(ROLL_SECS * rate))
        take, said = takes[which], Seen(*(part[:count] for part in seen[which]))
        what = Roll(
            f"{take.name}: F1 {each[which]:.2f}",
            take.frames[:count],
            take.amplitude[:count],
            said.amplitude,
            true_events(take._replace(measured=np.ones(count, bool)), count, reader),
            found_events(said, np.ones(count, bool), reader),
            take.measured[:count],
        )
        order = np.argsort([note.hz for note in reader.notes])
        what = what._replace(truth=what.truth[:, order], found=what.found[:, order])
        notes = tuple(reader.notes[k] for k in order)
        path = roll(what, notes, rate, out / f"roll_{number}.png")
        drawn.append((f"{take.name}, {about}: F1 {each[which]:.2f}", path))
    return drawn
