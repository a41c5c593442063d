# make demo: see it work.  make test: everything CI runs.  make check: the fast part.  make audit: the privacy tests at length.
PYTHON  ?= python3
VENV    ?= .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
DBT     := .dbt-venv/.installed
ATTACKS := .anonymeter-venv/.installed

.PHONY: install demo lint test check audit golden clean
.DEFAULT_GOAL := install

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11) and "synth needs Python 3.11 or newer: remove $(VENV) and say make PYTHON=python3.11 install")'
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: install
	@$(BIN)/synth build --select +admissions
	@echo
	@$(BIN)/synth show --select admissions --limit 10
	@echo
	@$(BIN)/synth ledger
	@echo
	@$(BIN)/python -c "import json; r = [x['status'] for s in json.load(open('target/run_results.json'))['suites'] \
	  for x in s['results']]; print(f'Tests   {r.count(\"pass\")} of {len(r)} expectations passed')"
	@echo "Report  target/docs/data_docs/index.html"
	@echo "Tables  target/dev.duckdb, synthetic.admissions"
	@echo "Ledger  privacy_ledger.db"

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint
	$(BIN)/pytest -m 'not slow' -n 2 --dist loadfile --no-loadscope-reorder

$(DBT): tests/twin/requirements.txt | install
	$(BIN)/python -m venv .dbt-venv
	-.dbt-venv/bin/python -m pip install --quiet --requirement $< && touch $@

test: lint $(DBT)
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder

$(ATTACKS): tests/audit/anonymeter/requirements.txt | install
	$(BIN)/python -m venv .anonymeter-venv
	-.anonymeter-venv/bin/python -m pip install --quiet --requirement $< && touch $@

audit: install $(ATTACKS)
	PYTHONPATH=tests $(BIN)/python -m audit

golden: install
	$(BIN)/pytest tests/test_golden.py tests/test_errors.py tests/test_plan.py --rewrite-golden

clean:
	rm -rf $(VENV) .dbt-venv .anonymeter-venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
