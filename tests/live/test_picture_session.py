from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.visual import make_visual_run
from wyh import knobs
from wyh.live.log import Emitted, Observed
from wyh.live.panel import Panel
from wyh.live.picture_session import PictureSession, replay_pictures
from wyh.specs import tick_start
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player
from wyh.transducers.offline import visualize

TURNED = knobs.defaults(flash_limit="off")
SEED = 3


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    run = make_visual_run(tmp_path_factory.mktemp("run") / "tiny", frame_rate=Fraction(24000, 1001))
    return load_player(run)


@pytest.fixture(scope="module")
def compiled(player):
    return compile_transducer(player.transducer, player.variables, TURNED, seed=SEED)


@pytest.fixture
def sound(player, rng):
    """A second and a half that swells."""
    spec = player.transducer.spec
    count = int(1.5 * spec.audio.sample_rate / spec.block)
    swell = np.linspace(0, 0.5, count)[:, None]
    return (swell * rng.uniform(-1, 1, (count, spec.block))).astype(np.float32)


@pytest.fixture
def session(player, compiled):
    """A session and its log."""
    log = []
    spec = player.transducer.spec
    return PictureSession(compiled, player.variables, spec, Panel(TURNED), log=log.append), log


def play(session, sound, *, from_file=False, at_once=1, first=0, made=None):
    """Play as a page does; the pictures by their number."""
    made = {} if made is None else made
    if first == 0:
        session.begin(from_file=from_file)
    for start in range(0, len(sound), at_once):
        session.hear(first + start, sound[start : start + at_once])
        for number in range(max(made, default=-1) + 1, session.due() + 1):
            made[number] = session.paint(number).pixels
    return made


def test_a_session_replays_to_the_same_pictures(player, compiled, session, sound):
    session, log = session
    pictures = play(session, sound)
    assert len(pictures) == 37  # the tick of the last is in the block that would come next
    again = replay_pictures(compiled, player.variables, dict(enumerate(sound)), log, TURNED)
    assert again.keys() == pictures.keys()
    for number, pixels in pictures.items():
        np.testing.assert_array_equal(pixels, again[number])
    assert np.std([pixels.mean() for pixels in pictures.values()]) > 0


@pytest.mark.parametrize("from_file", [False, True])
def test_pictures_are_of_the_blocks_that_the_schedule_says(session, player, sound, from_file):
    session, log = session
    pictures = play(session, sound, from_file=from_file)
    spec = player.transducer.spec
    late = spec.latency_samples if from_file else 0
    made = [event for event in log if isinstance(event, Emitted)]
    blocks, ages = spec.picture_schedule(0, len(pictures), late=late)
    assert [event.block for event in made] == list(range(len(pictures)))
    assert [event.tick for event in made] == list(blocks)
    np.testing.assert_allclose([event.age_secs for event in made], ages, atol=1e-12)


def test_a_picture_is_due_as_soon_as_its_sound_was_heard(session, player):
    session, _ = session
    spec = player.transducer.spec
    rate = spec.audio.sample_rate
    session.begin(from_file=True)
    assert session.due() == -1
    for block in range(60):
        session.hear(block, np.zeros((1, spec.block), np.float32))
        due = session.due()
        needed = spec.picture_schedule(0, due + 2, late=spec.latency_samples)[0]
        assert (needed[: due + 1] <= block).all() and needed[due + 1] > block
        start = tick_start(due + 1, rate, spec.video.frame_rate) + spec.latency_samples
        assert start // spec.block - 1 > block


def test_a_song_that_plays_is_as_it_is_rendered(session, player, sound):
    session, _ = session
    pictures = play(session, sound, from_file=True, at_once=5)
    rendered = np.concatenate(
        list(visualize(player.transducer, player.variables, [sound.reshape(-1)], TURNED, seed=SEED))
    )
    for number, pixels in pictures.items():
        if number < len(rendered) - 3:  # the last ones wait for the silence after it
            assert np.abs(pixels.astype(int) - rendered[number]).max() <= 1


def test_how_many_blocks_come_at_once_changes_nothing(player, compiled, sound):
    spec = player.transducer.spec
    one, many = (
        play(PictureSession(compiled, player.variables, spec, Panel(TURNED)), sound, at_once=size)
        for size in (1, 7)
    )
    assert one.keys() == many.keys()
    for number, pixels in one.items():
        assert np.abs(pixels.astype(int) - many[number]).max() <= 1


def test_turned_knobs_and_lost_blocks_are_replayed_too(player, compiled, session, sound):
    session, log = session
    pictures = play(session, sound[:40])
    session.panel.turn("negative", 1)
    session.panel.turn("bass", 12)
    play(session, sound[60:100], first=60, made=pictures)  # twenty were lost
    session.panel.turn("hue", 0.5)
    play(session, sound[100:], first=100, made=pictures)
    blocks = {number: sound[number] for number in range(len(sound)) if not 40 <= number < 60}
    assert [event.tick for event in log if isinstance(event, Observed)] == list(blocks)
    again = replay_pictures(compiled, player.variables, blocks, log, TURNED)
    for number, pixels in pictures.items():
        np.testing.assert_array_equal(pixels, again[number])


def test_a_page_that_lags_gets_fewer_pictures(player, compiled, session, sound):
    session, log = session
    session.begin(from_file=False)
    pictures = {}
    for start in range(0, 120, 40):
        session.hear(start, sound[start : start + 40])
        pictures[session.due()] = session.paint(session.due()).pixels
    assert len(pictures) == 3
    again = replay_pictures(compiled, player.variables, dict(enumerate(sound)), log, TURNED)
    assert again.keys() == pictures.keys()
    for number, pixels in pictures.items():
        np.testing.assert_array_equal(pixels, again[number])


def test_freezing_holds_the_picture_but_for_the_first(session, sound):
    session, log = session
    session.panel.turn("freeze", "on")
    pictures = play(session, sound[:30])
    assert list(pictures) == [0]
    session.panel.turn("freeze", "off")
    play(session, sound[30:], first=30, made=pictures)
    assert len(pictures) > 20
    assert session.blocks == len(sound)  # it went on hearing
    assert session.pictures == len([event for event in log if isinstance(event, Emitted)])


def test_sessions_share_nothing_but_the_model(player, compiled, sound):
    spec = player.transducer.spec
    alone, one, other = (
        PictureSession(compiled, player.variables, spec, Panel(TURNED)) for _ in range(3)
    )
    expected = play(alone, sound[:30])
    other.panel.turn("negative", 1)
    other.begin(from_file=False)
    other.hear(0, sound[90:])
    other.paint(0)
    for number, pixels in play(one, sound[:30]).items():
        np.testing.assert_array_equal(pixels, expected[number])
    assert one.panel.values["negative"] == 0
    for leaf in jax.tree.leaves((compiled.carry_in, compiled.carry_out)):
        assert not leaf.is_deleted()
