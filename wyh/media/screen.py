"""The window: what is seen, what is heard, and keys to play it with. The extra `wyh[window]`."""

import os
import time
from collections.abc import Callable, Collection, Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from wyh.errors import WyhError
from wyh.knobs import ALL
from wyh.media.view import View
from wyh.media.window.drawing import AMBER, PAPER
from wyh.media.window.exhibition import ShowPainter
from wyh.media.window.keys import KEYS, SHOW_KEYS, Key, flipped
from wyh.media.window.overlays import SHOW_STAGES, STAGES, paint_details, paint_help
from wyh.media.window.painter import Painter

if TYPE_CHECKING:
    from pygame import Surface
    from pygame.event import Event

__all__ = ["KEYS", "Window"]

SIZE = (1280, 720)
LEAST_SIZE = (480, 320)
MESSAGE_SECS = 6.0  # how long what went wrong with a key is shown
_REPEAT_MS = (350, 60)
# Read by SDL as it starts; what somebody has set stays.
_ENVIRONMENT = {
    "PYGAME_HIDE_SUPPORT_PROMPT": "1",  # standard output may be the sound
    "SDL_VIDEO_MINIMIZE_ON_FOCUS_LOSS": "0",  # full screen on the second of two screens
    "SDL_NO_SIGNAL_HANDLERS": "1",  # Ctrl-C is the program's
}

Latencies = Mapping[str, Mapping[str, float | None]]


