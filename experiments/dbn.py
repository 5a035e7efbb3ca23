"""Pictures -> the sound that belongs to them, learned from video (see -> hear, seed 003).

    python -m experiments.dbn                               # the bundled half minute of film
    python -m experiments.dbn --data my_films/              # your own footage with its sound
    python -m experiments.dbn --preset basic                # a seed's network: samples of sound
    python -m experiments.dbn --preset basic --pretrain 0   # ... not pretrained, as it truly was

On 2 cores `default` takes a minute. Expect

    val_skill 0.03 on the bundled film, 0.3 on ten minutes: how much nearer the predicted sound is
              than one that is always the same, on seconds kept out of training

Then: `python -m wyh.render FILM.mp4 --out heard.mp4`, with `--synth exemplar` and others to play it
in another way, or `python -m wyh.report`, which compares them all with the true sound.
"""

import sys
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
import tyro
from jaxtyping import Array, Float, Int, PRNGKeyArray, UInt8

from data_prep.given import open_data
from wyh.cli import run as run_command
from wyh.contrastive import RbmConfig
from wyh.earlier import config_as_begun, params_of
from wyh.errors import check_range
from wyh.foley import Foley, figures_of, foley_of, summaries_of, tuned
from wyh.models.dbn import DbnConfig, predict
from wyh.optimizers import Method, Schedule, descent
from wyh.pairs import PairBank, Pairs
from wyh.pretraining import By, check_pretraining, machine_step, machines, output_step, outputs
from wyh.run_choice import default_run_dir
from wyh.runs import BestMetric
from wyh.specs import Fit
from wyh.synths.noise import NoiseConfig
from wyh.synths.targets import Kind, Target, TargetConfig
from wyh.training import FitOptions, Phase, fit, open_run
from wyh.transducers.dbn import FoleyConfig, foley

KIND = "dbn"


@dataclass(frozen=True)
class Config:
    """Learn the sound of video, so that `wyh.render` and `wyh.live` give it to any pictures."""

    preset: str = "default"  # default; basic, deep, kungfury, readme, stft_a to stft_e: the seed's
    data: tuple[Path, ...] = ()  # a data set, or films; nothing: the bundled film
    out: Path | None = None  # the run directory; runs/dbn-DATE unless given
    resume: bool = False  # go on with the run of --out, or with the newest
    init_from: Path | None = None  # a run of the same sizes whose parameters to start from

    size: str = "64"  # of the pictures in pixels: 64 or 96x64
    grey: bool = False  # pictures without colour
    fit_picture: Fit = "crop"  # how a picture of another shape is made to fit
    frame_rate: str | None = None  # Hz, to which films are brought; that of the footage
    sound: Annotated[FoleyConfig, tyro.conf.arg(name="")] = field(default_factory=FoleyConfig)
    target: Kind | None = None  # what is learned of the sound; that of --target.kind unless given
    context_sound: int | None = None  # predictions to feed back; --model.context-sound unless given
    loudness_lufs: float = -23.0  # at which the films' own sound would be played, -60 to -10
    silence_anchors: float = 1.0  # s of black and white pictures with silence to add, 0 to 3600
    reference_secs: float = 120.0  # of true sound kept in the run, for exemplars, 2 to 3600

    batch_size: int = 64  # pictures
    method: Method = "adam"  # of descent: adam or nesterov
    learning_rate: float = 1e-3  # 0 to 1
    schedule: Schedule = "cosine"  # of the rate: cosine or constant
    pretrain: int = 0  # steps for each hidden layer by itself, at the beginning, 0 to a million
    pretrain_by: By = "machines"
    """machines: each layer as a restricted Boltzmann machine, of pictures alone; sound: each with
    an output of its own, by the sound."""
    rbm: RbmConfig = field(default_factory=lambda: RbmConfig(visible="gaussian"))
    fit: Annotated[FitOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: FitOptions(steps=2000, evaluate_every=200)
    )

    def __post_init__(self) -> None:
        if self.target is not None:  # short for what lies deeper
            synth = "exemplar" if self.target == "exemplar" else self.sound.synth
            target = replace(self.sound.target, kind=self.target)
            object.__setattr__(self, "sound", replace(self.sound, target=target, synth=synth))
        if self.context_sound is not None:
            model = replace(self.sound.model, context_sound=self.context_sound)
            object.__setattr__(self, "sound", replace(self.sound, model=model))
        check_range("loudness_lufs", self.loudness_lufs, -60, -10)
        check_range("silence_anchors", self.silence_anchors, 0, 3600, "s")
        check_range("reference_secs", self.reference_secs, 2, 3600, "s")
        check_range("batch_size", self.batch_size, 1, 65536)
        check_range("learning_rate", self.learning_rate, 0, 1)
        check_range("pretrain", self.pretrain, 0, 1_000_000)
        if self.pretrain:
            net, begun = self.sound.model, self.init_from is not None
            check_pretraining(self.pretrain, self.pretrain_by, self.rbm, net, begun, self.fit.steps)


