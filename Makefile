# cht: see README.md. `make demo` and `make test` install everything they need.

SHELL := bash
.SHELLFLAGS := -o pipefail -c
CARGO ?= cargo
BIN := $(CURDIR)/target/release
TOOLS := cht-recv cht-segwatch cht-scenes cht-audio cht-index cht-agent cht-export cht-monitor
# Folder of the sessions for `make reprocess`.
SESSIONS ?= sessions

.PHONY: build demo test lab bench quality install reprocess setup

build: setup
	$(CARGO) build --release --locked

setup:
	scripts/setup

demo: build
	PATH="$(BIN):$$PATH" scripts/demo

test:
	scripts/setup socat faketime entr
	$(CARGO) test --workspace --locked

# The live pipeline with faults, an hour: a failure names its seed and round.
lab:
	scripts/setup
	$(CARGO) test -p cht-tests --release --locked --test lab -- --rounds 500 --seed 1 --jobs 2

bench: build
	scripts/setup socat
	PATH="$(BIN):$$PATH" bench/run

# Quality of the chosen frames: makes its material first, about an hour.
quality: build
	for kind in film screen; do for set in tune held footage; do \
	    bench/quality/run --kind $$kind --set $$set || exit 1; done; done

install: setup
	for tool in $(TOOLS); do $(CARGO) install --locked --path $$tool || exit 1; done

# Completes the index of every session.
reprocess:
	@scripts/reprocess --sessions "$(SESSIONS)" >/dev/null
