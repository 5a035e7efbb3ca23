"""The page of a run that makes pictures, in a real browser whose microphone hears a file."""

import base64
import time
import wave
from fractions import Fraction

import numpy as np
import pytest

from tests.live.served import KNOBS, PATIENCE, SEED, serving
from tests.media.web.browsing import CHROMIUM, ENCODE, FLAGS, pages
from tests.visual import make_visual_run
from wyh.live.log import Emitted, Observed, read_log
from wyh.live.picture_session import replay_pictures
from wyh.media.web.messages import HEAD
from wyh.media.web.picture_messages import FROM_FILE, HEARD
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player

pytest.importorskip("websockets", reason="websockets is absent: wyh[web]")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is absent")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is absent")

RATE = 48000
ON, OFF = 0.5, 0.5  # seconds of a tone and of silence

# Keeps the sound that the page sends and the pictures it paints, with the clock's own time.
TAP = (
    ENCODE
    + """
window.tap = {sent: [], shown: []};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (data instanceof ArrayBuffer) tap.sent.push(encode(data));
  return send.call(this, data);
};
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (image, ...where) {
  if (this.canvas.id === "picture") tap.shown.push(encode(image.data));
  return put.call(this, image, ...where);
};
const volume = BaseAudioContext.prototype.createGain;
BaseAudioContext.prototype.createGain = function () {
  return (tap.volume = volume.call(this));
};
const speaker = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (...to) {
  if (this instanceof AnalyserNode) {
    tap.analyser = this;
    setInterval(() => {
      const heard = new Float32Array(256);
      this.getFloatTimeDomainData(heard);
      const painted = document.getElementById("picture").getContext("2d").getImageData(8, 8, 1, 1);
      (tap.both ??= []).push([Math.max(...heard.map(Math.abs)), painted.data[0]]);
    }, 10);
  }
  return speaker.apply(this, to);
};
"""
)


@pytest.fixture(scope="module")
def song(tmp_path_factory):
    """Forty seconds: a tone for half a second, then silence, and so on."""
    path = tmp_path_factory.mktemp("song") / "song.wav"
    secs = np.arange(40 * RATE) / RATE
    tone = 0.5 * np.sin(2 * np.pi * 440 * secs) * (secs % (ON + OFF) < ON)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(np.round(tone * 32767).astype("<i2").tobytes())
    return path


@pytest.fixture(scope="module")
def browser(song):
    with playwright.sync_playwright() as play:
        flags = [f"--use-file-for-fake-audio-capture={song}", "--use-fake-ui-for-media-stream"]
        running = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield running
        running.close()


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "tiny"
    return load_player(make_visual_run(folder, frame_rate=Fraction(25), loud_is_bright=True))


@pytest.fixture(scope="module")
def compiled(player):
    return compile_transducer(player.transducer, player.variables, KNOBS, seed=SEED)


@pytest.fixture
def serve(player, compiled):
    with serving(player, compiled) as start:
        yield start


@pytest.fixture
def opened(browser):
    """Opens pages: `opened(address) -> page`; whatever a page complains of fails the test."""
    with pages(browser) as show:
        yield show


def start(page, song=None):
    page.wait_for_selector("#start:not([disabled])")
    if song is None:
        page.click("#start")
    else:
        page.set_input_files("#file", str(song))
    page.wait_for_selector("[data-state=playing]")


def shown(page, count):
    """Wait until the page has shown so many pictures."""
    page.wait_for_function("count => tap.shown.length >= count", arg=count)


def sent(tap):
    """The blocks that a page sent, by number, and the flags they came with."""
    blocks, flags = {}, set()
    for message in map(base64.b64decode, tap["sent"]):
        kind, flag, count, first, _ = HEAD.unpack_from(message)
        assert kind == HEARD
        flags.add(flag)
        sound = np.frombuffer(message, "<f4", offset=HEAD.size).reshape(count, -1)
        blocks |= dict(enumerate(sound, first))
    return blocks, flags


@pytest.mark.parametrize("source", ["microphone", "song"])
def test_what_the_page_shows_is_what_its_sound_and_log_replay_to(
    serve, opened, player, compiled, song, tmp_path, source
):
    served = serve(log_dir=tmp_path)
    page = opened(served.address, TAP)
    start(page, song if source == "song" else None)
    shown(page, 60)
    page.click("#stop")
    page.wait_for_selector("#start:not([disabled])")
    tap = page.evaluate("({sent: tap.sent, shown: tap.shown})")
    served.end()

    blocks, flags = sent(tap)
    assert flags == {FROM_FILE if source == "song" else 0}
    log = read_log(tmp_path / "session_1.jsonl")
    late = player.transducer.spec.latency_samples if source == "song" else 0
    for event in log:
        if isinstance(event, Emitted):
            wanted, _ = player.transducer.spec.picture_schedule(event.block, 1, late=late)
            assert event.tick <= wanted[0]
    heard = [event.tick for event in log if isinstance(event, Observed)]
    assert len(heard) > 150 and set(heard) <= set(blocks)
    again = replay_pictures(compiled, player.variables, blocks, log, KNOBS)
    numbers = iter(again.values())
    for data in tap["shown"]:
        picture = np.frombuffer(base64.b64decode(data), np.uint8).reshape(16, 16, 4)[..., :3]
        # In their order; those that came too late were not shown.
        assert any(np.abs(picture.astype(int) - pixels).max() <= 1 for pixels in numbers)
    assert np.ptp([pixels.mean() for pixels in again.values()]) > 50  # the tone is seen


