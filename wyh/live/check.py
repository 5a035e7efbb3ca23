"""How quickly a run plays on this machine: what `wyh doctor` measures."""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from wyh import knobs
from wyh.specs import StreamSpec
from wyh.transducers.compile import Compiled, compile_transducer, traced
from wyh.transducers.kinds import Player

FRAMES = 300  # looked at, at most
MEASURE_SECS = 1.5  # longest time for them
_LEAST = 20  # frames, however slow
_WARM_UP = 5  # frames that do not count
_PERCENTS = (50, 95, 99)


class Speed(NamedTuple):
    """What playing costs.

    Attributes:
      compile_secs: to compile both functions, with what was kept of the last time.
      first_compile_secs: with nothing kept; None where this was not the first time.
      stages_ms: p50, p95 and p99 of `observe` and of `emit`, one for a frame, one for a block.
      limits_ms: what there is time for: from a frame to the next, from a block to the next.
    """

    compile_secs: float
    first_compile_secs: float | None
    stages_ms: Mapping[str, Mapping[str, float]]
    limits_ms: Mapping[str, float]

    def load(self, percent: int = 50) -> float:
        """Share of one core that both take, by a percentile: from 1 on it does not keep up."""
        name = f"p{percent}"
        return sum(self.stages_ms[each][name] / self.limits_ms[each] for each in self.stages_ms)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return self._asdict() | {"load": {f"p{p}": round(self.load(p), 4) for p in _PERCENTS}}


def measure(player: Player) -> Speed:
    """Compile a run and play made-up pictures, or noise, as quickly as they go."""
    before = _kept()
    compiled, secs = _compile(player)
    first = None
    if _kept() != before:  # now it is kept: the next start takes no more than this
        first, (compiled, secs) = secs, _compile(player)
    spec = player.transducer.spec
    observe, emit = _times(compiled, jax.device_put(player.variables), spec)
    limits = spec.budget_ms, 1000 * spec.block / spec.audio.sample_rate
    limits = limits if spec.direction == "see-hear" else limits[::-1]
    return Speed(
        compile_secs=secs,
        first_compile_secs=first,
        stages_ms={"observe": _percentiles_ms(observe), "emit": _percentiles_ms(emit)},
        limits_ms=dict(zip(("observe", "emit"), limits, strict=True)),
    )


def _kept() -> set[str]:
    """The names of compiled functions in the cache."""
    folder = Path(jax.config.jax_compilation_cache_dir or "")  # type: ignore[attr-defined]
    # JAX marks when a function was last used, in files of their own.
    return {name for name in _listed(folder) if not name.endswith("-atime")}


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _compile(player: Player) -> tuple[Compiled, float]:
    begin = time.perf_counter()
    compiled = compile_transducer(player.transducer, player.variables, knobs.defaults(), seed=0)
    return compiled, time.perf_counter() - begin


def _times(compiled: Compiled, variables: Any, spec: StreamSpec) -> tuple[list[float], list[float]]:
    """Seconds of each `observe` and each `emit`, in the order in which live calls them."""
    rng, turned = np.random.default_rng(0), traced(knobs.defaults())
    sees = spec.direction == "see-hear"
    if sees:
        inputs = rng.integers(0, 256, (8, 1, 1, *spec.video.shape), np.uint8)
    else:
        inputs = rng.standard_normal((8, 1, 1, spec.block), np.float32) / 10
    age = np.zeros(1, np.float32)
    carry_in, carry_out, control = compiled.carry_in, compiled.carry_out, None
    observe: list[float] = []
    emit: list[float] = []

    def look() -> None:
        nonlocal carry_in, control
        tick, begin = len(observe), time.perf_counter()
        x = inputs[tick % len(inputs)]
        carry_in, control = compiled.observe(variables, carry_in, x, turned, np.int32(tick))
        jax.block_until_ready(control)
        observe.append(time.perf_counter() - begin)

    def make() -> None:
        nonlocal carry_out
        tick, begin = len(emit), time.perf_counter()
        carry_out, made = compiled.emit(variables, carry_out, control, age, turned, np.int32(tick))
        np.asarray(made)
        emit.append(time.perf_counter() - begin)

    warm = 0, 0
    end = time.perf_counter() + MEASURE_SECS
    for frame in range(_WARM_UP + FRAMES):
        if time.perf_counter() > end and frame >= _WARM_UP + _LEAST:
            break
        if sees:
            look()
            while spec.frame_tick_at(len(emit) * spec.block) <= frame:
                make()
        else:
            while len(observe) <= spec.picture_schedule(frame, 1)[0][0]:
                look()
            make()
        warm = (len(observe), len(emit)) if frame < _WARM_UP else warm
    return observe[warm[0] :], emit[warm[1] :]


def _percentiles_ms(secs: list[float]) -> dict[str, float]:
    values = np.percentile(secs, _PERCENTS)
    return {
        f"p{percent}": float(f"{1000 * value:.4g}")
        for percent, value in zip(_PERCENTS, values, strict=True)
    }
