"""Experiments: each trains one model; read them from top to bottom."""
