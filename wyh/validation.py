"""How training is watched: figures, pictures and sound of held-out films."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, UInt8

from wyh import knobs
from wyh.journal import Summaries
from wyh.metrics.codes import dead_values, ks_to_uniform
from wyh.metrics.pictures import gain_db
from wyh.models.autoencoder import as_picture, decode_jit, encode_jit
from wyh.transducers.listener import Listener
from wyh.transducers.loop import hear_again
from wyh.transducers.offline import sonify
from wyh.transducers.protocol import Transducer


class Heldout(NamedTuple):
    """Films that choose the best variables, and the mean picture of training."""

    films: UInt8[np.ndarray, "batch time height width channel"]
    mean: Float[np.ndarray, "height width channel"]  # in [0, 1]


def figures_of(
    listener: Listener, params: Any, listener_params: Any, held: Heldout
) -> dict[str, float]:
    """What the sound and the code of held-out films keep, and how the code is used.

    Args:
      listener: of the sonifier.
      params: of the autoencoder.
      listener_params: of the listener's net.
      held: films; their first and last frames are there for the others' sake.
    """
    batch, time, *shape = held.films.shape
    pictures = np.asarray(as_picture(held.films))
    codes = encode_jit(listener.model, params, pictures.reshape(-1, *shape))
    codes = codes.reshape(batch, time, -1)
    code = codes[:, 1:-1].reshape(-1, codes.shape[-1])
    inner = pictures[:, 1:-1].reshape(-1, *shape)
    figures = {}
    heard = hear_again(listener, listener_params, codes)
    for name, known in (("val_heard_db", heard), ("val_gain_db", code)):
        decoded = np.clip(decode_jit(listener.model, params, known), 0, 1)
        figures[name] = gain_db(decoded, inner, held.mean)
    return figures | {
        "val_ks": ks_to_uniform(np.asarray(code)),
        "val_dead": float(dead_values(np.asarray(code))),
    }


def summaries_of(
    transducer: Transducer,
    listener: Listener,
    variables: Mapping[str, Any],
    frames: UInt8[np.ndarray, "n height width channel"],
) -> Summaries:
    """For TensorBoard: frames, what their codes know, what their sound knows; and that sound."""
    blocks = sonify(transducer, dict(variables), [frames], knobs.defaults())
    sound = np.concatenate(list(blocks))
    listened = listener.pictures(variables, sound, len(frames))
    some = slice(0, None, max(1, len(frames) // 8))
    shown = as_picture(frames[some][:8])
    code = encode_jit(listener.model, variables["params"], shown)
    known = np.clip(decode_jit(listener.model, variables["params"], code), 0, 1)
    rows = [np.asarray(shown), known, listened[some][:8]]
    strip = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    picture = np.rint(strip * 255).astype(np.uint8)
    rate = transducer.spec.audio.sample_rate
    return Summaries({"seen_known_heard": picture}, {"sound": (sound, rate)})
