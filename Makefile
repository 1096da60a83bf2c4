# Berth: `make run` starts a hub, `make test` proves it. Needs Go, make and git.

MODULES := $(patsubst %/go.mod,%,$(wildcard go.mod */go.mod))
MODULES := $(sort $(patsubst go.mod,.,$(MODULES)))
TOOLS   := $(CURDIR)/.make/bin
STATIC  := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VULN    := golang.org/x/vuln/cmd/govulncheck@v1.8.0
BUILDKIT := github.com/moby/buildkit@v0.34.2
BUILDX  := github.com/docker/buildx@v0.38.2
FUZZTIME ?= 30s
DATA    ?= $(or $(BERTH_DATA),berth-data)
ARCH    ?= arm64
FUNCTIONS := .make/functions$(if $(filter arm64,$(ARCH)),,-$(ARCH))
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)

export GOFLAGS := -buildvcs=false

# builds want root: their own processes, mounts and network
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# Node for the CDK's engine, and what the CDK writes templates with (CONTEXT='-c KEY=VALUE').
NODE := PATH='$(CURDIR)/infra/node/node_modules/.bin':"$$PATH"
AWS  := ./infra/... ./template-tests/...

.PHONY: run build console console-test demo functions test unit lint vet fmt vuln packages builders browser fuzz soak bench bench-builds clean help deployables node synth deploy destroy costs smoke cfn-lint sim sim-test sim-programs

help: ## list what there is
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: build ## build and start a hub with its console on http://127.0.0.1:8080, with its data in ./berth-data
	@exec bin/berth serve --data $(DATA)

# Without npm or its registry there is still a hub to run.
build: ## build bin/berth
	@$(MAKE) --no-print-directory console || echo "The web console could not be built, for the reason above. The hub does without; \`make console\` tries again." >&2
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.commit=$(COMMIT)' -o bin/berth ./cmd/berth

demo: build ## from a Git push to pulled images, on this machine alone
	@.ci/packages demo
	cd e2e && go build -o ../bin/demo ./demo
	@$(SUDO) bin/demo

CONSOLE := console/dist/index.html.gz

console: $(CONSOLE) ## build the web console, which is then part of the hub

$(CONSOLE): console/build.mjs console/package-lock.json $(shell find console/src)
	@.ci/node console .bin/esbuild
	@cd console && $(NODE) node build.mjs

console-test: $(CONSOLE) ## the types of the web console, and the tests of its logic
	@cd console && $(NODE) node node_modules/typescript/bin/tsc && $(NODE) node build.mjs test

functions: $(FUNCTIONS)/.built ## build every Lambda function: NAME/bootstrap below .make/functions (ARCH=amd64: below .make/functions-amd64)

$(FUNCTIONS)/.built: go.mod $(CONSOLE) $(shell find $(CURDIR)/shared $(CURDIR)/functions $(CURDIR)/console/*.go -type d -o -name '*.go' ! -name '*_test.go')
	@rm -rf $(FUNCTIONS) && mkdir -p $(FUNCTIONS)/.new
	@echo "building a program for each operation, which takes some minutes the first time"
	GOOS=linux GOARCH=$(ARCH) CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags='-s -w' -o $(FUNCTIONS)/.new/ ./functions/...
	@cd $(FUNCTIONS) && for f in .new/*; do n=$${f##*/}; mkdir $$n && mv $$f $$n/bootstrap; done && rmdir .new && touch .built

deployables: functions ## build all that is deployed: functions, ingest's image, and the runner of builds
	@rm -rf .make/ingest .make/runner && mkdir -p .make/ingest .make/runner
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o .make/runner/runner ./cmd/runner
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o .make/ingest/ingest ./cmd/ingest
	@cp infra/ingest/Dockerfile .make/ingest/ && cp /etc/ssl/certs/ca-certificates.crt .make/ingest/

synth: node deployables ## write the CloudFormation templates to cdk.out (CONTEXT='-c ingest=off')
	@$(NODE) go run ./infra $(CONTEXT)

# The CDK's command comes from npm's registry, when it is wanted.
CDK := $(NODE) npx --yes aws-cdk@2.1148.1

deploy: node deployables ## put the hub into the AWS account of the environment (CONTEXT), see docs/aws.md
	$(CDK) deploy --all --require-approval broadening $(CONTEXT)

destroy: node ## take it out again, without tables, layers and keys (CONTEXT)
	$(CDK) destroy --all $(CONTEXT) -c built=none

costs: ## write docs/cost.md anew, from sim/COUNTS.md and infra/cost/prices.json
	@mkdir -p .make && go run ./infra/cost < sim/COUNTS.md > .make/cost.md && mv .make/cost.md docs/cost.md

smoke: ## check on a deployed hub what only a deployed one can show: make smoke URL=https://hub.example.com (BERTH_USER and BERTH_PASSWORD)
	@go run ./infra/smoke $(SMOKEFLAGS) $(URL)

