"""Pictures in folders named after what they show -> a network that dreams them (seed 002).

    python -m experiments.dcgan --data animals/                    # animals/cat/, animals/dog/, ...
    python -m experiments.dcgan --data digits/ --model.size 32 --model.channels 1
    python -m experiments.dcgan --data faces/ --variation.mirror --init-from runs/dcgan-DATE
    python -m experiments.dcgan --data animals/ --preset dcgan     # the paper's networks and losses

It is told what to show as a mixture, so that two classes appear as one picture, and a latent that
turns slowly lets its pictures flow. On 2 cores `default` takes 8 minutes for 32 pixels and some 40
for 64; `dcgan`, whose generator has 19 million parameters, wants a graphics card. Expect on 5,000
handwritten digits

    val_distance 1.5 or less: how far its pictures are from those that are kept out, in form and
                 in detail, 1 being how far other real ones are; it chooses the best variables

Then join it with a run that hears: `python -m experiments.hallucinate`; or `python -m wyh.report`.
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
from jaxtyping import Array, Float, Int, Int32, PRNGKeyArray, UInt8

from data_prep.given import open_data
from wyh.cli import run as run_command
from wyh.dataset import Dataset
from wyh.dreaming import COMPARED, Dreaming, VaryConfig, drawn_mixtures, started_from, varied
from wyh.earlier import config_as_begun
from wyh.errors import WyhError, check_range
from wyh.frames import thinned
from wyh.journal import Summaries
from wyh.models.dcgan import Gan, GanConfig, drawn_latent
from wyh.optimizers import Schedule, by_top_name, rates
from wyh.picture_classes import ClassPictures
from wyh.run_choice import default_run_dir
from wyh.runs import BestMetric
from wyh.specs import Fit
from wyh.training import FitOptions, fit, open_run, split_processor

KIND = "dcgan"

SLOPES = 4
"""How steep opinions are is seen on one of so many real pictures: it costs a second gradient."""


@dataclass(frozen=True)
class Config:
    """Learn to make pictures of classes, and of mixtures of them."""

    preset: str = "default"  # default; dcgan: the paper's
    data: tuple[Path, ...] = ()  # a folder with a folder of pictures for each class, or a data set
    out: Path | None = None  # the run directory; runs/dcgan-DATE unless given
    resume: bool = False  # go on with the run of --out, or with the newest
    init_from: Path | None = None  # a run of the same sizes to start from; classes may be others

    model: GanConfig = field(default_factory=GanConfig)
    fit_picture: Fit = "crop"  # how a picture of another shape is made to fit
    variation: VaryConfig = field(default_factory=VaryConfig)
    batch_size: int = 64  # pictures of a step, real ones and made ones, 2 to 65,536
    generator_rate: float = 1.5e-3  # of Adam, 0 to 1
    discriminator_rate: float = 1.5e-3  # of Adam, 0 to 1
    schedule: Schedule = "cosine"  # of both rates over training; constant: none
    momentum: float = 0.0  # of Adam's first moment, 0 to 0.99
    smoothness: float = 0.05  # weight of R1, how steep opinions of real pictures are, 0 to 1000
    told_weight: float = 0.05  # of classes of real pictures that are told wrongly, 0 to 10
    classes_weight: float = 0.1  # of pictures of two classes that are not seen to be, 0 to 10
    mixed: float = 0.25  # share of made pictures that are of two classes, 0 to 1
    cpu_devices: int = 1  # that the processor counts as, each with its share of a batch; 0: a core
    average: float = 0.999  # of the generator's parameters from step to step, for playing, 0 to 1
    fit: Annotated[FitOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: FitOptions(steps=4000, evaluate_every=500, latest_secs=30.0)
    )

    def __post_init__(self) -> None:
        check_range("batch_size", self.batch_size, 2, 65536)
        check_range("generator_rate", self.generator_rate, 0, 1)
        check_range("discriminator_rate", self.discriminator_rate, 0, 1)
        check_range("momentum", self.momentum, 0, 0.99)
        check_range("smoothness", self.smoothness, 0, 1000)
        check_range("told_weight", self.told_weight, 0, 10)
        check_range("classes_weight", self.classes_weight, 0, 10)
        check_range("mixed", self.mixed, 0, 1)
        check_range("cpu_devices", self.cpu_devices, 0, 1024)
        check_range("average", self.average, 0, 1)


PRESETS = {
    "default": Config(),
    "dcgan": Config(
        preset="dcgan",
        model=GanConfig("dcgan", angles=50, width=128),
        variation=VaryConfig(shift=0.0),
        batch_size=128,
        generator_rate=2e-4,
        discriminator_rate=2e-4,
        momentum=0.5,
        schedule="constant",
        smoothness=0.0,
        classes_weight=0.0,
        average=0.0,
        fit=FitOptions(steps=20_000, evaluate_every=500),
    ),
}


class State(NamedTuple):
    """What training changes."""

    step: Int[Array, ""]
    params: Any  # {"generator", "discriminator"}
    stats: Any  # of batches, of each; nothing in the design `default`
    average: Any  # of the generator's parameters
    opt_state: Any


class Batch(NamedTuple):
    """Real pictures, and their classes."""

    pictures: UInt8[np.ndarray, "batch height width channel"]
    labels: Int32[np.ndarray, " batch"]


def make_optimizer(config: Config) -> optax.GradientTransformation:
    """Adam for each of the pair."""
    own = {"generator": config.generator_rate, "discriminator": config.discriminator_rate}
    second = 0.99 if config.momentum == 0 else 0.999  # what goes without momentum forgets sooner
    each = {
        name: optax.adam(rates(rate, config.schedule, config.fit.steps), config.momentum, second)
        for name, rate in own.items()
    }
    return optax.multi_transform(each, by_top_name)


def loss_fn(
    params: Any, stats: Any, batch: Batch, key: PRNGKeyArray, gan: Gan, config: Config
) -> tuple[Float[Array, ""], tuple[Any, dict[str, Array]]]:
    """What both have to lose: neither moves the other's side.

    Goodfellow et al., "Generative adversarial nets", NIPS 2014; R1: Mescheder et al., "Which
    training methods for GANs do actually converge?", ICML 2018.
    """
    keys = jax.random.split(key, 5)
    count, classes = len(batch.labels), gan.classes
    is_of = jax.nn.one_hot(batch.labels, classes)
    wanted = drawn_mixtures(keys[0], count, classes, config.mixed)
    latent = drawn_latent(keys[1], count, gan.config)
    made, made_stats = gan.made(params["generator"], stats["generator"], latent, wanted)
    real = varied(jnp.asarray(batch.pictures) / jnp.float32(255), keys[2], config.variation)

    def judged(params: Any, pictures: Array, mixture: Array) -> Any:
        return gan.judged(params, stats["discriminator"], pictures, mixture)

    judge = params["discriminator"]
    shown = varied(jax.lax.stop_gradient(made), keys[3], config.variation)
    of_real, judge_stats = judged(judge, real, is_of)
    of_made, _ = judged(judge, shown, wanted)
    told = optax.softmax_cross_entropy(of_real.classes, is_of).mean()
    # No real picture is of two classes. Were those made held against it, whatever is not typical of
    # its class would count as made, and all pictures would become alike.
    of_one = jnp.max(wanted, axis=-1) == 1
    misjudged = jax.nn.softplus(-of_real.real).mean()
    misjudged += jnp.sum(of_one * jax.nn.softplus(of_made.real)) / jnp.maximum(of_one.sum(), 1)
    figures = {"discriminator": misjudged, "told": told}
    total = misjudged + config.told_weight * told
    if config.smoothness:
        few = max(1, count // SLOPES)
        slope = jax.grad(lambda x: judged(judge, x, is_of[:few])[0].real.sum())(real[:few])
        figures["slope"] = jnp.square(slope).sum(axis=(1, 2, 3)).mean()
        total = total + config.smoothness / 2 * figures["slope"]

    seen = varied(made, keys[4], config.variation)
    opinion, _ = judged(jax.lax.stop_gradient(judge), seen, wanted)
    figures["generator"] = jax.nn.softplus(-opinion.real).mean()
    missed = optax.kl_divergence(jax.nn.log_softmax(opinion.classes), wanted)
    figures["classes"] = jnp.sum(~of_one * missed) / jnp.maximum((~of_one).sum(), 1)
    total = total + figures["generator"] + config.classes_weight * figures["classes"]
    return total, ({"generator": made_stats, "discriminator": judge_stats}, figures)


def train_step(
    state: State, batch: Batch, key: PRNGKeyArray, *, gan: Gan, config: Config
) -> tuple[State, dict[str, Array]]:
    """One step of both."""
    gradient = jax.grad(loss_fn, has_aux=True)
    grads, (stats, figures) = gradient(state.params, state.stats, batch, key, gan, config)
    updates, opt_state = make_optimizer(config).update(grads, state.opt_state, state.params)
    params = optax.apply_updates(state.params, updates)
    average = followed(state.average, params["generator"], state.step, config.average)
    return State(state.step + 1, params, stats, average, opt_state), figures


def followed(before: Any, now: Any, step: Int[Array, ""], average: float) -> Any:
    """The average of parameters after a step: at first it forgets the beginning quickly."""
    keep = jnp.minimum(average, (1 + step) / (10 + step))
    return jax.tree.map(lambda old, new: keep * old + (1 - keep) * new, before, now)


def playable(state: State) -> dict[str, Any]:
    """The generator's average, and the discriminator, as `Gan` takes them."""
    params = {"generator": state.average, "discriminator": state.params["discriminator"]}
    return {name: {"params": params[name]} | dict(state.stats[name]) for name in params}