def of_seed(
    widths: tuple[int, ...],
    target: TargetConfig,
    sample_rate: int = 22050,
    view: Literal["pixels", "waves"] = "pixels",
    by: By = "machines",
) -> Config:
    """A network of the seed: one grey picture of 64x64 pixels, 30 times a second."""
    model = DbnConfig(
        widths, "sigmoid", view, shrink=1, context=(), standardised=False, dropout=0.0
    )
    linear = NoiseConfig(
        sample_rate, n_fft=2048, low_hz=sample_rate / 2048, high_hz=sample_rate / 2
    )
    return Config(
        grey=True,
        frame_rate="30",
        sound=FoleyConfig(model, target, linear, "raw" if target.kind == "pcm" else "overlap"),
        silence_anchors=0.0,
        pretrain=200,
        pretrain_by=by,
        rbm=RbmConfig(visible="bernoulli"),
        fit=FitOptions(steps=3000, evaluate_every=250),
    )


SAMPLES = TargetConfig(kind="pcm")
PRESETS = {
    "default": Config(),
    "basic": of_seed((1000,), SAMPLES),
    "deep": of_seed((1000, 1000, 1000), SAMPLES),
    "kungfury": of_seed((2000, 1500, 1000), SAMPLES),
    "readme": of_seed((2048, 1000, 1000), SAMPLES),
    "stft_a": of_seed((1024,) * 3, TargetConfig("real", n_fft=1024)),
    "stft_b": of_seed((2048,) * 3, TargetConfig("real", n_fft=2048), 30720),
    "stft_c": of_seed((2048,) * 3, TargetConfig("magnitude", n_fft=2048, n_bands=0), 30720),
    "stft_d": of_seed((2048,) * 3, TargetConfig("magnitude_phase", n_fft=2048), 30720),
    "stft_e": of_seed(
        (2048,) * 3, TargetConfig("magnitude_phase", n_fft=2048), 30720, "waves", "sound"
    ),
}
PRESETS = {name: replace(config, preset=name) for name, config in PRESETS.items()}


class State(NamedTuple):
    """What training changes. `early` has a part for each layer that is pretrained."""

    step: Int[Array, ""]
    params: Any
    opt_state: Any
    early: tuple[Any, ...]


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """For the network as a whole, once its layers are pretrained."""
    steps = config.fit.steps - config.pretrain * len(config.sound.model.widths)
    return descent(config.method, config.learning_rate, config.schedule, steps)


def loss_fn(
    params: Any,
    films: UInt8[Array, "batch reach_and_time height width channel"],
    truth: Float[Array, "batch time size"],
    key: PRNGKeyArray,
    own: Float[Array, ""],
    learned: Foley,
) -> tuple[Float[Array, ""], dict[str, Array]]:
    """How far predictions are from the sound; `own` is how many of them are fed back, of 1."""
    inputs, sounds = learned.inputs(films), learned.config.model.context_sound
    found: list[Array] = []
    # At first what is true is fed back, or nothing, as when playing begins.
    begun_key, key = jax.random.split(key)
    begun = jax.random.uniform(begun_key, (len(truth), 1)) >= own
    known = [jnp.where(begun, truth[:, place], 0.0) for place in range(sounds)]
    for place in range(sounds, truth.shape[1]):
        drop_key, own_key = jax.random.split(jax.random.fold_in(key, place))
        x = jnp.concatenate([inputs[:, place], *known[place - sounds :]], axis=-1)
        found.append(predict(learned.model, params, x, drop_key))
        if sounds:
            mine = jax.random.uniform(own_key, (len(x), 1)) < own
            known.append(jnp.where(mine, jax.lax.stop_gradient(found[-1]), truth[:, place]))
    wanted = truth[:, sounds:].swapaxes(0, 1).reshape(-1, truth.shape[-1])
    loss = learned.target.distance(jnp.concatenate(found), wanted)
    return loss, {"loss": loss}


