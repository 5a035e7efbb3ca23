"""Pages of a run that makes pictures, as their server has them."""

import json
import re
import urllib.request
from fractions import Fraction

import numpy as np
import pytest

from tests.dreamers import make_dream_run
from tests.live.served import KNOBS, PATIENCE, SEED, serving
from tests.visual import make_visual_run
from wyh.live.log import Emitted, Observed, read_log
from wyh.live.panel import Panel
from wyh.live.picture_guests import PictureGuests
from wyh.live.picture_session import replay_pictures
from wyh.media.web.messages import HEAD
from wyh.media.web.picture_messages import FROM_FILE, HEARD, JPEG, PICTURE, RAW
from wyh.selection import SelectionConfig
from wyh.transducers.compile import Compiled, compile_transducer
from wyh.transducers.kinds import load_player

pytest.importorskip("websockets", reason="websockets is absent: wyh[web]")
from websockets.exceptions import ConnectionClosed

BLOCK = 80


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "tiny"
    return load_player(make_visual_run(folder, frame_rate=Fraction(25), loud_is_bright=True))


@pytest.fixture(scope="module")
def compiled(player):
    return compile_transducer(player.transducer, player.variables, KNOBS, seed=SEED)


@pytest.fixture
def serve(player, compiled):
    """Starts servers: `serve(**options) -> Served`."""
    with serving(player, compiled) as start:
        yield start


@pytest.fixture
def sound(rng):
    """A second that swells."""
    swell = np.linspace(0, 0.5, 100)[:, None]
    return (swell * rng.uniform(-1, 1, (100, BLOCK))).astype(np.float32)


def say(client, sound, first=0, *, got=0, flags=0):
    head = HEAD.pack(HEARD, flags, len(sound), first, got)
    client.send(head + sound.astype("<f4").tobytes())


def see(client):
    """The next picture, and its number."""
    while isinstance(data := client.recv(PATIENCE), str):
        pass
    kind, form, _, number, _ = HEAD.unpack_from(data)
    assert (kind, form) == (PICTURE, RAW)
    return number, np.frombuffer(data, np.uint8, offset=HEAD.size).reshape(16, 16, 3)


def play(client, sound, *, flags=0, late=0):
    """Play as a page does, in real time's order; the pictures by number."""
    json.loads(client.recv(PATIENCE))
    pictures = {}
    for block in range(len(sound)):
        say(client, sound[block : block + 1], block, got=max(pictures, default=-1) + 1, flags=flags)
        if 320 * len(pictures) + late < (block + 2) * BLOCK:  # 320 samples a picture: one is due
            number, pixels = see(client)
            pictures[number] = pixels
    return pictures


def test_a_page_sees_what_its_log_replays_to(serve, player, compiled, sound, tmp_path):
    served = serve(log_dir=tmp_path / "logs")
    with served.connect() as client:
        pictures = play(client, sound)
    served.end()
    log = read_log(tmp_path / "logs/session_1.jsonl")
    assert sum(isinstance(event, Observed) for event in log) == 100
    again = replay_pictures(compiled, player.variables, dict(enumerate(sound)), log, KNOBS)
    assert list(pictures) == list(range(26)) and again.keys() >= pictures.keys()
    for number, pixels in pictures.items():
        np.testing.assert_array_equal(pixels, again[number])
    assert pictures[25].mean() > pictures[2].mean() + 20  # loud is bright
    summary = served.summary
    assert summary["frames"] == 26 and summary["secs"] == 1.0 and summary["left_out"] == 0
    assert summary["first_picture_secs"] > 0 and summary["first_sound_secs"] is None
    assert summary["stages_ms"]["observe"]["p50"] > 0 and summary["stages_ms"]["emit"]["p50"] > 0


def test_the_greeting_tells_what_the_page_needs(serve, player):
    with serve().connect() as client:
        told = json.loads(client.recv(PATIENCE))
    assert told["direction"] == "hear-see" and told["seed"] == SEED
    assert told["late"] == player.transducer.spec.latency_samples
    assert (told["block"], told["sample_rate"], told["frame_rate"]) == (80, 8000, [25, 1])
    names = [knob["name"] for knob in told["knobs"]]
    assert {"bass", "hue", "flash_limit", "freeze", "mute"} <= set(names)
    assert not {"glide", "phase", "scene", "record", "width"} & set(names)


def test_the_page_of_a_dream_has_its_own_knobs(tmp_path):
    player = load_player(make_dream_run(tmp_path / "dream", selection=SelectionConfig(most=2)))
    compiled = Compiled(print, print, None, None, 1, 1)
    turned = KNOBS | {"classes": 1.0}
    guests = PictureGuests(player, compiled, turned, SEED, print, None, here=True)
    panel = Panel(turned, direction="hear-see", kind=guests.kind)
    table = {knob["name"]: knob for knob in guests._about(panel)["knobs"]}
    assert {"classes", "fade", "zoom", "hue", "freeze", "mute"} <= table.keys()
    assert not {"bass", "auto_gain", "attack", "release", "width", "scene"} & table.keys()
    assert (table["classes"]["value"], table["classes"]["default"]) == (1, 2)  # the run's own


def test_the_page_is_the_one_for_pictures_and_served_from_here_alone(serve):
    served = serve()
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def get(name):
        with opener.open(f"{served.address}{name}", timeout=PATIENCE) as answer:
            return answer.read().decode()

    text = get("")
    assert 'data-direction="hear-see"' in text
    names = [*re.findall(r'(?:src|href)="([^"]+)"', text), "listener.js"]
    assert {"pictures.js", "pictures.css", "page.css", "icon.svg"} <= set(names)
    for name in names:
        text = get(name)
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg|127\.0\.0\.1)\w", text), name
        names += [new for new in re.findall(r'from "\./(\w+\.js)"', text) if new not in names]
    assert {"ear.js", "show.js", "resample.js", "picture_stream.js"} <= set(names)


