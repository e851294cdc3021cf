# `make run` and `make test` are all that a fresh Debian 12 machine needs: both first install what
# is missing. `make help` lists the rest.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# A Rust that setup has just installed is found without a new shell.
export PATH := $(if $(CARGO_HOME),$(CARGO_HOME),$(HOME)/.cargo)/bin:$(PATH)

# Where cargo builds. Every cargo call uses the release profile: RocksDB is compiled once.
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
export CARGO_TARGET_DIR := $(TARGET)
# The programs that setup puts there.
export PATH := $(PATH):$(TARGET)/tools/bin
# Where the end-to-end tests find the programs and the Python clients.
export RIQUET_BIN_DIR := $(TARGET)/release
export RIQUET_VENV := $(TARGET)/venv

# The cluster that `make run` starts: its folder, and further options such as `--port 9200`.
DIR ?= target/dev
ARGS ?=

.PHONY: help run test bench bench-erasure setup setup-build build fmt fmt-check clippy unit e2e clean-dev linearizability kills simulation \
	check-ops compatibility admin-api kernels neon miri miri-portable miri-avx2 miri-gfni-avx2 try-miri fuzz fuzz-shortly \
	package package-test check-docker

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):[^#]*## ?/\1\t/' | expand -t 17

run: setup-build build ## Start a two-site cluster here; Ctrl-C stops it (DIR=..., ARGS="--port 9200")
	@"$(RIQUET_BIN_DIR)/riquet" dev up --dir "$(DIR)" $(ARGS)

test: setup fmt-check clippy unit check-ops kernels try-miri fuzz-shortly e2e package-test check-docker ## Run every test

bench: setup-build build bench-erasure ## Run the benchmarks: erasure code, shard store, whole cluster
	cargo bench --profile release -p riquet-benches
	scripts/bench.sh $(ARGS)

# The peers' library is compared where it is installed: it is no part of the set-up.
bench-erasure: setup-build ## Compare the erasure code with its peers; one Markdown page
	@cargo bench --profile release -p riquet-benches-erasure -- --quiet >&2
	@cargo run --quiet --release -p riquet-benches-erasure --bin erasure-table -- "$(TARGET)/criterion"

setup: ## Install what building and testing need
	@scripts/setup.sh test

setup-build:
	@scripts/setup.sh build

build: ## Build the programs
	cargo build --release --workspace --bins

fmt: ## Format the code
	cargo fmt --all
	cargo fmt --manifest-path fuzz/Cargo.toml

fmt-check:
	cargo fmt --all --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check

clippy: ## Look for mistakes
	cargo clippy --release --workspace --all-targets -- -D warnings
	cargo clippy --release --manifest-path fuzz/Cargo.toml -- -D warnings

# S3's model as AWS ships it, which the table of operations is held against.
unit: export RIQUET_BOTOCORE_DIR = $(wildcard $(RIQUET_VENV)/lib/python3*/site-packages/botocore)
unit: ## Run unit and property tests
	cargo test --release --workspace --exclude riquet-tests

check-ops: ## Check the alerts, their tests, and the example of a configuration
	promtool check rules ops/prometheus/riquet.rules.yml
	promtool check config ops/prometheus/prometheus.example.yml
	promtool test rules ops/prometheus/riquet.test.yml

compatibility: ## Write docs/COMPATIBILITY.md anew, from docs/s3-compatibility.toml
	RIQUET_WRITE_COMPATIBILITY=1 cargo test --release -p riquet-s3 --test botocore -- the_page

kernels: ## Run the erasure code's tests once with each of its kernels
	scripts/kernels.sh

neon: ## The same on an emulated AArch64
	@scripts/setup.sh neon
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64-static -L /usr/aarch64-linux-gnu" \
		scripts/kernels.sh --target aarch64-unknown-linux-gnu

miri: ## Interpret the erasure code's tests, looking for undefined behaviour (needs a nightly Rust)
	@scripts/setup.sh miri
	@$(MAKE) --no-print-directory miri-portable miri-avx2 miri-gfni-avx2

# Tree borrows, because the reference that the tests compare with reads past the element that it has
# borrowed. Left out are the field and the cache's bound, which have no unsafe code and would take
# minutes. Of the AVX-512 instructions Miri lacks one that the kernels use.
miri-%: export MIRIFLAGS := -Zmiri-strict-provenance -Zmiri-tree-borrows -Zmiri-env-forward=RIQUET_ERASURE_KERNEL
miri-%: export RIQUET_ERASURE_KERNEL = $*
miri-avx2: export RUSTFLAGS := -Ctarget-feature=+avx2
miri-gfni-avx2: export RUSTFLAGS := -Ctarget-feature=+avx2,+gfni
# What Miri runs remembers the folder it was compiled in, which may be another clone with this target.
miri-portable miri-avx2 miri-gfni-avx2: miri-%:
	@cargo clean --quiet --target-dir "$(TARGET)/miri" -p riquet-erasure \
		--target "$$(rustc -vV | sed -n 's/^host: //p')"
	cargo +nightly miri test -p riquet-erasure --lib --tests -- \
		--skip field::tests --skip least_recently_used

# A machine that no nightly can be had for tests all the rest, and says so.
try-miri:
	@if scripts/setup.sh miri; then $(MAKE) --no-print-directory miri-portable; \
	else echo "SKIPPED: miri, for want of a nightly Rust"; fi

fuzz: ## Fuzz each target of fuzz/ (FUZZ_SECONDS=60, FUZZ_SEED=..., FUZZ_TARGETS=...)
	@scripts/setup.sh fuzz
	scripts/fuzz.sh $(FUZZ_TARGETS)

fuzz-shortly: export FUZZ_SECONDS := 6
fuzz-shortly: fuzz

e2e: build ## Run end-to-end tests with real processes and real clients
	cargo test --release -p riquet-tests

package: setup-build build ## Make the Debian package, in target/debian
	@scripts/setup.sh package
	@scripts/package.sh

# The first run makes a base system with debootstrap and keeps it in the target folder.
package-test: build ## Make the package, and try it in a fresh Debian (as root)
	@scripts/setup.sh package
	@scripts/package-test.sh

# There may be no container engine here: the files are read, nothing is built.
check-docker: ## Read the container files, and the settings that they are used with
	@scripts/check-docker.sh

# A run is repeated with RIQUET_LINEARIZABILITY_SEED, which each prints.
linearizability: export RIQUET_LINEARIZABILITY_SECONDS := $(or $(SECONDS),1800)
linearizability: build ## Check histories recorded under faults for long (SECONDS=1800)
	cargo test --release -p riquet-tests --test linearizability

# A run is repeated with RIQUET_KILLS_SEED, which each prints.
kills: export RIQUET_KILLS_SECONDS := $(or $(SECONDS),3600)
kills: build ## Kill random processes under load for long, and account for every object (SECONDS=3600)
	cargo test --release -p riquet-tests --test kills

# A run is repeated with RIQUET_SIMULATION_SEED, which each that fails prints.
simulation: export RIQUET_SIMULATION_SEEDS := $(or $(SEEDS),2000)
simulation: setup-build ## Simulate the metadata's groups under faults (SEEDS=2000)
	cargo test --release -p riquet-metadata --features store --lib -- --ignored --nocapture many_seeds

clean-dev: ## Stop the cluster in DIR and remove it with its data
	@if [ -e "$(DIR)/cluster.toml" ]; then "$(RIQUET_BIN_DIR)/riquet" dev down --dir "$(DIR)"; fi
	rm -rf "$(DIR)"
