"""The reports of runs that name sounds, of runs that dream pictures, and of both joined."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wyh.report import dreams_gan_told, dreams_heard_told, dreams_named
from wyh.report.beside import Other, table
from wyh.report.dreams_page import page
from wyh.report.telling import teller, write_report
from wyh.runs import Run, cannot_write, load_variables


def report(
    run: Run, checkpoint: str, inputs: tuple[Path, ...], out: Path, beside: Sequence[Other] = ()
) -> Path:
    """Measure all there is to say of a run of these kinds, and show it.

    Args:
      run: of the kind sound_classifier, dcgan or hallucinate.
      checkpoint: best, latest, or a step's number.
      inputs: prepared sets of sounds or pictures; the run's own where none is given.
      out: a folder that is there.
      beside: what the reports of other runs say.

    Returns:
      The page.

    Raises:
      WyhError: there is nothing to measure on, or the folder cannot be written.
    """
    say = teller()
    try:
        match run.kind:
            case "dcgan":
                variables = variables_of(run, checkpoint)
                told = dreams_gan_told.told(run, variables, inputs, out, say)
            case "sound_classifier":
                variables = variables_of(run, checkpoint)
                told = dreams_named.told(run, variables, inputs, out, say)
            case _:
                told = dreams_heard_told.told(run, checkpoint, inputs, out, say)
    except OSError as error:
        raise cannot_write(out, error) from None
    index = write_report(run, told.figures, page(told, run, table(told.figures, beside)), out)
    say("the page")
    return index


def variables_of(run: Run, checkpoint: str) -> dict[str, Any]:
    """Variables of a run that cannot be played alone.

    Raises:
      WyhError: there are none, or not of this checkpoint.
    """
    if checkpoint.isdecimal():
        from wyh.checkpoints import load_checkpoint_variables  # Orbax: only where it is asked for

        return load_checkpoint_variables(run, int(checkpoint))
    return load_variables(run, checkpoint)
