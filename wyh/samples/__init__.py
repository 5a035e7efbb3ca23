"""Bundled media, each with its licence."""

from pathlib import Path

SAMPLE = Path(__file__).parent / "big_buck_bunny/bbb_252s_30s_320x180.mp4"
"""Half a minute of film with sound, which a newcomer trains on (see its ORIGIN.md)."""

MUSIC = Path(__file__).parent / "music/vibe_ace.ogg"
"""A minute of music, with a cover picture in it (see its ORIGIN.md)."""
