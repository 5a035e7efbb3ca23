import functools
from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.conftest import TINY_MODEL, TINY_SYNTH, brightness_follower, untrained
from wyh import knobs
from wyh.knobs import PHASES
from wyh.signal.levels import integrated_loudness, true_peak_db
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.synths.noise import NoiseConfig
from wyh.transducers import offline
from wyh.transducers.autoencoder import SonifierConfig, sonifier
from wyh.transducers.compile import compile_transducer, traced
from wyh.transducers.offline import samples_of, sonify
from wyh.transducers.protocol import Transducer

NTSC = Fraction(24000, 1001)
TINY = SonifierConfig(TINY_MODEL, TINY_SYNTH)
# Fine enough to measure milliseconds: 2.9 ms a block.
BRIGHT = SonifierConfig(
    TINY_MODEL,
    NoiseConfig(22050, n_fft=256, hop_length=64, low_hz=100, high_hz=10_000),
    loudness="linear",
)


@functools.cache
def player(config, frame_rate):
    video = VideoSpec(Fraction(frame_rate), 16, 16)
    make = brightness_follower if config is BRIGHT else untrained
    return sonifier(config, video), make(config, video)


def heard(config, frame_rate, frames, turned=None, seed=0):
    transducer, variables = player(config, frame_rate)
    blocks = list(sonify(transducer, variables, frames, turned or knobs.defaults(), seed=seed))
    assert all(len(block) for block in blocks)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def noise_frames(rng, count):
    return rng.integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 150])
@pytest.mark.parametrize("frame_rate", [NTSC, Fraction(30)])
def test_the_sound_is_exactly_as_long_as_the_frames(frame_rate, count, rng):
    sound = heard(TINY, frame_rate, [noise_frames(rng, count)])
    assert len(sound) == round(count * 8000 / frame_rate)
    assert len(sound) == samples_of(count, player(TINY, frame_rate)[0].spec)
    assert np.isfinite(sound).all()
    if count > 10:
        assert np.sqrt(np.mean(sound[-800:] ** 2)) > 1e-3  # up to the end


def test_no_frames_no_sound():
    assert len(heard(TINY, NTSC, [])) == 0


def test_frames_may_come_in_any_chunks(rng):
    frames = noise_frames(rng, 150)
    whole = heard(TINY, NTSC, [frames])
    for cuts in ([1, 2, 3], [64, 128], [10, 70, 71], list(range(1, 150))):
        assert np.array_equal(heard(TINY, NTSC, np.split(frames, cuts)), whole)


def test_the_seed_decides_what_is_random(rng):
    frames = [noise_frames(rng, 20)]
    turned = knobs.defaults(phase="random")
    first, again, other = (heard(TINY, NTSC, frames, turned, seed) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other, atol=1e-3)


