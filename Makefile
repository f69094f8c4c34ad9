# Each target first makes .venv from requirements.lock, if the lock is newer. An active environment other than conda's
# base is used as it is. Options go through ARGS, such as: make figures ARGS="--only 02,05"

PYTHON ?= python3

ifneq ($(VIRTUAL_ENV)$(filter-out base,$(CONDA_DEFAULT_ENV)),)
RUN := python
else ifeq ($(OS),Windows_NT)
RUN := .venv/Scripts/python.exe
SETUP := .venv/complete
else
RUN := .venv/bin/python
SETUP := .venv/complete
endif

.NOTPARALLEL:  # under make -j, too: figures and test must not run at the same time
.PHONY: help setup figures reproduce verify test bench lab

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

setup: $(SETUP)  ## only make the environment

figures: $(SETUP)  ## run every notebook from the shipped weights and draw every figure
	$(RUN) -m convae figures $(ARGS)

reproduce: $(SETUP)  ## train every model from scratch, then draw every figure
	$(RUN) -m convae reproduce $(ARGS)

verify: $(SETUP)  ## run everything again and compare with the committed figures
	$(RUN) -m convae verify $(ARGS)

# The data first: fetched once, before two workers want it. The notebooks, which take longest, come
# first and short files last, so that both workers end together.
test: $(SETUP)  ## run the tests and check every notebook against its outputs
	$(RUN) -m convae data
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

# The peers lie beside the environment, not in it: they must not change what the project runs on
bench: $(SETUP)  ## measure speed against other ways of training (an hour)
	$(RUN) -m convae data
	$(RUN) -m pip install --quiet --no-deps --upgrade --target build/peers -r benchmarks/requirements.txt
	PYTHONPATH=build/peers $(RUN) -m benchmarks $(ARGS)

lab: $(SETUP)  ## open the notebooks in JupyterLab
	$(RUN) -m jupyterlab notebooks $(ARGS)

# Always made afresh: what an interrupted set-up or another Python left there is gone.
.venv/complete: requirements.lock
	$(PYTHON) -c 'import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit("convae needs \
	Python 3.11 to 3.13, and $(PYTHON) is %d.%d: give another, such as make PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv --clear .venv
	$(RUN) -m pip install --quiet --require-hashes -r requirements.lock
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
