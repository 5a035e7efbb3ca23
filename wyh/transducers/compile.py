"""Ahead-of-time compilation of a transducer, for a tick (live) or a chunk of ticks (offline)."""

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from wyh.knobs import Knobs
from wyh.transducers.protocol import Carry, Control, Transducer, Variables, tick_keys


def use_compilation_cache() -> None:
    """Keep compiled functions between runs of a command, in the user's cache directory.

    Thresholds of 0: the playing functions are small, yet compiling them is most of the start.
    """
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        jax.config.update("jax_compilation_cache_dir", str(cache_dir() / "xla"))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def cache_dir() -> Path:
    """Where wyh may keep what it can make again, by the habit of the system."""
    if given := os.environ.get("WYH_CACHE"):
        return Path(given)
    if sys.platform == "darwin":
        return Path.home() / "Library/Caches/wyh"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", str(Path.home()))) / "wyh"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wyh"


def traced(knobs: Knobs) -> dict[str, np.float32]:
    """Knob values as the compiled functions take them."""
    return {name: np.float32(value) for name, value in knobs.items()}


@dataclass(frozen=True)
class Compiled:
    """The two functions of a transducer, compiled for fixed sizes, their carries donated.

    Attributes:
      observe: `(variables, carry_in, x, knobs, first_tick) -> (carry_in, controls)`, x with a
        time axis of `observe_ticks`.
      emit: `(variables, carry_out, controls, ages_secs, knobs, first_tick) -> (carry_out, y)`,
        controls and ages with a time axis of `emit_ticks`.
      carry_in, carry_out: the memory to start from.
    """

    observe: Callable[..., tuple[Carry, Control]]
    emit: Callable[..., tuple[Carry, Any]]
    carry_in: Carry
    carry_out: Carry
    observe_ticks: int
    emit_ticks: int


def compile_transducer(
    transducer: Transducer,
    variables: Variables,
    knobs: Knobs,
    *,
    seed: int,
    batch_size: int = 1,
    observe_ticks: int = 1,
    emit_ticks: int = 1,
) -> Compiled:
    """Compile both functions of a transducer. Pictures come as `uint8`, both in and out.

    The keys of tick k are `fold_in(seed, k)`, with one seed for each clock.
    """
    in_key, out_key, carry_key = jax.random.split(jax.random.key(seed), 3)
    spec = transducer.spec
    sees = spec.direction == "see-hear"

    def observe(variables: Any, carry: Any, x: Any, knobs: Any, first: Any) -> Any:
        keys = tick_keys(in_key, first, observe_ticks)
        return transducer.observe_many(variables, carry, x, knobs, keys)

    def emit(variables: Any, carry: Any, controls: Any, ages: Any, knobs: Any, first: Any) -> Any:
        keys = tick_keys(out_key, first, emit_ticks)
        carry, made = transducer.emit_many(variables, carry, controls, ages, knobs, keys)
        return carry, made if sees else jnp.rint(made * 255).astype(jnp.uint8)

    carry_in, carry_out = jax.jit(transducer.init, static_argnums=2)(
        variables, carry_key, batch_size
    )
    shape, dtype = (spec.video.shape, jnp.uint8) if sees else ((spec.block,), jnp.float32)
    x = jax.ShapeDtypeStruct((batch_size, observe_ticks, *shape), dtype)
    tick = jax.ShapeDtypeStruct((), jnp.int32)
    values = traced(knobs)
    observe_lowered = jax.jit(observe, donate_argnums=1).lower(variables, carry_in, x, values, tick)
    _, controls = jax.eval_shape(observe, variables, carry_in, x, values, tick)
    controls = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct((batch_size, emit_ticks, *leaf.shape[2:]), leaf.dtype),
        controls,
    )
    ages = jax.ShapeDtypeStruct((emit_ticks,), jnp.float32)
    emit_lowered = jax.jit(emit, donate_argnums=1).lower(
        variables, carry_out, controls, ages, values, tick
    )
    with ThreadPoolExecutor(2) as pool:  # side by side: most of a first start
        compiled = [pool.submit(lowered.compile) for lowered in (observe_lowered, emit_lowered)]
    observe_compiled, emit_compiled = (each.result() for each in compiled)
    return Compiled(
        observe_compiled,
        emit_compiled,
        carry_in,
        carry_out,
        observe_ticks,
        emit_ticks,
    )
