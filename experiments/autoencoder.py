"""Pictures become spectra: an autoencoder whose code is played as sound (see -> hear, seed 000).

    python -m experiments.autoencoder                          # the bundled half minute of film
    python -m experiments.autoencoder --data my_room.mp4       # your own footage, or photos
    python -m experiments.autoencoder --preset wyhiwys         # the seed's own sizes and loss

On 2 cores `default` takes about 70 s and `wyhiwys` about 4 minutes. Expect on the bundled film:

    default   val_gain_db 6 or more: decoded pictures of seconds kept out of training, against the
              mean picture; it begins as PCA, so it is usable from the first seconds
    wyhiwys   total (the seed's training loss) 0.00745 or less

Then: `python -m wyh.render FILM.mp4 --out heard.mp4`, or `python -m wyh.live --source FILM.mp4`.
"""

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tyro
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from data_prep.given import open_data
from wyh import knobs
from wyh.augment import move_camera, turn_light
from wyh.cli import run as run_command
from wyh.earlier import config_as_begun, params_of
from wyh.errors import check_range
from wyh.frames import FrameBank, shuffled, thinned
from wyh.journal import Summaries
from wyh.losses import mean_squared_error, uniformity
from wyh.metrics.codes import dead_values, ks_to_uniform
from wyh.metrics.pictures import gain_db
from wyh.models.autoencoder import (
    Autoencoder,
    AutoencoderConfig,
    as_picture,
    decode,
    encode,
    principal_start,
)
from wyh.runs import BestMetric, default_run_dir
from wyh.specs import Fit, VideoSpec, as_rate
from wyh.synths.noise import NoiseConfig, NoiseSynth
from wyh.training import FitOptions, fit, open_run, split_processor
from wyh.transducers.autoencoder import SonifierConfig, amplitudes, sonifier
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import Transducer

KIND = "autoencoder"
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
    learning_rate: float = 1e-3  # of Adam
    schedule: Literal["cosine", "constant"] = "cosine"  # cosine warms up and ends near 0
    uniformity: float = 0.01  # weight of the penalty that spreads the codes over [0, 1]
    code_noise: float = 0.03  # added to codes in training (std): sound is never heard exactly
    camera: float = 0.1  # augmentation: zoom up to this much, and the shift that leaves free
    light: float = 0.15  # augmentation: brightness and tint, up to this much
    fit: Annotated[FitOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: FitOptions(steps=1500, evaluate_every=250)
    )

    def __post_init__(self) -> None:
        check_range("loudness_lufs", self.loudness_lufs, -60, -10)
        check_range("batch_size", self.batch_size, 1, 65536)
        check_range("cpu_devices", self.cpu_devices, 0, 1024)
        for name in ("learning_rate", "uniformity", "code_noise", "camera", "light"):
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
        schedule="constant",
        cpu_devices=0,  # its small convolutions use one core each
        code_noise=0.0,
        camera=0.0,
        light=0.0,
        fit=FitOptions(steps=10_000, evaluate_every=1000, save_every=1000),
    ),
}


class State(NamedTuple):
    """What training changes."""

    step: Int[Array, ""]
    params: Any
    opt_state: Any


Batch = UInt8[Array, "batch height width channel"]

encode_jit = jax.jit(encode, static_argnums=0)
decode_jit = jax.jit(decode, static_argnums=0)


def make_model(config: Config, video: VideoSpec) -> Autoencoder:
    """The model for pictures of this size."""
    config.sound.model.check(video.height, video.width)
    return Autoencoder(config.sound.model, video.shape)


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Adam, at a constant rate or warmed up and brought down."""
    if config.schedule == "constant":
        return optax.adam(config.learning_rate)
    steps = config.fit.steps
    rate = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, min(100, steps // 10), steps, config.learning_rate / 50
    )
    return optax.adam(rate)


def loss_fn(
    params: Any,
    pictures: Float[Array, "batch height width channel"],
    key: PRNGKeyArray,
    model: Autoencoder,
    config: Config,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """MSE of the decoded pictures + weight * uniformity of the codes; the parts by name."""
    code = encode(model, params, pictures)
    heard = code
    if config.code_noise:
        heard = code + config.code_noise * jax.random.normal(key, code.shape)
    decoded = decode(model, params, heard)
    parts = {"mse": mean_squared_error(decoded, pictures), "uniformity": uniformity(code)}
    total = parts["mse"] + config.uniformity * parts["uniformity"]
    return total, parts | {"total": total}


def train_step(
    state: State, frames: Batch, key: PRNGKeyArray, *, model: Autoencoder, config: Config
) -> tuple[State, dict[str, Array]]:
    """One step of Adam on augmented frames."""
    camera_key, light_key, noise_key = jax.random.split(key, 3)
    pictures = as_picture(frames)
    if config.camera:
        pictures = move_camera(pictures, camera_key, config.camera)
    if config.light:
        pictures = turn_light(pictures, light_key, config.light)
    gradient = jax.grad(loss_fn, has_aux=True)
    grads, metrics = gradient(state.params, pictures, noise_key, model, config)
    updates, opt_state = make_optimizer(config).update(grads, state.opt_state)
    params = optax.apply_updates(state.params, updates)
    return State(state.step + 1, params, opt_state), metrics


def evaluate(
    params: Any,
    frames: UInt8[np.ndarray, "n height width channel"],
    mean: Float[np.ndarray, "height width channel"],
    model: Autoencoder,
) -> dict[str, float]:
    """Figures on held-out frames: what the decoded pictures keep, how the code is used."""
    pictures = np.asarray(as_picture(frames))
    code = encode_jit(model, params, pictures)
    decoded = np.clip(decode_jit(model, params, code), 0, 1)
    return {
        "val_gain_db": gain_db(decoded, pictures, mean),
        "val_ks": ks_to_uniform(np.asarray(code)),
        "val_dead": float(dead_values(np.asarray(code))),
    }


def playable(
    state: State,
    frames: UInt8[np.ndarray, "n height width channel"],
    model: Autoencoder,
    config: Config,
) -> dict[str, Any]:
    """Variables of the sonifier, its level set by the loudness of these frames' sound."""
    code = encode_jit(model, state.params, as_picture(frames))
    synth = NoiseSynth(config.sound.synth, config.sound.model.code_size)
    level = synth.loudness(amplitudes(code, config.sound))
    return {"params": state.params, "gain_db": config.loudness_lufs - level}


