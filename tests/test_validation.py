from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, untrained
from wyh import knobs
from wyh.metrics.codes import dead_values, ks_to_uniform
from wyh.metrics.pictures import gain_db
from wyh.models.autoencoder import as_picture, decode, encode
from wyh.models.listener import ListenerConfig
from wyh.specs import VideoSpec
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.listener import Listener
from wyh.transducers.loop import hear_again
from wyh.transducers.offline import sonify
from wyh.validation import Heldout, figures_of, summaries_of

VIDEO = VideoSpec(Fraction(10), 16, 16)
SOUND = SonifierConfig(TINY_MODEL, TINY_SYNTH)
LISTENER = Listener(SOUND, VIDEO, ListenerConfig(width=4))
VARIABLES = untrained(SOUND, VIDEO)
encode_jit, decode_jit = jax.jit(encode, static_argnums=0), jax.jit(decode, static_argnums=0)


@pytest.fixture(scope="module")
def net():
    return LISTENER.init(jax.random.key(0))


def clipped(codes):
    return np.clip(decode_jit(LISTENER.model, VARIABLES["params"], codes), 0, 1)


def test_figures_are_of_the_inner_frames_by_sound_and_by_code(rng, net):
    films = rng.integers(0, 256, (3, 4, 16, 16, 3), dtype=np.uint8)
    mean = rng.random((16, 16, 3)).astype(np.float32)
    figures = figures_of(LISTENER, VARIABLES["params"], net, Heldout(films, mean))

    inner = np.asarray(as_picture(films[:, 1:-1].reshape(-1, 16, 16, 3)))
    every = as_picture(films.reshape(-1, 16, 16, 3))
    codes = encode_jit(LISTENER.model, VARIABLES["params"], every).reshape(3, 4, 8)
    code = np.asarray(codes[:, 1:-1].reshape(-1, 8))
    heard = hear_again(LISTENER, net, codes)
    assert figures == {
        "val_heard_db": pytest.approx(gain_db(clipped(heard), inner, mean), abs=1e-4),
        "val_gain_db": pytest.approx(gain_db(clipped(code), inner, mean), abs=1e-4),
        "val_ks": pytest.approx(ks_to_uniform(code), abs=1e-5),
        "val_dead": dead_values(code),
    }
    assert figures["val_heard_db"] != figures["val_gain_db"]


@pytest.mark.parametrize("count", [3, 20])
def test_summaries_show_what_is_seen_known_and_heard(rng, net, count):
    frames = rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)
    listener = {"params": net, "level": np.float32(0.5)}
    variables = VARIABLES | {"listener": listener}
    transducer = sonifier(SOUND, VIDEO)
    shown = summaries_of(transducer, LISTENER, variables, frames)
    blocks = sonify(transducer, variables, [frames], knobs.defaults())
    expected = np.concatenate(list(blocks))
    ((name, (sound, rate)),) = shown.sounds.items()
    assert (name, rate) == ("sound", 8000)
    np.testing.assert_array_equal(sound, expected)

    ((name, picture),) = shown.pictures.items()
    some = frames[:3] if count == 3 else frames[:16:2]
    assert name == "seen_known_heard" and picture.dtype == np.uint8
    assert picture.shape == (3 * 16, len(some) * 16, 3)
    rows = picture.reshape(3, 16, len(some), 16, 3).swapaxes(1, 2)
    np.testing.assert_array_equal(rows[0], some)
    known = clipped(encode_jit(LISTENER.model, VARIABLES["params"], as_picture(some)))
    assert np.abs(rows[1] - known * 255).max() <= 0.51
    heard = LISTENER.pictures(variables, sound, count)[:: max(1, count // 8)][: len(some)]
    assert np.abs(rows[2] - heard * 255).max() <= 0.51
