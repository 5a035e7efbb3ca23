"""Everything playable: a pair of pure functions joined by a control."""
