"""The page itself, in a real browser with a fake camera that plays the bundled film."""

import base64
from fractions import Fraction

import numpy as np
import pytest

from tests.conftest import make_run
from tests.live.served import KNOBS, SEED, serving
from tests.media.clips import run_ffmpeg
from tests.media.web.browsing import CHROMIUM, ENCODE, FLAGS, joined, pages
from wyh.live.log import Observed, read_log
from wyh.live.replay import replay
from wyh.media.camera import FrameSource
from wyh.media.decode import open_video
from wyh.media.sources import resolve_source
from wyh.media.web.messages import FRAME, HEAD
from wyh.samples import SAMPLE
from wyh.specs import AudioSpec, StreamSpec, VideoSpec
from wyh.transducers.compile import compile_transducer
from wyh.transducers.kinds import load_player

pytest.importorskip("websockets", reason="websockets is absent: wyh[web]")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is absent")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Debian's chromium is absent")

# Keeps what the page sends and what its worklet gets, and records what that plays.
TAP = (
    ENCODE
    + """
window.tap = {frames: [], sound: [], played: []};
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
  if (data instanceof ArrayBuffer && new Uint8Array(data)[0] === 1) tap.frames.push(encode(data));
  return send.call(this, data);
};
const post = MessagePort.prototype.postMessage;
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message?.sound) tap.sound.push(encode(message.sound));
  return post.call(this, message, ...rest);
};
const recorder = URL.createObjectURL(new Blob([`
  registerProcessor("recorder", class extends AudioWorkletProcessor {
    process([input]) {
      if (input[0]) this.port.postMessage(input[0].slice());
      return true;
    }
  });`], {type: "text/javascript"}));
const add = AudioWorklet.prototype.addModule;
AudioWorklet.prototype.addModule = async function (...names) {
  await add.call(this, recorder);
  return add.apply(this, names);
};
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (...to) {
  if (this instanceof AudioWorkletNode) {
    const tapped = new AudioWorkletNode(this.context, "recorder", {numberOfOutputs: 0});
    tapped.port.onmessage = ({data}) => tap.played.push(encode(data));
    connect.call(this, tapped);
  }
  return connect.apply(this, to);
};
"""
)


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    """The film as Chromium's fake camera takes it."""
    path = tmp_path_factory.mktemp("camera") / "film.mjpeg"
    run_ffmpeg("-t", "6", "-i", str(SAMPLE), "-vf", "fps=30", "-q:v", "3", str(path))
    return path


@pytest.fixture(scope="module")
def browser(camera):
    with playwright.sync_playwright() as play:
        flags = [f"--use-file-for-fake-video-capture={camera}", "--use-fake-ui-for-media-stream"]
        running = play.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS, *flags])
        yield running
        running.close()


@pytest.fixture(scope="module")
def player(tmp_path_factory):
    run = make_run(tmp_path_factory.mktemp("run") / "tiny", frame_rate=Fraction(24000, 1001))
    return load_player(run)


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


def start(page):
    page.click("#start:not([disabled])")
    page.wait_for_selector("[data-state=playing]")


def heard(page, samples):
    """Wait until the page has got so much sound."""
    page.wait_for_function(
        "count => tap.sound.reduce((all, one) => all + one.length, 0) * 0.75 / 4 > count",
        arg=samples,
    )


