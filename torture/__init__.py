"""Kills, starves and cuts the power of a runtime from outside, and holds it against an oracle. See `--help`."""
