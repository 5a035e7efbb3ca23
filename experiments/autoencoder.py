"""Pictures become spectra: an autoencoder whose code is played as sound (see -> hear, seed 000).

    python -m experiments.autoencoder                          # the bundled half minute of film
    python -m experiments.autoencoder --data my_room.mp4       # your own footage, or photos
    python -m experiments.autoencoder --preset wyhiwys         # the seed's own sizes and loss

On 2 cores `default` takes a minute and a half and `wyhiwys` about 8. Expect on the bundled film:

    default   val_heard_db 7 or more: pictures that a listener recovers from the *sound*, mixed with
              noise, against the mean picture, of seconds kept out of training; it begins as
              principal components, so it is usable from the first seconds
    wyhiwys   total (the seed's training loss) 0.00745 or less

Then: `python -m wyh.render FILM.mp4 --out heard.mp4`, `python -m wyh.live --source FILM.mp4`, or
`python -m wyh.report`, which tells what the sound knows.
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
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from data_prep.given import open_data
from wyh.augment import AugmentConfig, as_needed, augmented
from wyh.cli import run as run_command
from wyh.earlier import config_as_begun, params_of
from wyh.errors import WyhError, check_range
from wyh.frames import FrameBank, shuffled, thinned
from wyh.losses import mean_squared_error, uniformity
from wyh.models.autoencoder import AutoencoderConfig, as_picture, decode, encode
from wyh.models.listener import ListenerConfig
from wyh.natural import wave_strengths
from wyh.optimizers import Schedule, adam_by_part
from wyh.principal import PRIORS, principal_start
from wyh.run_choice import default_run_dir
from wyh.runs import BestMetric
from wyh.specs import Fit, as_rate
from wyh.synths.noise import NoiseConfig
from wyh.training import FitOptions, fit, open_run, split_processor
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.listener import Listener
from wyh.transducers.loop import RoomConfig, heard_codes
from wyh.transducers.tuning import tuned
from wyh.validation import Heldout, figures_of, summaries_of

KIND = "autoencoder"
INNER = 4  # frames of a film in a batch, beside one at either end that the sound glides from
MISHEARD = 0.1  # weight of the error of the codes heard, which keeps them codes
MEMORY_BYTES = 256 << 20  # of the pictures that are evaluated together, as float32


@dataclass(frozen=True)
class Config:
    """Train an autoencoder on footage, so that `wyh.render` and `wyh.live` can play it."""

    preset: str = "default"  # default, or wyhiwys: the seed's own sizes and loss
    data: tuple[Path, ...] = ()  # a data set, or films and photos; nothing: the bundled film
    out: Path | None = None  # the run directory; runs/autoencoder-DATE unless given
    resume: bool = False  # go on with the run of --out, or with the newest
    init_from: Path | None = None  # a run of the same sizes whose parameters to start from

    size: str = "64"  # of the model's pictures in pixels, a multiple of its strides: 64 or 96x64
    fit_picture: Fit = "crop"  # how a picture of another shape is made to fit
    frame_rate: str | None = None  # Hz, of the pictures while playing; that of the footage
    sound: Annotated[SonifierConfig, tyro.conf.arg(name="")] = field(default_factory=SonifierConfig)
    loudness_lufs: float = -23.0  # to which the sound of the training pictures is set, -60 to -10

    batch_size: int = 64
    cpu_devices: int = 1  # that the processor counts as, each with its share of a batch; 0: a core
    learning_rate: float = 3e-4  # of Adam, 0 to 1
    linear_rate: float = 1e-5  # of Adam for the linear paths, 0 to 1
    listener_rate: float = 3e-3  # of Adam for the listener, 0 to 1
    schedule: Schedule = "cosine"  # of the rates: cosine or constant
    uniformity: float = 0.5  # weight of the penalty that spreads the codes over [0, 1]
    by_sound: bool = True  # the loss is of pictures heard; else of pictures decoded from the code
    code_noise: float = 0.0  # added to codes that are decoded in training (std)
    room: RoomConfig = field(default_factory=RoomConfig)
    listener: ListenerConfig = field(default_factory=ListenerConfig)
    augment: Annotated[AugmentConfig, tyro.conf.arg(name="")] = field(default_factory=AugmentConfig)
    fit: Annotated[FitOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: FitOptions(steps=600, evaluate_every=100)
    )

    def __post_init__(self) -> None:
        check_range("loudness_lufs", self.loudness_lufs, -60, -10)
        check_range("batch_size", self.batch_size, 1, 65536)
        check_range("cpu_devices", self.cpu_devices, 0, 1024)
        if self.batch_size % INNER:
            raise WyhError(f"got a batch_size of {self.batch_size}, wanted a multiple of {INNER}")
        for name in ("learning_rate", "linear_rate", "listener_rate", "uniformity", "code_noise"):
            check_range(name, getattr(self, name), 0, 1)


PRESETS = {
    "default": Config(),
    "wyhiwys": Config(
        preset="wyhiwys",
        frame_rate="10",
        sound=SonifierConfig(
            model=AutoencoderConfig(
                code_size=100,
                smoothing=7,
                widths=(8, 16, 32, 64, 128),
                strides=(2, 2, 2, 2, 4),
                hidden=256,
                linear=False,
            ),
            synth=NoiseConfig(
                sample_rate=10_000, n_fft=1000, hop_length=250, low_hz=5.0, high_hz=5000.0
            ),
            loudness="linear",
        ),
        learning_rate=1e-3,
        schedule="constant",
        cpu_devices=0,  # its small convolutions use one core each
        uniformity=0.01,
        by_sound=False,
        augment=AugmentConfig(camera=0.0, light=0.0, unseen=0.0),
        fit=FitOptions(steps=10_000, evaluate_every=1000, save_every=1000),
    ),
}


class State(NamedTuple):
    """What training changes."""

    step: Int[Array, ""]
    params: Any  # of the autoencoder
    listener: Any  # of the net that hears codes in their sound
    opt_state: Any


Films = UInt8[Array, "batch time height width channel"]


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Adam for the autoencoder and for the listener, at rates of their own."""
    rates = {
        "network": config.learning_rate,
        "linear": config.linear_rate,
        "listener": config.listener_rate,
    }
    return adam_by_part(rates, trained_as, config.schedule, config.fit.steps)