def test_a_song_is_seen_when_it_is_heard(serve, opened, song):
    page = opened(serve().address, TAP)
    start(page, song)
    page.locator("#knob-flash_limit").select_option("Off")
    # Edges are a picture or two apart; were the song not delayed it would be a third of a second.
    # A machine that is busy now and then catches up.
    page.wait_for_function(
        """() => {
          const newest = (tap.both ?? []).slice(-200);
          const agreed = newest.filter(([heard, seen]) => (heard > 0.1) === (seen > 190));
          return newest.length === 200 && agreed.length > 160;
        }"""
    )
    assert page.inner_text("#left-out").isdecimal()
    assert page.evaluate("tap.volume.gain.value") > 0.9
    page.get_by_role("button", name="Mute").click()
    page.wait_for_function("tap.volume.gain.value < 0.01")
    page.get_by_role("button", name="Mute").click()
    slider = page.get_by_role("slider", name="volume")
    slider.press("Home")
    page.wait_for_function("Math.abs(tap.volume.gain.value - 0.001) < 0.0005")
    page.wait_for_function("document.getElementById('latency').textContent.endsWith(' ms')")


def test_sound_is_converted_to_the_runs_rate(serve, opened):
    page = opened(serve().address)
    made = page.evaluate(
        """async () => {
          const {Resampler} = await import('/resample.js');
          const tone = (hz, rate, count) => Float32Array.from(
            {length: count}, (_, n) => Math.sin(2 * Math.PI * hz * n / rate));
          const all = [];
          for (const [from, to, hz] of [[48000, 22050, 1000], [44100, 22050, 8000],
                                        [48000, 8000, 9000], [16000, 22050, 3000],
                                        [22050, 22050, 500]]) {
            const resampler = new Resampler(from, to);
            const out = [];
            const sound = tone(hz, from, from / 2);
            for (let at = 0; at < sound.length; at += 128) {
              resampler.take(sound.subarray(at, at + 128), (sample) => out.push(sample));
            }
            all.push({to, hz, out});
          }
          return all;
        }"""
    )
    for each in made:
        out, rate, hz = np.array(each["out"]), each["to"], each["hz"]
        assert len(out) > 0.49 * rate
        time = np.arange(len(out)) / rate
        expected = np.sin(2 * np.pi * hz * time) if hz < rate / 2 else np.zeros(len(out))
        np.testing.assert_allclose(out[200:-200], expected[200:-200], atol=2e-3)


def test_buttons_and_knobs_reach_the_pictures(serve, opened):
    page = opened(serve().address, TAP)
    start(page)
    shown(page, 10)
    # Pictures are bright or grey: dark is only the negative of a bright one.
    slider = page.get_by_role("slider", name="negative picture")
    slider.focus()
    page.keyboard.press("End")
    middle = "document.getElementById('picture').getContext('2d').getImageData(8, 8, 1, 1).data[0]"
    page.wait_for_function(f"{middle} < 60")
    assert page.evaluate("tap.volume.gain.value") == 0  # else it would howl
    assert page.is_hidden("#mute") and page.is_hidden("#knob-gain_db")
    page.get_by_role("button", name="Freeze").click()
    assert page.get_by_role("button", name="Freeze").get_attribute("aria-pressed") == "true"
    count, before = page.evaluate("tap.shown.length"), -1
    for _ in range(20):
        if count == before:
            break
        page.wait_for_timeout(700)
        count, before = page.evaluate("tap.shown.length"), count
    assert count == before
    page.get_by_role("button", name="Freeze").click()
    shown(page, count + 5)
    page.get_by_role("button", name="Reset").click()
    assert slider.get_attribute("aria-valuetext") == "0.00"
    assert page.get_by_role("slider", name="speed").get_attribute("aria-valuetext") == "1.00"
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("[data-state=ready]")
    start(page)


def test_everything_has_a_name_and_can_be_reached_by_keyboard(serve, opened):
    page = opened(serve().address)
    page.wait_for_selector("#start:not([disabled])")
    page.focus("body")
    names = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate(
            "() => { const e = document.activeElement;"
            " return (e.labels?.[0]?.textContent ?? e.textContent).trim(); }"
        )
        if name in names:
            break
        names.append(name)
    assert {"Microphone", "A song", "bass", "flash limit", "Reset"} <= set(names)
    assert page.is_visible("#warning")
    assert "flash" in page.inner_text("#warning")
    page.focus("#start")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-state=playing]")
    assert page.evaluate("document.activeElement.id") == "stop"
    assert page.get_by_role("status").all_inner_texts() == ["Playing"]
    page.get_by_role("button", name="Full screen", exact=True).focus()
    page.keyboard.press("Enter")
    box = page.locator("#picture").bounding_box()
    size = page.viewport_size
    assert (box["width"], box["height"]) == (size["width"], size["height"])
    page.get_by_role("button", name="Leave full screen").press("Enter")
    page.wait_for_function("!document.body.classList.contains('full')")
    nameless = page.evaluate(
        "[...document.querySelectorAll('canvas, audio')]"
        ".filter(e => !e.getAttribute('aria-label')).length"
    )
    assert nameless == 0


