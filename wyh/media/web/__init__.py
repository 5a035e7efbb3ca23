"""The live page: its files, how it is served, and what it and the server say to each other."""
