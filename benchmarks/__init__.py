"""Comparisons with peers, side by side on the same machine, printed as ratios."""
