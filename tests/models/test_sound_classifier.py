import jax
import jax.numpy as jnp
import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.models.sound_classifier import (
    ClassifierConfig,
    Recogniser,
    blank,
    level_db,
    normalised,
)
from wyh.signal.features import FeatureConfig

HEARD = FeatureConfig(
    sample_rate=8000, win_length=240, hop_length=80, n_fft=512, bands=12, low_hz=60.0
)
GRU = ClassifierConfig(HEARD, channels=(5, 6), reach=4, memory=7)
LSTM = ClassifierConfig(HEARD, channels=(6,), reach=3, stride=3, cell="lstm", memory=5)


def variables_of(recogniser, seed=0):
    """Random parameters; what is 0 at first is not."""
    config, rng = recogniser.config, np.random.default_rng(seed)
    x = jnp.zeros((1, config.stride ** len(config.channels), config.features.size))
    made = jax.eval_shape(recogniser.model.init, jax.random.key(0), x, blank(config, 1))
    params = jax.tree.map(
        lambda leaf: (0.4 * rng.standard_normal(leaf.shape)).astype(np.float32), made["params"]
    )
    mean = rng.uniform(-50, -30, config.features.size).astype(np.float32)
    return {"params": params, "mean": mean, "std": mean / -4, "temperature": np.float32(2)}


def sound_of(rng, config, batch=2, ticks=6):
    sound = rng.standard_normal((batch, ticks * config.block)).astype(np.float32)
    return jnp.asarray(0.1 * sound)


@pytest.mark.parametrize("config", [GRU, LSTM], ids=["gru", "lstm"])
def test_one_tick_at_a_time_as_all_at_once(config, rng):
    recogniser = Recogniser(config, 3)
    variables, sound = variables_of(recogniser), sound_of(rng, config)
    at_once = jax.jit(recogniser)(variables, recogniser.init(2), sound)
    assert at_once[1].shape == (2, 6, 3)
    hear, carry, found = jax.jit(recogniser), recogniser.init(2), []
    for block in jnp.split(sound, 6, axis=1):
        carry, likely = hear(variables, carry, block)
        found.append(likely)
    np.testing.assert_allclose(jnp.concatenate(found, axis=1), at_once[1], atol=1e-5)
    for mine, other in zip(jax.tree.leaves(carry), jax.tree.leaves(at_once[0]), strict=True):
        np.testing.assert_allclose(mine, other, atol=1e-5)


def test_what_comes_later_changes_nothing_before(rng):
    recogniser = Recogniser(GRU, 3)
    variables, sound = variables_of(recogniser), sound_of(rng, GRU)
    hear = jax.jit(lambda x: recogniser(variables, recogniser.init(2), x)[1])
    whole = hear(sound)
    other = hear(sound.at[:, 3 * GRU.block :].set(0.0))
    np.testing.assert_allclose(other[:, :3], whole[:, :3], atol=1e-6)
    assert np.abs(np.asarray(other - whole))[:, 3:].max() > 1e-3


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("config", [GRU, LSTM], ids=["gru", "lstm"])
def test_against_the_formulas(config, rng):
    recogniser = Recogniser(config, 3)
    variables = variables_of(recogniser)
    p, size = variables["params"], config.memory
    columns = config.stride ** len(config.channels) * 3
    x = rng.standard_normal((1, columns, config.features.size)).astype(np.float32)
    _, logits = recogniser.model.apply({"params": p}, jnp.asarray(x), blank(config, 1))
    x = x[0]
    for number, channels in enumerate(config.channels):
        layer, norm = p[f"convolution_{number}"], p[f"norm_{number}"]
        x = np.concatenate([np.zeros((config.reach - config.stride, x.shape[1])), x])
        rows = [
            np.einsum("rf,rfc->c", x[k : k + config.reach], layer["kernel"]) + layer["bias"]
            for k in range(0, len(x) - config.reach + 1, config.stride)
        ]
        x = np.array(rows)
        assert x.shape[1] == channels
        x = (x - x.mean(axis=1)[:, None]) / np.sqrt(x.var(axis=1)[:, None] + 1e-6)
        x = np.maximum(x * norm["scale"][None] + norm["bias"][None], 0)
    hidden, cell = np.zeros(size), np.zeros(size)
    for tick, values in enumerate(x):
        gates, old = values @ p["gates"]["kernel"] + p["gates"]["bias"], hidden @ p["again"]
        if config.cell == "gru":
            z, r = sigmoid((gates + old)[:size]), sigmoid((gates + old)[size : 2 * size])
            new = np.tanh(gates[2 * size :] + r * old[2 * size :])
            hidden = (1 - z) * new + z * hidden
        else:
            i, f, o, g = np.split(gates + old, 4)
            cell = sigmoid(f + 1) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
        wanted = hidden @ p["classes"]["kernel"] + p["classes"]["bias"]
        np.testing.assert_allclose(logits[0, tick], wanted, atol=1e-4)


