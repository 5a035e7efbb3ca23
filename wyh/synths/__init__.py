"""The emit side of sound: controls become waveforms."""
