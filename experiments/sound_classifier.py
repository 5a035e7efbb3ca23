"""Sounds with names -> a network that tells them while it listens (hear -> see, seed 002).

    python -m data_prep.sounds sounds/ --out data/sounds
    python -m experiments.sound_classifier --data data/sounds
    python -m experiments.sound_classifier --data data/sounds --fold all     # each fold in turn
    python -m experiments.sound_classifier --data data/digits --without all  # each speaker in turn

It says how likely each class is 25 times a second; silence and noise are none of them. Some sounds
that are not for testing choose the best variables and the temperatures; those for testing are
asked once, at the end, and what came of it is in RUN/figures.json.

On 2 cores `default` takes 2 minutes for 3,000 spoken digits. Expect on their official test

    accuracy 0.98 or more, of all estimates of a word together, and as many words told rightly
                  0.2 s after their end, one after the other; heard 1.0, false_alarms 0.0
    calibration_error 0.03 or less: how far probabilities are from how often they are true

The run is a part of others that make pictures of what is heard: it is not played alone.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from jaxtyping import Array, Float, Int, Int16, Int32, PRNGKeyArray

from wyh.classifying import (
    Classifying,
    Figures,
    Held,
    Targets,
    confusion_picture,
    figures_of,
    only_what_is_heard,
    targets_of,
    tuned,
)
from wyh.cli import run as run_command
from wyh.earlier import config_as_begun, params_of
from wyh.errors import WyhError, check_range
from wyh.frames import shuffled, thinned
from wyh.journal import Summaries
from wyh.models.sound_classifier import ClassifierConfig, Recogniser, blank, normalised
from wyh.optimizers import Schedule, adam
from wyh.run_choice import default_run_dir
from wyh.runs import BestMetric, Run, load_variables, replace_file
from wyh.sound_division import divided
from wyh.sound_set import SoundSet, open_sound_set
from wyh.sound_variation import (
    VariationConfig,
    louder,
    masked,
    mixed,
    mixed_in,
    moved,
    with_noise,
)
from wyh.training import FitOptions, fit, open_run

KIND = "sound_classifier"
ALL = "all"
FULL_SCALE = np.float32(32768)
MOST = 1000  # windows that choose the best variables, and that features are normalised by
_FLAT = tyro.conf.arg(name="")


@dataclass(frozen=True)
class Config:
    """Learn to tell sounds with names."""

    preset: str = "default"  # default; tiny: a try that takes seconds
    data: Path | None = None  # a set that data_prep.sounds has made
    out: Path | None = None  # the run directory; runs/sound_classifier-DATE unless given
    resume: bool = False  # go on with the run of --out, or with the newest
    init_from: Path | None = None  # a run of the same sizes whose parameters to start from
    fold: str = ""  # number of the fold for testing, or all in turn; the set's own unless given
    without: str = ""  # in its place, a group for testing, such as a speaker, or all in turn

    model: ClassifierConfig = field(default_factory=ClassifierConfig)
    variation: Annotated[VariationConfig, _FLAT] = field(default_factory=VariationConfig)
    nothing: float = 0.1  # share of sounds, and of rows, that silence or noise takes, 0 to 0.9
    batch_size: int = 64  # windows of a step
    in_a_row: int = 2  # windows that are heard one after the other, 1 to batch_size
    learning_rate: float = 3e-3  # of Adam, 0 to 1
    schedule: Schedule = "cosine"  # of the rate: cosine or constant
    fit: Annotated[FitOptions, _FLAT] = field(
        default_factory=lambda: FitOptions(steps=2000, evaluate_every=500, latest_secs=30.0)
    )

    def __post_init__(self) -> None:
        check_range("nothing", self.nothing, 0, 0.9)
        check_range("batch_size", self.batch_size, 1, 65536)
        check_range("in_a_row", self.in_a_row, 1, self.batch_size, "windows")
        check_range("learning_rate", self.learning_rate, 0, 1)
        if self.batch_size % self.in_a_row:
            raise WyhError(
                f"got {self.in_a_row} windows in a row and a batch_size of {self.batch_size}, "
                f"wanted a multiple of it"
            )
        if self.fold and self.without:
            raise WyhError("got --fold with --without: leave one of them out")
        if self.fold not in ("", ALL) and not self.fold.isdecimal():
            raise WyhError(f"got --fold {self.fold}, wanted a number, or all")


PRESETS = {
    "default": Config(),
    "tiny": Config(
        preset="tiny",
        model=ClassifierConfig(channels=(8, 8), memory=8),
        batch_size=8,
        fit=FitOptions(steps=50, evaluate_every=50),
    ),
}


class State(NamedTuple):
    """What training changes."""

    step: Int[Array, ""]
    params: Any
    opt_state: Any


class Batch(NamedTuple):
    """Rows of windows that are heard one after the other."""

    sound: Int16[np.ndarray, "rows windows samples"]
    labels: Int32[np.ndarray, "rows windows"]


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Adam, with gradients that a rare sound cannot blow up."""
    descent = adam(config.learning_rate, config.schedule, config.fit.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), descent)


