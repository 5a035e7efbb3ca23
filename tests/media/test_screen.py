import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.media.views import make_view
from wyh import knobs
from wyh.errors import WyhError
from wyh.live.panel import Panel
from wyh.media import screen
from wyh.media.screen import KEYS, SHOW_KEYS, Window

pygame = pytest.importorskip("pygame", reason="pygame-ce is not installed: wyh[window]")


class Player:
    """A window with a panel behind it, and what came out."""

    def __init__(self, scenes=1, kind="", **options):
        direction = "hear-see" if options.get("show") else None
        self.panel, self.quits = Panel(knobs.defaults(), scenes, direction, kind), 0
        self.window = Window(
            "film.mp4",
            turn=self.panel.turn,
            nudge=self.panel.nudge,
            quit=self._quit,
            turns=self.panel.values,
            scenes=scenes,
            **options,
        )

    def _quit(self):
        self.quits += 1

    def press(self, *names):
        """Press keys one after another, each let go, then refresh."""
        for name in names:
            letter = name.removeprefix("shift ")
            code = ord("/") if letter == "?" else pygame.key.key_code(letter)
            held = {
                "key": code,
                "mod": pygame.KMOD_LSHIFT if name == "?" or "shift" in name else 0,
                "unicode": letter if len(letter) == 1 else "",
                "scancode": pygame.KSCAN_1 + code - ord("1") if letter.isdecimal() else 0,
            }
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, held))
            pygame.event.post(pygame.event.Event(pygame.KEYUP, held))
        self.refresh()

    def refresh(self, **parts):
        self.window.refresh(make_view(**{"knobs": self.panel.values} | parts))

    def pixels(self, width=1280, height=720, **parts):
        """What the window of that size shows of a view: `uint8 [height, width, 3]`."""
        self.window._window.size = width, height
        self.refresh(**parts)
        surface = self.window._window.get_surface()
        assert surface.get_size() == (width, height)
        shown = np.frombuffer(pygame.image.tobytes(surface, "RGB"), np.uint8)
        return shown.reshape(height, width, 3)


@pytest.fixture
def player(monkeypatch):
    """Opens windows that nobody sees."""
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    opened = []

    def open_player(**options):
        opened.append(Player(**options))
        return opened[-1]

    yield open_player
    for one in opened:
        one.window.close()


@pytest.mark.parametrize(
    ("keys", "knob", "value"),
    [
        (("m",), "mute", 1.0),
        (("m", "m"), "mute", 0.0),
        (("up", "up"), "gain_db", 4.0),
        (("down",), "gain_db", -2.0),
        (("up",) * 9, "gain_db", 12.0),
        (("space",), "freeze", 1.0),
        (("i",), "negative", 1.0),
        (("p",), "phase", 0.0),
        (("t", "t", "shift t"), "timbre", 0.1),
        (("s",), "scale", 1.0),
        (("b",), "black", 1.0),
        (("l",), "still", 1.0),
        (("w",), "width", 0.0),
        (("r",), "record", 1.0),
        (("3",), "scene", 3.0),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_keys_turn_knobs(player, keys, knob, value):
    playing = player(scenes=3)
    playing.press(*keys)
    assert playing.panel.values[knob] == pytest.approx(value)
    others = Panel(knobs.defaults(), 3).values
    assert {n: v for n, v in playing.panel.values.items() if n != knob} == {
        n: v for n, v in others.items() if n != knob
    }


def test_every_key_of_the_table_is_tried_above_or_is_about_the_window():
    assert {key.knob for key in KEYS.values() if key.way != "window"} <= set(knobs.ALL)
    assert {key.knob for key in KEYS.values() if key.way == "window"} == {
        *("help", "details", "full_screen", "leave", "quit"),
    }


def test_a_key_that_is_held_flips_once_and_moves_on(player):
    playing = player()
    for name in ("m", "m", "m", "up", "up", "up"):
        held = {"key": pygame.key.key_code(name), "mod": 0, "unicode": "", "scancode": 0}
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, held))
    playing.refresh()
    assert playing.panel.values["mute"] == 1.0
    assert playing.panel.values["gain_db"] == 6.0


