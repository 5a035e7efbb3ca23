import builtins
import contextlib
import json
import re
import socket
import ssl
import time
import urllib.error
import urllib.request
from fractions import Fraction

import jax
import numpy as np
import pytest

from tests.live.served import KNOBS, PATIENCE, SEED, Served, serving
from wyh.live import page
from wyh.live.log import Emitted, Observed, read_log
from wyh.live.replay import replay
from wyh.media.camera import FrameSource
from wyh.media.sources import Source, resolve_source
from wyh.media.web import messages
from wyh.media.web.messages import FRAME, HEAD, PULL, SEEN, SOUND
from wyh.runs import load_run
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player

pytest.importorskip("websockets", reason="websockets is absent: wyh[web]")
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect


@pytest.fixture(scope="module")
def player(run_dir):
    return load_player(load_run(run_dir))


@pytest.fixture(scope="module")
def compiled(player):
    return compile_transducer(player.transducer, player.variables, KNOBS, seed=SEED)


@pytest.fixture
def serve(player, compiled):
    """Starts servers: `serve(**options) -> Served`."""
    with serving(player, compiled) as start:
        yield start


def say_frame(client, tick, pixels):
    client.send(HEAD.pack(FRAME, 0, 0, tick, 0) + (b"" if pixels is None else pixels.tobytes()))


def say_pull(client, blocks, fill=800):
    client.send(HEAD.pack(PULL, 0, blocks, 0, fill))


def hear(client, blocks):
    """The next so many blocks, and the answers to pictures among them."""
    sound, answers = [], []
    while sum(map(len, sound)) < 64 * blocks:
        data = client.recv(PATIENCE)
        if isinstance(data, bytes):
            head = HEAD.unpack_from(data)
            if head[0] == SOUND:
                assert head[3] * 64 == sum(map(len, sound))
                sound.append(np.frombuffer(data, "<f4", offset=HEAD.size))
            else:
                assert head[0] == SEEN
                answers.append(data)
    return np.concatenate(sound), answers


def play(client, pictures, blocks=60):
    """Play as a page does; the sound."""
    json.loads(client.recv(PATIENCE))
    for tick, pixels in enumerate(pictures):
        say_frame(client, tick, pixels)
        assert HEAD.unpack_from(client.recv(PATIENCE))[0] == SEEN
    say_pull(client, blocks)
    return hear(client, blocks)[0]


@pytest.fixture
def pictures(rng):
    return rng.integers(0, 256, (4, 16, 16, 3), np.uint8)


def test_a_page_hears_what_its_log_replays_to(serve, player, compiled, pictures, tmp_path):
    served = serve(log_dir=tmp_path / "logs")
    with served.connect() as client:
        sound = play(client, pictures)
    served.end()
    log = read_log(tmp_path / "logs/session_1.jsonl")
    assert sum(isinstance(event, Observed) for event in log) == 4
    assert sum(isinstance(event, Emitted) for event in log) == 60
    frames = dict(enumerate(pictures))
    np.testing.assert_allclose(
        sound, replay(compiled, player.variables, frames, log, KNOBS), atol=1e-5
    )
    assert np.abs(sound).max() > 0.01
    assert served.summary["frames"] == 4
    assert served.summary["secs"] == pytest.approx(60 * 64 / 8000, abs=1e-3)
    assert served.summary["first_sound_secs"] > 0
    assert served.summary["stages_ms"]["observe"]["p50"] > 0


def test_the_answer_to_a_picture_is_its_code_and_what_is_known(serve, pictures):
    with serve().connect() as client:
        told = json.loads(client.recv(PATIENCE))
        assert told["insight"] and told["seed"] == SEED and told["source"] is None
        names = [knob["name"] for knob in told["knobs"]]
        assert "freeze" in names and "gain_db" in names and "width" not in names
        say_frame(client, 0, pictures[0])
        data = client.recv(PATIENCE)
    kind, flags, bands, tick, _ = HEAD.unpack_from(data)
    assert (kind, flags, bands, tick) == (SEEN, messages.HAS_CODE | messages.HAS_KNOWN, 8, 0)
    code = np.frombuffer(data, "<f4", bands, HEAD.size)
    known = np.frombuffer(data, np.uint8, offset=HEAD.size + 4 * bands)
    assert known.shape == (16 * 16 * 3,) and np.all(known == int(255 * code.mean()))


