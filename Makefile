# SPDX-License-Identifier: Apache-2.0
# xtrd, vmagent, xtrctl: build, tests, demo.  'make help' lists the targets.
# Knobs: CC=clang  SAN=1 (ASan, UBSan)  V=1  PREFIX=  DESTDIR=  BUILD=

CC ?= gcc
CLANG ?= clang
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
PYTHON ?= /usr/bin/python3
SAN ?= 0
BUILD ?= build$(if $(filter 1,$(SAN)),-san)$(if $(findstring clang,$(CC)),-clang)
export PATH := $(PATH):/usr/sbin:/sbin
export PYTHONDONTWRITEBYTECODE := 1
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
BUILD_TIME := $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null || date +%s))

# 'make deps' must work before anything is installed.
need = $(if $(filter-out clean deps help,$(or $(MAKECMDGOALS),all)),1)
pkgs := libevent libevent_pthreads libcrypto yaml-0.1 libmnl jansson
agent_pkgs := libvirt libxml-2.0 libbpf
ifneq ($(need),)
PKG_CFLAGS := $(shell pkg-config --cflags $(pkgs) $(agent_pkgs) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(pkgs) 2>/dev/null) -llmdb -lpthread
AGENT_LIBS := $(shell pkg-config --libs $(agent_pkgs) 2>/dev/null)
endif

WARN := -Wall -Wextra -Werror -Wshadow -Wpointer-arith -Wcast-qual \
	-Wmissing-prototypes -Wmissing-declarations -Wstrict-prototypes \
	-Wsign-compare -Wwrite-strings -Wvla -Wundef
CFLAGS ?= $(if $(filter 1,$(SAN)),-O1 -g1,-O2 -g)
override CFLAGS += -std=gnu11 -fno-strict-aliasing -fstack-protector-strong \
	-D_GNU_SOURCE -DVERSION='"$(VERSION)"' -DBUILD_TIME=$(BUILD_TIME) -I. -I$(BUILD)/obj $(WARN) $(PKG_CFLAGS)
ifeq ($(SAN),1)
override CFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
override LDFLAGS += -fsanitize=address,undefined
endif
$(BUILD)/obj/common/%.o: override CFLAGS += -Wconversion

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' $(1) $(2);)

common_src := $(wildcard common/*.c)
xtrctl_src := xtr/xtrctl.c xtr/xtrctl_print.c xtr/lig.c
xtr_src := $(filter-out $(xtrctl_src),$(wildcard xtr/*.c))
agent_src := $(wildcard vmagent/*.c)
agent_bpf := $(wildcard vmagent/bpf/*.bpf.c)
obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))

# What a unit test links: all of a daemon but its main().
xtr_lib := $(call obj,$(filter-out xtr/main.c xtr/xtrctl.c,$(xtr_src) $(xtrctl_src)))
agent_lib := $(call obj,$(filter-out vmagent/main.c,$(agent_src)))
common_lib := $(call obj,$(common_src))

bins := $(if $(wildcard xtr/main.c),$(BUILD)/xtrd) \
	$(if $(wildcard vmagent/main.c),$(BUILD)/vmagent) \
	$(if $(wildcard xtr/xtrctl.c),$(BUILD)/xtrctl)
lab_tools := $(patsubst tests/lab/%.c,$(BUILD)/tests/%, \
	$(filter-out tests/lab/guestd.c,$(wildcard tests/lab/*.c)))

unit_src := $(wildcard tests/unit/*/test_*.c tests/golden/test_*.c tests/sim/test_*.c)
unit_bin := $(patsubst %.c,$(BUILD)/%,$(unit_src))

.PHONY: all help deps clean install check check-unit check-netns check-virt \
	lint fuzz demo demo-down bench format
.SECONDARY:

all: $(bins) $(lab_tools)

help:
	@echo 'all deps install demo demo-down check check-unit check-netns check-virt fuzz lint bench clean'

$(BUILD)/xtrd: $(call obj,$(xtr_src)) $(common_lib)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)
$(BUILD)/vmagent: $(call obj,$(agent_src)) $(common_lib)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(AGENT_LIBS) $(PKG_LIBS)
$(BUILD)/xtrctl: $(call obj,$(xtrctl_src)) $(common_lib)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) -MMD -MP -c -o $@ $<

