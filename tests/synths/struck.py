"""Controls of notes that are struck, made of arrays over the pictures of a recording."""

import jax.numpy as jnp
import numpy as np

from wyh.synths.protocol import NoteAmplitudes, Strikes


def before(values):
    return np.concatenate([np.zeros_like(values[:, :1]), values[:, :-1]], axis=1)


def controls_of(value, onset, offset):
    """Controls of arrays `[batch, frames, notes]`."""
    arrays = [np.asarray(array, np.float32) for array in (value, onset, offset)]
    (v, p, f), (w, q, g) = arrays, [before(array) for array in arrays]
    strikes, earlier = (Strikes(jnp.asarray(a), jnp.asarray(b)) for a, b in ((p, f), (q, g)))
    return NoteAmplitudes(jnp.asarray(v), jnp.asarray(w), strikes, earlier)