def test_what_a_knob_refuses_is_shown_not_raised(player):
    playing = player(scenes=2)
    before = playing.pixels()
    playing.press("5")
    assert playing.panel.values["scene"] == 1.0
    assert playing.window._said == "got scene 5, wanted 1 to 2: give more --scene"
    after = playing.pixels()
    foot = slice(-56, None)
    assert (before[foot] != after[foot]).any()


@pytest.mark.parametrize("way", ["q", "escape", "close", "quit"])
def test_leaving_asks_to_quit_once(player, way):
    playing = player()
    assert not playing.window.closed
    if way in ("q", "escape"):
        playing.press(way, way)
    else:
        kind = {"close": pygame.WINDOWCLOSE, "quit": pygame.QUIT}[way]
        pygame.event.post(pygame.event.Event(kind))
        pygame.event.post(pygame.event.Event(kind))
        playing.refresh()
    assert playing.quits == 1
    assert playing.window.closed


def test_escape_leaves_what_is_open_first(player):
    playing = player()
    playing.press("f", "h")
    assert playing.window._full_screen
    playing.press("escape")
    assert playing.window._over == ""
    playing.press("escape")
    assert not playing.window._full_screen
    assert not playing.window.closed
    playing.press("escape")
    assert playing.window.closed


@pytest.mark.parametrize("key", ["h", "?", "d"])
def test_cards_come_and_go(player, key):
    playing = player(latencies=lambda: {"total": {"p50": 84.1, "p95": None, "p99": 99.0}})
    before = playing.pixels()
    playing.press(key)
    shown = playing.pixels()
    middle = np.s_[300:420, 400:900]
    assert (shown[middle] != before[middle]).mean() > 0.5
    playing.press(key)
    assert playing.window._over == ""


def test_it_can_begin_with_the_whole_screen(player):
    assert player(fullscreen=True).window._full_screen


