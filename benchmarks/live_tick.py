"""One live tick (observe + emit) of a run, on one CPU thread.

python -m benchmarks.live_tick --run RUN
"""

import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tyro

# Before JAX starts its threads: one core is all that it may use.
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})

import jax

from wyh import knobs
from wyh.runs import load_run
from wyh.transducers.compile import compile_sonifier, traced
from wyh.transducers.kinds import load_player


@dataclass(frozen=True)
class Options:
    """Time ticks one at a time, each to the sound in host memory."""

    run: Path
    ticks: int = 3000


def main(options: Options) -> None:
    """Print percentiles in ms, of observe, emit and both."""
    player = load_player(load_run(options.run))
    spec, turned = player.transducer.spec, knobs.defaults()
    compiled = compile_sonifier(player.transducer, player.variables, turned, seed=0)
    variables = jax.device_put(player.variables)
    values, carry_in, carry_out = traced(turned), compiled.carry_in, compiled.carry_out
    drawn = np.random.default_rng(0).integers(0, 256, (16, 1, 1, *spec.video.shape), dtype=np.uint8)
    took = np.zeros((options.ticks, 2))
    age = np.zeros(1, np.float32)
    for tick in range(options.ticks):
        start = time.perf_counter()
        carry_in, control = compiled.observe(
            variables, carry_in, drawn[tick % 16], values, np.int32(tick)
        )
        jax.block_until_ready(control)
        middle = time.perf_counter()
        carry_out, sound = compiled.emit(variables, carry_out, control, age, values, np.int32(tick))
        np.asarray(sound)
        took[tick] = middle - start, time.perf_counter() - middle
    took = 1000 * took[100:]  # warmed up
    for name, times in (
        ("observe", took[:, 0]),
        ("emit", took[:, 1]),
        ("observe + emit", took.sum(axis=1)),
    ):
        points = {f"p{q}_ms": round(float(np.percentile(times, q)), 3) for q in (50, 95, 99)}
        print(json.dumps({"stage": name, **points}), flush=True)


if __name__ == "__main__":
    main(tyro.cli(Options))