SIM := $(CURDIR)/.make/sim

sim: sim-programs ## all of Berth as on AWS on this machine, at http://127.0.0.1:8090 (SIMFLAGS)
	cd sim && exec go run ./run $(SIMFLAGS)

sim-test: packages sim-programs ## prove the functions and templates on the simulated AWS (takes minutes)
	cd sim && go vet -tags proof ./proof && go test -tags proof -count=1 -timeout 40m -v ./proof $(SIMFLAGS)

sim-programs: node ## what the simulation runs: functions, ingest and runner for this machine, and the templates
	@$(MAKE) --no-print-directory functions ARCH=$$(go env GOHOSTARCH)
	@mkdir -p $(SIM) && rm -f $(SIM)/functions
	@a=$$(go env GOHOSTARCH); [ $$a = arm64 ] && a= || a=-$$a; ln -s ../functions$$a $(SIM)/functions
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o $(SIM)/ ./cmd/ingest ./cmd/runner
	@set -e; for ingest in on off; do \
		out=$(SIM)/cdk.out; [ $$ingest = on ] || out=$(SIM)/cdk.out-ingest-off; rm -rf $$out; \
		CDK_OUTDIR=$$out $(NODE) go run ./infra -c built=none -c ingest=$$ingest \
			-c allowedHosts=127.0.0.1,localhost,$$(hostname) -c mailFrom=hub@berth.example >/dev/null; \
	done

cfn-lint: node ## hold the templates against CloudFormation's schemas, where cfn-lint can be had
	@rm -rf .make/templates && mkdir -p .make/templates
	@$(NODE) CDK_OUTDIR=.make/templates/whole go run ./infra -c built=none
	@$(NODE) CDK_OUTDIR=.make/templates/slight go run ./infra -c built=none -c ingest=off -c mailFrom=hub@example.com
	@.ci/cfn-lint .make/templates/*/*.template.json

node: ## Node and what runs on it, below infra/node
	@.ci/node infra/node .bin/node

test: packages builders node browser console-test lint unit cfn-lint vuln ## everything that must pass: formats, linters, all tests with the race detector

unit: ## the tests of every module, with the race detector
	@set -e; for m in $(MODULES); do echo "go test $$m"; \
		(cd $$m && go test -race -timeout 20m $$(go list ./... | grep -v -e '^berth/infra' -e '^berth/template-tests')); done
	@# Templates are written by one goroutine, and the CDK with the race detector takes minutes to build.
	go test -timeout 20m $(AWS)

lint: fmt vet ## formats, go vet and staticcheck in every module

fmt:
	@bad=$$(gofmt -l $(MODULES) | sort -u); [ -z "$$bad" ] || { echo "gofmt would change:"; echo "$$bad"; exit 1; }

vet: $(TOOLS)/staticcheck
	@set -e; for m in $(MODULES); do echo "vet $$m"; (cd $$m && go vet ./... && $(TOOLS)/staticcheck ./...); done

vuln: $(TOOLS)/govulncheck ## known vulnerabilities, where their database can be reached
	@set -e; for m in $(MODULES); do .ci/vuln $(TOOLS)/govulncheck $$m; done

packages: ## the programs that the tests use as real clients
	@.ci/packages

builders: $(TOOLS)/buildctl $(TOOLS)/docker-buildx ## BuildKit and buildx, which distributions have late or not at all

browser: packages node ## Chromium for the tests of the console, where the machine has none
	@.ci/browser $(TOOLS)/chromium

fuzz: ## each fuzz target for FUZZTIME (30s)
	@.ci/fuzz $(FUZZTIME) $(MODULES)

soak: ## push with the hub killed 50 times and more
	cd e2e && BERTH_KILLS=$${BERTH_KILLS:-60} go test -race -timeout 60m -count=1 -v -run 'Kill|Sweep' ./...

bench: ## measure the hub beside a bare server, and hold it against its aims (BENCHFLAGS)
	cd bench && go run . run $(BENCHFLAGS)

bench-builds: ## measure what the hub adds to a build, beside the same build by hand (as root)
	cd bench && go run . builds $(BENCHFLAGS)

clean: ## remove what was built
	rm -rf bin .make console/dist/assets $(CONSOLE)

$(TOOLS)/staticcheck:
	GOBIN=$(TOOLS) go install $(STATIC)

$(TOOLS)/govulncheck:
	GOBIN=$(TOOLS) go install $(VULN)

# Their own go.mod pins what they are made of, so they are built where it is.
$(TOOLS)/buildctl:
	@.ci/program $(BUILDKIT) $(TOOLS)/ ./cmd/buildkitd ./cmd/buildctl

$(TOOLS)/docker-buildx:
	@.ci/program $(BUILDX) $@ ./cmd/buildx