def test_what_the_page_plays_is_what_its_frames_and_log_replay_to(
    serve, opened, player, compiled, tmp_path
):
    served = serve(log_dir=tmp_path)
    page = opened(served.address, TAP)
    start(page)
    heard(page, 3 * 8000)
    page.wait_for_timeout(600)  # until the figures are shown anew
    underruns = int(page.inner_text("#underruns"))
    page.click("#stop")
    page.wait_for_selector("#start:not([disabled])")
    tap = page.evaluate("tap")
    served.end()

    frames = {}
    for message in map(base64.b64decode, tap["frames"]):
        kind, _, _, tick, _ = HEAD.unpack_from(message)
        assert kind == FRAME
        frames[tick] = np.frombuffer(message, np.uint8, offset=HEAD.size).reshape(16, 16, 3)
    log = read_log(tmp_path / "session_1.jsonl")
    looked = [event.tick for event in log if isinstance(event, Observed)]
    assert len(looked) > 20 and set(looked) <= set(frames)
    assert len({frames[tick].tobytes() for tick in looked}) > 10  # the camera does move
    again = replay(compiled, player.variables, frames, log, KNOBS)
    got = joined(tap["sound"])
    np.testing.assert_allclose(got, again[: len(got)], atol=1e-5)

    played = joined(tap["played"])
    first = np.flatnonzero(played)[0] - np.flatnonzero(got)[0]
    played = played[max(first, 0) :]
    got = got[max(-first, 0) :]
    count = min(len(played), len(got))
    same = np.abs(played[:count] - got[:count]) < 1e-5
    # Where the machine was too busy there are gaps, and they are counted.
    assert same.all() or underruns > 0
    assert np.abs(played).max() > 0.01


def test_buttons_and_knobs_reach_the_sound(serve, opened):
    page = opened(serve().address, TAP)
    start(page)
    heard(page, 4000)
    page.get_by_role("button", name="Mute").click()
    assert page.get_by_role("button", name="Mute").get_attribute("aria-pressed") == "true"
    last = "new Float32Array(Uint8Array.from(atob(tap.sound.at(-1)), c => c.charCodeAt(0)).buffer)"
    page.wait_for_function(f"{last}.every(value => value === 0)")
    page.get_by_role("button", name="Reset").click()  # the knobs alone
    page.get_by_role("button", name="Mute").click()
    page.wait_for_function(f"{last}.some(value => value !== 0)")
    slider = page.get_by_role("slider", name="volume")
    slider.focus()
    page.keyboard.press("Home")
    assert slider.get_attribute("aria-valuetext") == "-60.0 dB"
    page.wait_for_function(f"{last}.every(value => Math.abs(value) < 0.001)")
    page.get_by_role("button", name="Reset").click()
    assert page.get_by_role("slider", name="volume").get_attribute("aria-valuetext") == "0.0 dB"
    page.get_by_role("combobox", name="phase").select_option("Random")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("[data-state=ready]")
    start(page)  # a second time, with the knobs as they were
    assert page.get_by_role("combobox", name="phase").input_value() == "0"


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
    assert {"Start", "volume", "phase", "Reset"} <= set(names)
    page.keyboard.press("Escape")
    page.focus("#start")
    page.keyboard.press("Enter")
    page.wait_for_selector("[data-state=playing]")
    assert page.evaluate("document.activeElement.id") == "stop"
    nameless = page.evaluate(
        "[...document.querySelectorAll('canvas, video')]"
        ".filter(e => !e.getAttribute('aria-label')).length"
    )
    assert nameless == 0
    assert page.get_by_role("status").all_inner_texts() == ["Playing"]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_at_the_side(serve, opened, width):
    page = opened(serve().address, viewport={"width": width, "height": 800})
    start(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.soak
def test_it_comes_back_when_the_server_does(serve, opened):
    served = serve()
    page = opened(served.address)
    start(page)
    served.end()
    page.wait_for_selector("[data-state=gone]")
    assert "The server has gone." in page.inner_text("#trouble")
    serve(port=served.port)
    page.wait_for_selector("[data-state=playing]")
    assert page.is_hidden("#trouble")


def test_a_page_without_the_token_says_so(serve, opened):
    pytest.importorskip("cryptography", reason="cryptography is absent: wyh[web]")
    served = serve(host="0.0.0.0")
    page = opened(served.address.split("#")[0], ignore_https_errors=True)
    page.wait_for_selector("[data-state=refused]")
    assert "lacks today's token" in page.inner_text("#trouble")
    page = opened(served.address, ignore_https_errors=True)
    start(page)


def test_a_source_of_the_server_is_shown(serve, opened, player, camera):
    video = player.transducer.spec.video
    notes = []
    served = serve(source=lambda: FrameSource(resolve_source(str(SAMPLE)), video, notes.append))
    page = opened(served.address, TAP)
    start(page)
    heard(page, 4000)
    page.wait_for_function("document.getElementById('source').width === 16")
    assert page.is_hidden("#camera") and not notes
    page.wait_for_function("document.getElementById('latency').textContent.endsWith(' ms')")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        (
            "navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('', 'NotAllowedError') }",
            "The camera was refused.",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('', 'NotFoundError') }",
            "There is no camera.",
        ),
        (
            "navigator.mediaDevices.getUserMedia = async () => "
            "{ throw new DOMException('', 'NotReadableError') }",
            "The camera is busy",
        ),
        (
            "Object.defineProperty(window, 'isSecureContext', {get: () => false})",
            "Browsers give their camera to secure pages alone.",
        ),
    ],
)
def test_trouble_with_the_camera_is_told_in_plain_words(serve, opened, script, complaint):
    page = opened(serve().address, script)
    page.click("#start:not([disabled])")
    page.wait_for_function(
        "text => document.getElementById('trouble').textContent.startsWith(text)", arg=complaint
    )
    page.wait_for_selector("[data-state=ready]")
    assert page.is_enabled("#start")