def test_without_insight_nothing_is_told(serve, pictures):
    with serve(insight=None).connect() as client:
        assert not json.loads(client.recv(PATIENCE))["insight"]
        say_frame(client, 0, pictures[0])
        assert HEAD.unpack_from(client.recv(PATIENCE))[1] == 0


def test_two_pages_turn_their_own_knobs(serve, pictures):
    served = serve()
    with served.connect() as loud, served.connect() as quiet:
        quiet.send(json.dumps({"kind": "turn", "name": "mute", "value": 1}))
        quiet.send(json.dumps({"kind": "turn", "name": "nonsense", "value": 1}))
        sound = play(loud, pictures)
        json.loads(quiet.recv(PATIENCE))
        assert "got the knob 'nonsense'" in json.loads(quiet.recv(PATIENCE))["text"]
        say_frame(quiet, 0, pictures[0])
        say_pull(quiet, 60)
        silence = hear(quiet, 60)[0]
    assert np.abs(sound).max() > 0.01
    assert np.abs(silence).max() == 0


def test_pages_that_misbehave_are_shut_out_and_harm_no_other(serve, player, compiled, pictures):
    served = serve()

    def garbage(client):
        client.send(b"\xff" * 40)

    def oversize(client):
        client.send(b"x" * 1_000_000)

    def greed(client):
        say_frame(client, 0, pictures[0])
        for _ in range(20):
            say_pull(client, 256)

    def flood(client):
        for _ in range(200_000):
            client.send(json.dumps({"kind": "turn", "name": "glide", "value": 0.5}))

    def backwards(client):
        say_frame(client, 0, pictures[0])
        say_frame(client, 0, pictures[0])

    def late(client):
        say_frame(client, 9, pictures[0])

    told = {
        garbage: (1008, "got a message of the kind 255"),
        oversize: (1009, ""),
        greed: (1008, "got a call for more sound than can be heard"),
        flood: (1008, "got too many messages at once"),
        backwards: (1008, "got frame tick 0 after 0"),
        late: (1008, "got frame tick 9 as the first, wanted 0"),
    }
    with served.connect() as good:
        json.loads(good.recv(PATIENCE))
        say_frame(good, 0, pictures[0])
        for misbehave, (code, why) in told.items():
            with served.connect() as bad, pytest.raises(ConnectionClosed) as shut:
                misbehave(bad)
                while True:
                    bad.recv(PATIENCE)
            assert shut.value.rcvd.code == code and why in shut.value.rcvd.reason
            if why:
                served.wait_note(why)
        say_pull(good, 60)
        sound, _ = hear(good, 60)
    log = [Observed(0, 0)]
    spec = player.transducer.spec
    for block in range(60):
        log.append(Emitted(block, 0, block * spec.block / spec.audio.sample_rate))
    again = replay(compiled, player.variables, {0: pictures[0]}, log, KNOBS)
    np.testing.assert_allclose(sound, again, atol=1e-5)


def test_a_page_that_stalls_holds_up_no_other(serve, pictures):
    served = serve()
    with served.connect() as stalled, served.connect() as good:
        stalled.recv(PATIENCE)
        say_frame(stalled, 0, pictures[0])
        for _ in range(6):  # asks, and never listens
            say_pull(stalled, 60)
        assert len(play(good, pictures)) == 60 * 64


def test_pictures_that_come_too_fast_are_dropped(serve, pictures):
    served = serve(insight=None)
    with served.connect() as client:
        client.recv(PATIENCE)
        for tick in range(400):
            say_frame(client, tick, pictures[tick % 4])
        say_pull(client, 1)
        hear(client, 1)
    served.end()
    assert 0 < served.summary["frames"] < 200


