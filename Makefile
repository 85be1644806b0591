# Short names for what one does with gale; the build itself is CMake's (CMakePresets.json).
.PHONY: all demo test outage check bench bench-store fuzz asan tsan lint fmt install clean deps
.DEFAULT_GOAL := all

JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600

all: build/gale ## build/gale

.PHONY: build/gale
build/gale: deps
	@tools/build.sh release

deps:
	@tools/deps.sh build

demo: build/gale ## a k6 script against the bundled shop, start to summary
	@tools/demo.sh

test: ## build and run every test; ends with a line of counts
	@tools/deps.sh build test
	@tools/test.sh

outage: build/gale ## every component of a fleet fails in turn during one run of three minutes
	@tools/deps.sh build test
	@tests/fault/outage.py build/gale

check: test lint outage ## all that a release has to pass

asan: ## the tests under AddressSanitizer and UndefinedBehaviorSanitizer
	@tools/deps.sh build test
	@tools/test.sh asan

tsan: ## the threaded parts under ThreadSanitizer
	@tools/deps.sh build test
	@tools/test.sh tsan

fuzz: ## libFuzzer on every target, FUZZ_SECONDS each
	@tools/deps.sh build lint
	@tools/fuzz.sh $(FUZZ_SECONDS)

bench: build/gale ## gale beside its peers, in one run
	@tools/deps.sh build bench
	@bench/run.py

bench-store: deps ## a day of three regions in the run store: what it takes, how fast it answers
	@tools/build.sh release store_bench
	@build/release/bench/store_bench

lint: ## format, layers, clang-tidy, house rules
	@tools/deps.sh build lint
	@tools/lint.sh

fmt: ## format the code
	@tools/deps.sh lint
	@git ls-files -z '*.c' '*.h' | xargs -0 clang-format-14 -i

install: build/gale ## into $(PREFIX)
	@cmake --install build/release --prefix $(PREFIX)

clean:
	rm -rf build

help: ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12
