"""Data preparation: thin commands that turn footage into shards."""
