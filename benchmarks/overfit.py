"""Can the seed's network of convolutions and LSTMs learn anything at all: a few windows by heart.

    python -m benchmarks.overfit

The original, which had no memory, came to 0.43 of a constant's error on 63 windows of its own
training films, and to a constant's on all others. Here 63 windows of a second are drawn from three
films of `data_prep.marimba`, and the preset `cnn_lstm` of `experiments.marimba` learns them and
nothing else. The error is the root of the mean square over all frames and notes.
"""

import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.side_by_side import Row, rounded, show
from data_prep import marimba
from data_prep.given import open_data
from experiments.marimba import PRESETS, Config, State, make_optimizer, train_step
from wyh.cli import run as run_command
from wyh.errors import check_range
from wyh.frames import shuffled
from wyh.metrics.notes import amplitude_error
from wyh.played import PlayedBank
from wyh.watching import Watching, reader_of

WINDOWS = 63
FILMS, FILM_SECS = 3, 22.0
WANTED = 0.43


@dataclass(frozen=True)
class Options:
    """Learn a few windows by heart."""

    steps: int = 900

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1, 1_000_000)


def windows(folder: Path, config: Config) -> tuple[PlayedBank, Watching]:
    """Windows of films that are made for it, and what is learned with."""
    marimba.prepare(marimba.Config(folder, FILMS, FILM_SECS, test=0))
    sound = config.sound
    dataset = open_data(
        [folder / "train"],
        size=config.size,
        fit=config.fit_picture,
        sample_rate=sound.noise.sample_rate,
        channels=1,
        sound=True,
    )
    video = dataset.spec.video
    bank = PlayedBank.of(dataset, reader_of(sound, video), config.time)
    few = bank.training[np.linspace(0, len(bank.training) - 1, WINDOWS).astype(int)]
    bank = replace(bank, training=few)
    return bank, Watching.of(sound, video, bank, config.loudness_lufs, None)


def learned_by_heart(bank: PlayedBank, learned: Watching, config: Config, steps: int) -> float:
    """The error on the windows after so many steps, to that of a constant."""
    # As they are: neither moved nor in another light.
    config = replace(
        config, lead=0, shift=0, zoom=0.0, light=0.0, fit=replace(config.fit, steps=steps)
    )
    params = learned.init(jax.random.key(0))
    state = State(jnp.int32(0), params, jax.jit(make_optimizer(config).init)(params))
    step = jax.jit(partial(train_step, learned=learned, config=config))
    for number in range(steps):
        rows = shuffled(number, config.batch_size, WINDOWS, 0)
        key = jax.random.fold_in(jax.random.key(0), number)
        state, _ = step(state, bank.at(bank.training[rows]), key)
    see = jax.jit(learned.see)
    found, true = [], []
    for rows in np.array_split(bank.training, 8):
        played = bank.at(rows)
        scaled = np.asarray(see(state.params, played.films).amplitude)
        mean, spread = (learned.scale[name][None, None] for name in ("mean", "spread"))
        found.append((scaled * spread + mean).reshape(-1, scaled.shape[-1]))
        true.append(played.truth.amplitude.reshape(-1, scaled.shape[-1]))
    truth = np.concatenate(true)
    constant = np.broadcast_to(truth.mean(axis=0), truth.shape)
    return amplitude_error(np.concatenate(found), truth) / amplitude_error(constant, truth)


def main(options: Options) -> None:
    """Print the row."""
    config = PRESETS["cnn_lstm"]
    model = replace(
        config.sound.model, dropout=0.0
    )  # nothing stands in the way of learning by heart
    config = replace(config, sound=replace(config.sound, model=model), strikes_weight=0.5)
    with tempfile.TemporaryDirectory() as folder:
        ratio = learned_by_heart(*windows(Path(folder) / "films", config), config, options.steps)
    show(
        Row(
            f"cnn_lstm on {WINDOWS} windows learned by heart: error",
            rounded(ratio),
            "of a constant's",
            wanted=WANTED,
            better="lower",
            peer="the mean of each note",
        )
    )


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.overfit")