def loss_fn(
    params: Any, batch: Batch, key: PRNGKeyArray, learned: Classifying, config: Config
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """How unlikely what is to be said was: cross-entropy, the mean of all estimates in time."""
    keys = jax.random.split(key, 8)
    vary, heard = config.variation, learned.recogniser
    rows, windows, samples = batch.sound.shape
    sound = jnp.asarray(batch.sound).reshape(rows * windows, samples) / FULL_SCALE
    shift = vary.shift_secs * heard.config.features.sample_rate
    sound = moved(sound, keys[0], shift, vary.speed).reshape(rows, windows, samples)
    quiet = jax.random.uniform(keys[1], (rows, windows + 1)) < config.nothing
    sound = jnp.where((quiet[:, 1:] | quiet[:, :1])[..., None], 0.0, sound)
    block, tick_secs = heard.config.block, heard.config.tick_secs
    targets = targets_of(sound, jnp.asarray(batch.labels), learned.classes, block, tick_secs)
    parts = mixed_in(keys[2], rows, vary.mixed)
    likely, weight = only_what_is_heard(Targets(*(mixed(value, parts) for value in targets)))
    sound = mixed(sound.reshape(rows, windows * samples), parts)
    sound = with_noise(sound, keys[3], vary.noisy, vary.least_snr_db)
    sound = louder(sound, keys[4], vary.gain_db)
    carry = heard.init(rows)
    columns = normalised(heard.features(carry.sound, sound)[1], learned.mean, learned.std)
    columns = masked(columns, keys[5], vary.bands, vary.columns)
    network = blank(heard.config, rows)
    logits: Any = heard.model.apply({"params": params}, columns, network, keys[6])
    each = optax.softmax_cross_entropy(logits[1], likely)
    loss = jnp.sum(weight * each) / jnp.maximum(jnp.sum(weight), 1.0)
    right = (logits[1].argmax(axis=-1) == likely.argmax(axis=-1)).astype(jnp.float32)
    told = jnp.sum(weight * right) / jnp.maximum(jnp.sum(weight), 1.0)
    return loss, {"loss": loss, "told": told}


def train_step(
    state: State, batch: Batch, key: PRNGKeyArray, *, learned: Classifying, config: Config
) -> tuple[State, dict[str, Array]]:
    """One step of Adam, on rows that each begin with a blank memory."""
    gradient = jax.grad(loss_fn, has_aux=True)
    grads, figures = gradient(state.params, batch, key, learned, config)
    updates, opt_state = make_optimizer(config).update(grads, state.opt_state, state.params)
    return State(state.step + 1, optax.apply_updates(state.params, updates), opt_state), figures


def train(config: Config) -> tuple[Run, Figures]:
    """A run, and how well it tells the sounds that are for testing."""
    if config.resume:
        config = config_as_begun(config, KIND, PRESETS[config.preset].fit.steps)
    sounds = _sounds(config)
    model = config.model.at_rate(sounds.sample_rate)
    recogniser = Recogniser(model, len(sounds.classes))
    samples = sounds.samples // model.block * model.block
    rows = divided(sounds, config.fold, config.without)
    held = Held.of(sounds, thinned(rows.validation, MOST), samples)
    few = sounds.waveforms(thinned(rows.training, MOST))[:, :samples]
    learned = Classifying.of(recogniser, len(sounds.classes), few)
    params = learned.init(jax.random.key(config.fit.seed))
    if config.init_from is not None:
        params = params_of(config.init_from, params)

    def batch_at(step: int) -> Batch:
        order = shuffled(step, config.batch_size, len(rows.training), config.fit.seed)
        some = rows.training[order].reshape(-1, config.in_a_row)
        windows = sounds.windows[some.ravel(), :samples].reshape(*some.shape, samples)
        return Batch(windows, sounds.labels[some].astype(np.int32))

    def evaluate(state: State) -> dict[str, float]:
        variables = tuned(learned, state.params, held)
        return figures_of(learned, variables, held).numbers("val_")

    def summaries(variables: Mapping[str, Any]) -> Summaries:
        counts = figures_of(learned, variables, held).confusion
        return Summaries({"confusion, true classes down": confusion_picture(counts)}, {})

    run = open_run(
        config.out or default_run_dir(KIND),
        kind=KIND,
        preset=config.preset,
        config=replace(config, model=model, resume=False),
        stream=None,
        data=sounds.describe() | {"classes": sounds.classes, "tested": rows.told},
        best_metric=BestMetric("val_accuracy", "higher"),
        resume=config.resume,
    )
    fit(
        State(jnp.int32(0), params, jax.jit(make_optimizer(config).init)(params)),
        train_step=partial(train_step, learned=learned, config=config),
        batch_at=batch_at,
        playable=lambda state: tuned(learned, state.params, held),
        evaluate=evaluate,
        summaries=summaries,
        run=run,
        options=config.fit,
        resume=config.resume,
    )
    test = Held.of(sounds, rows.test, samples)
    found = figures_of(learned, load_variables(run), test)
    about = {"tested": rows.told, "sounds": len(test.truth), "classes": sounds.classes}
    told = about | found.numbers() | {"confusion": found.confusion.tolist()}
    replace_file(run.directory / "figures.json", (json.dumps(told, indent=2) + "\n").encode())
    return run, found


def main(config: Config) -> None:
    """Train one run, or one for each fold or group, and tell how well each does."""
    if ALL not in (config.fold, config.without):
        run, found = train(config)
        print(_line(run.data["tested"], found.numbers()), file=sys.stderr)
        print(run.directory)
        return
    sounds, base = _sounds(config), config.out or default_run_dir(KIND)
    by_fold = bool(config.fold)
    names = tuple(map(str, sounds.folds)) if by_fold else sounds.groups
    rows: dict[str, dict[str, float]] = {}
    for name in names:
        out = base / (f"fold_{name}" if by_fold else f"without_{name}")
        asked = replace(config, fold=name) if by_fold else replace(config, without=name)
        begun = config.resume and (out / "config.json").exists()
        run, found = train(replace(asked, out=out, resume=begun))
        rows[run.data["tested"]] = found.numbers()
        print(_line(run.data["tested"], rows[run.data["tested"]]), file=sys.stderr)
    first = next(iter(rows.values()))
    rows["mean"] = {key: float(np.mean([row[key] for row in rows.values()])) for key in first}
    print(_line("mean", rows["mean"]), file=sys.stderr)
    replace_file(base / "folds.json", (json.dumps(rows, indent=2) + "\n").encode())
    print(base)


def _sounds(config: Config) -> SoundSet:
    if config.data is None:
        raise WyhError(
            "got no sounds, wanted --data with a set of them: make one with python -m "
            "data_prep.sounds"
        )
    return open_sound_set(config.data)


def _line(name: str, figures: dict[str, float]) -> str:
    shown = ", ".join(f"{key} {value:.3f}" for key, value in figures.items())
    return f"{name}: {shown}"


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.sound_classifier", PRESETS)
