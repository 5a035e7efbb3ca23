"""What a run's sound knows of pictures, its pictures of sound, or what it sees or hears, as a page.

    python -m wyh.report                           # the newest run, on what it has never met
    python -m wyh.report --run RUN holiday.mp4     # on films of your own, or on music
    python -m wyh.report --run RUN marimba/test    # on films of playing, truth beside them
    python -m wyh.report --run RUN data/digits     # on a prepared set of sounds or pictures
    python -m wyh.report --run RUN --beside OTHER  # and beside it runs trained otherwise

On the bundled film or music it takes about a minute on 2 cores. The page, its drawings, sounds and
`report.json` are in RUN/report; the page's path is printed last.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.report.beside import Other, others, table
from wyh.report.findings import Findings, report_json
from wyh.run_choice import BUNDLED, RUNS, choose_run
from wyh.runs import Run, cannot_write, replace_file
from wyh.transducers.compile import use_compilation_cache


@dataclass(frozen=True)
class Config:
    """Measure a run against references on what it has never met, and make a page of it."""

    # Films, music for a run that makes pictures of it, or prepared sets for runs that tell classes;
    # what training held out if none.
    inputs: tyro.conf.Positional[tuple[Path, ...]] = ()
    run: Path | None = None  # the run to report on; the newest under runs/ unless given
    out: Path | None = None  # the folder to write; RUN/report unless given
    checkpoint: str = "best"  # best, latest, or a step's number
    beside: tuple[Path, ...] = ()  # runs trained otherwise, which have reports: to be compared


def main(config: Config) -> None:
    """Write the report."""
    run, note = choose_run(config.run)
    if note:
        print(note.replace("playing", "reporting on"), file=sys.stderr)
    compared = others(run, config.beside)
    use_compilation_cache()
    # What comes with the package is not ours to write into.
    bundled = run.directory in BUNDLED.values()
    home = RUNS / run.directory.name if bundled else run.directory
    out = config.out or home / "report"
    try:
        out.mkdir(parents=True, exist_ok=True)  # before any work
    except OSError as error:
        raise cannot_write(out, error) from None
    match run.kind:
        case "synesthesia":
            from wyh.report import hear_see

            named = list(zip(config.beside, compared, strict=True))
            print(hear_see.report(run, config.checkpoint, config.inputs, out, named))
        case "dbn":
            from wyh.report import foretold

            print(foretold.report(run, config.checkpoint, config.inputs, out, compared))
        case "marimba":
            from wyh.report import notes

            print(notes.report(run, config.checkpoint, config.inputs, out, compared))
        case "dcgan" | "sound_classifier" | "hallucinate":
            from wyh.report import dreams

            print(dreams.report(run, config.checkpoint, config.inputs, out, compared))
        case _:
            print(write(measure(run, config, out), run, out, compared))


def measure(run: Run, config: Config, out: Path) -> Findings:
    """All that is to be said of a run that makes sound, by its kind.

    Raises:
      WyhError: a kind without a report, or as its protocol says.
    """
    match run.kind:
        case "autoencoder":
            from wyh.report import see_hear

            return see_hear.measure(run, config.checkpoint, config.inputs, out)
        case _:
            raise WyhError(f"{run.directory} is of the kind {run.kind!r}, which has no report yet")


def write(findings: Findings, run: Run, out: Path, beside: Sequence[Other] = ()) -> Path:
    """Write drawings, sounds, `report.json` and, last, the page of a run that makes sound.

    Raises:
      WyhError: the folder cannot be written.
    """
    from wyh.report import charts, page, players

    try:
        drawn = charts.draw(findings, out)
    except OSError as error:
        raise cannot_write(out, error) from None
    film = players.film(findings, out / "film.mp4")
    wavs = players.sounds(findings, out)
    told = report_json(findings.figures, str(run.directory), run.kind)
    text = json.dumps(told, indent=2, allow_nan=False) + "\n"
    replace_file(out / "report.json", text.encode())
    section = table(findings.figures, beside)
    whole = page.page(findings, run.directory.name, run.kind, drawn, film, wavs, section)
    index = out / "index.html"
    replace_file(index, whole.encode())
    return index


if __name__ == "__main__":
    run_command(main, Config, "wyh report")