# BPF: clang object -> skeleton header, included as "vmagent/bpf/x.skel.h".
$(BUILD)/obj/%.bpf.o: %.bpf.c
	@mkdir -p $(@D)
	$(call say,BPF,$<)$(CLANG) -O2 -g -target bpf -Wall -Werror -I. \
		-I/usr/include/$(shell uname -m)-linux-gnu -MMD -MP -c -o $@ $<
$(BUILD)/obj/%.skel.h: $(BUILD)/obj/%.bpf.o
	$(call say,SKEL,$@)bpftool gen skeleton $< > $@
$(call obj,$(agent_src)): | $(patsubst %.bpf.c,$(BUILD)/obj/%.skel.h,$(agent_bpf))

$(BUILD)/tests/%: tests/lab/%.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $<

# Unit and golden tests: cmocka, one program per source file.
$(BUILD)/tests/unit/common/%: $(BUILD)/obj/tests/unit/common/%.o $(common_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)
$(BUILD)/tests/golden/%: $(BUILD)/obj/tests/golden/%.o $(common_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)
$(BUILD)/tests/unit/xtr/%: $(BUILD)/obj/tests/unit/xtr/%.o $(xtr_lib) $(common_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)
$(BUILD)/tests/unit/vmagent/%: $(BUILD)/obj/tests/unit/vmagent/%.o $(agent_lib) $(common_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(AGENT_LIBS) $(PKG_LIBS)

$(BUILD)/tests/sim/%: $(BUILD)/obj/tests/sim/%.o $(BUILD)/obj/tests/sim/sim.o $(xtr_lib) $(common_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)

# Measuring programs of 'make bench'; tests/bench/run runs them.
bench_bin := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/bench_*.c))
$(BUILD)/tests/bench/%: $(BUILD)/obj/tests/bench/%.o $(xtr_lib) $(common_lib)
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)

# Fuzz targets: libFuzzer, clang only; 'make fuzz T=600' runs each that long.
T ?= 20
fuzz_bin := $(patsubst tests/fuzz/%.c,build-fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
fuzz_cc = $(CLANG) $(CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all
build-fuzz/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$@)$(fuzz_cc) -fsanitize=fuzzer-no-link -MMD -MP -c -o $@ $<
build-fuzz/%: build-fuzz/obj/tests/fuzz/%.o $(patsubst %.c,build-fuzz/obj/%.o,$(common_src))
	$(call say,FUZZ,$@)$(fuzz_cc) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)
fuzz: $(fuzz_bin)
	$(Q)tests/fuzz/run $(T) $(fuzz_bin)

# What root builds and writes becomes the owner's of the checkout.
give = ; s=$$?; [ $$(id -u) != 0 ] || chown -R --reference=. build*; exit $$s

check-unit: $(unit_bin) $(bins)
	$(Q)tests/run --build $(BUILD) unit
check-netns: all
	$(Q)tests/run --build $(BUILD) netns $(give)
check-virt: all
	$(Q)tests/run --build $(BUILD) virt $(give)
check: deps
	$(Q)tests/run --build $(BUILD) all $(give)

demo: deps
	$(Q)$(MAKE) --no-print-directory all $(give)
	$(Q)$(PYTHON) tests/lab/demo.py --build $(BUILD) $(if $(KEEP),--keep) $(give)
demo-down:
	$(Q)$(PYTHON) tests/lab/demo.py --down

# Tables of a million; then ten moves, beside the gap of a plain bridged move of
# the same run.  'make bench B=cache' runs tests/bench/bench_cache.c alone.
bench: all $(bench_bin)
	$(Q)tests/bench/run --build $(BUILD) $(B)

deps:
	$(Q)contrib/deps.sh

lint:
	$(Q)tests/lint/run
format:
	$(Q)git ls-files '*.c' '*.h' | xargs clang-format -i

install: all
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/sbin $(BUILD)/xtrd $(BUILD)/vmagent
	install -D -m 755 -t $(DESTDIR)$(PREFIX)/bin $(BUILD)/xtrctl
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man8 xtr/xtrd.8 xtr/xtrctl.8 vmagent/vmagent.8
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/man/man5 xtr/xtrd.conf.5 vmagent/vmagent.conf.5
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/share/doc/xtrd/examples conf/*.yaml conf/keepalived.conf
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib/systemd/system contrib/*.service
	install -D -m 644 contrib/xtrctl.bash-completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/xtrctl

clean:
	rm -rf build build-*

-include $(shell find $(BUILD) build-fuzz -type f -name '*.d' 2>/dev/null)