def test_there_is_room_for_eight(serve):
    served = serve()
    with contextlib.ExitStack() as stack:
        for _ in range(page.MOST_CLIENTS):
            stack.enter_context(served.connect()).recv(PATIENCE)
        with served.connect() as ninth, pytest.raises(ConnectionClosed) as shut:
            ninth.recv(PATIENCE)
        assert shut.value.rcvd.code == 1013
        assert shut.value.rcvd.reason == "8 pages play already: close one of them"
        served.wait_note("a page was turned away: 8 pages play already")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:  # places become free again
        with served.connect() as again, contextlib.suppress(ConnectionClosed):
            assert "hello" in again.recv(PATIENCE)
            break
    else:
        pytest.fail("no place became free")


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null", "http://127.0.0.1:1"])
def test_other_sites_are_refused(serve, origin):
    served = serve()
    with pytest.raises(InvalidStatus) as refused:
        served.connect(origin=origin)
    assert refused.value.response.status_code == 403


def test_a_foreign_name_that_leads_here_is_refused(serve):
    served = serve()
    with (
        socket.create_connection(("127.0.0.1", served.port)) as there,
        pytest.raises(InvalidStatus) as refused,
    ):
        name = f"evil.example:{served.port}"
        connect(f"ws://{name}/stream", sock=there, origin=f"http://{name}", proxy=None)
    assert refused.value.response.status_code == 403


def get(address, context=None, **headers):
    request = urllib.request.Request(address, headers=headers)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with opener.open(request, timeout=PATIENCE) as answer:
            return answer.status, dict(answer.headers), answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read().decode()


def test_the_page_is_served_from_here_alone(serve):
    served = serve()
    status, headers, text = get(served.address)
    assert status == 200 and "what you hear is what you see" in text.lower()
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    named = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert {"page.js", "page.css", "icon.svg"} <= set(named)
    scripts = ["player.js", "page.css", "icon.svg", "page.js"]
    for name in scripts:
        status, _, text = get(f"{served.address}{name}")
        assert status == 200
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg|127\.0\.0\.1)\w", text), name
        scripts += [new for new in re.findall(r'from "\./(\w+\.js)"', text) if new not in scripts]
    assert len(scripts) > 8
    assert get(f"{served.address}../server.py")[0] == 404
    assert get(f"{served.address}nothing")[0] == 404


def test_loopback_needs_neither_token_nor_tls(serve):
    served = serve()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", served.address)
    here = {"Origin": served.address.rstrip("/")}
    assert get(f"{served.address}stream", **here)[0] == 426


def test_a_network_needs_the_token(serve, pictures):
    pytest.importorskip("cryptography", reason="cryptography is absent: wyh[web]")
    pytest.importorskip("segno", reason="segno is absent: wyh[web]")
    served = serve(host="0.0.0.0")
    address, token = served.address.split("/#")
    assert address.startswith("https://") and len(token) >= 16
    served.wait_note("█")
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    assert get(f"{address}/", context)[0] == 200
    for wrong in ("", "?token=", "?token=wrong", f"?token={token}x", "?token=%C3%A9"):
        where = f"{address}/stream{wrong}"
        status, _, text = get(where, context, Origin=address)
        assert status == 403 and "lacks today's token" in text
        with pytest.raises(InvalidStatus):
            served.connect(where=where.replace("https", "wss"), origin=address, ssl=context)
    where = f"{address}/stream?token={token}".replace("https", "wss")
    with pytest.raises(InvalidStatus):
        served.connect(where=where, origin="https://evil.example", ssl=context)
    with served.connect(where=where, origin=address, ssl=context) as client:
        assert len(play(client, pictures)) == 60 * 64


def test_a_port_in_use_and_two_at_once(serve):
    first = serve()
    second = serve(port=first.port)
    assert str(second.failure) == (
        f"port {first.port} is in use: give another one with --port, such as {first.port + 1}"
    )
    other = serve()
    assert other.port != first.port
    assert get(other.address)[0] == get(first.address)[0] == 200


@pytest.mark.parametrize(
    ("how", "complaint"),
    [
        ({"port": 70_000}, "got --port 70000, wanted 0 to 65535"),
        ({"host": "192.0.2.77"}, "got --host 192.0.2.77, which is no address of this machine"),
    ],
)
def test_a_wrong_place_to_listen(serve, how, complaint):
    assert complaint in str(serve(**how).failure)


def test_an_absent_package_is_named(serve, monkeypatch):
    real = builtins.__import__

    def imported(name, *rest, **more):
        if name.startswith("websockets"):
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", imported)
    assert str(serve().failure) == "the page needs websockets: pip install 'wyh[web]'"


