"""Sound becomes pictures from which the sound can be read back (hear -> see, seed 001).

    python -m experiments.synesthesia                         # the bundled minute of music
    python -m experiments.synesthesia --data my_songs/        # your own music, speech, films
    python -m experiments.synesthesia --style my_pictures/    # painted after pictures you like
    python -m experiments.synesthesia --preset synesthesia    # the seed's own networks and losses

On 2 cores `default` takes about 5 minutes and `synesthesia`, of 4.36 million parameters, hours
(the seed: a night on a graphics card). Expect on the bundled music:

    default       val_r2 0.98 or more, and 0.95 after 2 minutes: features of sound that was kept
                  out of training, read back from pictures with some noise

Then: `python -m wyh.render SONG.mp3 --out seen.mp4`, `python -m wyh.live --source mic --sink
screen`, `python -m wyh.listen seen.mp4 --out back.wav`, or `python -m wyh.report`.
"""

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from jaxtyping import Array, Float, Int, Int16, PRNGKeyArray, UInt8

from data_prep.given import open_data
from wyh.cli import run as run_command
from wyh.earlier import config_as_begun, params_of
from wyh.errors import WyhError, check_range
from wyh.frames import FrameBank, shuffled, thinned
from wyh.losses import mean_squared_error
from wyh.models.critic import hinge_losses, init_critic
from wyh.models.layers import spread
from wyh.models.wave_decoder import WaveConfig
from wyh.optimizers import Schedule, adam_by_part, by_top_name
from wyh.painting import (
    BASES,
    Given,
    Painting,
    figures_of,
    given_by,
    in_style,
    shown_by,
    summaries_of,
)
from wyh.picture_losses import (
    few_hues,
    flatness,
    off_brightness,
    out_of_step,
    total_variation,
    unlike_base,
)
from wyh.run_choice import default_run_dir
from wyh.runs import BestMetric
from wyh.samples import MUSIC
from wyh.signal.features import FeatureConfig
from wyh.songs import load_songs
from wyh.sound_augment import NO_AUGMENT, SoundAugmentConfig, louder_and_mixed, unlike_any
from wyh.specs import Fit, as_rate
from wyh.training import FitOptions, fit, open_run
from wyh.transducers.synesthesia import SynesthesiaConfig
from wyh.transducers.visualizer import VisualizerConfig, stream_spec
from wyh.viewing import ViewConfig, viewed
from wyh.wave_losses import wave_loss

KIND = "synesthesia"
BRIGHTNESS = 0.45  # of a picture, on average
MOMENTS = 4000  # for the mean and the standard deviation of each feature
FULL_SCALE = np.float32(32768)
_FLAT = tyro.conf.arg(name="")


@dataclass(frozen=True)
class Weights:
    """How much each loss counts; 0 leaves it out."""

    sound: float = 1.0  # features that are read wrongly (MSE, in standard deviations)
    base: float = 1.0  # pictures unlike their base image
    tolerance: float = 0.04  # of that: what a picture may differ (MSE)
    noise: float = 0.2  # differences between neighbouring pixels
    hues: float = 0.1  # a batch that uses few hues
    flat: float = 8.0  # channels of little spread
    spread: float = 0.24  # of that: the spread that is enough (standard deviation)
    brightness: float = 1.0  # mean brightness away from its middle
    change: float = 0.05  # pictures that do not change as the sound does
    pace: float = 0.04  # of that: change of a picture for one of the features of 1; above 0
    critic: float = 0.0  # pictures unlike those of --style, as a discriminator sees them
    wave: float = 0.0  # waveforms read from pictures, for `wyh.listen --target raw`; or 1


