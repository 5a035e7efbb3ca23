"""The protocol of a report of learned sound: how near it comes to what belongs to the pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from jaxtyping import Float32

from wyh.errors import WyhError
from wyh.report import foretold_charts as charts
from wyh.report.beside import Other, table
from wyh.report.foretold_page import Told, page
from wyh.report.foretold_rows import RIVALS, SYNTHS, Foretold, figures, method, sentence
from wyh.report.foretold_sample import sample_of
from wyh.report.nearness import ahead_percent, nearness
from wyh.report.screening import Screening
from wyh.report.sound_rivals import mean_power, neighbours_sound, shuffles, stationary_noise
from wyh.report.synth_trial import Trial, stream_of, tried
from wyh.report.telling import teller, write_report
from wyh.report.true_sound import gather
from wyh.runs import Run, cannot_write
from wyh.specs import StreamSpec, SynthName
from wyh.transducers.kinds import load_player


def report(
    run: Run, checkpoint: str, inputs: tuple[Path, ...], out: Path, beside: Sequence[Other] = ()
) -> Path:
    """Measure all there is to say of a run that has learned the sound of pictures, and show it.

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
    spec, own = player.transducer.spec, own_synth(run)
    screening = gather(run, inputs, spec, out)
    stream = stream_of(screening.excerpts)
    say(f"{len(screening.excerpts)} held-out seconds: {screening.source}")
    trials = {own: tried(player.transducer, player.variables, stream)}
    say(f"played by {SYNTHS[own]}")
    mute: dict[str, str] = {}
    for name in [name for name in SYNTHS if name != own]:
        try:
            other = load_player(run, checkpoint, synth=cast(SynthName, name))
        except WyhError as error:
            mute[name] = str(error)
            continue
        trials[name] = tried(other.transducer, other.variables, stream)
        say(f"played by {SYNTHS[name]}")
    rivals = rival_sounds(screening, spec)
    told = measured(screening, trials, rivals, own, spec.audio.sample_rate)
    say(sentence(told))
    rows = figures(told)
    sounds = {"true": true_sounds(screening)}
    sounds |= {name: trials[name].sounds for name in SYNTHS if name in trials}
    sounds |= {name: rivals[name] for name in ("nearest_picture", "mean_spectrum")}
    try:
        sample = sample_of(screening.excerpts, sounds, own, spec, out)
        drawn = {
            "spectrograms": charts.spectrograms(sample, own, out / "spectrograms.png"),
            "seconds": charts.seconds(told, out / "seconds.png"),
        }
    except OSError as error:
        raise cannot_write(out, error) from None
    shown = Told(
        foretold=told,
        source=screening.source,
        figures=rows,
        drawn=drawn,
        sample=sample,
        method=method(screening, spec, mute),
        beside=table(rows, beside),
    )
    index = write_report(run, rows, page(shown, run), out)
    say("the page")
    return index


def own_synth(run: Run) -> str:
    """The synth that a run is played with unless another is asked for."""
    named = (run.config.get("sound") or {}).get("synth")
    return named if isinstance(named, str) and named in SYNTHS else "noise"


def true_sounds(screening: Screening) -> Float32[np.ndarray, "excerpts samples"]:
    """The sound that belongs to each excerpt."""
    return np.stack([excerpt.sound for excerpt in screening.excerpts])


def rival_sounds(
    screening: Screening, spec: StreamSpec
) -> dict[str, Float32[np.ndarray, "excerpts samples"]]:
    """Sounds of the excerpts that need no model, by the names of `RIVALS`."""
    true = true_sounds(screening)
    rng = np.random.default_rng(0)
    power = mean_power([stretch.sound for stretch in screening.training])
    rate, frame_rate = spec.audio.sample_rate, spec.video.frame_rate
    return {
        "silence": np.zeros_like(true),
        "mean_spectrum": stationary_noise(power, len(true), true.shape[1], rng),
        "nearest_picture": neighbours_sound(
            screening.excerpts, screening.training, rate, frame_rate
        ),
    }


def measured(
    screening: Screening,
    trials: dict[str, Trial],
    rivals: dict[str, Float32[np.ndarray, "excerpts samples"]],
    own: str,
    sample_rate: int,
) -> Foretold:
    """How near synths and rivals come to the true sound.

    Args:
      screening: the excerpts.
      trials: of synths, by name.
      rivals: sounds that need no model.
      own: the run's own synth.
      sample_rate: in Hz.
    """
    true = true_sounds(screening)
    near = {name: nearness(trial.sounds, true, sample_rate) for name, trial in trials.items()}
    known = {name: nearness(sound, true, sample_rate) for name, sound in rivals.items()}
    first, *more = [
        nearness(trials[own].sounds[order], true, sample_rate) for order in shuffles(len(true))
    ]
    known["shuffled"] = first.mean(more)
    known = {name: known[name] for name in RIVALS}
    return Foretold(
        own=own,
        trials=trials,
        near=near,
        rivals=known,
        ahead=ahead_percent(near[own], list(known.values())),
        secs=true.size / sample_rate,
    )
