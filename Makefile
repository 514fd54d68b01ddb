# Thin targets: what is longer than a line stands in scripts/. "make help" lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

GO ?= go
# How many seeds the randomised whole-application tests try under "make race". More is slower and finds more.
WEIR_SEEDS ?= 1
# Packages whose tests run on one goroutine, and take the longest to compile: the race detector has nothing to find in them.
ALONE = github.com/weirstream/weir(/internal/parity)?
# Syntax that the pinned Go does not know yet is left to the version that does.
GOFILES = $(shell find . -name '*.go' -not -name '*_go1[0-9]*.go' -not -path './.git/*')

# need stops a target whose folder or file is not there, and says so.
need = @[ -e $(1) ] || { echo "make $@: there is no $(1)" >&2; exit 1; }

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: ## every test that needs Go alone
	$(GO) test -timeout 5m ./...

race: ## the same under the race detector, with WEIR_SEEDS=n seeds (default 1) and a fifth of the random checks
	WEIR_SEEDS=$(WEIR_SEEDS) $(GO) test -race -short -timeout 10m $$($(GO) list ./... | grep -vxE '$(ALONE)')

kafka-test: ## the tests that need real brokers; starts them (Java 17 and Maven), PKG=./x and RUN=regexp narrow it
	scripts/kafka-test.sh "$(PKG)" "$(RUN)"

fmt: ## format the sources
	gofmt -w $(GOFILES)

fmt-check: ## say which sources are not formatted
	@bad=$$(gofmt -l $(GOFILES)); [ -z "$$bad" ] || { echo "not formatted (make fmt):"; echo "$$bad"; exit 1; }

vet: ## go vet, with the real brokers' tests and the benchmarks' module
	$(GO) vet ./...
	$(GO) vet -tags kafka ./...
	$(if $(wildcard bench/go.mod),$(GO) -C bench vet ./...)

lint: ## staticcheck, pinned in tools/go.mod
	$(GO) -C tools build -buildvcs=false -o ../bin/staticcheck honnef.co/go/tools/cmd/staticcheck
	bin/staticcheck -tags kafka ./...

fluent: ## the generic methods: build and vet with the Go that has them, run the example in both spellings
	GO=$(GO) scripts/fluent.sh

layers: ## which package may import which
	$(GO) test -count=1 ./internal/layers

cross: ## build for macOS and Windows; all but internal/parity, which takes longest and touches no system
	GOOS=darwin GOARCH=arm64 $(GO) build $$($(GO) list ./... | grep -v /internal/parity)
	GOOS=windows GOARCH=amd64 $(GO) build $$($(GO) list ./... | grep -v /internal/parity)

golden: ## record the golden files again from Kafka Streams (Java 17 and Maven)
	$(call need,golden/record.sh)
	golden/record.sh

golden-check: ## record them aside and compare with what is committed
	$(call need,golden/record.sh)
	golden/record.sh --check

try: ## the README's first program, in an empty folder, against what the README says it prints
	$(call need,README.md)
	scripts/try.sh

demo: ## the demonstration: one command, one process
	$(call need,cmd/weir)
	$(GO) run ./cmd/weir demo

bench-quick: ## weir beside hand-written programs on a real broker: CPU, memory, latency (Java 17 and Maven)
	$(call need,bench)
	scripts/kafka.sh run -- $(GO) -C bench run . run

bench-streams: ## weir beside Kafka Streams on a real broker, six topologies: CPU for each record and where it goes, outputs compared
	$(call need,bench)
	jars=$$(scripts/kafka.sh lib) && WEIR_KAFKA_JARS=$$jars scripts/kafka.sh run --no-txv1 -- $(GO) -C bench run . streams -profile "$$(mktemp -d)"

# A step is a part of CI from the day on which its folder is there.
STEPS = fmt-check vet lint layers cross fluent test race \
	$(if $(wildcard cmd/weir/*.go),demo) \
	$(if $(wildcard README.md),try) \
	kafka-test \
	$(if $(wildcard golden/record.sh),golden-check)

ci: ## all that must pass before a change is kept
	@for step in $(STEPS); do \
		echo "== make $$step"; began=$$SECONDS; \
		$(MAKE) --no-print-directory $$step || { echo "== make $$step failed"; exit 1; }; \
		echo "== make $$step: $$((SECONDS - began)) s"; \
	done; echo "== make ci: all passed, $$SECONDS s"

.PHONY: help test race kafka-test fmt fmt-check vet lint fluent layers cross golden golden-check try demo bench-quick bench-streams ci