def test_a_source_that_fails_is_told(serve, player, tmp_path):
    video = player.transducer.spec.video
    empty = tmp_path / "empty.y4m"
    empty.write_bytes(b"YUV4MPEG2 W16 H16 F25:1\n")
    source = Source("empty", ("-f", "yuv4mpegpipe", "-i", str(empty)), paced=False)
    served = serve(source=lambda: FrameSource(source, video, lambda line: None))
    assert "empty" in str(served.failure)


def test_it_ends_after_its_duration(serve):
    served = serve(duration_secs=0.3)
    served._thread.join(PATIENCE)
    assert served.summary["frames"] == 0 and served.summary["offset_ms"] is None


def test_what_pages_measure_is_summed(serve):
    served = serve()
    for underruns in (2, 3):
        with served.connect() as client:
            client.recv(PATIENCE)
            for count in (1, underruns):
                stages = {"total": [100.0] * 9, "offset": [147.0]}
                report = {"kind": "report", "underruns": count, "stages_ms": stages}
                client.send(json.dumps(report))
            client.send(json.dumps({"kind": "turn", "name": "none", "value": 0}))
            client.recv(PATIENCE)  # the answer: the reports were read
    served.end()
    assert served.summary["underruns"] == 5
    assert served.summary["stages_ms"]["total"]["p50"] == pytest.approx(100, rel=0.01)
    assert served.summary["offset_ms"] == pytest.approx(147, rel=0.01)


def test_a_session_that_fails_ends_alone(player, compiled, pictures):
    def broken(*arguments):
        if arguments[-1] != 0:
            raise RuntimeError("out of order")
        return compiled.observe(*arguments)

    served = Served(player, type(compiled)(**vars(compiled) | {"observe": broken}))
    try:
        with served.connect() as client, served.connect() as good:
            client.recv(PATIENCE)
            say_frame(client, 0, pictures[0])
            client.recv(PATIENCE)
            say_frame(client, 1, pictures[1])
            with pytest.raises(ConnectionClosed) as shut:
                while True:
                    client.recv(PATIENCE)
            assert shut.value.rcvd.code == 1011
            served.wait_note("page 1 was shut out: failed: RuntimeError: out of order")
            assert len(play(good, pictures[:1])) == 60 * 64
    finally:
        served.end()


def test_a_source_of_the_server_is_shown_and_heard(serve, player, compiled, film, tmp_path):
    video = player.transducer.spec.video
    notes = []
    served = serve(
        source=lambda: FrameSource(resolve_source(str(film)), video, notes.append),
        log_dir=tmp_path,
    )
    with served.connect() as client:
        assert json.loads(client.recv(PATIENCE))["source"]
        shown = {}
        for tick in range(3):
            say_frame(client, tick, None)
            data = client.recv(PATIENCE)
            flags, bands, _, waited = HEAD.unpack_from(data)[1:]
            assert waited > 0 or tick > 0  # only a new picture tells how long it was there
            assert flags & messages.HAS_PICTURE
            at = HEAD.size + 4 * bands + (768 if flags & messages.HAS_KNOWN else 0)
            shown[tick] = np.frombuffer(data, np.uint8, offset=at).reshape(16, 16, 3)
        say_pull(client, 30)
        sound, _ = hear(client, 30)
        with contextlib.suppress(ConnectionClosed):  # the film's end is the server's
            while True:
                client.recv(PATIENCE)
    served._thread.join(PATIENCE)
    assert served.summary["frames"] == 3 and not notes
    log = read_log(tmp_path / "session_1.jsonl")
    numbers = {event.frame: shown[event.tick] for event in log if isinstance(event, Observed)}
    assert 0 in numbers
    again = replay(compiled, player.variables, numbers, log, KNOBS)
    np.testing.assert_allclose(sound, again, atol=1e-5)


def test_frame_rates_that_are_no_whole_number_reach_the_page(run_dir):
    spec = load_run(run_dir).stream
    video = type(spec.video)(Fraction(30000, 1001), 16, 16)
    told = json.loads(messages.hello(type(spec)("see-hear", video, spec.audio, 64), {}))
    assert told["frame_rate"] == [30000, 1001]


def test_the_model_is_left_as_it_was(compiled):
    for leaf in jax.tree.leaves((compiled.carry_in, compiled.carry_out)):
        assert not leaf.is_deleted()
