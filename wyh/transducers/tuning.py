"""What a sonifier plays with: trained parameters, and what is measured on sound they make."""

from typing import Any

import numpy as np
from jaxtyping import UInt8

from wyh.models.autoencoder import as_picture, encode_jit
from wyh.transducers.autoencoder import amplitudes
from wyh.transducers.listener import Listener
from wyh.transducers.loop import mean_level
from wyh.transducers.panning import pan_positions

_PICTURES = 8  # to find by which pixels each band is moved


def tuned(
    listener: Listener,
    params: Any,
    listener_params: Any,
    films: UInt8[np.ndarray, "batch time height width channel"],
    loudness_lufs: float,
) -> dict[str, Any]:
    """Variables of a sonifier and its listener.

    Args:
      listener: of the sonifier.
      params: of the autoencoder.
      listener_params: of the listener's net.
      films: typical ones, whose sound shall have
      loudness_lufs: the loudness.

    Returns:
      `{"params", "gain_db", "pan", "listener": {"params", "level"}}`.
    """
    pictures = as_picture(films.reshape(-1, *films.shape[2:]))
    codes = encode_jit(listener.model, params, pictures)
    made = listener.synth.loudness(amplitudes(codes, listener.sound))
    few = pictures[:: -(-len(pictures) // _PICTURES)]
    level = mean_level(listener, codes.reshape(*films.shape[:2], -1))
    return {
        "params": params,
        "gain_db": loudness_lufs - made,
        "pan": pan_positions(listener.model, params, few),
        "listener": {"params": listener_params, "level": level},
    }
