"""An epoch of half an hour of video through `experiments.dbn` against the same in PyTorch.

    python -m benchmarks.dbn_epoch

Needs the extra `wyh[bench]`. The network of the preset `basic`, 4096-1000-735, without pretraining,
learns 54,000 pictures, 30 a second, and the samples of each. Ours are the experiment's own batches,
made ahead in a thread as `wyh.training.fit` makes them, and its own step. PyTorch has the same
pictures and sound in memory, the same batches, initial values, loss, rates and Adam. Each framework
is a process of its own with as many threads as there are cores, and they take turns; the ratio is
PyTorch's time over ours, in pairs. Unless --whole is given, some steps are timed and the epoch is
told from them: all steps do the same.
"""

import functools
import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.inputs import need_torch
from benchmarks.side_by_side import (
    Repeated,
    Row,
    compared,
    cores,
    interleave,
    processes,
    rounded,
    show,
)
from experiments.dbn import PRESETS, Config, State, make_optimizer, train_step
from wyh import parts, shards
from wyh.cli import run as run_command
from wyh.dataset import Dataset, DataSpec, Recording, encode_window, open_dataset
from wyh.errors import check_range
from wyh.foley import Foley, foley_of
from wyh.frames import shuffled
from wyh.optimizers import rates
from wyh.pairs import PairBank
from wyh.pretraining import layers_of
from wyh.specs import AudioSpec, VideoSpec
from wyh.training import AHEAD
from wyh.transducers.dbn import target_of

CONFIG = replace(PRESETS["basic"], pretrain=0)
VIDEO = VideoSpec(Fraction(30), 64, 64, 1)
PICTURES = 54_000  # half an hour
WANTED_SECS = 40.0
WANTED_RATIO = 1.0
NAME = "made-up.mp4"


@dataclass(frozen=True)
class Options:
    """Time an epoch in turn."""

    rounds: int = 9  # of measurements in turn
    steps: int = 100  # of each measurement
    whole: bool = False  # each measurement is an epoch

    def __post_init__(self) -> None:
        check_range("steps", self.steps, 1, 1_000_000)


