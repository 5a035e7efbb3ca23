"""Controls of notes that are struck, made of arrays over the pictures of a recording; carries."""

import jax
import jax.numpy as jnp
import numpy as np

from wyh import knobs
from wyh.synths.protocol import NoteAmplitudes, Strikes
from wyh.transducers.compile import traced
from wyh.transducers.protocol import tick_keys


def before(values):
    """The same of the picture before."""
    return np.concatenate([np.zeros_like(values[:, :1]), values[:, :-1]], axis=1)


def controls_of(value, onset, offset):
    """Controls of arrays `[batch, frames, notes]`."""
    arrays = [np.asarray(array, np.float32) for array in (value, onset, offset)]
    (v, p, f), (w, q, g) = arrays, [before(array) for array in arrays]
    strikes, earlier = (Strikes(jnp.asarray(a), jnp.asarray(b)) for a, b in ((p, f), (q, g)))
    return NoteAmplitudes(jnp.asarray(v), jnp.asarray(w), strikes, earlier)


def check_remembered(synth, variables, notes):
    """A carry can be given away to the compiled function, and what comes back again.

    Its shapes and types stay, and none of its arrays is there twice.
    """
    controls, variables = (
        controls_of(*np.zeros((3, 1, 2, notes))),
        {"gain_db": jnp.float32(0), **variables},
    )
    carry = synth.init(variables, jax.random.key(0), 1)
    keys, turned = tick_keys(jax.random.key(0), 0, 2), traced(knobs.defaults())
    after, _ = jax.eval_shape(
        synth.emit_many, variables, carry, controls, jnp.zeros(2), turned, keys
    )
    kinds = [
        [(leaf.shape, leaf.dtype, leaf.weak_type) for leaf in jax.tree.leaves(each)]
        for each in (carry, after)
    ]
    assert kinds[0] == kinds[1]
    held = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(carry)]
    assert len(set(held)) == len(held)
