"""Flax Linen modules, used only through init and apply."""