def made_up(folder: Path, video: VideoSpec, sample_rate: int, count: int) -> Dataset:
    """A data set of one recording, its pictures and sound noise: speed does not depend on them.

    Args:
      folder: where to make it.
      video: the shape of pictures.
      sample_rate: Hz, a multiple of the frame rate.
      count: pictures, one a window.
    """
    spec = DataSpec(video, AudioSpec(sample_rate), 1)
    window, rng = spec.window, np.random.default_rng(0)
    few = rng.integers(0, 256, (64, 1, *video.shape), dtype=np.uint8)

    def entries() -> Any:
        for number in range(count):
            sound = rng.standard_normal(window.window_samples, np.float32) / 10
            picture = few[number % 64] ^ np.uint8(number // 64 % 256)
            data = encode_window(picture, sound, window.start_secs(number), NAME)
            yield parts.Entry("train", number, data)

    with parts.work_folder(folder, "benchmark") as work:
        assert work is not None  # nobody else prepares it
        files = parts.write_parts(work, "all", entries())
        shards.finish(folder, work, "benchmark", spec, files, [Recording(NAME, count, 0)])
    return open_dataset(folder)


def learning(folder: Path, config: Config) -> tuple[PairBank, Foley]:
    """What the experiment makes of a data set, before training."""
    dataset = open_dataset(folder)
    target, net = target_of(config.sound, dataset.spec.video), config.sound.model
    # The whole recording is learned, as the figure is of so many pictures.
    bank = PairBank.of(dataset, target.length, net.reach, 1, config.silence_anchors)
    everything = np.arange(bank.bank.size)[:, None]
    bank = replace(bank, training=everything[bank.track.fits(target.length)])
    return bank, foley_of(config.sound, target, bank, config.reference_secs, config.loudness_lufs)


class Ours:
    """The experiment's step and batches."""

    def __init__(self, folder: Path, config: Config) -> None:
        import jax
        import jax.numpy as jnp

        self.config, self.number = config, 0
        self.bank, learned = learning(folder, config)
        params = learned.init(jax.random.key(0))
        opt_state = jax.jit(make_optimizer(config).init)(params)
        # A copy: a step writes over it.
        self.state = jax.tree.map(jnp.array, State(jnp.int32(0), params, opt_state, ()))

        @functools.partial(jax.jit, donate_argnums=0)
        def step(state: State, pairs: Any) -> Any:
            key = jax.random.fold_in(jax.random.key(0), state.step)
            return train_step(state, pairs, key, learned=learned, config=config)

        self.step = step

    def batch(self, number: int) -> Any:
        """On the device."""
        import jax

        return jax.device_put(self.bank.step(number, self.config.batch_size, self.config.fit.seed))

    def __call__(self, steps: int) -> None:
        """Train for so many steps more."""
        import jax

        with ThreadPoolExecutor(1) as pool:
            ends = self.number + steps
            ahead = [pool.submit(self.batch, at) for at in range(self.number, ends)[:AHEAD]]
            waiting: list[Any] = []
            while self.number < ends:
                batch = ahead.pop(0).result()
                if self.number + AHEAD < ends:
                    ahead.append(pool.submit(self.batch, self.number + AHEAD))
                self.state, figures = self.step(self.state, batch)
                self.number += 1
                waiting.append(figures)
                if len(waiting) > AHEAD:
                    jax.block_until_ready(waiting.pop(0))
        jax.block_until_ready(self.state)


class Theirs:
    """The same network, optimiser and batches in PyTorch."""

    def __init__(self, folder: Path, config: Config, threads: int) -> None:
        import jax
        import torch
        from torch import nn

        torch.set_num_threads(threads)
        self.config, self.number = config, 0
        bank, learned = learning(folder, config)
        chosen = bank.training[:, 0]
        self.pictures = torch.from_numpy(bank.bank.frames_at(chosen).reshape(len(chosen), -1))
        self.sound = torch.from_numpy(bank.track.windows_at(chosen, bank.length))
        gain, spread = bank.track.gains[0], learned.scale["sound"]["spread"][0]
        self.scale = float(gain / spread / 32768)
        at = rates(config.learning_rate, config.schedule, config.fit.steps)
        self.rates = [float(at(step)) if callable(at) else at for step in range(config.fit.steps)]
        params = jax.device_get(learned.init(jax.random.key(0)))
        layers: list[Any] = []
        for name in (*layers_of(params), "out"):
            kernel, bias = params[name]["kernel"], params[name]["bias"]
            layer = nn.Linear(*kernel.shape)
            with torch.no_grad():
                layer.weight.copy_(torch.tensor(kernel.T.copy()))
                layer.bias.copy_(torch.tensor(bias))
            layers += [layer, nn.Sigmoid()]
        self.network = nn.Sequential(*layers[:-1])
        self.optimizer = torch.optim.Adam(self.network.parameters(), fused=True)

    def __call__(self, steps: int) -> None:
        """Train for so many steps more."""
        import torch
        from torch.nn import functional

        config, group = self.config, self.optimizer.param_groups[0]
        for _ in range(steps):
            chosen = shuffled(self.number, config.batch_size, len(self.pictures), config.fit.seed)
            rows = torch.from_numpy(chosen)
            x, truth = self.pictures[rows].float() / 255, self.sound[rows].float() * self.scale
            loss: Any = functional.mse_loss(self.network(x), truth)
            self.optimizer.zero_grad()
            loss.backward()
            group["lr"] = self.rates[min(self.number, len(self.rates) - 1)]
            self.optimizer.step()
            self.number += 1


def compare(folder: Path, options: Options) -> tuple[Row, Row]:
    """The ratio of the faster number of PyTorch's threads to ours, and our seconds an epoch."""
    epoch = -(-PICTURES // CONFIG.batch_size)
    steps = epoch if options.whole else options.steps
    peers = {f"PyTorch, {count} thread{'s'[: count > 1]}": count for count in {1, cores()}}
    makers: dict[str, Callable[[], Repeated]] = {"wyh": functools.partial(Ours, folder, CONFIG)}
    for name, count in peers.items():
        makers[name] = functools.partial(Theirs, folder, CONFIG, count)
    with processes(makers, steps) as jobs:
        took = interleave(jobs, options.rounds)
    each = {name: [secs / steps * epoch for secs in times] for name, times in took.items()}
    best = min(peers, key=lambda name: statistics.median(each[name]))
    what = f"epoch of {PICTURES:,} pictures, basic"
    mine = [rounded(secs) for secs in each["wyh"]]
    return (
        compared(f"{what}: speed", each["wyh"], each[best], best, WANTED_RATIO),
        Row(
            f"{what}: time",
            statistics.median(mine),
            "s",
            WANTED_SECS,
            "lower",
            range=(min(mine), max(mine)),
        ),
    )


def main(options: Options) -> None:
    """Print the ratio and the seconds."""
    need_torch()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        made_up(data, VIDEO, CONFIG.sound.noise.sample_rate, PICTURES)
        for row in compare(data, options):
            show(row)


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.dbn_epoch")
