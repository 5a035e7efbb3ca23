"""A live tick of every preset of `experiments.dbn` with every synth, on one CPU thread.

    python -m benchmarks.foley_tick
    python -m benchmarks.foley_tick --each   # a row for each synth

A tick that counts is one in which a picture has come: `observe` predicts its sound, and `emit`
begins a grain of it, which is most of its work. Others, which only go on, come between, as they do
in playing, and do not count. Parameters are random: no value changes the time.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.side_by_side import Job, Row, interleave, rounded, show, use_one_core
from experiments.dbn import PRESETS, Config
from wyh import knobs
from wyh.cli import run as run_command
from wyh.errors import check_range
from wyh.models.dbn import Dbn
from wyh.specs import SynthName, VideoSpec
from wyh.synths.named import ANYTHING
from wyh.synths.reference import corpus
from wyh.transducers.compile import compile_transducer, traced, use_compilation_cache
from wyh.transducers.dbn import FoleyConfig, foley, target_of

WANTED = 5.0  # ms, the 95th percentile of a tick
SYNTHS: tuple[SynthName, ...] = ANYTHING
FOOTAGE_RATE = "24"  # Hz, of presets that learn at that of their footage
PICTURES = 16  # that come by turns


@dataclass(frozen=True)
class Options:
    """Time ticks one at a time."""

    ticks: int = 300  # that count, of each preset and synth
    presets: tuple[str, ...] = tuple(PRESETS)
    synths: tuple[SynthName, ...] = SYNTHS
    each: bool = False  # print a row for every synth, else one for the slowest of each preset

    def __post_init__(self) -> None:
        check_range("ticks", self.ticks, 1, 1_000_000)


def video_of(config: Config) -> VideoSpec:
    """The pictures that a configuration learns from."""
    side = int(config.size)
    return VideoSpec(
        Fraction(config.frame_rate or FOOTAGE_RATE), side, side, 1 if config.grey else 3
    )


def variables_of(config: Config, sound: FoleyConfig, video: VideoSpec) -> dict[str, Any]:
    """What a run has, before training, and noise to choose grains from."""
    target, net = target_of(sound, video), sound.model
    inputs = net.inputs(video.shape)
    model = Dbn(net, target.size)
    first = jnp.zeros((1, inputs + net.context_sound * target.size))
    ones = {"mean": np.zeros(inputs, np.float32), "spread": np.ones(inputs, np.float32)}
    level = {"mean": target.silence / 2, "spread": np.ones(target.size, np.float32)}
    samples = round(config.reference_secs * sound.noise.sample_rate)
    drawn = np.random.default_rng(0).integers(-3000, 3000, samples, dtype=np.int16)
    return {
        "params": jax.jit(model.init)(jax.random.key(0), first)["params"],
        "gain_db": np.float32(0.0),
        "scale": {"inputs": ones, "sound": level},
        "reference": corpus(drawn, target.prediction),
    }


def ages(period: Fraction, block: int) -> Iterator[tuple[bool, Fraction]]:
    """Ticks as they come, from the first: whether a picture has come, and how old the newest is.

    Args:
      period: samples from picture to picture.
      block: samples of a tick, at most a period.

    Yields:
      Ages in samples.
    """
    tick, shown = 0, -1
    while True:
        newest = tick * block // period
        yield newest > shown, tick * block - newest * period
        tick, shown = tick + 1, newest


class Ticks:
    """What happens in turn: `between`, until a picture comes, then `observe` and `emit` of it.

    Attributes:
      ticks: made so far.
      pictures: seen so far.
      new: whether a picture comes with the next tick.
    """

    def __init__(self, config: Config, synth: SynthName, variables: dict[str, Any]) -> None:
        sound, video = replace(config.sound, synth=synth), video_of(config)
        transducer, turned = foley(sound, video), knobs.defaults()
        needed = {name: variables[name] for name in sorted(transducer.needs)}
        self._compiled = compile_transducer(transducer, needed, turned, seed=0)
        self._variables, self._knobs = jax.device_put(needed), traced(turned)
        self._carry_in, self._carry_out = self._compiled.carry_in, self._compiled.carry_out
        self._control: Any = None
        shape = (PICTURES, 1, 1, *video.shape)
        self._drawn = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
        self._rate = sound.noise.sample_rate
        self._ages = ages(self._rate / video.frame_rate, transducer.spec.block)
        self.ticks, self.pictures = 0, 0
        self._prepare()

    def _prepare(self) -> None:
        self.new, age = next(self._ages)
        self._age_secs = np.full(1, float(age / self._rate), np.float32)

    def between(self) -> None:
        """Go on until a picture comes."""
        if self.ticks:
            self._prepare()
        while not self.new:
            self.emit()
            self._prepare()

    def observe(self) -> None:
        """Predict the sound of the picture."""
        picture = self._drawn[self.pictures % PICTURES]
        self._carry_in, self._control = self._compiled.observe(
            self._variables, self._carry_in, picture, self._knobs, np.int32(self.pictures)
        )
        jax.block_until_ready(self._control)
        self.pictures += 1

    def emit(self) -> None:
        """Make the sound of a tick."""
        self._carry_out, self.made = self._compiled.emit(
            self._variables,
            self._carry_out,
            self._control,
            self._age_secs,
            self._knobs,
            np.int32(self.ticks),
        )
        np.asarray(self.made)
        self.ticks += 1

    @property
    def jobs(self) -> dict[str, Job]:
        """In this order."""
        return {"between": self.between, "observe": self.observe, "emit": self.emit}


def percentiles(took: dict[str, list[float]]) -> tuple[float, float]:
    """The median and the 95th percentile of `observe + emit`, in ms."""
    both = [sum(pair) for pair in zip(took["observe"], took["emit"], strict=True)]
    return (
        rounded(1000 * float(np.percentile(both, 50))),
        rounded(1000 * float(np.percentile(both, 95))),
    )


def rows(preset: str, found: dict[SynthName, tuple[float, float]], *, each: bool) -> list[Row]:
    """Of every synth the 95th percentile, its median in words; or of the slowest alone."""
    slowest = max(found, key=lambda name: found[name][1])
    least = min(p95 for _, p95 in found.values())
    made = []
    for name in found if each else (slowest,):
        p50, p95 = found[name]
        what = f"live tick where a grain is due, {preset}, {name}, p95 (p50 {p50:.3g} ms)"
        among = None if each else (least, p95)
        made.append(Row(what, p95, "ms", WANTED, "lower", range=among))
    return made


def main(options: Options) -> None:
    """Print one row a preset, or a synth."""
    use_one_core()
    use_compilation_cache()
    for preset in options.presets:
        config = PRESETS[preset]
        variables = variables_of(config, config.sound, video_of(config))
        found = {}
        for synth in options.synths:
            jobs = Ticks(config, synth, variables).jobs
            took = interleave(jobs, options.ticks, warm_up=20, alternate=False)
            found[synth] = percentiles(took)
        for row in rows(preset, found, each=options.each):
            show(row)


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.foley_tick")
