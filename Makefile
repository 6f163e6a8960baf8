# Everything here is one command; the work is done by cargo and by the scripts in tests/shell.
# `make help` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build
.PHONY: help build demo test prepare lint static bench soak deny accept record-case record-lab-cases faults fuzz accuracy

CARGO ?= cargo
# Where cargo builds, and where the tests' Python lives.
BUILD := $(or $(CARGO_TARGET_DIR),target)
STATIC_TRIPLE := x86_64-unknown-linux-gnu
# The crate getrandom looks for libc's function at run time, which a static file cannot, and would then need /dev/urandom.
STATIC_FLAGS := -C target-feature=+crt-static --cfg getrandom_backend="linux_getrandom"
DENY_VERSION := 0.18.9

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10

build: ## the program, for working on it: target/debug/sonde
	$(CARGO) build --locked

demo: build ## start real servers on loopback, scan them with the shipped scripts, print the report
	tests/shell/demo.sh $(BUILD)/debug/sonde

test: prepare lint ## everything a change must pass; installs what is missing
	tests/shell/run.sh

prepare: ## programs and readers the tests need: Debian packages (as root) and target/venv
	tests/shell/prepare.sh $(BUILD)/venv

lint: ## format, clippy, documentation: no warning is left
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --document-private-items

static: ## one file that needs nothing on the machine it runs on, and the proof
	RUSTFLAGS='$(STATIC_FLAGS)' $(CARGO) build --locked --release --target $(STATIC_TRIPLE)
	tests/shell/static.sh $(BUILD)/$(STATIC_TRIPLE)/release/sonde

bench: ## one table: sonde beside a bare client, and beside nmap where it is installed
	$(CARGO) bench --locked

soak: ## a scan of a million simulated hosts: every host once, memory that does not grow
	$(CARGO) bench --locked --bench compare -- million

accuracy: build ## states of ports against the truth, 20 runs each: simulated, and as root in networks made for it; nmap beside
	SONDE_ACCURACY_RUNS=$(or $(RUNS),20) $(CARGO) test --locked --test main accuracy:: -- --nocapture --test-threads=1

faults: build ## every recorded case with 200 seeds of faults, or SEEDS= of them: minutes
	SONDE_FAULT_SEEDS=$(or $(SEEDS),200) $(CARGO) test --locked --test main faults:: -- --nocapture

fuzz: ## parsers of what comes from outside, with ITERATIONS= inputs that are almost right, of SEED=
	SONDE_FUZZ_ITERATIONS=$(or $(ITERATIONS),200000) SONDE_FUZZ_SEED=$(or $(SEED),1) \
		$(CARGO) test --locked --test main fuzz:: -- --nocapture

deny: ## licences, banned crates and sources of everything linked in
	@command -v cargo-deny > /dev/null || { echo "building cargo-deny: about seven minutes on two cores"; \
		$(CARGO) install --locked cargo-deny@$(DENY_VERSION); }
	@echo "not asked: the advisory database, which must be fetched; run \`cargo deny check advisories\` where it can be"
	$(CARGO) deny --locked check licenses bans sources

accept: ## take what the tests see now as what they shall see; read the difference before you commit it
	SONDE_ACCEPT=1 $(CARGO) test --locked
	git status --short testdata docs

record-case: build ## a case of a script from a live server: SCRIPT= CASE= TARGET= [PORT= ARGS= SHOWS= SERVER= VERSION=]
	tests/shell/record-case.sh $(BUILD)/debug/sonde # it finds them in its environment

record-lab-cases: build ## the cases of the scripts that send packets, anew: as root, in networks made for it
	SONDE_RECORD_LAB=1 CI=true $(CARGO) test --locked --test main lab::cases::
	SONDE_ACCEPT=1 $(CARGO) test --locked --test main cases::the_index_tells > /dev/null
	git status --short testdata
