"""What an open speaker and an open microphone have in common."""

from wyh.media.sound_link import Link


class End:
    """One end of a link to a sound device. Leaving it as a context manager closes it."""

    def __init__(self, link: Link):
        """Take over an open link."""
        self._link = link

    @property
    def name(self) -> str:
        """Of the device that plays or hears now; `null` where none does."""
        return self._link.name

    @property
    def backend(self) -> str:
        """`sounddevice`, `miniaudio`, or `null` where nothing is heard now."""
        return self._link.backend

    @property
    def latency_secs(self) -> float:
        """Between samples and their sound, as far as the library knows; 0 of the null device."""
        return self._link.latency_secs

    @property
    def xruns(self) -> int:
        """Times that the device ran dry or over, as far as known: miniaudio does not tell."""
        return self._link.xruns

    def start(self) -> None:
        """Begin; nothing happens the second time."""
        self._link.start()

    def close(self) -> None:
        """End; nothing more is taken or given."""
        self._link.close()

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.close()