def test_a_song_is_seen_as_late_as_it_may_be_heard(serve, player, sound, tmp_path):
    served = serve(log_dir=tmp_path)
    spec = player.transducer.spec
    with served.connect() as client:
        pictures = play(client, sound, flags=FROM_FILE, late=spec.latency_samples)
    served.end()
    made = [each for each in read_log(tmp_path / "session_1.jsonl") if isinstance(each, Emitted)]
    blocks, ages = spec.picture_schedule(0, 26, late=spec.latency_samples)
    assert len(pictures) == len(made) > 20
    for event in made:
        assert event.tick == blocks[event.block]
        assert event.age_secs == pytest.approx(ages[event.block])


def test_a_song_that_comes_in_bursts_loses_no_picture(serve, sound):
    with serve().connect() as client:
        client.recv(PATIENCE)
        for block in range(0, 100, 20):  # five pictures at once
            say(client, sound[block : block + 20], block, flags=FROM_FILE, got=1 << 20)
            numbers = [see(client)[0]]
            while numbers[-1] < (block + 20) // 4 - 1:
                numbers.append(see(client)[0])
            assert numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) >= 4


def test_a_page_that_takes_no_pictures_gets_no_more_than_a_few(serve, player, sound):
    served = serve()
    with served.connect() as client:
        client.recv(PATIENCE)
        for block in range(100):
            say(client, sound[block : block + 1], block)  # and never tells that one came
        say(client, sound[:1], 100, got=1 << 20)  # now it has them all: the newest follows
        numbers = []
        while not numbers or numbers[-1] < 25:
            numbers.append(see(client)[0])
    assert len(numbers) <= 12
    assert numbers == sorted(set(numbers))


def test_two_pages_turn_their_own_knobs(serve, sound):
    served = serve()
    with served.connect() as plain, served.connect() as turned:
        turned.send(json.dumps({"kind": "turn", "name": "negative", "value": 1}))
        turned.send(json.dumps({"kind": "turn", "name": "nonsense", "value": 1}))
        first = play(plain, sound[:40])
        json.loads(turned.recv(PATIENCE))
        assert "got the knob 'nonsense'" in json.loads(turned.recv(PATIENCE))["text"]
        turned.send(json.dumps({"kind": "turn", "name": "glide", "value": 0}))  # for sound alone
        assert "got the knob 'glide'" in json.loads(turned.recv(PATIENCE))["text"]
        say(turned, sound[:1])
        negative = see(turned)[1]
    assert np.abs(negative.astype(int) + first[0] - 255).max() <= 1


def test_pages_that_misbehave_are_shut_out_and_harm_no_other(serve, player, compiled, sound):
    served = serve()

    def garbage(client):
        client.send(b"\xff" * 40)

    def oversize(client):
        client.send(b"x" * 1_000_000)

    def greed(client):
        for number in range(0, 640, 64):
            say(client, np.zeros((64, BLOCK)), number)

    def backwards(client):
        say(client, sound[:2])
        say(client, sound[:2], 1)

    def late(client):
        say(client, sound[:1], 9)

    def both(client):
        say(client, sound[:1])
        say(client, sound[:1], 1, flags=FROM_FILE)

    def poison(client):
        say(client, np.full((1, BLOCK), np.nan))

    told = {
        garbage: (1008, "got a message of the kind 255"),
        oversize: (1009, ""),
        greed: (1008, "got more sound than there is time for"),
        backwards: (1008, "got block 1 after 1"),
        late: (1008, "got block 9 as the first, wanted 0"),
        both: (1008, "got a song and a microphone in one stream, wanted one of them"),
        poison: (1008, "got sound with samples that are no numbers"),
    }
    with served.connect() as good:
        for misbehave, (code, why) in told.items():
            with served.connect() as bad, pytest.raises(ConnectionClosed) as shut:
                misbehave(bad)
                while True:
                    bad.recv(PATIENCE)
            assert shut.value.rcvd.code == code and why in shut.value.rcvd.reason
            if why:
                served.wait_note(why)
        pictures = play(good, sound[:20])
    log = [Observed(number, number) for number in range(20)]
    spec = player.transducer.spec
    for number, (block, age) in enumerate(zip(*spec.picture_schedule(0, 6), strict=True)):
        log.append(Emitted(number, int(block), float(age)))
    again = replay_pictures(compiled, player.variables, dict(enumerate(sound)), log, KNOBS)
    for number, pixels in pictures.items():
        np.testing.assert_array_equal(pixels, again[number])


def test_a_page_that_stalls_holds_up_no_other(serve, sound):
    served = serve()
    with served.connect() as stalled, served.connect() as good:
        say(stalled, sound)  # and never listens
        assert len(play(good, sound[:40])) == 11


def test_large_pictures_leave_this_machine_as_jpeg(tmp_path):
    pytest.importorskip("cryptography", reason="cryptography is absent: wyh[web]")
    pytest.importorskip("segno", reason="segno is absent: wyh[web]")
    import ssl

    player = load_player(make_visual_run(tmp_path / "large", height=96, width=96))
    compiled = compile_transducer(player.transducer, player.variables, KNOBS, seed=SEED)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with serving(player, compiled) as start:
        served = start(host="0.0.0.0")
        address, token = served.address.split("/#")
        where = f"{address}/stream?token={token}".replace("https", "wss")
        with served.connect(where=where, origin=address, ssl=context) as client:
            client.recv(PATIENCE)
            say(client, np.zeros((1, BLOCK)))
            data = client.recv(PATIENCE)
    assert HEAD.unpack_from(data)[1] == JPEG and len(data) < 96 * 96
