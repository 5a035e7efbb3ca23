"""Pictures of playing -> notes: watch an instrument and play it (see -> hear, seed 004).

    python -m data_prep.marimba --out marimba            # 480 films with exact truth
    python -m experiments.marimba --data marimba/train
    python -m experiments.marimba --data my_films/ --notes C4,D4,E4,G4,A4  # another instrument
    python -m experiments.marimba --data marimba/train --preset cnn_lstm   # a seed's network

Strikes are learned from the truth beside a film (`NAME.truth.csv`), or else from its sound. On
2 cores `default` takes some 20 minutes. Expect

    val_note_f1 0.9: notes seen within 50 ms of where they are struck, on recordings kept out
    val_skill 0.7: how much nearer amplitudes are than those that are always the same

Then: `python -m wyh.render FILM.mp4 --out heard.mp4`, with `--synth knn` to play it with strikes of
the training sound, or `python -m wyh.report --run RUN marimba/test`.
"""

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
import tyro
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from data_prep.given import open_data
from wyh.augment import turn_light
from wyh.cli import run as run_command
from wyh.earlier import config_as_begun, params_of
from wyh.errors import WyhError, check_range
from wyh.models.recurrent import Filters, RecurrentConfig
from wyh.optimizers import Schedule, adam
from wyh.played import NoteTruth, Played, PlayedBank
from wyh.run_choice import default_run_dir
from wyh.runs import BestMetric
from wyh.specs import Fit, VideoSpec
from wyh.training import FitOptions, fit, open_run
from wyh.transducers.recurrent import PlayerConfig, player
from wyh.watching import Watching, encoder_of, figures_of, reader_of, summaries_of, tuned

KIND = "marimba"
ANEW = 0.25  # of all rows begin with a blank memory, as playing does
HELD_SECS = 10.0  # of frames in a row, on which the best variables are chosen


@dataclass(frozen=True)
class Config:
    """Learn to see which notes are played, so that `wyh.render` and `wyh.live` play them."""

    preset: str = "default"  # default; fc_lstm, cnn_lstm, conv_lstm: the seed's; forgetful
    data: tuple[Path, ...] = ()  # a data set, or films
    out: Path | None = None  # the run directory; runs/marimba-DATE unless given
    resume: bool = False  # go on with the run of --out, or with the newest
    init_from: Path | None = None  # a run of the same sizes whose parameters to start from
    features: Path | None = None  # a run of experiments.autoencoder whose codes an fc_lstm sees

    size: str = "128x48"  # of the pictures in pixels, WIDTHxHEIGHT, or 64 for a square
    fit_picture: Fit = "stretch"  # how a picture of another shape is made to fit
    frame_rate: str | None = None  # Hz, to which films are brought; that of the footage
    sound: Annotated[PlayerConfig, tyro.conf.arg(name=""), tyro.conf.AvoidSubcommands] = field(
        default_factory=PlayerConfig
    )
    loudness_lufs: float = -23.0  # of recordings as they are played, -60 to -10

    batch_size: int = 16  # rows of frames
    lead: int = 48  # frames in a row that are watched first, to remember some of, 0 to 4096
    time: int = 24  # frames after them, through which errors are led back, 1 to 4096
    learning_rate: float = 2e-3  # 0 to 1
    schedule: Schedule = "cosine"  # of the rate: cosine or constant
    strikes_weight: float = 2.0  # of how far the probabilities of strikes are off, 0 to 1000
    shift: int = 3  # pixels by which films are moved, up to, 0 to 64
    zoom: float = 0.06  # by which they are made larger or smaller, up to, 0 to 0.5
    light: float = 0.2  # brightness, up to this much, 0 to 1
    fit: Annotated[FitOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: FitOptions(
            steps=3500, evaluate_every=500, save_every=1000, latest_secs=30.0
        )
    )

    def __post_init__(self) -> None:
        check_range("loudness_lufs", self.loudness_lufs, -60, -10)
        check_range("batch_size", self.batch_size, 1, 65536)
        check_range("lead", self.lead, 0, 4096, "frames")
        check_range("time", self.time, 1, 4096, "frames")
        check_range("learning_rate", self.learning_rate, 0, 1)
        check_range("strikes_weight", self.strikes_weight, 0, 1000)
        check_range("shift", self.shift, 0, 64, "pixels")
        check_range("zoom", self.zoom, 0, 0.5)
        check_range("light", self.light, 0, 1)