@pytest.mark.parametrize("policy", PHASES)
def test_one_tick_at_a_time_as_live_does_gives_the_same_sound(policy, rng):
    """The replay of live: the newest control at each block's start, and its age."""
    transducer, variables = player(TINY, NTSC)
    spec, turned = transducer.spec, knobs.defaults(phase=policy)
    frames = noise_frames(rng, 40)
    compiled = compile_transducer(transducer, variables, turned, seed=3)
    values, carry_in, carry_out = traced(turned), compiled.carry_in, compiled.carry_out
    sound, tick, control = [], -1, None
    for block in range(-(-40 * 8000 // 24 // spec.block)):
        due = spec.frame_tick_at(block * spec.block)
        while tick < due < len(frames):
            tick += 1
            carry_in, control = compiled.observe(
                variables, carry_in, frames[None, tick, None], values, np.int32(tick)
            )
        age = spec.schedule(block, 1)[1].astype(np.float32)
        carry_out, samples = compiled.emit(
            variables, carry_out, control, age, values, np.int32(block)
        )
        sound.append(np.asarray(samples)[0])
    live = np.concatenate(sound)[spec.latency_samples :]
    whole = heard(TINY, NTSC, [frames], turned, seed=3)[: len(live)]
    assert len(whole) > 8000 and np.abs(whole).max() > 0.01
    np.testing.assert_allclose(live[: len(whole)], whole, atol=1e-5)


def centroids_secs(sound, rate, flashes, reach_secs):
    """Where the energy around each of the times is, on average over all of them."""
    errors = []
    for secs in flashes:
        first, last = round((secs - reach_secs) * rate), round((secs + reach_secs) * rate)
        power = sound[first:last] ** 2
        errors.append(np.sum(np.arange(first, last) * power) / power.sum() / rate - secs)
    return np.array(errors)


@pytest.mark.parametrize(
    ("frame_rate", "glide"), [(24, 1.0), (NTSC, 1.0), (30, 1.0), (10, 1.0), (10, 0.0), (24, 0.4)]
)
def test_the_declared_latency_is_that_of_a_flash(frame_rate, glide):
    """One white frame among black ones sounds around its own middle, once latency is out."""
    frame_rate = Fraction(frame_rate)
    spacing = int(frame_rate)  # about a second
    frames = np.zeros((25 * spacing, 16, 16, 3), np.uint8)
    lit = np.arange(1, 24) * spacing + np.arange(23) % 3
    frames[lit] = 255
    turned = knobs.defaults(phase="random", glide=glide)
    sound = heard(BRIGHT, frame_rate, [frames], turned)
    middles = (lit + 0.5) / float(frame_rate)
    reach = 1.6 / float(frame_rate) + 0.02
    errors = centroids_secs(sound, 22050, middles, reach)
    assert abs(errors.mean()) < 0.001
    assert np.abs(errors).max() < 0.5 / float(frame_rate)
    quiet = np.ones(len(sound), bool)
    for middle in middles:
        quiet[round((middle - reach) * 22050) : round((middle + reach) * 22050)] = False
    assert np.abs(sound[quiet]).max() < 1e-4


def test_it_stays_in_time_to_the_end_of_a_long_stream():
    """918 samples a frame at 24 Hz would be 0.16 s late after 200 s."""
    count = 24 * 200
    frames = np.zeros((count, 16, 16, 3), np.uint8)
    lit = count - 20 - 12 * np.arange(20)
    frames[lit] = 255
    chunks = np.split(frames, range(500, count, 500))
    sound = heard(BRIGHT, 24, chunks, knobs.defaults(phase="random"))
    assert abs(centroids_secs(sound, 22050, (lit + 0.5) / 24, 0.08).mean()) < 0.001


@functools.cache
def still(policy):
    """Half a minute of a picture that stands still, 25 frames a second."""
    frames = np.full((25 * 30, 16, 16, 3), 128, np.uint8)
    return heard(BRIGHT, 25, [frames], knobs.defaults(phase=policy))[2000:]


@pytest.mark.parametrize("policy", ["random", "continuous"])
def test_the_frame_rate_cannot_be_heard(policy):
    sound = still(policy)
    # Mean power in slices of 4 s, where every multiple of 25 Hz is a bin.
    slices = np.lib.stride_tricks.sliding_window_view(sound, 4 * 22050)[::11025]
    power = np.mean(np.abs(np.fft.rfft(slices * np.hanning(4 * 22050))) ** 2, axis=0)
    smooth = np.convolve(power, np.ones(5) / 5, "same")  # what one bin has is chance
    harmonics = 25 * 4 * np.arange(5, 21)  # the lowest of them are under the lowest band
    around = np.array([[*range(-40, -8), *range(9, 41)]]) + harmonics[:, None]
    above_db = 10 * np.log10(smooth[harmonics] / np.median(smooth[around], axis=1))
    assert above_db.mean() < 0.7 and above_db.max() < 3.0


@pytest.mark.parametrize("policy", ["random", "continuous"])
def test_frame_boundaries_cannot_be_heard(policy):
    sound = still(policy)
    steps = np.diff(sound) ** 2
    place = (np.arange(len(steps)) + 2000) % 882  # 22050 / 25
    near, middle = (place < 4) | (place >= 878), np.abs(place - 441) < 8
    assert 10 * np.log10(steps[near].mean() / steps[middle].mean()) <= 1.0


@pytest.mark.parametrize("policy", PHASES)
def test_a_still_picture_sounds_as_at_any_frame_rate(policy):
    """With nothing moving, the frame rate decides no sample but by the latency."""
    turned = knobs.defaults(phase=policy)
    sounds = []
    for frame_rate in (10, 25):
        frames = np.full((3 * frame_rate, 16, 16, 3), 200, np.uint8)
        latency = player(BRIGHT, frame_rate)[0].spec.latency_samples
        sounds.append(np.pad(heard(BRIGHT, frame_rate, [frames], turned), (latency, 0)))
    settled = slice(3000, 60_000)
    np.testing.assert_allclose(sounds[0][settled], sounds[1][settled], atol=1e-5)


def test_levels_of_what_is_rendered():
    sound = jnp.asarray(still("continuous"))
    assert true_peak_db(sound) <= -0.9
    assert -60 < integrated_loudness(sound, 22050) < -5
    loud = knobs.defaults(gain_db=12)
    frames = np.full((50, 16, 16, 3), 255, np.uint8)
    assert -6 < true_peak_db(jnp.asarray(heard(BRIGHT, 25, [frames], loud))) <= -0.9


@pytest.mark.parametrize(("block", "latency"), [(1000, 0), (7, 0), (441, 30), (64, 5000)])
def test_any_transducer_is_trimmed_to_its_frames(block, latency):
    """One that plays the number of the frame that it has seen last."""
    spec = StreamSpec("see-hear", VideoSpec(NTSC, 8, 8), AudioSpec(8000), block, latency)

    def observe_many(variables, carry, x, turned, keys):
        return carry, x[:, :, 0, 0, 0].astype(jnp.float32)

    def emit_many(variables, carry, controls, ages, turned, keys):
        sound = jnp.repeat(controls, block, axis=1)
        heard = jnp.concatenate([carry, sound], axis=1)
        return heard[:, sound.shape[1] :], heard[:, : sound.shape[1]]

    transducer = Transducer(
        spec, lambda v, key, n: (jnp.zeros(()), jnp.zeros((n, latency))), observe_many, emit_many
    )
    frames = np.arange(150, dtype=np.uint8)[:, None, None, None] * np.ones((8, 8, 3), np.uint8)
    sound = np.concatenate(
        list(sonify(transducer, {}, np.split(frames, [3, 50, 131]), knobs.defaults()))
    )
    assert len(sound) == samples_of(150, spec)
    ticks, _ = spec.schedule(0, -(-len(sound) // block))
    expected = np.repeat(np.minimum(ticks, 149), block)[: len(sound)]
    np.testing.assert_array_equal(sound, expected)


def test_memory_does_not_grow_with_the_stream(rng):
    """Controls are thrown away as soon as no block to come needs them."""
    transducer, variables = player(TINY, 30)
    compiled = compile_transducer(
        transducer, variables, knobs.defaults(), seed=0, observe_ticks=64, emit_ticks=128
    )
    shapes = []

    def controls():
        for chunk in offline.observe_all(
            compiled, variables, (noise_frames(rng, 64) for _ in range(20)), knobs.defaults()
        ):
            shapes.append(chunk.value.shape[1])
            yield chunk

    emitted = offline.emit_all(compiled, variables, transducer.spec, controls(), knobs.defaults())
    ahead = [
        sum(shapes) / 30 - (i + 1) * 128 * 64 / 8000
        for i, (_, end) in enumerate(emitted)
        if not end
    ]
    assert len(ahead) > 30 and max(ahead) < 64 / 30 + 128 * 64 / 8000


def test_the_compiled_forms_are_for_fixed_sizes(rng):
    transducer, variables = player(TINY, 30)
    compiled = compile_transducer(
        transducer, variables, knobs.defaults(), seed=0, observe_ticks=4, emit_ticks=6
    )
    _, controls = compiled.observe(
        variables,
        compiled.carry_in,
        noise_frames(rng, 4)[None],
        traced(knobs.defaults()),
        np.int32(0),
    )
    assert controls.value.shape == (1, 4, 8)
    held = jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf), 2, axis=1)[:, :6], controls)
    _, sound = compiled.emit(
        variables,
        compiled.carry_out,
        held,
        np.zeros(6, np.float32),
        traced(knobs.defaults()),
        np.int32(0),
    )
    assert sound.shape == (1, 6 * 64)


@pytest.mark.parametrize("lengths", [[], [0], [7], [10, 10], [3, 25, 0, 1, 41, 9], [100], [99, 1]])
def test_chunks_are_of_one_size_but_for_the_last(lengths):
    frames = np.arange(sum(lengths))
    pieces = np.split(frames, np.cumsum(lengths)[:-1]) if lengths else []
    chunks = list(offline._rechunk(pieces, 10))
    assert [len(chunk) for chunk in chunks[:-1]] == [10] * (len(chunks) - 1)
    assert all(0 < len(chunk) <= 10 for chunk in chunks)
    assert np.concatenate([*chunks, []]).tolist() == frames.tolist()