@dataclass(frozen=True)
class Config:
    """Train a painter of sound on music, so that `wyh.render` and `wyh.live` can show it."""

    preset: str = "default"  # default, or synesthesia: the seed's own sizes and losses
    data: tuple[Path, ...] = ()  # music, speech, films or folders; nothing: the bundled music
    style: tuple[Path, ...] = ()  # photos or films that pictures shall be like, or folders
    out: Path | None = None  # the run directory; runs/synesthesia-DATE unless given
    resume: bool = False  # go on with the run of --out, or with the newest
    init_from: Path | None = None  # a run of the same sizes whose parameters to start from

    frame_rate: str = "24"  # Hz, of the pictures; later any rate
    fit_picture: Fit = "crop"  # how pictures of --style are made to fit
    visual: Annotated[VisualizerConfig, _FLAT] = field(default_factory=VisualizerConfig)
    wave: WaveConfig = field(default_factory=WaveConfig)
    weights: Weights = field(default_factory=Weights)
    view: ViewConfig = field(default_factory=ViewConfig)

    batch_size: int = 16  # moments of a step
    time: int = 2  # pictures in a row at each moment, 2 to 16
    learning_rate: float = 2e-3  # of Adam, 0 to 1
    schedule: Schedule = "cosine"  # of the rates: cosine or constant
    augment: Annotated[SoundAugmentConfig, _FLAT] = field(default_factory=SoundAugmentConfig)
    fit: Annotated[FitOptions, _FLAT] = field(
        default_factory=lambda: FitOptions(steps=3000, evaluate_every=500)
    )

    def __post_init__(self) -> None:
        check_range("batch_size", self.batch_size, 2, 65536)
        check_range("time", self.time, 2, 16)
        check_range("learning_rate", self.learning_rate, 0, 1)
        for name, value in vars(self.weights).items():
            check_range(f"weights.{name}", value, 1e-4 if name == "pace" else 0, 1000)
        if self.weights.critic and not self.style:
            raise WyhError("got --weights.critic without --style: name pictures that it shall like")


PRESETS = {
    "default": Config(),
    "synesthesia": Config(
        preset="synesthesia",
        visual=VisualizerConfig(
            features=FeatureConfig(  # the windows that the seed meant, of 83 ms
                sample_rate=44100,
                win_length=3676,
                hop_length=512,
                n_fft=8192,
                low_hz=0.0,
                cepstra=40,
                stft_window="rectangular",
            ),
            model=SynesthesiaConfig(generator="seed", decoder="seed"),
            height=256,
            width=128,
        ),
        weights=Weights(base=0.5, tolerance=0.2, noise=0, hues=0, flat=0, brightness=0, change=0),
        view=ViewConfig(blur=0, crop=0.9, light=0, hue=0, noise=0, fewer_colours=0),
        learning_rate=1e-4,
        schedule="constant",
        augment=NO_AUGMENT,
        fit=FitOptions(steps=20_000, evaluate_every=500),
    ),
}


class State(NamedTuple):
    """What training changes."""

    step: Int[Array, ""]
    params: Any  # {"generator", "decoder"}; where they are trained, "wave" and "critic"
    opt_state: Any


