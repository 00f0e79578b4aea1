# SPDX-License-Identifier: MIT
#
#   make               build/libfuse_aio.so and build/fuse-aio
#   make deps          install what building and testing need (Debian, Ubuntu)
#   make demo          the main job on real servers, with numbers at the end
#   make check         all tests
#   make bench         all benchmarks: build/bench/results.json and charts
#   make lint          formatting and static analysis
#   make asan tsan ubsan   the unit tests under a sanitizer
#   make aarch64       cross build, unit tests under qemu-user
#   make install PREFIX= DESTDIR=

CFLAGS ?= -O2 -g
BUILD  ?= build
PREFIX ?= /usr/local
# Debian's own python3: the tests use its packages
PYTHON ?= /usr/bin/python3
VERSION := 0.1.0

WARNINGS := -Wall -Wextra -Wshadow -Wconversion
override CFLAGS += -std=gnu11 -D_GNU_SOURCE $(WARNINGS) -MMD -MP
LIB_CFLAGS := -fPIC -fvisibility=hidden -fexceptions -U_FORTIFY_SOURCE -fno-stack-protector
FUSE_FLAGS  = $(shell pkg-config --cflags --libs fuse3)

TOOL_OBJ := $(patsubst tools/%.c,$(BUILD)/tools/%.o,$(wildcard tools/*.c))
PAGE     := $(wildcard tools/page/*)
D3       ?= /usr/share/javascript/d3/d3.min.js
TOOL_LIBS = -ldw -lelf -ljansson -lncursesw -ltinfo -luring -lm
LIB_OBJ  := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard preload/*.c runtime/*.c))
SLOWFS   := $(wildcard tests/support/slowfs*.c)
TWIN     := $(wildcard tests/twin/*.c)
EVENTS   := $(wildcard tests/events/*.c)
PROMISE  := $(wildcard tests/promise/*.c)
PROGRAMS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/zoo/*.c tests/bench/*.c \
	    tests/tools/*.c tests/top/*.c)) \
	    $(BUILD)/tests/twin/twin $(BUILD)/tests/events/events $(BUILD)/slowfs \
	    $(BUILD)/tests/promise/promise $(BUILD)/tests/page/page
UNITS    := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
C_FILES   = $(wildcard include/*.h preload/*.[ch] runtime/*.[ch] tools/*.[ch] tests/*/*.[ch])

.DELETE_ON_ERROR:
.PHONY: all deps demo check bench lint asan tsan ubsan unit units programs docs aarch64 install clean

all: $(BUILD)/libfuse_aio.so $(BUILD)/fuse-aio

# ---- the library: needs libc only, exports what symbols.def says ----

$(BUILD)/libfuse_aio.so: $(LIB_OBJ) $(BUILD)/exports.map
	$(CC) $(CFLAGS) -shared -Wl,-soname,libfuse_aio.so -Wl,-z,now,-z,relro,-z,nodelete \
		-Wl,--no-undefined -Wl,--version-script=$(BUILD)/exports.map \
		$(LDFLAGS) -o $@ $(LIB_OBJ)

$(BUILD)/exports.map: tools/exports.map.in preload/symbols.def
	@mkdir -p $(@D)
	$(CC) -E -P -x c $< -o $@

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LIB_CFLAGS) -c $< -o $@

# ---- the tool ----

$(BUILD)/tools/%.o: tools/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -DFA_VERSION='"$(VERSION)"' -c $< -o $@

# The page of the report with all that belongs into it, as bytes in the program.
$(BUILD)/page/report.html: $(PAGE) $(D3)
	@mkdir -p $(@D)
	awk -v d3=$(D3) '$$1 == "@include" { f = $$2 == "d3" ? d3 : "tools/page/" $$2; \
		while ((got = (getline line < f)) > 0) print line; \
		if (got < 0) { print "cannot read " f > "/dev/stderr"; exit 1 } next } 1' \
		tools/page/report.html > $@

$(BUILD)/page/report.o: $(BUILD)/page/report.html
	cd $(@D) && $(LD) -r -b binary -z noexecstack -o report.o report.html

$(BUILD)/fuse-aio: $(TOOL_OBJ) $(BUILD)/page/report.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(TOOL_LIBS)

# ---- test programs ----

