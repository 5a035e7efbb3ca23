"""Signal processing as pure functions of arrays."""
