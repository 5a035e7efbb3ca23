"""The report of a run that names sounds: what it tells rightly, and how sure it may be."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from wyh.classifying import (
    Classifying,
    Figures,
    Held,
    any_heard,
    figures_of,
    logits_of,
    nothing_to_hear,
)
from wyh.errors import WyhError
from wyh.metrics.classes import f1_of_classes
from wyh.models.sound_classifier import ClassifierConfig
from wyh.report import dreams_charts as charts
from wyh.report.dreams_named_rows import LABELS, SILENT_SECS, figures, sentence
from wyh.report.dreams_page import Drawing, Section, Told
from wyh.report.dreams_sounds import check_rate, find_sounds, learned_of
from wyh.report.telling import class_names, configured
from wyh.runs import Run

TICKS = 200


def told(
    run: Run,
    variables: Mapping[str, Any],
    inputs: tuple[Path, ...],
    out: Path,
    say: Callable[[str], None],
) -> Told:
    """Measure a run that names sounds, and draw what it takes for what.

    Args:
      run: of the kind sound_classifier.
      variables: of it.
      inputs: a set of sounds, or nothing for its own.
      out: a folder that is there.
      say: tells how far it is.

    Raises:
      WyhError: neither sounds nor figures of them, or sounds of other classes or another rate.
    """
    names, config = class_names(run), configured(run, ClassifierConfig, "model")
    learned = learned_of(config, len(names), variables)
    kept = find_sounds(run, names, run.data.get("fingerprint"), inputs)
    then = _figures_then(run)
    if kept is not None:
        check_rate(kept.sounds, config)
        samples = kept.sounds.samples // config.block * config.block
        held = Held.of(kept.sounds, kept.rows, samples)
        found, tested = figures_of(learned, variables, held), kept.told
        where = kept.sounds.path.name
    elif then is not None:
        found, tested, where = then, str(run.data.get("tested", "its test")), "after its training"
    else:
        raise WyhError(
            f"{run.directory}: the sounds it was trained on are not here: name a set of them that "
            f"python -m data_prep.sounds has made"
        )
    count = int(found.confusion.sum())
    said = sentence(found)
    say(said)
    begun = begun_alarms(learned, variables)
    rows = figures(found, then, begun, step_ms(learned, variables), 1000 * config.tick_secs)
    taken = charts.confusions(
        found.confusion, (names, names), ("heard", "told"), out / "confusion.png"
    )
    f1 = np.nan_to_num(f1_of_classes(found.confusion))
    bars = charts.bars_of_classes({"F1": f1}, names, "F1, %", out / "classes.png")
    return Told(
        title="What is heard",
        source=f"{count} sounds, {tested}, {where}",
        sentence=said,
        figures=rows,
        sections=[
            Section(
                "Class by class",
                "What each class was taken for.",
                [
                    Drawing(taken, "Taken for.", wide=False),
                    Drawing(bars, "F1 of each class.", wide=False),
                ],
            )
        ],
        labels=LABELS,
        method=[
            f"Measured on {count} sounds that were not trained on ({tested}), "
            + ("with the variables of the run." if kept else "when the run was trained."),
            "A sound is told by all its estimates together, each as far as something is heard in "
            "it; its probabilities are divided by a temperature that other sounds chose. The "
            "calibration error has 15 bins.",
            "False alarms: windows of silence, and of white, pink and brown noise at -60, -40 and "
            "-20 dB, in which the selection, as it is by default, hears something at any time; "
            "they fill the stream, or begin after silence.",
        ],
    )


def begun_alarms(learned: Classifying, variables: Mapping[str, Any]) -> float:
    """The share of noises that begin after silence in which something is heard."""
    config = learned.recogniser.config
    silent, noisy = (round(secs / config.tick_secs) * config.block for secs in (SILENT_SECS, 2.0))
    noise = np.pad(nothing_to_hear(noisy)[1:], ((0, 0), (silent, 0)))
    logits = logits_of(learned, variables["params"], noise)
    return float(any_heard(logits, variables["temperature"]).mean())


def step_ms(
    learned: Classifying, variables: Mapping[str, Any], ticks: int = TICKS
) -> Float[np.ndarray, " ticks"]:
    """Time to hear one block of sound after another; the first ones warm up."""
    heard = learned.recogniser
    step, on_device = jax.jit(heard.__call__), jax.device_put(dict(variables))
    carry, taken = heard.init(1), []
    rng = np.random.default_rng(0)
    sound = (0.1 * rng.standard_normal((16, 1, heard.config.block))).astype(np.float32)
    for tick in range(ticks):
        began = time.perf_counter()
        carry, said = step(on_device, carry, sound[tick % 16])
        np.asarray(said)
        taken.append(1000 * (time.perf_counter() - began))
    return np.array(taken[-(-ticks // 10) :])


def _figures_then(run: Run) -> Figures | None:
    """What training has left in RUN/figures.json, if it is there and whole."""
    try:
        values = json.loads((run.directory / "figures.json").read_bytes())
        wanted = {name: values[name] for name in Figures.__dataclass_fields__}
        return Figures(**wanted | {"confusion": np.array(wanted["confusion"], int)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
