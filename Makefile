# Two commands do everything: `make demo` and `make test`. Each sets itself up first; see scripts/setup.
PY := .venv/bin/python
ARGS ?=

.NOTPARALLEL:
.PHONY: help demo test check bench bench-peers torture mutants proto pins format clean

help:
	@echo "make demo         a voice assistant, then a camera agent under a flood; ARGS are the camera's   (ARGS=...)"
	@echo "make test         every test; fails when a test named in tests/required.txt did not run     (ARGS=...)"
	@echo "make check        ruff, mypy, import-linter, architecture tests"
	@echo "make format       ruff's fixes and format"
	@echo "make bench        ratios against the stored run; fails when one is over 20 % worse          (ARGS=...)"
	@echo "make bench-peers  the same work done by other libraries"
	@echo "make torture      kills, power losses and full disks from outside, against an oracle                 (ARGS=...)"
	@echo "make mutants      plants one bug for each promise and sees that its test fails              (ARGS=...)"
	@echo "make proto        writes src/loom/v1 from proto/loom/v1"
	@echo "make pins         resolves the requirements again (network)"
	@echo "make clean        removes caches and environments"

demo:
	@scripts/setup demo
	@.venv/bin/loom demo voice
	@.venv/bin/loom demo camera $(ARGS)

test:
	@scripts/setup demo test
	@$(PY) -m pytest --required=tests/required.txt $(ARGS)

check:
	@scripts/setup demo test
	@scripts/check

format:
	@scripts/setup demo test
	@$(PY) -m ruff check --fix . ; $(PY) -m ruff format .

bench:
	@scripts/setup demo test
	@$(PY) -m benchmarks $(ARGS)

bench-peers:
	@scripts/setup peers
	@.venv-peers/bin/python -m benchmarks --peers $(ARGS)

torture:
	@scripts/setup demo test
	@$(PY) -m torture $(ARGS)

mutants:
	@scripts/setup demo test
	@$(PY) -m mutants $(ARGS)

proto:
	@scripts/setup demo test
	@$(PY) scripts/proto $(ARGS)

pins:
	@scripts/setup pins
	@.venv-pins/bin/python scripts/pins.py $(ARGS)

clean:
	@rm -rf .venv .venv-peers .venv-pins .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
