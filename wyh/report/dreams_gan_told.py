"""The report of a GAN: what it makes, measured and drawn."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from wyh.judging import seen_as
from wyh.metrics.galleries import nearest_of
from wyh.models.dcgan import Gan, GanConfig
from wyh.report import dreams_charts as charts
from wyh.report.dreams_data import Shown, alike, find_pictures, judged, split_of
from wyh.report.dreams_gan import Dreamer, Dreamt, dreamt, pairs_of
from wyh.report.dreams_gan_rows import LABELS, each_class, figures, method, sentence
from wyh.report.dreams_page import Drawing, Section, Told
from wyh.report.telling import configured
from wyh.runs import Run

_ROWS, _COLUMNS = 12, 10
_PAIRS, _STEPS = 8, 9
_WALKS, _ALONG = 6, 12


def told(
    run: Run,
    variables: Mapping[str, Any],
    inputs: tuple[Path, ...],
    out: Path,
    say: Callable[[str], None],
    steps: int | None = None,
) -> Told:
    """Measure a GAN, and draw what it makes.

    Args:
      run: of the kind dcgan.
      variables: of it.
      inputs: a set of pictures, or nothing for its own.
      out: a folder that is there.
      say: tells how far it is.
      steps: to train the judge; by the number of pictures unless given.

    Raises:
      WyhError: no pictures, or too few of a class.
    """
    config, dataset = configured(run, GanConfig, "model"), find_pictures(run, inputs)
    names = dataset.classes
    training, held = split_of(dataset, "train"), split_of(dataset, "test")
    say(f"{len(held.labels)} held-out pictures of {len(names)} classes: {dataset.path.name}")
    found = judged(held, names, steps)
    say(f"a judge that tells {100 * found.accuracy:.1f} % of real ones")
    dreamer = Dreamer(Gan(config, len(names)), variables)
    seen = dreamt(dreamer, names, training, found)
    say(sentence(seen))
    drawn = _drawn(dreamer, seen, training, out)
    say("drawings")
    return Told(
        title="Pictures of what is meant",
        source=f"{len(held.labels)} held-out pictures of {dataset.path.name}",
        sentence=sentence(seen),
        figures=figures(seen),
        sections=drawn[1:],
        labels=LABELS,
        method=method(seen, len(training.labels), len(held.labels)),
        hero=drawn[0].drawings[0],
    )


def _drawn(dreamer: Dreamer, seen: Dreamt, training: Shown, out: Path) -> list[Section]:
    """All sections, the first of one drawing."""
    rng, names = np.random.default_rng(1), seen.classes
    some = np.arange(min(_ROWS, len(names)))
    made = dreamer.of_classes(np.repeat(some, _COLUMNS), rng)
    real = training.at(alike(training.labels, made.labels, rng))
    first, beside = (
        charts.sheet(np.split(x.pictures, len(some)), [names[k] for k in some], out / f"{name}.png")
        for name, x in (("made", made), ("real", real))
    )
    each = {"made": each_class(seen.counts), "real": each_class(seen.judged.counts)}
    bars = charts.bars_of_classes(each, names, "told rightly, %", out / "classes.png")
    meant = ("meant", "seen by the judge")
    taken = charts.confusions(seen.counts, (names, names), meant, out / "taken.png")
    return [
        Section("", "", [Drawing(first, "Made.", "Each row is a class; none was chosen.")]),
        Section("Beside real pictures", "What it learned from.", [Drawing(beside, "Real.")]),
        Section(
            "From class to class",
            "One latent in each row; what is meant goes from one class to another.",
            [Drawing(_mixtures(dreamer, names, rng, out), "Mixtures.")],
        ),
        Section(
            "A walk",
            "What is meant stays, while the latent turns.",
            [Drawing(_walk(dreamer, names, rng, out), "Along the latent.")],
        ),
        Section(
            "Learned by heart?",
            "Below each picture that was made the training picture that is nearest to it.",
            [Drawing(_by_heart(made, training, out), "Nearest training pictures.")],
        ),
        Section(
            "Class by class",
            "What the judge takes them for.",
            [
                Drawing(bars, "Told rightly.", wide=False),
                Drawing(taken, "Taken for.", wide=False),
            ],
        ),
    ]


def _mixtures(
    dreamer: Dreamer, names: tuple[str, ...], rng: np.random.Generator, out: Path
) -> Path:
    pairs = pairs_of(len(names), rng)
    pairs = pairs[np.linspace(0, len(pairs) - 1, min(_PAIRS, len(pairs))).round().astype(int)]
    parts = np.linspace(0, 1, _STEPS)
    one, other = np.eye(len(names))[pairs].transpose(1, 0, 2)[:, :, None]
    mixture = (1 - parts[None, :, None]) * one + parts[None, :, None] * other
    latent = np.repeat(dreamer.latents(rng, len(pairs)), _STEPS, axis=0)
    made = dreamer.draw(latent, mixture.reshape(-1, len(names)))
    between = [f"{names[a]} \N{RIGHTWARDS ARROW} {names[b]}" for a, b in pairs]
    percent = [f"{100 * part:.0f} %" for part in parts]
    return charts.sheet(np.split(made, len(pairs)), between, out / "mixed.png", percent)


def _walk(dreamer: Dreamer, names: tuple[str, ...], rng: np.random.Generator, out: Path) -> Path:
    few = min(_WALKS, len(names))
    begin, end = rng.uniform(0, 2 * np.pi, (2, few, 1, dreamer.gan.config.angles))
    part = np.linspace(0, 1, _ALONG)[None, :, None]
    angles = (begin + part * (end - begin)).reshape(few * _ALONG, -1)
    of = np.eye(len(names))[np.repeat(np.arange(few), _ALONG)]
    made = dreamer.draw(dreamer.turned(angles), of)
    return charts.sheet(np.split(made, few), names[:few], out / "walk.png")


def _by_heart(made: Shown, training: Shown, out: Path) -> Path:
    rows = np.linspace(0, len(made.labels) - 1, _ALONG).round().astype(int)
    flat = [
        seen_as(pictures, training.pictures.shape[-1]).reshape(len(pictures), -1)
        for pictures in (made.pictures[rows], training.pictures)
    ]
    near = training.pictures[nearest_of(*flat)[0]]
    return charts.sheet([made.pictures[rows], near], ["made", "nearest"], out / "nearest.png")