@pytest.mark.parametrize(
    ("size", "tall"),
    [((1280, 720), False), ((800, 600), False), ((1920, 1080), False), ((600, 900), True)],
)
def test_everything_is_shown_at_any_size(player, size, tall):
    red, blue = np.zeros((2, 16, 16, 3), np.uint8)
    red[..., 0], blue[..., 2] = 201, 202
    shown = player().pixels(*size, picture=red, known=blue)
    width, height = size
    at_red = np.argwhere((shown == (201, 0, 0)).all(-1))
    at_blue = np.argwhere((shown == (0, 0, 202)).all(-1))
    assert len(at_red) == len(at_blue) > 0.1 * width * height * (0.7 if tall else 1)
    assert at_red[:, 1].max() < at_blue[:, 1].min()
    bars = np.argwhere((shown[at_red[:, 0].max() :] > (200, 140, 40)).all(-1))
    assert len(bars) > 100  # loud bands, in amber
    lowest = shown[-height // 12 :]
    assert (lowest > 100).any()  # hints
    assert (shown[: height // 14, : width // 4] > 100).any()  # the name


def test_without_the_picture_that_the_sound_knows_there_is_a_larger_one(player):
    playing = player()
    both = playing.pixels(picture=np.full((16, 16, 3), 201, np.uint8))
    one = playing.pixels(picture=np.full((16, 16, 3), 201, np.uint8), known=None)
    assert (one == 201).all(-1).sum() > 1.5 * (both == 201).all(-1).sum()


def test_pictures_made_of_sound_take_the_whole_window(player):
    made = np.full((16, 32, 3), 201, np.uint8)
    shown = player().pixels(picture=None, known=made)
    assert ((shown == 201).all(-1)).mean() > 0.85  # 1280x640 of it


@pytest.mark.parametrize(
    ("keys", "knob", "value"),
    [
        (("space",), "freeze", 1.0),
        (("i", "i"), "negative", 0.0),
        (("c", "c"), "hue", 0.1),
        (("shift c",), "hue", 0.95),
        (("v",), "colour", 1.1),
        (("shift v",), "colour", 0.9),
        (("s",), "speed", 1.4),
        (("shift s",) * 9, "speed", 0.0),
        (("a",), "auto_gain", 1.0),
        (("b",) * 9, "bass", 24.0),
        (("shift b",), "bass", -3.0),
        (("n",), "middle", 3.0),
        (("shift n",), "middle", -3.0),
        (("t",), "treble", 3.0),
        (("shift t",), "treble", -3.0),
        (("r",), "record", 1.0),
        (("m",), "mute", 1.0),
        (("down", "up", "up"), "gain_db", 2.0),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_keys_where_pictures_are_the_show(player, keys, knob, value):
    playing = player(show=True)
    playing.press(*keys)
    before = Panel(knobs.defaults(), 1, "hear-see").values
    assert playing.panel.values == before | {knob: pytest.approx(value)}


@pytest.mark.parametrize(
    ("keys", "knob", "value"),
    [
        (("z",), "zoom", 0.1),
        (("z", "z", "shift z"), "zoom", 0.1),
        (("y", "y", "shift y"), "variety", 0.9),
        (("k",), "classes", 4),
        (("shift k",), "classes", 2),
        (("7",), "show", 7),
        (("7", "0"), "show", 0),
        (("a", "b", "n", "t", "c"), "hue", 0.05),  # the first four are not there
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_keys_of_a_dream(player, keys, knob, value):
    playing = player(show=True, kind="hallucinate")
    before = dict(playing.panel.values)
    playing.press(*keys)
    assert playing.panel.values == before | {knob: pytest.approx(value)}
    assert not playing.window._said


def test_the_keys_of_a_show_turn_what_is_of_use_there():
    turned = {key.knob for key in SHOW_KEYS.values() if key.way != "window"}
    dream = knobs.of_run("hear-see", "hallucinate")
    assert turned <= set(knobs.of_run("hear-see", "")) | set(dream)
    window = {name for name, key in KEYS.items() if key.way == "window"}
    assert all(SHOW_KEYS[name] == KEYS[name] for name in window)


@pytest.mark.parametrize("size", [(1280, 720), (600, 900), (480, 320)])
def test_a_show_is_its_picture_and_a_strip_that_fades(player, size):
    made, playing = np.full((24, 32, 3), 201, np.uint8), player(show=True)
    parts = {"picture": made, "known": None, "code": None}
    strip = playing.pixels(*size, **parts)
    width, height = size
    assert (strip[-20:] != 201).any() and (strip[-20:] > 60).any()
    playing.window._used_at -= 60
    shown = playing.pixels(*size, **parts)
    share = min(width / 32, height / 24) ** 2 * 32 * 24 / (width * height)
    assert (shown == 201).all(-1).mean() == pytest.approx(share, abs=0.02)
    assert ((shown == 0).all(-1) | (shown == 201).all(-1)).mean() > 0.99
    told = playing.pixels(*size, **parts, message="the microphone is gone " * 9)
    assert (told != shown).any(-1).sum() > 300  # a message comes up by itself
    playing.press("i")
    assert (playing.pixels(*size, **parts)[-20:] != 201).any()  # and a key brings the strip


def test_a_show_says_what_is_on(player):
    playing = player(show=True)
    parts = {"picture": np.full((24, 32, 3), 90, np.uint8), "known": None, "code": None}
    plain = playing.pixels(**parts)[-92:]
    playing.press("r", "space", "m", "b")
    on = playing.pixels(**parts)[-92:]
    assert (on != plain).any(-1).sum() > 5000  # three badges and a knob
    playing.press("h")
    assert (playing.pixels(**parts)[300:420, 400:900] != 90).any(-1).mean() > 0.5


def test_a_show_waits_for_its_first_picture(player):
    shown = player(show=True).pixels(picture=None, known=None, code=None, latency_ms=None)
    assert (shown[300:420] > 100).any()


def test_a_grey_picture(player):
    shown = player().pixels(picture=np.full((8, 8, 1), 77, np.uint8), known=None, code=None)
    assert (shown == 77).all(-1).sum() > 100_000


@pytest.mark.parametrize("code", [None, np.zeros(0, np.float32), np.full(3, np.nan, np.float32)])
@pytest.mark.parametrize("sound", ["none", "broken", "stereo"])
def test_whatever_there_is_not_yet_is_left_out(player, code, sound):
    made = {
        "none": np.zeros(0, np.float32),
        "broken": np.full(4096, np.nan, np.float32),
        "stereo": np.zeros((100, 2), np.float32),
    }[sound]
    shown = player().pixels(
        picture=None, known=None, code=code, sound=made, knobs={}, latency_ms=None
    )
    assert (shown > 100).any()


def test_badges(player):
    playing = player(scenes=3)
    at_top = np.s_[:64, 640:]
    assert not _has(playing.pixels()[at_top], (255, 72, 72))
    playing.press("r", "space", "m")
    shown = playing.pixels()[at_top]
    for colour in ((255, 72, 72), (126, 188, 255), (158, 165, 182)):  # red, ice, grey
        assert _has(shown, colour)
    playing.press("r", "space", "m")
    shown = playing.pixels()[at_top]
    assert not _has(shown, (255, 72, 72))
    assert not _has(shown, (126, 188, 255))


def test_the_badge_of_a_take_counts_from_its_begin(player):
    playing = player()
    playing.press("r")  # at 12 s
    red = [
        (playing.pixels(secs=secs)[:64] == (255, 72, 72)).all(-1).any(axis=0).sum()
        for secs in (13.0, 14.0, 12.0 + 3600.0)
    ]
    assert red[0] == red[1] < red[2]  # 0:01, 0:02, 1:00:00


def test_a_closed_window_shows_nothing_and_closes_once(player):
    playing = player()
    with playing.window as window:
        playing.refresh()
    assert window.closed
    assert not pygame.display.get_init()
    playing.refresh()
    window.close()
    assert playing.quits == 0


def test_one_window_after_another(player):
    for _ in range(2):
        playing = player()
        assert (playing.pixels() > 100).any()
        playing.window.close()


def test_sound_devices_are_left_alone(player):
    player()
    assert pygame.mixer.get_init() is None


def test_pygame_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", None)
    with pytest.raises(WyhError, match=r"needs pygame: pip install 'wyh\[window\]'"):
        _open()


def test_another_pygame(monkeypatch):
    monkeypatch.setitem(sys.modules, "pygame", ModuleType("pygame"))
    with pytest.raises(WyhError, match="needs pygame-ce, got pygame"):
        _open()


@pytest.mark.parametrize("driver", ["nonsense", None])
def test_there_is_no_display(monkeypatch, driver):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    if driver:
        monkeypatch.setenv("SDL_VIDEODRIVER", driver)
    elif sys.platform != "linux":
        pytest.skip("there is always a display on this system")
    with pytest.raises(WyhError, match=r"no window can be opened \(.*\): play on a desktop"):
        _open()
    assert not pygame.display.get_init()


def test_importing_it_does_not_import_pygame():
    code = "import sys, wyh.media.screen; print([m for m in sys.modules if 'pygame' in m])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    assert done.stdout == "[]\n"


@pytest.mark.skipif(not shutil.which("Xvfb"), reason="Xvfb is not installed: apt install xvfb")
def test_on_a_real_x_server(tmp_path):
    code = f"""
import pygame
from tests.media.views import make_view
from wyh.media.screen import Window
with Window("x", turn=print, nudge=print, quit=print) as window:
    assert pygame.display.get_driver() == "x11"
    for size in ((1280, 720), (700, 500)):
        window._window.size = size
        window.refresh(make_view())
        window.refresh(make_view())
        assert window._window.get_surface().get_size() == size
    pygame.image.save(window._window.get_surface(), {str(tmp_path / "shot.png")!r})
"""
    reading, writing = os.pipe()
    command = ["Xvfb", "-displayfd", str(writing), "-screen", "0", "1600x900x24", "-noreset"]
    server = subprocess.Popen(
        [*command, "-nolisten", "tcp"], pass_fds=[writing], stderr=subprocess.DEVNULL
    )
    os.close(writing)
    try:
        with os.fdopen(reading) as told:
            display = told.readline().strip()
        environment = os.environ | {"DISPLAY": f":{display}", "SDL_VIDEODRIVER": "x11"}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=_ROOT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    finally:
        server.terminate()
        server.wait(10)
    assert (tmp_path / "shot.png").stat().st_size > 10_000


_ROOT = Path(screen.__file__).parents[2]


def _open():
    return Window("x", turn=lambda *_: None, nudge=lambda *_: None, quit=lambda: None)


def _has(pixels, colour):
    return (pixels == colour).all(-1).sum() > 50
