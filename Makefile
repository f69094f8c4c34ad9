# Each target sets up what it needs first: the active environment if it will do, else .venv (see convae/environment.py).
# Options go through ARGS, such as: make figures ARGS="--only 02,05"

PYTHON ?= python3
RUN := $(PYTHON) -m convae.environment

.NOTPARALLEL:  # under make -j, too: figures and test must not run at the same time
.PHONY: help setup figures reproduce verify test bench lab

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

setup:  ## only make the environment
	$(RUN)

figures:  ## run every notebook from the shipped weights and draw every figure
	$(RUN) convae figures $(ARGS)

reproduce:  ## train every model from scratch, then draw every figure
	$(RUN) convae reproduce $(ARGS)

verify:  ## run everything again and compare with the committed figures
	$(RUN) convae verify $(ARGS)

# The data first: fetched once, before two workers want it
test:  ## run the tests and check every notebook against its outputs
	$(RUN) convae data
	OMP_NUM_THREADS=1 $(RUN) pytest -n 2 --dist loadfile $(ARGS)

# The peers lie beside the environment, not in it: they must not change what the project runs on
bench:  ## measure speed against other ways of training (an hour)
	$(RUN) convae data
	$(RUN) pip install --quiet --no-deps --upgrade --target build/peers -r benchmarks/requirements.txt
	PYTHONPATH=build/peers $(RUN) benchmarks $(ARGS)

lab:  ## open the notebooks in JupyterLab
	$(RUN) jupyterlab notebooks $(ARGS)
