# One configuration for everything, so that a clean machine compiles once: release, with what tests import left visible.
# Imports that Package.swift does not declare are errors.
SWIFT_FLAGS = -c release -Xswiftc -enable-testing --explicit-target-dependency-import-check error
MURMUR = .build/release/murmur
FEDERATION = Cluster/local.yaml
JOBS = $(shell nproc)
SOAK = .soak
VECTORS = $(wildcard Protocols/vectors/sa1-*.json)
# Tests that compute for minutes. They run before the others, whose parties keep time by the clock of the machine.
COMPUTING_TESTS = ^(Aggregation|Conformance|Cryptography|Federation|Fuzzing|GradientKernel|Inference|Membership|ModelRegistry|Reports|Rounds|SecureAggregation|Serving|Simulation|Tensors|Training|Transfer|Wire)Tests\.

.PHONY: help run test bench bench-rounds arm64 soak build conformance foreign serving-checks kserve hosts observability differential canaries grpc fuzz lint format generate clean bootstrap

help:
	@echo "make run          a federation on this machine: build, train, publish, pull, check"
	@echo "make test         all tests"
	@echo "make bench        benchmarks, each figure beside a limit of this machine (Benchmarks/README.md)"
	@echo "make bench-rounds whole rounds of processes: overhead, failures, memory"
	@echo "make arm64        the kernels for arm64, emulated, beside the reference and this machine's bits"
	@echo "make soak         new seeds of a hostile network, without end; files each that fails in $(SOAK)"
	@echo "make build        the program, at $(MURMUR)"
	@echo "make conformance  secure aggregation against its published vectors"
	@echo "make foreign      the worker in Python among parties that are murmur, where PyPI is within reach"
	@echo "make serving-checks  serving nodes before clients and tools of others, and kill -9 (ARGUMENTS, .ci/serving)"
	@echo "make kserve       the same node before the client of KServe, whose packages take 450 MB"
	@echo "make hosts        two hosts in network namespaces, and a cable that is pulled out; as root"
	@echo "make observability Prometheus from Debian on a federation: every query of its dashboards and alerts"
	@echo "make differential random cases of the oracle, where it and Python are present (ORACLE, SEED)"
	@echo "make canaries     secure aggregation with one check left out: its tests have to notice"
	@echo "make grpc         serving nodes over gRPC: its build, which no other has, and its tests"
	@echo "make fuzz         what peers' bytes may do, SECONDS (25) for each target"
	@echo "make lint         what 'make format' would change, as errors"
	@echo "make format       formats all sources"
	@echo "make generate     writes the protobuf code again, after a change of Protocols/*.proto"
	@echo "make clean        removes what was built and every local federation"
	@echo
	@echo "variables: FEDERATION=$(FEDERATION) is the file of 'make run'; ARGUMENTS are passed on to 'murmur up' or to"
	@echo "           the benchmark: make bench ARGUMENTS=\"--quick --json\"; JOBS=$(JOBS) simulations of 'make soak' at once,"
	@echo "           which files failures in SOAK=$(SOAK)"

bootstrap:
	@.ci/bootstrap

build: bootstrap
	swift build $(SWIFT_FLAGS) --product murmur

run: build
	$(MURMUR) up $(FEDERATION) $(ARGUMENTS)

test: bootstrap
	swift build $(SWIFT_FLAGS) --build-tests
	swift test $(SWIFT_FLAGS) --skip-build --disable-xctest --filter '$(COMPUTING_TESTS)'
	swift test $(SWIFT_FLAGS) --skip-build --disable-xctest --skip '$(COMPUTING_TESTS)'

bench:
	@.ci/bootstrap bench
	swift build $(SWIFT_FLAGS) --product murmur-bench
	.build/release/murmur-bench secure-aggregation $(ARGUMENTS)
	.build/release/murmur-bench kernel $(ARGUMENTS)

bench-rounds:
	@.ci/bootstrap bench
	swift build $(SWIFT_FLAGS) --product murmur
	swift build $(SWIFT_FLAGS) --product murmur-bench
	.build/release/murmur-bench round $(ARGUMENTS)

arm64:
	Tests/KernelPortability/run

# Seeds that 'make test' has not seen. Each block of them says how far it came. A seed that fails is made small and filed
# in SOAK, and the next go on; so they do when a broken invariant ends the process, which leaves its seeds' files there.
soak: build
	@first=1000000; \
	while :; do \
	  status=0; \
	  $(MURMUR) simulate Simulations/hostile-network.yaml --seeds $$first..$$((first + 999)) --jobs $(JOBS) \
	    --file-failures $(SOAK) || status=$$?; \
	  case $$status in 0 | 1 | 132 | 133 | 134 | 139) ;; *) exit $$status ;; esac; \
	  first=$$((first + 1000)); \
	done

conformance: build
	$(MURMUR) conformance sa1 $(VECTORS)

hosts: build
	.ci/hosts

observability: build
	.ci/observability

differential: build
	.ci/differential

foreign: build
	.ci/foreign

serving-checks: build
	.ci/serving $(ARGUMENTS)

kserve: build
	.ci/serving --kserve $(ARGUMENTS)

canaries: bootstrap
	.ci/canaries

grpc: bootstrap
	.ci/grpc

fuzz: bootstrap
	.ci/fuzz

lint:
	swift format lint --strict --parallel --recursive Sources Tests Benchmarks Package.swift

format:
	swift format --in-place --parallel --recursive Sources Tests Benchmarks Package.swift

generate:
	Protocols/generate.sh
	Protocols/generate-inference.sh

clean:
	rm -rf .build .murmur
