"""A whole stream at once, in constant memory: what `render` writes and what a live log replays to.

Chunks of ticks go through the same functions that live calls one tick at a time.
"""

from collections.abc import Iterable, Iterator

import jax
import numpy as np
from jaxtyping import Float32, UInt8

from wyh.knobs import Knobs
from wyh.specs import StreamSpec
from wyh.transducers.compile import Compiled, compile_sonifier, traced
from wyh.transducers.protocol import Control, Transducer, Variables

OBSERVE_TICKS = 64
EMIT_TICKS = 128


def sonify(
    transducer: Transducer,
    variables: Variables,
    frames: Iterable[UInt8[np.ndarray, "_ height width channel"]],
    knobs: Knobs,
    *,
    seed: int = 0,
) -> Iterator[Float32[np.ndarray, "samples ..."]]:
    """The sound of a picture stream, in blocks of any length, `[samples, 2]` in stereo.

    Frames are on the transducer's own grid (`wyh.windows.on_grid`). The declared latency is taken
    out: sample 0 belongs to the start of the first frame, and the sound is as long as the frames.
    """
    spec = transducer.spec
    compiled = compile_sonifier(
        transducer,
        variables,
        knobs,
        seed=seed,
        observe_ticks=OBSERVE_TICKS,
        emit_ticks=EMIT_TICKS,
    )
    controls = observe_all(compiled, variables, frames, knobs)
    yield from _trim(emit_all(compiled, variables, spec, controls, knobs), spec)


def observe_all(
    compiled: Compiled,
    variables: Variables,
    frames: Iterable[UInt8[np.ndarray, "_ height width channel"]],
    knobs: Knobs,
) -> Iterator[Control]:
    """Controls of all frames, as chunks `[1, time, ...]` of NumPy arrays."""
    carry, values, first = compiled.carry_in, traced(knobs), 0
    for chunk in _rechunk(frames, compiled.observe_ticks):
        count = len(chunk)
        if count < compiled.observe_ticks:  # the last one: its repeated end is cut off again
            chunk = np.pad(
                chunk, ((0, compiled.observe_ticks - count), (0, 0), (0, 0), (0, 0)), mode="edge"
            )
        carry, controls = compiled.observe(variables, carry, chunk[None], values, np.int32(first))
        first += count
        yield jax.tree.map(lambda leaf, n=count: np.asarray(leaf)[:, :n], controls)


def emit_all(
    compiled: Compiled,
    variables: Variables,
    spec: StreamSpec,
    controls: Iterable[Control],
    knobs: Knobs,
) -> Iterator[tuple[Float32[np.ndarray, "samples ..."], int | None]]:
    """Sound, and once the frames are over how many there were (None before).

    A block is emitted as soon as all the controls it spans are known: none is longer than the
    frames. After the last frame its control is held for as long as the latency lasts.
    """
    carry, values = compiled.carry_out, traced(knobs)
    count, block, oldest, frames = compiled.emit_ticks, 0, 0, 0
    held: Control = None  # controls from frame tick `oldest` on

    def emit() -> np.ndarray:
        nonlocal carry, block, held, oldest
        due, ages = spec.schedule(block, count)
        ticks = np.minimum(due, frames - 1)
        ages += (due - ticks) / float(spec.video.frame_rate)
        chosen = jax.tree.map(lambda leaf: leaf[:, ticks - oldest], held)
        carry, sound = compiled.emit(
            variables, carry, chosen, ages.astype(np.float32), values, np.int32(block)
        )
        block += count
        keep = min(spec.frame_tick_at(block * spec.block), frames - 1)
        held = jax.tree.map(lambda leaf: leaf[:, keep - oldest :], held)
        oldest = keep
        return np.asarray(sound)[0]

    for chunk in controls:
        held = chunk if held is None else jax.tree.map(_join, held, chunk)
        frames = oldest + jax.tree.leaves(held)[0].shape[1]
        while spec.frame_tick_at((block + count) * spec.block - 1) < frames:
            yield emit(), None
    end = samples_of(frames, spec) + spec.latency_samples if frames else 0
    while block * spec.block < end:
        yield emit(), frames


def _trim(
    blocks: Iterable[tuple[np.ndarray, int | None]], spec: StreamSpec
) -> Iterator[np.ndarray]:
    """Drop the latency at the front, and at the end what is longer than the frames."""
    skip, made = spec.latency_samples, 0
    for sound, frames in blocks:
        sound, skip = sound[skip:], max(0, skip - len(sound))
        if frames is not None:
            sound = sound[: samples_of(frames, spec) - made]
        made += len(sound)
        if len(sound):
            yield sound


def samples_of(frames: int, spec: StreamSpec) -> int:
    """How many samples so many frames last."""
    return round(frames * spec.audio.sample_rate / spec.video.frame_rate)


def _join(held: np.ndarray, chunk: np.ndarray) -> np.ndarray:
    return np.concatenate([held, chunk], axis=1)


def _rechunk(frames: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same frames in chunks of exactly `size`, but for the last."""
    held: list[np.ndarray] = []
    count = 0
    for chunk in frames:
        held.append(chunk)
        count += len(chunk)
        while count >= size:
            joined = np.concatenate(held)
            yield joined[:size]
            held, count = [joined[size:]], count - size
    if count:
        yield np.concatenate(held)