$(BUILD)/slowfs: $(SLOWFS) $(wildcard tests/support/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(SLOWFS) $(FUSE_FLAGS)

$(BUILD)/tests/twin/twin: $(TWIN) $(wildcard tests/twin/*.h)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread -o $@ $(TWIN)

$(BUILD)/tests/events/events: $(EVENTS) $(wildcard tests/events/*.h) tests/zoo/zoo.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread -o $@ $(EVENTS)

$(BUILD)/tests/promise/promise: $(PROMISE) $(wildcard tests/promise/*.h) tests/zoo/zoo.h
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread -o $@ $(PROMISE)

$(BUILD)/tests/page/page: tests/page/page.c $(BUILD)/tools/html_page.o $(BUILD)/page/report.o
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $^

# Any other program; a name that ends in _preload is a library to preload.
$(BUILD)/tests/%_preload: tests/%_preload.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -fPIC -shared -o $@ $<

$(BUILD)/tests/%: tests/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -pthread -o $@ $< -Wl,--as-needed -luring

programs: $(PROGRAMS)

# The reader of recordings under libFuzzer; clang only.
FUZZED := memory map histogram recording progress text processes files estimate sites symbols \
	  summary events rows devices flame table format_folded format_json format_perfetto \
	  format_table format_diff
$(BUILD)/fuzz/fuzz_recording: tests/fuzz/fuzz_recording.c $(FUZZED:%=tools/%.c) $(wildcard tools/*.h)
	@mkdir -p $(@D)
	clang -O1 -g -std=gnu11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $(filter %.c,$^) -ldw -lelf -ljansson -lm

# ---- unit tests: the runtime with its system calls in the tests' hands ----

UNIT_CFLAGS := -DFA_FAKE_SYSCALLS -pthread $(SANITIZE)
UNIT_OBJ    := $(patsubst runtime/%.c,$(BUILD)/unit/obj/%.o,$(wildcard runtime/*.c)) \
	       $(patsubst tests/unit/%.c,$(BUILD)/unit/obj/%.o,$(wildcard tests/unit/fake*.c))

$(BUILD)/unit/obj/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(UNIT_CFLAGS) -c $< -o $@

$(BUILD)/unit/obj/%.o: tests/unit/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(UNIT_CFLAGS) -c $< -o $@

$(BUILD)/unit/test_%: $(BUILD)/unit/obj/test_%.o $(UNIT_OBJ)
	$(CC) $(CFLAGS) $(UNIT_CFLAGS) -o $@ $^ $(CMOCKA_LIBS)

CMOCKA_LIBS ?= -lcmocka

units: $(UNITS)

unit: units
	@$(PYTHON) tools/summary.py --cmocka $(BUILD)/unit

# GOAL=units: built only. Without much optimization: it takes a third of the build.
GOAL ?= unit
SAN_CFLAGS ?= -O1 -g
asan tsan ubsan: SAN = $(if $(filter asan,$@),address,$(if $(filter tsan,$@),thread,undefined))
asan tsan ubsan:
	$(MAKE) BUILD=$(BUILD)/$@ CFLAGS="$(SAN_CFLAGS)" SANITIZE="-fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer" $(GOAL)

-include $(shell find $(BUILD)/obj $(BUILD)/unit $(BUILD)/tests $(BUILD)/tools -type f -name '*.d' 2>/dev/null)

# ---- documents made of the tables ----

docs: $(BUILD)/fuse-aio
	{ $(BUILD)/fuse-aio options --markdown; $(BUILD)/fuse-aio counters --markdown; } \
		> docs/OPTIONS.md
	{ printf '# Interposed symbols\n\nMade by `make docs` from `preload/symbols.def`.\n\n'; \
	  printf '| Symbol | Why |\n|---|---|\n'; \
	  $(CC) -E -P -x c tools/symbols.md.in | sed 's/"//g'; } > docs/SYMBOLS.md

# ---- everything else ----

deps:
	@sh tools/deps.sh

demo: deps
	$(MAKE) all programs
	$(PYTHON) tools/demo.py

check: deps
	$(MAKE) all programs units aarch64
	$(PYTHON) tools/check.py $(CHECK)

bench: deps
	$(MAKE) all programs
	$(PYTHON) tests/bench/bench.py $(BENCH)

lint: deps
	sh tools/lint.sh $(C_FILES)

# Where there is no cross compiler the test of it is skipped, and says so.
aarch64:
	@command -v aarch64-linux-gnu-gcc >/dev/null || exit 0; \
	$(MAKE) BUILD=$(BUILD)/aarch64 CC=aarch64-linux-gnu-gcc $(BUILD)/aarch64/libfuse_aio.so

install: all
	install -Dm755 $(BUILD)/libfuse_aio.so $(DESTDIR)$(PREFIX)/lib/libfuse_aio.so
	install -Dm755 $(BUILD)/fuse-aio $(DESTDIR)$(PREFIX)/bin/fuse-aio
	install -Dm644 README.md $(DESTDIR)$(PREFIX)/share/doc/libfuse_aio/README.md
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/man/man1 docs/man/*.1
	install -Dm644 tools/completion/fuse-aio.bash \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/fuse-aio
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/zsh/site-functions tools/completion/_fuse-aio
	install -Dm644 -t $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d \
		tools/completion/fuse-aio.fish

clean:
	rm -rf $(BUILD)