def main(config: Config) -> None:
    """Train, and leave a run that `experiments.hallucinate` joins with one that hears."""
    if config.resume:
        config = config_as_begun(config, KIND, PRESETS[config.preset].fit.steps)
    split_processor(config.cpu_devices, config.batch_size)
    if not config.data:
        raise WyhError(
            "got no pictures, wanted --data with a folder of some for each class: pictures/cat/, "
            "pictures/dog/"
        )
    model = config.model
    dataset = open_data(
        config.data,
        size=str(model.size),
        fit=config.fit_picture,
        sample_rate=22050,
        channels=model.channels,
        labelled=True,
    )
    _check_same(dataset, model)
    pictures = ClassPictures.of(dataset, "train")
    pictures.check()
    gan, seed = Gan(model, len(pictures.classes)), config.fit.seed
    held, others = (thinned(rows, COMPARED) for rows in (pictures.held, pictures.others))
    dreaming = Dreaming(
        gan,
        pictures.bank.frames_at(held),
        pictures.bank.frames_at(others),
        pictures.labels[others],
    )
    variables = jax.jit(gan.init)(jax.random.key(seed))
    if config.init_from is not None:
        variables = started_from(config.init_from, variables, pictures.classes)
    params = {name: dict(each).pop("params") for name, each in variables.items()}
    stats = {name: {k: each[k] for k in each if k != "params"} for name, each in variables.items()}
    run = open_run(
        config.out or default_run_dir(KIND),
        kind=KIND,
        preset=config.preset,
        config=replace(config, resume=False),
        stream=None,
        data=dataset.describe() | {"classes": pictures.classes},
        best_metric=BestMetric("val_distance", "lower"),
        resume=config.resume,
    )
    opt_state = jax.jit(make_optimizer(config).init)(params)
    result = fit(
        State(jnp.int32(0), params, stats, params["generator"], opt_state),
        train_step=partial(train_step, gan=gan, config=config),
        batch_at=lambda step: Batch(*pictures.batch(step, config.batch_size, seed)),
        playable=playable,
        evaluate=lambda state: dreaming.figures_of(playable(state)),
        summaries=lambda variables: Summaries(dreaming.sheets(variables), {}),
        run=run,
        options=config.fit,
        resume=config.resume,
    )
    print(f"best val_distance {result.best:.3g} at step {result.best_step}", file=sys.stderr)
    print(run.directory)


def _check_same(dataset: Dataset, model: GanConfig) -> None:
    video = dataset.spec.video
    if video.shape != (model.size, model.size, model.channels):
        raise WyhError(
            f"{dataset.path} was prepared with --size {video.width}x{video.height} --channels "
            f"{video.channels}, the run wants {model.size} and {model.channels}: prepare it so, or "
            f"add --model.size and --model.channels"
        )


if __name__ == "__main__":
    run_command(main, Config, "python -m experiments.dcgan", PRESETS)
