# SPDX-License-Identifier: MIT
#
# make            build/libfuse_aio.so and build/fuse-aio
# make deps       install what building and testing need (Debian, Ubuntu)
# make demo       the main job on real servers, with numbers at the end
# make check      all tests; make bench: all benchmarks; make lint
# make asan tsan ubsan: the unit tests under a sanitizer

CFLAGS ?= -O2 -g
BUILD  := build
PREFIX ?= /usr/local
PYTHON ?= /usr/bin/python3

override CFLAGS += -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Wshadow -Wconversion -MMD -MP
LIB_CFLAGS := -fPIC -fvisibility=hidden -fexceptions -U_FORTIFY_SOURCE -fno-stack-protector
LIB_SRC    := $(wildcard preload/*.c runtime/*.c)
LIB_OBJ    := $(LIB_SRC:%.c=$(BUILD)/obj/%.o)
TOOL_OBJ   := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tools/*.c))
TESTS      := $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/zoo/*.c tests/bench/*.c))
UNITS      := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/test_*.c))

.PHONY: all deps demo check bench lint asan tsan ubsan unit install clean test-programs docs aarch64
.DELETE_ON_ERROR:

all: $(BUILD)/libfuse_aio.so $(BUILD)/fuse-aio

$(BUILD)/libfuse_aio.so: $(LIB_OBJ) $(BUILD)/exports.map
	$(CC) $(CFLAGS) -shared -Wl,-soname,libfuse_aio.so -Wl,-z,now -Wl,-z,relro -Wl,-z,nodelete \
		-Wl,--no-undefined -Wl,--version-script=$(BUILD)/exports.map $(LDFLAGS) -o $@ $(LIB_OBJ)

$(BUILD)/exports.map: tools/exports.map.in preload/symbols.def
	@mkdir -p $(@D)
	$(CC) -E -P -x c $< -o $@

$(BUILD)/obj/preload/%.o: preload/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LIB_CFLAGS) -c $< -o $@

$(BUILD)/obj/runtime/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(LIB_CFLAGS) -c $< -o $@

$(BUILD)/obj/tools/%.o: tools/%.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c $< -o $@

$(BUILD)/fuse-aio: $(TOOL_OBJ)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^

-include $(LIB_OBJ:.o=.d) $(TOOL_OBJ:.o=.d)