def trained_as(trained: tuple[Any, Any]) -> tuple[Any, Any]:
    """Which rate is whose: a linear path has so many inputs that a small step goes far."""
    params, listener = trained
    names = jax.tree_util.tree_map_with_path(
        lambda path, _: "linear" if "linear" in jax.tree_util.keystr(path) else "network", params
    )
    return names, jax.tree.map(lambda _: "listener", listener)


def loss_fn(
    trained: tuple[Any, Any],
    films: Float[Array, "batch time height width channel"],
    key: PRNGKeyArray,
    listener: Listener,
    config: Config,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """MSE of the pictures, heard or decoded, + weight * uniformity of the codes; parts by name."""
    params, listener_params = trained
    model, shape = listener.model, films.shape
    sound_key, noise_key = jax.random.split(key)
    codes = encode(model, params, films.reshape(-1, *shape[2:])).reshape(*shape[:2], -1)
    played = codes if config.by_sound else jax.lax.stop_gradient(codes)
    heard = heard_codes(listener, listener_params, played, sound_key, config.room)
    code = codes[:, 1:-1].reshape(heard.shape)
    pictures = films[:, 1:-1].reshape(-1, *shape[2:])
    figures = {"uniformity": uniformity(code)}
    noise = config.code_noise * jax.random.normal(noise_key, code.shape)
    known = heard if config.by_sound else code + noise
    figures["mse"] = mean_squared_error(decode(model, params, known), pictures)
    figures["misheard"] = mean_squared_error(heard, jax.lax.stop_gradient(code))
    figures["total"] = figures["mse"] + config.uniformity * figures["uniformity"]
    return figures["total"] + MISHEARD * figures["misheard"], figures


def train_step(
    state: State,
    films: Films,
    key: PRNGKeyArray,
    *,
    strengths: Float[np.ndarray, "channel waves waves"],
    listener: Listener,
    config: Config,
) -> tuple[State, dict[str, Array]]:
    """One step of Adam on augmented films."""
    film_key, loss_key = jax.random.split(key)
    pictures = augmented(as_picture(films), film_key, strengths, config.augment)
    gradient = jax.grad(loss_fn, has_aux=True)
    trained = (state.params, state.listener)
    grads, figures = gradient(trained, pictures, loss_key, listener, config)
    updates, opt_state = make_optimizer(config).update(grads, state.opt_state)
    params, listener_params = optax.apply_updates(trained, updates)
    return State(state.step + 1, params, listener_params, opt_state), figures


def main(config: Config) -> None:
    """Train, and leave a run that `wyh.render` and `wyh.live` can play."""
    if config.resume:
        config = config_as_begun(config, KIND, PRESETS[config.preset].fit.steps)
    split_processor(config.cpu_devices, config.batch_size // INNER)
    dataset = open_data(
        config.data,
        size=config.size,
        fit=config.fit_picture,
        sample_rate=config.sound.synth.sample_rate,
    )
    video = dataset.spec.video
    video = replace(video, frame_rate=as_rate(config.frame_rate or video.frame_rate))
    config.sound.model.check(video.height, video.width)
    transducer = sonifier(config.sound, video)
    listener = Listener(config.sound, video, config.listener)

    bank = FrameBank(dataset, "train")
    training, validation = bank.divide()
    films = bank.sequences(training, INNER + 2)
    held = bank.sequences(validation, INNER + 2)[::INNER]
    few = bank.frames_at(thinned(training, min(1000, MEMORY_BYTES // (4 * video.frame_bytes))))
    mean = few.mean(axis=0, dtype=np.float32) / 255
    most = max(1, min(256, MEMORY_BYTES // (4 * video.frame_bytes * (INNER + 2))))
    to_hear = Heldout(bank.films_at(thinned(held, most)), mean)
    shown = bank.frames_at(validation[:240])
    to_tune = bank.films_at(thinned(films, min(most, 48)))

    # Compiling the default generator takes 5 s longer, for draws that are made once.
    key = jax.random.key(config.fit.seed, impl="rbg")
    params = jax.jit(listener.model.init)(key, as_picture(few[:1]))["params"]
    prior = PRIORS[0]
    if config.init_from is not None:
        params = params_of(config.init_from, params)
    elif config.sound.model.linear:
        left_out = bank.frames_at(thinned(validation, 200)) / np.float32(255)
        params, prior = principal_start(params, few / np.float32(255), config.sound.model, left_out)
    trained = (params, listener.init(key))
    state = State(jnp.int32(0), *trained, jax.jit(make_optimizer(config).init)(trained))

    run = open_run(
        config.out or default_run_dir(KIND),
        kind=KIND,
        preset=config.preset,
        config=replace(config, resume=False),
        stream=transducer.spec,
        data=dataset.describe(),
        best_metric=BestMetric("val_heard_db" if config.by_sound else "val_gain_db", "higher"),
        resume=config.resume,
    )
    result = fit(
        state,
        train_step=partial(
            train_step,
            strengths=wave_strengths(few / np.float32(255)),
            listener=listener,
            config=replace(config, augment=as_needed(config.augment, prior)),
        ),
        batch_at=lambda step: bank.films_at(
            films[shuffled(step, config.batch_size // INNER, len(films), config.fit.seed)]
        ),
        playable=lambda state: tuned(
            listener, state.params, state.listener, to_tune, config.loudness_lufs
        ),
        evaluate=lambda state: figures_of(listener, state.params, state.listener, to_hear),
        summaries=lambda variables: summaries_of(transducer, listener, variables, shown),
        run=run,
        options=config.fit,
        resume=config.resume,
    )
    told = f"best {run.best_metric.name} {result.best:.2f} at step {result.best_step}"
    print(told, file=sys.stderr)
    print(run.directory)


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.autoencoder", PRESETS)