def summarize(
    variables: dict[str, Any],
    frames: UInt8[np.ndarray, "n height width channel"],
    model: Autoencoder,
    transducer: Transducer,
) -> Summaries:
    """For TensorBoard: frames above what their codes know, and their sound."""
    shown = frames[:: max(1, len(frames) // 8)][:8]
    code = encode_jit(model, variables["params"], as_picture(shown))
    known = np.clip(decode_jit(model, variables["params"], code), 0, 1)
    decoded = np.rint(known * 255).astype(np.uint8)
    rows = [np.concatenate(list(row), axis=1) for row in (shown, decoded)]
    sound = np.concatenate(list(sonify(transducer, variables, [frames[:240]], knobs.defaults())))
    rate = transducer.spec.audio.sample_rate
    return Summaries({"seen_and_known": np.concatenate(rows)}, {"sound": (sound, rate)})


def main(config: Config) -> None:
    """Train, and leave a run that `wyh.render` and `wyh.live` can play."""
    if config.resume:
        config = config_as_begun(config, KIND, PRESETS[config.preset].fit.steps)
    split_processor(config.cpu_devices, config.batch_size)
    dataset = open_data(
        config.data,
        size=config.size,
        fit=config.fit_picture,
        sample_rate=config.sound.synth.sample_rate,
    )
    video = dataset.spec.video
    video = replace(video, frame_rate=as_rate(config.frame_rate or video.frame_rate))
    model = make_model(config, video)
    transducer = sonifier(config.sound, video)

    bank = FrameBank(dataset, "train")
    training, validation = bank.divide()
    most = max(64, min(2000, MEMORY_BYTES // (4 * video.frame_bytes)))
    few = bank.frames_at(thinned(training, most))
    held = bank.frames_at(thinned(validation, most))
    heard = thinned(few, 256)
    mean = few.mean(axis=0, dtype=np.float32) / 255

    # Compiling the default generator takes 5 s longer, for draws that are made once.
    key = jax.random.key(config.fit.seed, impl="rbg")
    params = jax.jit(model.init)(key, as_picture(few[:1]))["params"]
    if config.init_from is not None:
        params = params_of(config.init_from, params)
    elif config.sound.model.linear:
        params = principal_start(params, few.astype(np.float32) / 255, config.sound.model)
    state = State(jnp.int32(0), params, jax.jit(make_optimizer(config).init)(params))

    run = open_run(
        config.out or default_run_dir(KIND),
        kind=KIND,
        preset=config.preset,
        config=replace(config, resume=False),
        stream=transducer.spec,
        data=dataset.describe(),
        best_metric=BestMetric("val_gain_db", "higher"),
        resume=config.resume,
    )
    to_play = partial(playable, frames=heard, model=model, config=config)
    result = fit(
        state,
        train_step=partial(train_step, model=model, config=config),
        batch_at=lambda step: bank.frames_at(
            training[shuffled(step, config.batch_size, len(training), config.fit.seed)]
        ),
        playable=to_play,
        evaluate=lambda state: evaluate(state.params, held, mean, model),
        summaries=lambda state: summarize(to_play(state), held, model, transducer),
        run=run,
        options=config.fit,
        resume=config.resume,
    )
    print(f"best val_gain_db {result.best:.2f} at step {result.best_step}", file=sys.stderr)
    print(run.directory)


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.autoencoder", PRESETS)
