# SPDX-License-Identifier: Apache-2.0
# Berth's development commands. `make` alone lists them.

PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
SEED ?=
STEPS ?=
ONLY ?=
RECORD ?=
TARGET ?= all
SECONDS ?= 60
MINUTES ?=
SWIFT ?= swift
# The embedded runtime and the tests' own dockerd need root. `make serve SUDO=` serves as you are.
SUDO ?= $(shell [ "$$(id -u)" -eq 0 ] || echo 'sudo env PATH="$$PATH" HOME="$$HOME"')
# What is installed runs on machines without Swift.
STATIC := --static-swift-stdlib

# What tests of a whole server run: a command for each product, since SwiftPM builds one or all.
define build_debug
@$(SWIFT) build --product berth-agent
@$(SWIFT) build --product berth-launcher
@$(SWIFT) build --product berth-full
@$(SWIFT) build --product berth
endef

.DEFAULT_GOAL := help
.PHONY: help serve build test simulate fuzz bench allocations test-away test-clients test-integrations test-packaging test-vm test-kubernetes docs-swift check
.PHONY: format protos docs deb install clean

help: ## list these commands
	@echo "usage: make COMMAND"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/    \1	\2/p' Makefile | expand -t 18

serve: build ## install what is missing, build, and serve; ARGS='--size 4' adds flags of `berth serve`
	@exec $(SUDO) .build/release/berth serve $(ARGS)

build: ## release build of berth and its parts, in .build/release
	@dev/bootstrap
	@echo "make: building (the linker's warnings about dlopen and mktemp are known and harmless)"
	@$(SWIFT) build -c release $(STATIC) --product berth-agent
	@$(SWIFT) build -c release $(STATIC) --product berth-launcher
	@$(SWIFT) build -c release $(STATIC) --product berth-full
	@$(SWIFT) build -c release $(STATIC) --product berth

simulate: ## the pool through 5 million random events, the whole server through one million, every rule checked; SEED=… STEPS=… TARGET=pool|server|canaries|planted
	@$(SWIFT) build -c release --product simulate
	@for target in $(if $(filter-out all,$(TARGET)),$(TARGET),pool server); do .build/release/simulate $$target "$(SEED)" "$(STEPS)" || exit 1; done
	@$(if $(filter-out all,$(TARGET)),,.build/release/simulate canaries 1 100000)

fuzz: ## the link between server and agent, with libFuzzer; TARGET=from-agent SECONDS=600
	@dev/bootstrap
	@Tests/Fuzz/run "$(TARGET)" "$(SECONDS)"

bench: build ## measure everything, with a dockerd of its own; ONLY=unary,fill RECORD=1 (ONLY=soak MINUTES=30)
	@dev/bootstrap --test
	@$(SWIFT) build -c release $(STATIC) --product berth-bench
	@$(SWIFT) build -c release $(STATIC) --product count-allocations
	@$(SUDO) env MINUTES="$(MINUTES)" MEMBERS="$(MEMBERS)" KILLS="$(KILLS)" RUNTIME="$(RUNTIME)" dev/with-docker Benchmarks/run $(if $(ONLY),--only "$(ONLY)") $(if $(RECORD),--record)

allocations: ## how often operations allocate memory, held to Benchmarks/allocations.txt
	@$(SWIFT) build -c release $(STATIC) --product berth-agent
	@$(SWIFT) build -c release $(STATIC) --product berth-launcher
	@$(SWIFT) build -c release $(STATIC) --product count-allocations
	@$(SUDO) .build/release/count-allocations Benchmarks/allocations.txt

test: ## install what is missing, build, and run every test, with a dockerd and a runc of their own
	@dev/bootstrap --test
	@$(MAKE) --no-print-directory simulate
	@$(MAKE) --no-print-directory allocations
	@echo "make: building (the linker's warning about dlopen is known and harmless)"
	@$(SWIFT) build --build-tests
	@$(SUDO) Tests/run

test-away: ## the tests that matter on Docker engines that do not see this machine's files: over TLS, and behind ssh
	@dev/bootstrap --test
	@$(SWIFT) build --build-tests
	@for way in tls ssh; do \
		$(SUDO) env BERTH_TEST_RUNTIMES=docker dev/with-docker --away $$way $(SWIFT) test --skip-build --no-parallel \
			$(patsubst %,--filter Integration.%Tests,File Reset Connect End User Limits OutputAfterEnd) || exit 1; \
	done

test-clients: ## build and test every client, then replay the scenarios with all; CLIENTS='python go' for some
	@dev/bootstrap --clients
	$(build_debug)
	@$(SUDO) clients/test $(CLIENTS)

test-integrations: ## test what brings Berth to notebooks, editors and model tools; INTEGRATIONS='jupyter nvim' for some
	@dev/bootstrap --test --integrations # some of them use a dockerd too
	$(build_debug)
	@$(SUDO) integrations/test $(INTEGRATIONS)

test-packaging: ## the alert rules with a real Prometheus, and the Debian package in a fresh Debian; TESTS='watching package'
	@dev/bootstrap --packaging
	$(build_debug)
	@$(SUDO) packaging/test $(TESTS)

test-vm: ## check what systemd, cgroup v2 and Podman ask for, in a virtual machine; CHECKS='podman journal' for some
	@dev/bootstrap --vm
	$(build_debug)
	@$(SUDO) Tests/VM/run $(CHECKS)

test-kubernetes: ## check the runtime kubernetes on a real cluster of its own; CHECKS='reset deleted' for some
	@dev/bootstrap --kubernetes
	$(build_debug)
	@$(SUDO) Tests/Kubernetes/run $(CHECKS)

docs-swift: ## pages of the Swift client's doc comments, in .build/docs-swift; a link that leads nowhere is an error
	@BERTH_DOCC=1 $(SWIFT) package --allow-writing-to-directory .build/docs-swift generate-documentation \
		--target Berth --output-path .build/docs-swift --warnings-as-errors

check: ## format and lint, generated code and documentation, shell scripts
	@$(SWIFT) build --product berth-full
	@$(SWIFT) build --product berth
	@dev/check

format: ## format all Swift code
	@$(SWIFT) format --in-place --recursive --parallel Package.swift Sources Tests Benchmarks clients/swift

protos: ## generate the messages of Berth and of every client from proto/
	@dev/bootstrap --clients
	@dev/generate-protos --all

docs: ## write docs/cli.md from the help of `berth`
	@$(SWIFT) build --product berth-full
	@$(SWIFT) build --product berth
	@dev/generate-cli-docs .build/debug/berth > docs/cli.md

install: ## install what `make build` has built to PREFIX (/usr/local), below DESTDIR
	@test -x .build/release/berth || { echo "make: nothing is built yet: run \`make build\` first" >&2; exit 1; }
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/libexec/berth"
	install -s -m 755 .build/release/berth "$(DESTDIR)$(PREFIX)/bin/berth"
	install -s -m 755 .build/release/berth-full .build/release/berth-agent \
		.build/release/berth-launcher "$(DESTDIR)$(PREFIX)/libexec/berth/"

deb: build ## a Debian package of what `make build` builds, in .build
	@dev/bootstrap --packaging
	@packaging/build-deb

clean: ## remove what was built
	@rm -rf .build
