"""The outside world: files, cameras, sound devices."""