def of_seed(model: RecurrentConfig, size: str = "100") -> Config:
    """A network of the seed's sizes, but with a memory, and pictures in any light alike."""
    sized = replace(model, dropout=0.2)
    fitted = FitOptions(steps=3000, evaluate_every=500, save_every=1000, latest_secs=30.0)
    return Config(
        size=size,
        sound=PlayerConfig(sized),
        batch_size=8,
        learning_rate=3e-4,
        schedule="constant",
        fit=fitted,
    )


GATED = (Filters(32, 8, 4), Filters(64, 4, 2), Filters(64, 3, 1))
PRESETS = {
    "default": Config(),
    "forgetful": Config(sound=PlayerConfig(RecurrentConfig(remembers=False))),
    "fc_lstm": of_seed(RecurrentConfig("fc_lstm", memory=(256, 256))),
    "cnn_lstm": of_seed(RecurrentConfig("cnn_lstm", memory=(256, 128))),
    "conv_lstm": of_seed(RecurrentConfig("conv_lstm", filters=GATED, dense=(512,)), "80"),
}
PRESETS = {name: replace(config, preset=name) for name, config in PRESETS.items()}


class State(NamedTuple):
    """What training changes."""

    step: Int[Array, ""]
    params: Any
    opt_state: Any


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Adam, with gradients that a rare event cannot blow up."""
    descent = adam(config.learning_rate, config.schedule, config.fit.steps)
    return optax.chain(optax.clip_by_global_norm(1.0), descent)


def shaken(
    films: UInt8[Array, "batch time height width channel"], key: PRNGKeyArray, config: Config
) -> Float[Array, "batch time height width channel"]:
    """Films as from a camera nearby, in another light, in [0, 1]; their edges are drawn out."""
    zoom_key, move_key, light_key = jax.random.split(key, 3)
    batch, most = len(films), config.shift + round(config.zoom * max(films.shape[2:4]))
    edges = ((0, 0), (0, 0), (most, most), (most, most), (0, 0))
    wide = jnp.pad(films, edges, mode="edge").astype(jnp.float32) / 255
    zoom = 1 + config.zoom * jax.random.uniform(zoom_key, (batch,), minval=-1.0)
    moves = config.shift * jax.random.uniform(move_key, (batch, 2), minval=-1.0)
    sizes = jnp.array(films.shape[2:4], jnp.float32)

    def moved(film: Array, zoom: Array, move: Array) -> Array:
        start = sizes / 2 + move - zoom * (sizes / 2 + most)
        return jax.image.scale_and_translate(
            film, films.shape[1:], (1, 2), jnp.repeat(zoom, 2), start, "linear", antialias=False
        )

    films = jax.vmap(moved)(wide, zoom, moves)
    return turn_light(films, light_key, config.light) if config.light else films


def remembered(
    params: Any,
    films: Float[Array, "batch lead_and_two height width channel"],
    key: PRNGKeyArray,
    learned: Watching,
) -> Any:
    """What is remembered of films, but of some nothing. No error is led back so far."""
    blank = learned.blank(len(films))
    if films.shape[1] <= 2:
        return blank
    _, memory = learned.watch(jax.lax.stop_gradient(params), films, blank)
    kept = jax.random.bernoulli(key, 1 - ANEW, (len(films),))

    def some(leaf: Array) -> Array:  # a row of a film may be several in memory
        rows = jnp.repeat(kept, len(leaf) // len(films)).reshape(-1, *(1,) * (leaf.ndim - 1))
        return jnp.where(rows, leaf, 0.0)

    return jax.tree.map(some, jax.lax.stop_gradient(memory))


def loss_fn(
    params: Any,
    films: Float[Array, "batch time_and_two height width channel"],
    truth: NoteTruth,
    memory: Any,
    key: PRNGKeyArray,
    learned: Watching,
    strikes_weight: float,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """How far amplitudes, strikes and their times are off. No constant is near to any strike."""
    found, _ = learned.watch(params, films, memory, key)
    mean, spread = (learned.scale[name][None, None] for name in ("mean", "spread"))
    onset = truth.onset.astype(jnp.float32)
    levels = jnp.mean(jnp.square(found.amplitude - (truth.amplitude - mean) / spread))
    figures = {"levels": levels}
    loss = levels
    if learned.config.model.onsets:
        # Summed over notes: of all, mostly one is struck.
        wrong = optax.sigmoid_binary_cross_entropy(found.onset, onset)
        figures["strikes"] = jnp.mean(jnp.sum(wrong, axis=-1))
        late = jnp.sum(onset * jnp.abs(found.offset - truth.offset))
        figures["times"] = late / jnp.maximum(jnp.sum(onset), 1.0)
        loss = loss + strikes_weight * figures["strikes"] + figures["times"]
    return loss, {"loss": loss, **figures}


def train_step(
    state: State, played: Played, key: PRNGKeyArray, *, learned: Watching, config: Config
) -> tuple[State, dict[str, Array]]:
    """One step, on rows of frames of which the first are watched alone."""
    shake_key, lead_key, drop_key = jax.random.split(key, 3)
    films, lead = shaken(jnp.asarray(played.films), shake_key, config), config.lead
    memory = remembered(state.params, films[:, : lead + 2], lead_key, learned)
    truth = NoteTruth(*(each[:, lead:] for each in played.truth))
    gradient = jax.grad(loss_fn, has_aux=True)
    grads, figures = gradient(
        state.params, films[:, lead:], truth, memory, drop_key, learned, config.strikes_weight
    )
    updates, opt_state = make_optimizer(config).update(grads, state.opt_state, state.params)
    return State(state.step + 1, optax.apply_updates(state.params, updates), opt_state), figures


def main(config: Config) -> None:
    """Train, and leave a run that `wyh.render` and `wyh.live` can play."""
    if config.resume:
        config = config_as_begun(config, KIND, PRESETS[config.preset].fit.steps)
    if not config.data:
        raise WyhError(
            "got no films of playing, wanted --data with some: your own, or those that "
            "python -m data_prep.marimba --out marimba makes"
        )
    wants = config.sound.model.kind == "fc_lstm"
    if wants is (config.features is None):
        got = "fc_lstm without" if wants else f"{config.sound.model.kind} with"
        raise WyhError(
            f"got {got} --features, wanted --preset fc_lstm and --features RUN, a run of "
            f"experiments.autoencoder, together"
        )
    sound, size, shape, colours, features = config.sound, config.size, config.fit_picture, 1, None
    if config.features is not None:  # its codes are of pictures such as it was trained on
        encoder, seen, features = encoder_of(config.features)
        sound = replace(sound, features=encoder)
        size, shape, colours = f"{seen.width}x{seen.height}", seen.fit, seen.channels
    dataset = open_data(
        config.data,
        size=size,
        fit=shape,
        sample_rate=sound.noise.sample_rate,
        channels=3 if colours == 3 else 1,
        frame_rate=config.frame_rate,
        sound=True,
    )
    video: VideoSpec = dataset.spec.video
    reader = reader_of(sound, video)
    transducer = player(sound, video)
    bank = PlayedBank.of(dataset, reader, config.lead + config.time)
    heard = sum(not recording.told for recording in bank.recordings)
    if heard:
        print(
            f"{heard} films without truth: their strikes are those heard in them", file=sys.stderr
        )
    learned = Watching.of(sound, video, bank, config.loudness_lufs, features)
    held = bank.held(round(HELD_SECS * float(video.frame_rate)), 12)

    params: Any = learned.init(jax.random.key(config.fit.seed))
    if config.init_from is not None:
        params = params_of(config.init_from, params)
    opt_state = jax.jit(make_optimizer(config).init)(params)
    run = open_run(
        config.out or default_run_dir(KIND),
        kind=KIND,
        preset=config.preset,
        config=replace(config, sound=sound, resume=False),
        stream=transducer.spec,
        data=dataset.describe(),
        best_metric=BestMetric("val_note_f1" if sound.model.onsets else "val_skill", "higher"),
        resume=config.resume,
    )
    result = fit(
        State(jnp.int32(0), params, opt_state),
        train_step=partial(train_step, learned=learned, config=config),
        batch_at=lambda step: bank.step(step, config.batch_size, config.fit.seed),
        playable=lambda state: tuned(learned, state.params, held),
        evaluate=lambda state: figures_of(learned, state.params, held),
        summaries=lambda variables: summaries_of(learned, transducer, variables, held),
        run=run,
        options=config.fit,
        resume=config.resume,
    )
    print(
        f"best {run.best_metric.name} {result.best:.3f} at step {result.best_step}", file=sys.stderr
    )
    print(run.directory)


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.marimba", PRESETS)
