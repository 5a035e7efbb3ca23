"""What a player turns and looks at: the window, OSC, MIDI. All of them share one panel."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32

from wyh.live.config import Config
from wyh.live.flasher import Flasher
from wyh.live.panel import Panel
from wyh.live.watch import Latencies
from wyh.media.view import View
from wyh.specs import StreamSpec


@runtime_checkable
class Stream(Protocol):
    """What plays, in either direction."""

    @property
    def spec(self) -> StreamSpec:
        """Of the stream."""

    def stop(self) -> None:
        """End it."""


@runtime_checkable
class Looker(Protocol):
    """What is to be told of a stream."""

    def view(self) -> View:
        """The stream now."""

    def heard(self) -> tuple[Float32[np.ndarray, " bands"] | None, float] | None:
        """The code and the level in dB; None as long as there is nothing."""

    def latencies(self) -> Latencies:
        """Of each stage, in ms."""


class Surfaces:
    """Opens those that are asked for. A context manager; `refresh` keeps them up to date."""

    def __init__(
        self,
        config: Config,
        panel: Panel,
        live: Stream,
        watcher: Looker,
        note: Callable[[str], None],
        scenes: int,
        flasher: Flasher | None = None,
    ):
        """See `Config` for which there are. They are opened on entering."""
        self._config, self._panel, self._live = config, panel, live
        self._watcher, self._note, self._scenes = watcher, note, scenes
        self._flasher = flasher
        self._stack = ExitStack()
        self._window: Any = None
        self._osc_out: Any = None

    def __enter__(self) -> "Surfaces":
        config, turn, nudge = self._config, self._panel.turn, self._panel.nudge
        with ExitStack() as stack:
            if config.has_window:
                from wyh.media.screen import Window

                self._window = stack.enter_context(
                    Window(
                        f"wyh {config.source}",
                        turn=turn,
                        nudge=nudge,
                        quit=self._live.stop,
                        scenes=self._scenes,
                        latencies=self._watcher.latencies,
                        fullscreen=config.full_screen,
                        show=self._live.spec.direction == "hear-see",
                        turns=self._panel.values.keys(),
                    )
                )
            if config.osc is not None:
                from wyh.media.osc import OscIn

                stack.enter_context(
                    OscIn(config.osc, host=config.host, turn=turn, nudge=nudge, note=self._note)
                )
            if config.osc_to is not None:
                from wyh.media.osc import OscOut

                self._osc_out = stack.enter_context(OscOut(config.osc_to, self._note))
                self._panel.watch(self._osc_out.turned)
            if config.midi is not None:
                from wyh.media.midi import MidiIn

                midi = stack.enter_context(
                    MidiIn(
                        config.midi or None,
                        turn=turn,
                        nudge=nudge,
                        note=self._note,
                        mapping=config.midi_map,
                        values=lambda: self._panel.values,
                        scenes=self._scenes,
                    )
                )
                if config.learn:
                    midi.learn(config.learn)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._stack.close()

    @property
    def any_out(self) -> bool:
        """Whether anything is shown or sent."""
        return self._window is not None or self._osc_out is not None

    def refresh(self) -> None:
        """Show and send how things are; from the main thread, about 30 times a second."""
        if self._window is not None:
            view = self._watcher.view()
            if self._flasher is None:
                self._window.refresh(view)
            else:
                light = self._flasher.is_light()
                self._window.refresh(self._flasher.view(view, self._live.spec.video, light))
                self._flasher.shown(light)
        if self._osc_out is not None and (heard := self._watcher.heard()) is not None:
            self._osc_out.send(*heard, self._panel.values)
