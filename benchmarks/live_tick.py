"""One live tick (observe + emit) of a run, on one CPU thread.

    python -m benchmarks.live_tick --run RUN

Ticks come one at a time, each to the sound in host memory.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import jax
import numpy as np

from benchmarks.inputs import short_run
from benchmarks.side_by_side import Job, Row, interleave, rounded, show, use_one_core
from wyh import knobs
from wyh.cli import run as run_command
from wyh.runs import load_run
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.kinds import load_player

WANTED = 2.0  # ms, the 95th percentile of a tick


@dataclass(frozen=True)
class Options:
    """Time ticks one at a time."""

    run: Path | None = None  # to play; one of a few training steps unless given
    ticks: int = 3000


def stages(run: Path) -> dict[str, Job]:
    """What a tick does, in order; each call of both is the next tick."""
    player = load_player(load_run(run))
    spec, turned = player.transducer.spec, knobs.defaults()
    compiled = compile_transducer(player.transducer, player.variables, turned, seed=0)
    variables, values = jax.device_put(player.variables), traced(turned)
    carry_in, carry_out, control, tick = compiled.carry_in, compiled.carry_out, None, 0
    drawn = np.random.default_rng(0).integers(0, 256, (16, 1, 1, *spec.video.shape), dtype=np.uint8)
    age = np.zeros(1, np.float32)

    def observe() -> None:
        nonlocal carry_in, control
        frame = drawn[tick % 16]
        carry_in, control = compiled.observe(variables, carry_in, frame, values, np.int32(tick))
        jax.block_until_ready(control)

    def emit() -> None:
        nonlocal carry_out, tick
        carry_out, sound = compiled.emit(variables, carry_out, control, age, values, np.int32(tick))
        np.asarray(sound)
        tick += 1

    return {"observe": observe, "emit": emit}


def rows(took: dict[str, list[float]]) -> list[Row]:
    """Percentiles in ms of every stage and of both together."""
    took = took | {"observe + emit": [sum(pair) for pair in zip(*took.values(), strict=True)]}
    found = []
    for name, secs in took.items():
        for q in (50, 95, 99):
            wanted = WANTED if (name, q) == ("observe + emit", 95) else None
            value = rounded(1000 * float(np.percentile(secs, q)))
            found.append(Row(f"live tick, {name}, p{q}", value, "ms", wanted, "lower"))
    return found


def main(options: Options) -> None:
    """Print one row a percentile."""
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or short_run(Path(folder))
        use_one_core()
        jobs = stages(run)
        for row in rows(interleave(jobs, options.ticks, warm_up=100, alternate=False)):
            show(row)


if __name__ == "__main__":
    run_command(main, Options, "python -m benchmarks.live_tick")
