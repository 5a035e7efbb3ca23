"""wyh: What You Hear is what you see, and what you see is what you hear."""

__version__ = "0.1.0"
