# make demo: the whole flow on real images.    make test: all tests.    make bench: the speed, beside other runtimes.
# They create .venv, install what they need and build the package; a second run starts at once.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
NATIVE_BUILD := build/native
NATIVE_SOURCES := CMakeLists.txt $(shell find cmake custom_ops -type f)
CXX_SOURCES := $(shell find custom_ops examples -name '*.cc' -o -name '*.cpp' -o -name '*.cu' -o -name '*.h')
ORT := $(if $(shell nvidia-smi -L 2>/dev/null),gpu,cpu)

.PHONY: demo test test-matrix bench frontier coverage docs lint sanitize aarch64 build clean

demo: $(VENV)/.package
	$(BIN)/zaponnx demo --output demo

test: $(VENV)/.dev
	$(BIN)/ctest --test-dir $(NATIVE_BUILD) --output-on-failure
	$(BIN)/python -m pytest

# One wheel on several versions of ONNX Runtime, which pip fetches; writes docs/ort_versions.md.
test-matrix: $(VENV)/.dev
	rm -rf build/matrix/dist
	$(BIN)/python -m build --wheel --no-isolation --outdir build/matrix/dist \
		--config-setting=build-dir=$(NATIVE_BUILD) --config-setting=cmake.define.ZAPONNX_BUILD_TESTS=ON
	$(BIN)/python tests/matrix build/matrix/dist/*.whl

# Less of it: make bench BENCH='--networks resnet18 --parts networks --threads 2'
bench: $(VENV)/.bench
	$(BIN)/cmake --build $(NATIVE_BUILD) --target zaponnx_kernel_benchmark
	$(BIN)/python -m benchmarks $(BENCH)

# Work saved at equal accuracy, beside the paper's method; takes hours, and goes on after an interrupt.
frontier: $(VENV)/.package
	$(BIN)/python -m benchmarks.frontier $(FRONTIER)

# Networks that others wrote, converted and checked; goes on after an interrupt. Less: make coverage COVERAGE='--networks light_ --output build'
coverage: $(VENV)/.package
	$(BIN)/python -m zoo $(COVERAGE)

# The documentation site, into build/site. What is generated of it is committed, and a test says if it is not current.
docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# mypy reads the package as it is installed: calib/ and cli.py inside zaponnx/.
lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	rm -rf build/types && mkdir -p build/types
	cp -rs $(CURDIR)/zaponnx build/types/ && cp -rs $(CURDIR)/calib $(CURDIR)/cli.py build/types/zaponnx/
	cp -rs $(CURDIR)/benchmarks $(CURDIR)/zoo build/types/
	cd build/types && $(CURDIR)/$(BIN)/mypy --config-file $(CURDIR)/pyproject.toml -p zaponnx -p benchmarks -p zoo
	$(BIN)/clang-format --dry-run --Werror $(CXX_SOURCES)

# The C++ tests under the address and undefined behaviour sanitizers.
sanitize: $(VENV)/.dev
	$(BIN)/cmake -S . -B build/sanitize -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DZAPONNX_BUILD_TESTS=ON \
		-DZAPONNX_CUDA=OFF -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS="-O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
	$(BIN)/cmake --build build/sanitize
	$(BIN)/ctest --test-dir build/sanitize --output-on-failure

# The C++ tests on NEON, built by a cross compiler and run by qemu (Debian: g++-aarch64-linux-gnu, qemu-user).
aarch64: $(VENV)/.dev
	$(BIN)/cmake -S . -B build/aarch64 -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DZAPONNX_BUILD_TESTS=ON \
		-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake
	$(BIN)/cmake --build build/aarch64
	$(BIN)/ctest --test-dir build/aarch64 --output-on-failure

build: $(VENV)/.dev
	$(BIN)/python -m build

clean:
	rm -rf $(VENV) build dist demo

# torch goes first and alone, so that the packages built on it find it and do not choose another.
$(VENV)/.dependencies: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "zaponnx needs Python 3.11 or later; name one: make PYTHON=python3.12" >&2; exit 1; }
	@echo "installing torch and the other dependencies into $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@$(PIP) torch
	@$(PIP) torchvision cmake ninja scikit-build-core
	@touch $@

$(VENV)/.package: $(VENV)/.dependencies pyproject.toml $(NATIVE_SOURCES)
	@echo "building and installing zaponnx[$(ORT),calib]"
	@$(PIP) --no-build-isolation --config-settings=build-dir=$(NATIVE_BUILD) \
		--config-settings=cmake.define.ZAPONNX_BUILD_TESTS=ON --editable '.[$(ORT),calib]'
	@touch $@

$(VENV)/.dev: $(VENV)/.package
	@$(PIP) --group dev
	@touch $@

$(VENV)/.docs: $(VENV)/.dependencies pyproject.toml
	@$(PIP) --group docs
	@touch $@

# What cannot be installed on a machine is reported as not measured.
$(VENV)/.bench: $(VENV)/.package
	@$(PIP) --group bench || echo "not all peers can be installed" >&2
	@touch $@
