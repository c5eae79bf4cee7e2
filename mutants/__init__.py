"""For each promise a planted bug and the tests that catch it. `python -m mutants --help`."""