class Batch(NamedTuple):
    """Stretches of sound, and pictures of the wanted style where there is a critic."""

    sound: Int16[np.ndarray, "batch samples"]
    style: UInt8[np.ndarray, "pictures height width 3"] | None


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Adam for each part."""
    rates = dict.fromkeys(("generator", "decoder", "wave"), config.learning_rate)
    rates["critic"] = config.learning_rate / 4
    return adam_by_part(rates, by_top_name, config.schedule, config.fit.steps)


def loss_fn(
    params: Any,
    batch: Batch,
    key: PRNGKeyArray,
    along: Float[Array, ""],
    painting: Painting,
    given: Given,
    config: Config,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """The weighted sum of all losses; each by name."""
    weights = config.weights
    sound_key, unlike_key, drift_key, view_key = jax.random.split(key, 4)
    sound = louder_and_mixed(jnp.asarray(batch.sound) / FULL_SCALE, sound_key, config.augment)
    heard = unlike_any(painting.heard(given, sound), unlike_key, config.augment)
    pictures, base = painting.painted(params, given, heard, drift_key)
    seen = viewed(pictures, view_key, config.view, along)
    read = painting.model.read(params["decoder"], seen).reshape(heard.shape)
    figures = {
        "sound": mean_squared_error(read, heard),
        "base": unlike_base(pictures, spread(base, *pictures.shape[1:3]), weights.tolerance),
        "noise": total_variation(pictures),
        "hues": few_hues(pictures[:, ::4, ::4]),  # forms are larger, and it is slow
        "flat": flatness(pictures, weights.spread),
        "brightness": off_brightness(pictures, BRIGHTNESS),
        "change": out_of_step(painting.in_time(pictures), heard, weights.pace),
    }
    if "wave" in params:
        again = painting.heard_again(params, jax.lax.stop_gradient(seen))
        figures["wave"] = wave_loss(again, painting.shown(sound))
    misjudged = jnp.float32(0.0)
    if batch.style is not None:
        liked = batch.style / jnp.float32(255)
        figures["critic"], misjudged = hinge_losses(params["critic"], pictures, liked)
    total = sum((getattr(weights, name) * value for name, value in figures.items()), misjudged)
    return total, figures | {"total": total}


def train_step(
    state: State,
    batch: Batch,
    key: PRNGKeyArray,
    *,
    painting: Painting,
    given: Given,
    config: Config,
) -> tuple[State, dict[str, Array]]:
    """One step of Adam."""
    along, gradient = state.step / config.fit.steps, jax.grad(loss_fn, has_aux=True)
    grads, figures = gradient(state.params, batch, key, along, painting, given, config)
    updates, opt_state = make_optimizer(config).update(grads, state.opt_state)
    return State(state.step + 1, optax.apply_updates(state.params, updates), opt_state), figures


def main(config: Config) -> None:
    """Train, and leave a run that `wyh.render` and `wyh.live` can play."""
    if config.resume:
        config = config_as_begun(config, KIND, PRESETS[config.preset].fit.steps)
    visual, frame_rate = config.visual, as_rate(config.frame_rate)
    rate = visual.features.sample_rate
    painting = Painting(visual, frame_rate, config.time, config.wave)
    songs = load_songs(config.data or (MUSIC,), rate, shortest=painting.samples)
    training = songs.moments("train", visual.features.hop_length, painting.before, painting.after)
    held = songs.moments("validation", rate // 24, painting.before, painting.after)

    def sound_at(moments: Int[np.ndarray, " n"]) -> Int16[np.ndarray, "n samples"]:
        return songs.windows(moments - painting.before + painting.samples // 2, painting.samples)

    given = given_by(painting, sound_at(thinned(training, MOMENTS)) / FULL_SCALE)
    to_hear = sound_at(thinned(held, 256)) / FULL_SCALE
    key, style = jax.random.key(config.fit.seed), None
    params = jax.jit(painting.model.init)(key)
    if config.style:
        size, fit_to = f"{visual.width}x{visual.height}", config.fit_picture
        style = FrameBank(open_data(config.style, size=size, fit=fit_to, sample_rate=rate), "train")
        some = style.frames_at(thinned(np.arange(style.size), BASES))
        given, params = in_style(painting, given, params, some)
    if config.weights.wave:
        params["wave"] = jax.jit(painting.wave.init)(key)
    if config.weights.critic:
        params["critic"] = init_critic(key, visual.height, visual.width)
    if config.init_from is not None:
        params = params_of(config.init_from, params, optional=("wave", "critic"))

    def batch_at(step: int) -> Batch:
        size, seed = config.batch_size, config.fit.seed
        sound, liked = sound_at(training[shuffled(step, size, len(training), seed)]), None
        if style is not None and config.weights.critic:
            liked = style.frames_at(shuffled(step, size, style.size, seed))
        return Batch(sound, liked)

    run = open_run(
        config.out or default_run_dir(KIND),
        kind=KIND,
        preset=config.preset,
        config=replace(config, resume=False),
        stream=stream_spec(visual, shown_by(visual, frame_rate)),
        data=songs.describe(),
        best_metric=BestMetric("val_r2", "higher"),
        resume=config.resume,
    )
    result = fit(
        State(jnp.int32(0), params, jax.jit(make_optimizer(config).init)(params)),
        train_step=partial(train_step, painting=painting, given=given, config=config),
        batch_at=batch_at,
        playable=lambda state: given.variables(state.params),
        evaluate=lambda state: figures_of(painting, given, state.params, to_hear),
        summaries=lambda variables: summaries_of(painting, given, variables["params"], to_hear),
        run=run,
        options=config.fit,
        resume=config.resume,
    )
    print(f"best val_r2 {result.best:.3f} at step {result.best_step}", file=sys.stderr)
    print(run.directory)


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.synesthesia", PRESETS)