def test_probabilities_leave_room_for_nothing(rng):
    recogniser = Recogniser(GRU, 3)
    variables, sound = variables_of(recogniser), sound_of(rng, GRU)
    _, logits = recogniser.logits(variables, recogniser.init(2), sound)
    _, likely = recogniser(variables, recogniser.init(2), sound)
    wanted = jax.nn.softmax(logits / 2, axis=-1)[..., :3]
    np.testing.assert_allclose(likely, wanted, atol=1e-6)
    assert np.asarray(likely.sum(axis=-1)).max() < 1


def test_values_are_left_out_in_training_alone(rng, key):
    recogniser = Recogniser(GRU, 3)
    x = jnp.asarray(rng.standard_normal((2, 8, HEARD.size)).astype(np.float32))
    params = {"params": variables_of(recogniser)["params"]}
    plain, again, dropped = (
        recogniser.model.apply(params, x, blank(GRU, 2), k)[1] for k in (None, None, key)
    )
    np.testing.assert_array_equal(plain, again)
    assert np.abs(np.asarray(dropped - plain)).max() > 1e-3


def test_levels_and_normalised_features():
    tone = jnp.sin(2 * jnp.pi * 0.1 * jnp.arange(400))[None]
    found = level_db(jnp.concatenate([tone, 0.1 * tone, 0 * tone]), 100)
    np.testing.assert_allclose(found, np.repeat([[0.0], [-20.0], [-80.0]], 4, axis=1), atol=1e-3)
    x = jnp.ones((1, 2, 3)) * jnp.array([1.0, 2.0, 3.0])[None, None]
    mean, std = np.array([0.0, 1.0, 3.0], np.float32), np.array([1.0, 2.0, 1.0], np.float32)
    np.testing.assert_allclose(normalised(x, mean, std)[0], [[1, 0.5, 0]] * 2)


def test_times_are_the_same_at_any_rate():
    default = ClassifierConfig()
    assert (default.block, default.tick_secs) == (640, 0.04)
    assert default.at_rate(16000) is default
    for rate in (8000, 22050, 44100):
        other = default.at_rate(rate)
        assert other.features.sample_rate == rate
        assert other.tick_secs == pytest.approx(0.04, rel=0.005)
        assert other.features.n_fft >= other.features.win_length
        Recogniser(other, 2)  # has bins enough
    assert default.at_rate(8000).features.n_fft == 512


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"features": FeatureConfig(kind="raw")}, "got raw features, wanted fbank or fft"),
        ({"channels": ()}, "got no convolutions, wanted channels of one or more"),
        ({"channels": (0,)}, "got a layer's channels 0, wanted 1 to 4096"),
        ({"reach": 0}, "got reach 0 columns, wanted 1 to 64 columns"),
        ({"reach": 2, "stride": 3}, "got stride 3 columns, wanted 1 to 2 columns"),
        ({"memory": 0}, "got memory 0, wanted 1 to 4096"),
        ({"dropout": 0.95}, "got dropout 0.95, wanted 0 to 0.9"),
        (
            {"channels": (4, 4, 4)},
            "got an estimate every 80 ms, wanted one every 50 ms or less: lower features.hop_le",
        ),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(WyhError, match=message):
        ClassifierConfig(**options)
