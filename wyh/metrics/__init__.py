"""What "good" means: pure figures of held-out data, each with a known floor and ceiling."""