def train_step(
    state: State,
    pairs: Pairs,
    key: PRNGKeyArray,
    *,
    learned: Foley,
    config: Config,
) -> tuple[State, dict[str, Array]]:
    """One step for the network as a whole."""
    films, truth = jnp.asarray(pairs.films), learned.truth(jnp.asarray(pairs.sound))
    own = jnp.minimum(1.0, 1.5 * state.step / config.fit.steps)
    gradient = jax.grad(loss_fn, has_aux=True)
    grads, figures = gradient(state.params, films, truth, key, own, learned)
    updates, opt_state = make_optimizer(config).update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    return state._replace(step=state.step + 1, params=params, opt_state=opt_state), figures


def layer_step(
    state: State, pairs: Pairs, key: PRNGKeyArray, *, number: int, learned: Foley, config: Config
) -> tuple[State, dict[str, Array]]:
    """One step for one hidden layer, before the network is trained as a whole."""
    params, early, films = state.params, list(state.early), jnp.asarray(pairs.films)
    if config.pretrain_by == "machines":
        params, early[number], figures = machine_step(
            number, learned, params, early[number], films, key, config.rbm
        )
    else:
        truth = learned.truth(jnp.asarray(pairs.sound))
        params, early[number], figures = output_step(
            number, learned, params, early[number], films, truth
        )
    return State(state.step + 1, params, state.opt_state, tuple(early)), figures


def main(config: Config) -> None:
    """Train, and leave a run that `wyh.render` and `wyh.live` can play."""
    if config.resume:
        config = config_as_begun(config, KIND, PRESETS[config.preset].fit.steps)
    sound, net = config.sound, config.sound.model
    dataset = open_data(
        config.data,
        size=config.size,
        fit=config.fit_picture,
        sample_rate=sound.noise.sample_rate,
        channels=1 if config.grey else 3,
        frame_rate=config.frame_rate,
        sound=True,
    )
    video = dataset.spec.video
    target = Target(sound.target, sound.noise, float(video.frame_rate))
    graded = 2 * net.context_sound or 1  # pictures in a row whose predictions count
    time = net.context_sound + graded
    bank = PairBank.of(dataset, target.length, net.reach, time, config.silence_anchors)
    for name in bank.track.silent:
        print(f"left out: {name} is silent", file=sys.stderr)
    learned = foley_of(sound, target, bank, config.reference_secs, config.loudness_lufs)
    transducer = foley(sound, video)
    some, held = bank.some(500), bank.held(1000, time)

    key = jax.random.key(config.fit.seed)
    params: Any = learned.init(key)
    early: tuple[Any, ...] = ()
    if config.init_from is not None:
        params = params_of(config.init_from, params)
    if config.pretrain and config.pretrain_by == "machines":
        params, early = machines(learned, params, some.films, config.rbm, config.batch_size, key)
    elif config.pretrain:
        early = outputs(params, target.size, key)
    opt_state = jax.jit(make_optimizer(config).init)(params)

    run = open_run(
        config.out or default_run_dir(KIND),
        kind=KIND,
        preset=config.preset,
        config=replace(config, resume=False),
        stream=transducer.spec,
        data=dataset.describe(),
        best_metric=BestMetric("val_skill", "higher"),
        resume=config.resume,
    )
    result = fit(
        State(jnp.int32(0), params, opt_state, early),
        train_step=partial(train_step, learned=learned, config=config),
        phases=[
            Phase(
                config.pretrain, partial(layer_step, number=number, learned=learned, config=config)
            )
            for number in range(len(early))
        ],
        batch_at=lambda step: bank.step(step, max(1, config.batch_size // graded), config.fit.seed),
        playable=lambda state: tuned(learned, state.params, some),
        evaluate=lambda state: figures_of(learned, state.params, held),
        summaries=lambda variables: summaries_of(learned, transducer, variables, held),
        run=run,
        options=config.fit,
        in_place=True,
        resume=config.resume,
    )
    print(f"best val_skill {result.best:.3f} at step {result.best_step}", file=sys.stderr)
    print(run.directory)


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.dbn", PRESETS)