class Window:
    """An open window; a context manager. All of it is for the main thread alone.

    Attributes:
      closed: the player asked to end, or the window is gone.
    """

    def __init__(
        self,
        title: str,
        *,
        turn: Callable[[str, float | str], None],
        nudge: Callable[[str, int], None],
        quit: Callable[[], None],
        scenes: int = 1,
        latencies: Callable[[], Latencies] = dict,
        fullscreen: bool = False,
        show: bool = False,
        turns: Collection[str] = ALL,
    ):
        """Open it.

        Args:
          title: what is played.
          turn: turns a knob to a value; a WyhError from it is shown.
          nudge: turns a knob by steps; as `turn`.
          quit: is called once, when the player wants to end.
          scenes: how many there are to choose from.
          latencies: what `d` shows: ms of each stage as `{"p50", "p95", "p99"}`.
          fullscreen: begin with the whole screen.
          show: a View's picture is what all this is for: it takes the whole window.
          turns: the knobs that can be turned.

        Raises:
          WyhError: pygame is not installed, or there is no display.
        """
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        try:
            import pygame
        except ImportError:
            raise WyhError("the window needs pygame: pip install 'wyh[window]'") from None
        if not getattr(pygame, "IS_CE", 0):
            raise WyhError(
                "the window needs pygame-ce, got pygame, which hides it: pip uninstall pygame, "
                "then pip install --force-reinstall pygame-ce"
            )
        self._turn, self._nudge, self._quit = turn, nudge, quit
        self._latencies = latencies
        self.closed = False
        self._open = False
        try:
            pygame.display.init()
            # SDL draws into the void by itself where there is no display.
            if pygame.display.get_driver() == "offscreen" != os.environ.get("SDL_VIDEODRIVER"):
                raise pygame.error("no display")
            if pygame.display.get_driver() == "x11":
                # Straight to the server: by way of OpenGL it takes 10 ms where there is no GPU.
                os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
            pygame.font.init()
            self._window = pygame.Window(title, SIZE, resizable=True, allow_high_dpi=True)
            self._window.get_surface()
        except pygame.error as error:
            pygame.font.quit()
            pygame.display.quit()
            raise WyhError(
                f"no window can be opened ({str(error) or 'no display'}): play on a desktop, set "
                f"DISPLAY, or choose another sink, such as --sink web"
            ) from None
        self._open = True
        self._window.minimum_size = LEAST_SIZE
        self._window.set_icon(_icon())
        pygame.key.set_repeat(*_REPEAT_MS)
        self._full_screen = False
        if fullscreen:
            self._toggle_full_screen()
        self._painter = ShowPainter(title) if show else Painter(title, scenes)
        keys, self._stages = (SHOW_KEYS, SHOW_STAGES) if show else (KEYS, STAGES)
        self._keys = {
            name: key for name, key in keys.items() if key.way == "window" or key.knob in turns
        }
        self._used_at = time.perf_counter()
        self._over = ""  # help or details
        self._held: set[int] = set()
        self._said, self._said_at = "", 0.0
        self._painted_at: float | None = None

    def refresh(self, view: View) -> None:
        """Show a view, after what the player did since the last one."""
        import pygame

        if not self._open:
            return
        knobs = dict(view.knobs)
        for event in pygame.event.get():
            self._handle(event, knobs)
        now = time.perf_counter()
        secs = 0.0 if self._painted_at is None else min(1.0, now - self._painted_at)
        self._painted_at = now
        message = self._said if now - self._said_at < MESSAGE_SECS else ""
        surface = self._window.get_surface()
        # Keys that were just pressed show at once.
        view, message = view._replace(knobs=knobs), message or view.message
        if isinstance(self._painter, ShowPainter):
            self._painter.paint(surface, view, message, secs, now - self._used_at)
            pygame.mouse.set_visible(not self._painter.faded)
        else:
            self._painter.paint(surface, view, message, secs)
        if self._over == "help":
            paint_help(self._painter.canvas, self._keys)
        elif self._over == "details":
            paint_details(self._painter.canvas, self._latencies(), self._stages)
        self._window.flip()

    def close(self) -> None:
        """Close the window; once is enough."""
        import pygame

        self.closed = True
        if self._open:
            self._open = False
            self._window.destroy()
            pygame.font.quit()
            pygame.display.quit()

    def __enter__(self) -> "Window":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _handle(self, event: "Event", knobs: dict[str, float]) -> None:
        import pygame

        if event.type in (pygame.KEYDOWN, pygame.MOUSEMOTION, pygame.MOUSEBUTTONDOWN):
            self._used_at = time.perf_counter()
        if event.type in (pygame.QUIT, pygame.WINDOWCLOSE):
            self._end()
        elif event.type == pygame.KEYUP:
            self._held.discard(event.key)
        elif event.type == pygame.WINDOWFOCUSLOST:
            self._held.clear()
        elif event.type == pygame.KEYDOWN:
            key = self._keys.get(_name_of(event, self._keys))
            if key is not None and (key.repeats or event.key not in self._held):
                self._press(key, knobs)
            self._held.add(event.key)

    def _press(self, key: Key, knobs: dict[str, float]) -> None:
        """Do what a key does; `knobs` follow."""
        if key.way == "window":
            self._about_window(key.knob)
            return
        try:
            if key.way == "nudge":
                self._nudge(key.knob, round(key.by))
                return
            knob = ALL[key.knob]
            value = knobs.get(key.knob, knob.default)
            if key.way == "flip":
                value = flipped(value)
            elif key.way == "move":
                value = min(knob.high, max(knob.low, value + key.by))
            elif key.way == "round":
                value = round(knob.low + (value + key.by - knob.low) % (knob.high - knob.low), 6)
            else:
                value = key.by
            self._turn(key.knob, value)
            knobs[key.knob] = value
        except WyhError as error:
            self._said, self._said_at = str(error), time.perf_counter()

    def _about_window(self, what: str) -> None:
        if what in ("help", "details"):
            self._over = "" if self._over == what else what
        elif what == "full_screen":
            self._toggle_full_screen()
        elif what == "leave" and self._over:
            self._over = ""
        elif what == "leave" and self._full_screen:
            self._toggle_full_screen()
        else:
            self._end()

    def _toggle_full_screen(self) -> None:
        import pygame

        self._full_screen = not self._full_screen
        if self._full_screen:
            self._window.set_fullscreen(desktop=True)
        else:
            self._window.set_windowed()
        pygame.mouse.set_visible(not self._full_screen)

    def _end(self) -> None:
        if not self.closed:
            self.closed = True
            self._quit()


def _name_of(event: "Event", keys: Mapping[str, Key]) -> str:
    """The name of a key in a table."""
    import pygame

    digits = (
        (pygame.KSCAN_1, pygame.KSCAN_9, pygame.K_1),
        (pygame.KSCAN_KP_1, pygame.KSCAN_KP_9, pygame.K_1),
    )
    for first, last, one in digits:
        # By its place: on some keyboards the top row gives digits with shift alone.
        if first <= getattr(event, "scancode", 0) <= last:
            return chr(one + event.scancode - first)
    if getattr(event, "unicode", "") == "?":
        return "?"
    name = pygame.key.name(event.key)
    shifted = f"shift {name}"
    return shifted if event.mod & pygame.KMOD_SHIFT and shifted in keys else name


def _icon() -> "Surface":
    """Bars, as the window draws them."""
    import pygame

    surface = pygame.Surface((64, 64))
    surface.fill(PAPER)
    for n, height in enumerate((22, 40, 54, 34, 46, 18)):
        surface.fill(AMBER, (5 + 9 * n, 59 - height, 7, height))
    return surface
