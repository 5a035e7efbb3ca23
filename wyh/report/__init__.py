"""What a run is worth, measured on pictures it has never seen, as a page to look at."""
