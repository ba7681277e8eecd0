PYTHON ?= python3

.PHONY: test check check-static exhaustive mutations bench bench-peers bench-networks bench-costs docs

test:  ## the tests, as in the README
	$(PYTHON) -m pytest -q -n auto

check: check-static test  ## what CI runs: style, types, layers, tests

check-static:
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	PYTHONPATH=.:kernels $(PYTHON) -c "from importlinter.cli import lint_imports_command as run; run()"

exhaustive:  ## every pair of 8-bit codes, hostile calls; minutes, writes tests/exhaustive.json
	$(PYTHON) scripts/exhaustive.py

mutations:  ## the laws judge mutants of the reference; minutes, writes docs/mutations.md
	$(PYTHON) scripts/mutations.py

bench:  ## equality, then time: writes benchmarks/RESULTS.md
	$(PYTHON) benchmarks/run.py

bench-peers:  ## hwsim and other libraries; needs the extra bench; writes benchmarks/PEERS.md
	$(PYTHON) benchmarks/peers.py

bench-networks:  ## full-size networks end to end: writes benchmarks/NETWORKS.md; minutes
	$(PYTHON) benchmarks/networks.py

bench-costs:  ## cost models against silicon and netlists: writes benchmarks/COSTS.md; seconds
	$(PYTHON) benchmarks/costs.py

docs:  ## HTML in docs/_build; the tests run its examples
	$(PYTHON) -m sphinx -W -b html docs docs/_build/html
