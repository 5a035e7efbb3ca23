"""What a player turns and looks at: the window, OSC, MIDI. All of them share one panel."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from wyh.live.config import Config
from wyh.live.flasher import Flasher
from wyh.live.loop import Live
from wyh.live.panel import Panel
from wyh.live.scenes import Seen
from wyh.live.watch import Watcher

_LEVEL_SAMPLES = 1024  # of which a level is told


class Surfaces:
    """Opens those that are asked for. A context manager; `refresh` keeps them up to date."""

    def __init__(
        self,
        config: Config,
        panel: Panel,
        live: Live,
        watcher: Watcher,
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
                        latencies=self._latencies,
                        fullscreen=config.full_screen,
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

    def warm_up(self, seen: Mapping[int, Seen]) -> None:
        """Make ready what will be shown, of what the scenes made of a first picture."""
        if self._window is not None or self._osc_out is not None:
            self._watcher.warm_up(seen)

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
        if self._osc_out is not None and self._live.shown is not None:
            known = self._watcher.known()
            newest = self._live.output.newest[-_LEVEL_SAMPLES:]
            power = float(np.mean(np.square(newest)))
            level_db = 10 * np.log10(max(power, 1e-12))
            self._osc_out.send(None if known is None else known[0], level_db, self._panel.values)

    def _latencies(self) -> dict[str, dict[str, float | None]]:
        live = self._live
        summary = live.meter.summary(
            frames=live.frames, secs=0.0, underruns=live.output.underruns, first_sound_secs=None
        )
        stages: dict[str, dict[str, float | None]] = summary["stages_ms"]
        return stages
