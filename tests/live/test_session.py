import jax
import numpy as np
import pytest

from wyh import knobs
from wyh.live.log import Emitted, Observed
from wyh.live.panel import Panel
from wyh.live.replay import replay
from wyh.live.session import Session
from wyh.runs import load_run
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player

TURNED = knobs.defaults(phase="random")
SEED = 3


@pytest.fixture(scope="module")
def player(run_dir):
    return load_player(load_run(run_dir))


@pytest.fixture(scope="module")
def compiled(player):
    return compile_transducer(player.transducer, player.variables, TURNED, seed=SEED)


@pytest.fixture
def session(player, compiled):
    """A session and its log."""
    log = []
    made = Session(
        compiled, player.variables, player.transducer.spec, Panel(TURNED), log=log.append
    )
    return made, log


def pictures(rng, spec, count):
    return dict(enumerate(rng.integers(0, 256, (count, *spec.video.shape), np.uint8)))


def play(session, frames, ticks):
    """Ask for sound block by block, as a page does; each tick in `ticks` gets its picture."""
    sound, told = [], -1
    for _ in range(120):
        due = session.due(1)
        if due > told and due in ticks:
            session.look(due, frames[due], due)
            told = due
        sound.append(session.make(1).samples)
    return np.concatenate(sound)


def test_a_session_replays_to_the_same_samples(player, compiled, session, rng):
    session, log = session
    frames = pictures(rng, player.transducer.spec, 40)
    sound = play(session, frames, {0, 1, 2, 5, 6, 11, 12, 13, 20, 21})  # some never came
    assert [event.tick for event in log if isinstance(event, Observed)] == [
        0, 1, 2, 5, 6, 11, 12, 13, 20, 21
    ]  # fmt: skip
    assert all(event.age_secs >= 0 for event in log if isinstance(event, Emitted))
    again = replay(compiled, player.variables, frames, log, TURNED)
    assert np.abs(sound).max() > 0.01
    np.testing.assert_allclose(sound, again, atol=1e-5)


def test_turned_knobs_are_replayed_too(player, compiled, session, rng):
    session, log = session
    frames = pictures(rng, player.transducer.spec, 40)
    session.panel.turn("gain_db", -6)  # before the first picture
    one = play(session, frames, {0, 1, 3, 5})
    session.panel.turn("negative", 1)
    session.panel.turn("mute", 0.5)
    session.look(39, frames[39], 39)
    two = session.make(60).samples
    again = replay(compiled, player.variables, frames, log, TURNED)
    np.testing.assert_allclose(np.concatenate([one, two]), again, atol=1e-5)


def test_how_many_blocks_are_asked_for_at_once_changes_nothing(player, compiled, rng):
    spec = player.transducer.spec
    frames = pictures(rng, spec, 1)
    sounds = []
    for sizes in ([1] * 12, [5, 7], [12]):
        session = Session(compiled, player.variables, spec, Panel(TURNED))
        session.look(0, frames[0], 0)
        made = [session.make(size) for size in sizes]
        assert [part.first for part in made] == list(np.cumsum([0, *sizes[:-1]]))
        sounds.append(np.concatenate([part.samples for part in made]))
    np.testing.assert_allclose(sounds[0], sounds[1], atol=1e-6)
    np.testing.assert_allclose(sounds[0], sounds[2], atol=1e-6)


def test_a_picture_for_later_waits_until_it_is_due(session, player, rng):
    session, log = session
    frames = pictures(rng, player.transducer.spec, 3)
    session.look(0, frames[0], 0)
    session.look(2, frames[2], 2)
    session.make(20)
    used = [event.tick for event in log if isinstance(event, Emitted)]
    due = [player.transducer.spec.frame_tick_at(block * 64) for block in range(20)]
    assert used == [2 if tick >= 2 else 0 for tick in due]
    assert session.due(3) == player.transducer.spec.frame_tick_at(22 * 64)


def test_freezing_holds_the_picture_but_for_the_first(session, player, rng):
    session, log = session
    frames = pictures(rng, player.transducer.spec, 3)
    session.panel.turn("freeze", "on")
    assert session.look(0, frames[0], 0).control is not None
    assert session.look(1, frames[1], 1).control is None
    session.make(15)
    session.panel.turn("freeze", "off")
    assert session.look(2, frames[2], 2).control is not None
    assert [event.tick for event in log if isinstance(event, Observed)] == [0, 2]
    assert session.frames == 2 and session.blocks == 15


def test_sessions_share_nothing_but_the_model(player, compiled, rng):
    spec = player.transducer.spec
    frames = pictures(rng, spec, 40)
    alone = Session(compiled, player.variables, spec, Panel(TURNED))
    expected = play(alone, frames, {0, 3, 4, 9})
    one = Session(compiled, player.variables, spec, Panel(TURNED))
    other = Session(compiled, player.variables, spec, Panel(TURNED))
    other.panel.turn("mute", 1)
    other.look(0, frames[7], 7)
    other.make(9)
    np.testing.assert_array_equal(play(one, frames, {0, 3, 4, 9}), expected)
    assert one.panel.values["mute"] == 0
    for leaf in jax.tree.leaves((compiled.carry_in, compiled.carry_out)):
        assert not leaf.is_deleted()
