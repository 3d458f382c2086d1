# make run    starts the chat example; needs nothing but Go
# make test   runs all that continuous integration runs, and installs what it needs for that
#
# The steps are in scripts/test; `make fuzz FUZZTIME=1m` runs one of them with another setting.

.PHONY: help run test test-fast lint bench bench-scale bench-tail bench-churn fuzz interop interop-all differential sbom cluster
.PHONY: browser build-browser deps clean simulate soak chaos races fuzz-long

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

run: ## start the chat on 127.0.0.1:3000, or PORT
	go run ./examples/chat

test: ## everything: format, linters, race detector, benchmarks once, real clients
	scripts/test all

test-fast: ## build, vet and the Go tests of the core, without the race detector
	scripts/test fast

lint: ## gofmt, vet, staticcheck, govulncheck
	scripts/test lint

bench: ## benchmarks, then the whole server beside its floors; BENCH=regexp, BENCHTIME=1s, BENCH_REPS=5, BENCH_CASES=echo,rooms
	scripts/test bench

bench-scale: ## the cost of a connection, a room, a namespace as their number grows
	scripts/test bench-scale

bench-tail: ## what broadcasts and stalled readers do to the latency of others
	scripts/test bench-tail

bench-churn: ## what 100,000 connections that came and went leave behind
	scripts/test bench-churn

fuzz: ## explore with each fuzz target for FUZZTIME (10s)
	scripts/test fuzz

interop: ## the tests against the real JavaScript clients
	scripts/test interop

interop-all: ## the clients in Python, Java and Rust against our server, and our client against one in Python
	scripts/test interop_all

differential: ## packets and scripts to the reference and to ours, DIFFERENTIAL=1000000 packets of each kind, SCRIPTS=5000
	scripts/test differential

sbom: ## the parts that the server's module is made of, as CycloneDX, in build/sbom.json
	scripts/test sbom

cluster: ## the tests of the Redis adapters, over a real redis-server
	scripts/test cluster

browser: ## the tests of the browser client: types, units, and in Chromium
	scripts/test browser

build-browser: ## make browser/dist from the sources; commit it with them
	cd browser && go run ./build

simulate: ## whole systems in virtual time, by seeds, for SIMULATE (1m, or 10000 seeds)
	scripts/goals simulate

soak: ## 10,000 connections, and 100 that come and go in a second, for SOAK (1m)
	scripts/goals soak

races: ## the suites of servers and clients under the race detector, shuffled, RACES (5) times
	scripts/goals races

fuzz-long: ## explore with each fuzz target for FUZZ_LONG (1m, or 1000000x), and tell how many inputs were tried
	scripts/goals fuzz-long

chaos: ## upgrades, recovery, liveness and Redis under faults, at full size; CHAOS (1m) for each Redis adapter
	scripts/goals chaos

deps: ## install what the tests need: npm packages, Chromium, nginx, HAProxy, Redis, linters
	scripts/test deps

clean: ## remove what the build and the tests left behind
	rm -rf build interop/js/node_modules browser/node_modules browser/lib
