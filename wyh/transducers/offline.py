"""A whole stream at once, in constant memory: what `render` writes and what a live log replays to.

Chunks of ticks go through the same functions that live calls one tick at a time.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32, Shaped, UInt8

from wyh.knobs import Knobs
from wyh.specs import StreamSpec
from wyh.transducers.compile import Compiled, compile_transducer, traced
from wyh.transducers.protocol import Control, Transducer, Variables

OBSERVE_TICKS = 64
EMIT_TICKS = 128
PIXELS_AT_ONCE = 1 << 20  # of pictures made from sound


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
    compiled = compile_transducer(
        transducer,
        variables,
        knobs,
        seed=seed,
        observe_ticks=OBSERVE_TICKS,
        emit_ticks=EMIT_TICKS,
    )
    variables = jax.device_put(variables)  # once, not with every chunk
    controls = observe_all(compiled, variables, frames, knobs)
    yield from _trim(emit_all(compiled, variables, spec, controls, knobs), spec)


def visualize(
    transducer: Transducer,
    variables: Variables,
    sound: Iterable[Float32[np.ndarray, " _"]],
    knobs: Knobs,
    *,
    seed: int = 0,
) -> Iterator[UInt8[np.ndarray, "_ height width 3"]]:
    """The pictures of a sound, in runs of any length.

    The declared latency is taken out: the middle of picture k's time on the screen is the middle of
    the sound it shows. There are as many as fit the sound best, one at least.

    Args:
      transducer: hear -> see.
      variables: of the model.
      sound: mono at the transducer's own rate, in pieces of any length.
      knobs: for the whole of it.
      seed: of the drift.
    """
    spec = transducer.spec
    at_once = max(1, min(32, PIXELS_AT_ONCE // (spec.video.height * spec.video.width)))
    compiled = compile_transducer(
        transducer,
        variables,
        knobs,
        seed=seed,
        observe_ticks=OBSERVE_TICKS,
        emit_ticks=at_once,
    )
    variables = jax.device_put(variables)
    heard = _Blocks(sound, spec, at_once)
    controls = observe_all(compiled, variables, heard, knobs)
    carry, values, picture, oldest, held = compiled.carry_out, traced(knobs), 0, 0, None
    for chunk in controls:
        held = chunk if held is None else jax.tree.map(_join, held, chunk)
        known = oldest + jax.tree.leaves(held)[0].shape[1]
        while heard.pictures is None or picture < heard.pictures:
            blocks, ages = spec.picture_schedule(picture, at_once, late=spec.latency_samples)
            if blocks[-1] >= known:
                break
            places = blocks - oldest
            chosen = _at(held, places)
            carry, made = compiled.emit(
                variables, carry, chosen, ages.astype(np.float32), values, np.int32(picture)
            )
            wanted = None if heard.pictures is None else heard.pictures - picture
            yield np.asarray(made)[0, :wanted]
            picture += at_once
            held = _at(held, slice(int(places[-1]), None))
            oldest = int(blocks[-1])


class _Blocks:
    """A sound in blocks, with silence after it for the last pictures, whose number is then known.

    Attributes:
      pictures: None before the sound has ended.
    """

    def __init__(
        self, sound: Iterable[Float32[np.ndarray, " _"]], spec: StreamSpec, at_once: int
    ) -> None:
        self._sound, self._spec, self._at_once = sound, spec, at_once
        self.pictures: int | None = None

    def __iter__(self) -> Iterator[Float32[np.ndarray, "_ block"]]:
        block, samples = self._spec.block, 0
        for piece in _rechunk(self._sound, OBSERVE_TICKS * block):
            samples += len(piece)
            whole = np.pad(piece, (0, -len(piece) % block))
            if len(piece) < OBSERVE_TICKS * block:
                self.pictures = pictures_of(samples, self._spec)
            yield whole.reshape(-1, block)
        self.pictures = pictures_of(samples, self._spec)
        late = self._spec.latency_samples + samples_of(self._at_once + 1, self._spec)
        yield np.zeros((late // block + 2, block), np.float32)


def observe_all(
    compiled: Compiled,
    variables: Variables,
    ticks: Iterable[Shaped[np.ndarray, "_ ..."]],
    knobs: Knobs,
) -> Iterator[Control]:
    """Controls of all frames, or blocks of sound, as chunks `[1, time, ...]` of NumPy arrays."""
    carry, values, first = compiled.carry_in, traced(knobs), 0
    for chunk in _rechunk(ticks, compiled.observe_ticks):
        count = len(chunk)
        if count < compiled.observe_ticks:  # the last one: its repeated end is cut off again
            rest = np.broadcast_to(chunk[-1], (compiled.observe_ticks - count, *chunk.shape[1:]))
            chunk = np.concatenate([chunk, rest])
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
        chosen = _at(held, ticks - oldest)
        carry, sound = compiled.emit(
            variables, carry, chosen, ages.astype(np.float32), values, np.int32(block)
        )
        block += count
        keep = min(spec.frame_tick_at(block * spec.block), frames - 1)
        held = _at(held, slice(keep - oldest, None))
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


def pictures_of(samples: int, spec: StreamSpec) -> int:
    """How many pictures so much sound lasts, one at least."""
    return max(1, round(samples * spec.video.frame_rate / spec.audio.sample_rate))


def samples_of(frames: int, spec: StreamSpec) -> int:
    """How many samples so many frames last."""
    return round(frames * spec.audio.sample_rate / spec.video.frame_rate)


def _at(held: Control, ticks: Any) -> Control:
    return jax.tree.map(lambda leaf: leaf[:, ticks], held)


def _join(held: np.ndarray, chunk: np.ndarray) -> np.ndarray:
    return np.concatenate([held, chunk], axis=1)


def _rechunk(frames: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """The same frames in chunks of exactly `size`, but for the last."""
    held: list[np.ndarray] = []
    count = 0
    for chunk in frames:
        held.append(chunk)
        count += len(chunk)
        if count < size:
            continue
        joined = np.concatenate(held)
        whole = count - count % size
        for first in range(0, whole, size):
            yield joined[first : first + size]
        held, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(held)