def test_less_motion_begins_with_the_flash_limit(player, compiled, opened):
    unlimited = KNOBS | {"flash_limit": 0.0}
    with serving(player, compiled, unlimited) as begin:
        address = begin().address
        plain = opened(address)
        plain.wait_for_selector("#start:not([disabled])")
        assert plain.locator("#knob-flash_limit").input_value() == "0"
        still = opened(address, reduced_motion="reduce")
        still.wait_for_selector("#start:not([disabled])")
        assert still.locator("#knob-flash_limit").input_value() == "1"


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_at_the_side(serve, opened, song, width):
    page = opened(serve().address, viewport={"width": width, "height": 800})
    page.wait_for_selector("#start:not([disabled])")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    start(page, song)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_it_comes_back_when_the_server_does(serve, opened):
    served = serve()
    page = opened(served.address, TAP)
    start(page)
    served.end()
    page.wait_for_selector("[data-state=gone]")
    assert "The server has gone." in page.inner_text("#trouble")
    serve(port=served.port)
    page.wait_for_selector("[data-state=playing]")
    assert page.is_hidden("#trouble")
    count = page.evaluate("tap.shown.length")
    shown(page, count + 10)


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('', 'NotAllowedError') }",
            "The microphone was refused.",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('', 'NotFoundError') }",
            "There is no microphone.",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('', 'NotReadableError') }",
            "The microphone is busy",
        ),
        (
            "Object.defineProperty(window, 'isSecureContext', {get: () => false})",
            "Browsers give their microphone to secure pages alone.",
        ),
    ],
)
def test_trouble_with_the_microphone_is_told_in_plain_words(serve, opened, script, complaint):
    page = opened(serve().address, script)
    page.click("#start:not([disabled])")
    page.wait_for_function(
        "text => document.getElementById('trouble').textContent.startsWith(text)", arg=complaint
    )
    page.wait_for_selector("[data-state=ready]")
    assert page.is_enabled("#start") and page.is_enabled("#choose")


def test_a_file_that_is_no_song_is_told(serve, opened, song, tmp_path):
    page = opened(serve().address, TAP)
    page.wait_for_selector("#start:not([disabled])")
    (tmp_path / "letter.txt").write_text("no sound")
    page.set_input_files("#file", str(tmp_path / "letter.txt"))
    page.wait_for_function("document.getElementById('trouble').textContent")
    assert page.inner_text("#trouble") == (
        "letter.txt is no sound that this browser can play. Choose another file."
    )
    start(page, song)  # another one plays
    shown(page, 5)


def test_a_microphone_that_is_muted_is_told(serve, opened):
    script = """
      navigator.mediaDevices.getUserMedia = async () =>
        (window.quiet = new AudioContext()).createMediaStreamDestination().stream;
    """
    page = opened(serve().address, script)
    start(page)
    page.wait_for_selector("#trouble:not([hidden])")
    assert page.inner_text("#trouble").startswith("No sound comes from the microphone.")


def test_large_pictures_come_over_a_network(tmp_path, opened):
    pytest.importorskip("cryptography", reason="cryptography is absent: wyh[web]")
    run = make_visual_run(tmp_path / "large", height=96, width=128, loud_is_bright=True)
    player = load_player(run)
    compiled = compile_transducer(player.transducer, player.variables, KNOBS, seed=SEED)
    with serving(player, compiled) as begin:
        page = opened(begin(host="0.0.0.0").address, ignore_https_errors=True)
        start(page)
        end = time.monotonic() + PATIENCE
        painted = None  # asked for without `wait_for_function`, which needs the page's guard off
        while painted is None or painted[:2] != [128, 96] or painted[2] < 100:
            assert time.monotonic() < end, painted
            painted = page.evaluate(
                "() => { const c = document.getElementById('picture');"
                " const b = c.getContext('2d').getImageData(64, 48, 1, 1).data;"
                " return [c.width, c.height, b[0]];"
                " }"
            )


def test_a_microphone_that_goes_stops_the_pictures(serve, opened):
    script = """
      const media = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
      navigator.mediaDevices.getUserMedia = async (wish) => (window.given = await media(wish));
    """
    page = opened(serve().address, script)
    start(page)
    page.evaluate("given.getTracks()[0].dispatchEvent(new Event('ended'))")
    page.wait_for_selector("[data-state=ready]")
    assert "The microphone has gone." in page.inner_text("#trouble")
