"""What a run costs while it plays: the loop of a live session, timed step by step."""

import math
import time
from fractions import Fraction

import jax
import numpy as np
from jaxtyping import Float

from wyh import knobs
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.kinds import Player

TICKS = 300
"""Pictures whose computing is timed; the first tenth warms up, and does not count."""

_GIVEN = 8  # pictures, or blocks of sound, that are given in turn


def live_ms(player: Player, ticks: int = TICKS) -> Float[np.ndarray, "ticks stages"]:
    """Time to observe a picture or its time's sound, and to emit that sound or picture, as live.

    Args:
      player: of either direction.
      ticks: pictures; a tenth of them, and one at least, is left out of what is returned.

    Returns:
      Milliseconds, a row for each picture, two columns: observe, emit.
    """
    spec, values = player.transducer.spec, knobs.defaults()
    compiled = compile_transducer(player.transducer, player.variables, values, seed=0)
    variables, turned = jax.device_put(player.variables), traced(values)
    carry_in, carry_out = compiled.carry_in, compiled.carry_out
    rng, sees = np.random.default_rng(0), spec.direction == "see-hear"
    if sees:
        given = rng.integers(0, 256, (_GIVEN, 1, 1, *spec.video.shape), np.uint8)
    else:
        given = (0.1 * rng.standard_normal((_GIVEN, 1, 1, spec.block))).astype(np.float32)
    blocks_each = Fraction(spec.audio.sample_rate, spec.block) / spec.video.frame_rate
    observed, emitted = 0, 0
    age, taken = np.zeros(1, np.float32), np.empty((ticks, 2))
    for tick in range(ticks):
        blocks = math.ceil((tick + 1) * blocks_each)
        to_observe, to_emit = (tick + 1, blocks) if sees else (blocks, tick + 1)
        began = time.perf_counter()
        for number in range(observed, to_observe):
            some = given[number % _GIVEN]
            carry_in, control = compiled.observe(
                variables, carry_in, some, turned, np.int32(number)
            )
        jax.block_until_ready(control)
        half = time.perf_counter()
        for number in range(emitted, to_emit):
            carry_out, made = compiled.emit(
                variables, carry_out, control, age, turned, np.int32(number)
            )
            np.asarray(made)
        taken[tick] = half - began, time.perf_counter() - half
        observed, emitted = to_observe, to_emit
    return 1000 * taken[-(-ticks // 10) :]
