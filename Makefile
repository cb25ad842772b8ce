# cht: see README.md. `make demo` and `make test` install everything they need.

SHELL := bash
.SHELLFLAGS := -o pipefail -c
CARGO ?= cargo
BIN := $(CURDIR)/target/release
ALL := cht cht-recv cht-segwatch cht-scenes cht-audio cht-index cht-agent cht-export cht-page cht-monitor cht-batch
TOOLS := $(ALL)
# Always all packages: with other features, most of them would be compiled again.
BUILD = $(CARGO) build --release --locked $(addprefix -p ,$(ALL)) $(addprefix --bin ,$(1))
# Folder of the sessions for `make reprocess`.
SESSIONS ?= sessions

# Players of cht-page, from npm by a lock file; compiled into the program.
PLAYERS := cht-page/web/node_modules/.package-lock.json

.PHONY: build others demo test lab bench cluster picture quality install uninstall deb package-test reprocess setup

# npm fetches while the compiler works on the other tools.
build: setup
	$(MAKE) --no-print-directory -j2 TOOLS="$(TOOLS)" $(PLAYERS) others
	$(call BUILD,$(TOOLS))

others:
	$(call BUILD,$(filter-out cht-page,$(TOOLS)))

$(PLAYERS): cht-page/web/package.json cht-page/web/package-lock.json
	scripts/setup npm
	npm ci --prefix cht-page/web --ignore-scripts --no-audit --no-fund || \
	    echo "npm does not get the players of cht-page: its pages will show no video" >&2

setup:
	scripts/setup

# The video plays as soon as the tools of its pipeline are there. Those that show what it gave are built meanwhile.
demo: setup
	$(call BUILD,cht-recv cht-segwatch cht-scenes cht-index)
	PATH="$(BIN):$$PATH" scripts/demo $(MAKE) build TOOLS="cht cht-export cht-page"

test: $(PLAYERS)
	scripts/setup socat faketime entr sqlite3 xmllint
	$(CARGO) test --workspace --locked --no-fail-fast

# The live pipeline with faults, an hour: a failure names its seed and round.
lab:
	scripts/setup
	$(CARGO) test -p cht-tests --release --locked --test lab -- --rounds 500 --seed 1 --jobs 2
	$(CARGO) test -p cht-tests --release --locked --test lab -- --readers --rounds 200 --seed 1 --jobs 2

# Units on many machines, by GNU parallel, Slurm, RabbitMQ and S3, with faults: as root, on Debian, some twenty minutes.
cluster: build
	tests/cluster/run --programs "$(BIN)"

bench: build
	scripts/setup socat
	PATH="$(BIN):$$PATH" bench/run

# The picture of the page in the README.
picture: build
	PATH="$(BIN):$$PATH" tests/page/picture

# Quality of the chosen frames: makes its material first, about an hour.
quality: build
	for kind in film screen; do for set in tune held footage; do \
	    bench/quality/run --kind $$kind --set $$set || exit 1; done; done

# Programs, manual pages, completions, scripts, a unit for systemd and the documentation, made by `make build`:
# make install PREFIX=/usr DESTDIR=package
PREFIX ?= /usr/local
ROOT := $(DESTDIR)$(PREFIX)
SCRIPTS := follow live ocr reprocess transcribe
UNITS := cht-batch.service cht-batch.timer cht-recv.service cht-recv@.service cht-stages@.service cht@.target

install: $(addprefix $(BIN)/,$(TOOLS))
	install -d "$(ROOT)/bin" "$(ROOT)/share/cht/scripts" "$(ROOT)/share/doc/cht" "$(ROOT)/lib/systemd/system"
	install -m 755 $^ "$(ROOT)/bin"
	for tool in $^; do "$$tool" --generate "$(ROOT)" || exit 1; done
	install -m 755 $(addprefix scripts/,$(SCRIPTS)) "$(ROOT)/share/cht/scripts"
	install -m 644 scripts/stage.py scripts/cron.example "$(ROOT)/share/cht/scripts"
	for unit in $(UNITS); do \
	    sed 's|/usr/local/|$(PREFIX)/|' "scripts/$$unit" >"$(ROOT)/lib/systemd/system/$$unit" || exit 1; done
	install -d "$(ROOT)/share/cht/scripts/cluster"
	install -m 755 scripts/cluster/* "$(ROOT)/share/cht/scripts/cluster"
	install -D -m 644 scripts/cht.sysusers "$(ROOT)/lib/sysusers.d/cht.conf"
	install -D -m 644 scripts/cht.tmpfiles "$(ROOT)/lib/tmpfiles.d/cht.conf"
	cp -r README.md CHANGELOG.md LICENSE-* docs schema "$(ROOT)/share/doc/cht"
	install -D -m 644 docs/cht-events.5 "$(ROOT)/share/man/man5/cht-events.5"

$(BIN)/%:
	$(MAKE) build

uninstall:
	rm -rf "$(ROOT)/share/cht" "$(ROOT)/share/doc/cht" "$(ROOT)/share/man/man5/cht-events.5" "$(ROOT)/lib/sysusers.d/cht.conf" \
	    "$(ROOT)/lib/tmpfiles.d/cht.conf" $(addprefix "$(ROOT)/lib/systemd/system"/,$(UNITS))
	for tool in $(TOOLS); do rm -f "$(ROOT)/bin/$$tool" "$(ROOT)/share/man/man1/$$tool".1 "$(ROOT)/share/man/man1/$$tool"-*.1 \
	    "$(ROOT)/share/bash-completion/completions/$$tool" "$(ROOT)/share/zsh/site-functions/_$$tool" \
	    "$(ROOT)/share/fish/vendor_completions.d/$$tool.fish"; done

# A package for Debian and its relatives, of the built programs: target/debian/cht_VERSION_ARCH.deb
PACKAGE := $(CURDIR)/target/package
deb:
	rm -rf "$(PACKAGE)" target/debian
	$(MAKE) --no-print-directory install PREFIX=/usr DESTDIR="$(PACKAGE)"
	install -D -m 644 scripts/debian/lintian-overrides "$(PACKAGE)/usr/share/lintian/overrides/cht"
	printf 'cht (%s-1) unstable; urgency=medium\n\n  * Changes: CHANGELOG.md\n\n -- The cht authors <cht@localhost>  %s\n' \
	    "$$(sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)" "$$(git log -1 --format=%cD 2>/dev/null || date -R)" | \
	    gzip -9n >"$(PACKAGE)/usr/share/doc/cht/changelog.Debian.gz"
	$(CARGO) deb --version >/dev/null 2>&1 || $(CARGO) install --locked cargo-deb
	$(CARGO) deb --locked --package cht --no-build --output target/debian/
	# All that is installed is in it, and the copyright.
	test $$(dpkg-deb -c target/debian/cht_*.deb | grep -c '^-') -eq $$(($$(find "$(PACKAGE)" -type f | wc -l) + 1))

# Installs the package into a fresh Debian, and runs the examples of the README there. Needs root and the network.
package-test: deb
	scripts/setup debootstrap
	tests/package/run target/debian/cht_*.deb

# Completes the frames and the index of every session: make reprocess OPTIONS='--detect scene --threshold 0.3'
reprocess:
	@scripts/reprocess --sessions "$(SESSIONS)" -- $(OPTIONS) >/dev/null