def test_a_camera_that_goes_stops_the_sound(serve, opened):
    page = opened(serve().address)
    start(page)
    page.evaluate(
        "document.getElementById('camera').srcObject.getTracks()[0]"
        ".dispatchEvent(new Event('ended'))"
    )
    page.wait_for_selector("[data-state=ready]")
    assert "The camera has gone." in page.inner_text("#trouble")


@pytest.mark.parametrize(
    "rate", [Fraction(24), Fraction(30000, 1001), Fraction(25), Fraction(7, 3)]
)
def test_ticks_are_those_of_the_server(serve, opened, rate, rng):
    spec = StreamSpec("see-hear", VideoSpec(rate), AudioSpec(22050), 256)
    samples = [*range(4000), *map(int, rng.integers(0, 22050 * 86400 * 7, 4000))]
    page = opened(serve().address)
    ticks = page.evaluate(
        "async ([samples, rate]) => { const {frameTickAt} = await import('/ticks.js');"
        " return samples.map(sample => frameTickAt(sample, 22050, rate)); }",
        [samples, [rate.numerator, rate.denominator]],
    )
    assert ticks == [spec.frame_tick_at(sample) for sample in samples]


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("channels", [3, 1])
def test_pictures_are_fitted_as_files_are(serve, opened, tmp_path, fit, channels):
    spec = VideoSpec(Fraction(24), 64, 48, channels, fit)
    film = tmp_path / "picture.mkv"
    look = ["-frames:v", "1", "-vf", "scale=640:360,format=bgr0", "-c:v", "ffv1"]
    run_ffmpeg("-ss", "5", "-i", str(SAMPLE), *look, str(film))
    with open_video(str(film), VideoSpec(Fraction(24), 360, 640)) as reader:
        whole = next(iter(reader)).pixels[0]
    rgba = np.concatenate([whole, np.full((360, 640, 1), 255, np.uint8)], axis=2)
    with open_video(str(film), spec) as reader:
        expected = next(iter(reader)).pixels[0].astype(int)
    page = opened(serve().address)
    values = page.evaluate(
        """async ([data, sizes]) => {
          const {Fitter} = await import('/fit.js');
          const bytes = Uint8ClampedArray.from(atob(data), c => c.charCodeAt(0));
          const image = await createImageBitmap(new ImageData(bytes, 640, 360));
          return [...new Fitter(sizes).take(image, 640, 360)];
        }""",
        [
            base64.b64encode(rgba.tobytes()).decode(),
            {"width": 48, "height": 64, "channels": channels, "fit": fit},
        ],
    )
    apart = np.abs(np.array(values).reshape(expected.shape) - expected)
    # The halves are rounded to whole numbers, and a pixel may lie on the edge of a wanted one.
    assert apart.mean() < 0.8 and apart.max() <= 10
