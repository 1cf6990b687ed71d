# Blob Edge.  Everything that is made goes to build/ (B=... for elsewhere).
#
#   make            the tier libraries, blob-tier and the nginx module
#   make run        an edge and a lake on this machine, until Ctrl-C
#   make test       unit, prove, interop and fault; make check, asan, bench,
#                   fuzz stand beside it
#
# Missing Debian packages are installed when make runs as root.

B ?= build
TOP := $(CURDIR)
ABS := $(if $(filter /%,$(B)),$(B),$(TOP)/$(B))
CC ?= cc
AR ?= ar
PERL ?= perl
PROVE ?= prove

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:

# ---- layers --------------------------------------------------------------
# What each folder may include.  Its objects see these and no other.

LAYERS := base proto store origin sync cmd
LIB_LAYERS := $(filter-out cmd,$(LAYERS))

SEES_base := base
SEES_proto := base proto
SEES_store := base store
SEES_origin := base proto origin
SEES_sync := base proto store origin sync
SEES_cmd := base proto store origin sync cmd

# ---- flags ---------------------------------------------------------------

OPT ?= -O2
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wwrite-strings -Wcast-qual -Wvla -Wconversion \
	-Wno-sign-conversion
TEST_WARN := -Wall -Wextra -Werror -Wshadow -Wwrite-strings
STD := -std=c11 -D_GNU_SOURCE $(OPT) -g -fPIC -fvisibility=hidden \
	-fno-omit-frame-pointer

ifeq ($(SAN),1)
SANFLAGS := -fsanitize=address,undefined -fno-sanitize-recover=undefined
endif

TIER_CFLAGS = $(STD) $(WARN) $(SANFLAGS) $(CFLAGS)
TEST_CFLAGS = $(STD) $(TEST_WARN) $(SANFLAGS) $(CFLAGS)

CFLAGS_origin = $(shell pkg-config --cflags libcurl libxml-2.0)
CFLAGS_cmd = $(shell pkg-config --cflags libmicrohttpd)

# ---- libraries -----------------------------------------------------------

SRC = $(wildcard tier/$(1)/*.c)
OBJ = $(patsubst tier/%.c,$(B)/obj/%.o,$(call SRC,$(1)))
LIB = $(B)/lib$(1).a

LIBS := $(foreach l,$(LIB_LAYERS),$(call LIB,$(l)))

# link order, and the system libraries that a layer brings along
LINK_base := base
LINK_proto := proto base
LINK_store := store base
LINK_origin := origin proto base
LINK_sync := sync origin store proto base
LINK_cmd := $(LINK_sync)

SYS_base := -lcrypto
SYS_proto := -lcrypto
SYS_store := -llmdb -lpthread -lcrypto
SYS_origin := -lcurl -lxml2 -lcrypto
SYS_sync := -lcurl -lxml2 -llmdb -lpthread -lcrypto
SYS_cmd := -lmicrohttpd $(SYS_sync)

TIER_BIN := $(if $(call SRC,cmd),$(B)/blob-tier)
GLUE_SRC := $(wildcard ngx_blob_module/*.c)
MODULE := $(if $(GLUE_SRC),$(B)/ngx_http_blob_module.so)

.PHONY: all libs tier module run test unit prove interop fault check asan \
	bench fuzz clean format

all: libs tier module
libs: $(LIBS)
tier: $(TIER_BIN)
module: $(MODULE)

NEED = $(B)/.need-$(1)

$(B)/.need-%: t/tools/need.sh
	@mkdir -p $(@D)
	@flock $(B)/.need.lock t/tools/need.sh $*
	@touch $@

define layer
$(B)/obj/$(1)/.made: Makefile
	@mkdir -p $$(@D) $(B)/inc/$(1)
	@for l in $$(SEES_$(1)); do \
		ln -sfn $(TOP)/tier/$$$$l $(B)/inc/$(1)/$$$$l; done
	@touch $$@

$(B)/obj/$(1)/%.o: tier/$(1)/%.c $(B)/obj/$(1)/.made \
		| $(call NEED,build)
	$$(CC) $$(TIER_CFLAGS) $$(CFLAGS_$(1)) -I$(B)/inc/$(1) -MMD -MP \
		-c -o $$@ $$<

-include $(patsubst %.o,%.d,$(call OBJ,$(1)))
endef
$(foreach l,$(LAYERS),$(eval $(call layer,$(l))))

# An archive is made anew when a source comes or goes: the list of members is
# kept beside it.
define library
$(B)/lib$(1).a: $(call OBJ,$(1)) $(B)/obj/$(1)/.list
	@rm -f $$@
	$$(AR) rcs $$@ $(call OBJ,$(1))

$(B)/obj/$(1)/.list: FORCE | $(B)/obj/$(1)/.made
	@echo '$(call SRC,$(1))' | cmp -s - $$@ || \
		echo '$(call SRC,$(1))' >$$@
endef
$(foreach l,$(LIB_LAYERS),$(eval $(call library,$(l))))

.PHONY: FORCE
FORCE:

LINKED = $(foreach l,$(LINK_$(1)),$(call LIB,$(l)))

$(B)/blob-tier: $(call OBJ,cmd) $(call LINKED,cmd)
	$(CC) $(SANFLAGS) $(LDFLAGS) -o $@ $^ $(SYS_cmd)

# ---- nginx module --------------------------------------------------------
# Configured once against the headers of nginx-dev (NGX_SRC: another source
# tree), then nginx's own makefile compiles what changed.

NGX_SRC ?= /usr/share/nginx/src
NGX_FLAGS = $(if $(wildcard $(NGX_SRC)/conf_flags),\
	$(shell bash -c '. $(NGX_SRC)/conf_flags; \
		printf "%s " "$${NGX_CONF_FLAGS[@]}"'),--with-compat --with-threads)

$(B)/ngx/.list: FORCE
	@mkdir -p $(@D)
	@echo '$(GLUE_SRC) $(NGX_SRC)' | cmp -s - $@ || \
		echo '$(GLUE_SRC) $(NGX_SRC)' >$@

$(B)/ngx/objs/Makefile: config $(B)/ngx/.list | $(call NEED,build)
	@ln -sfn $(NGX_SRC)/auto $(B)/ngx/auto
	@ln -sfn $(NGX_SRC)/src $(B)/ngx/src
	@rm -rf $(B)/ngx/objs
	cd $(B)/ngx && BLOB_LIBS=$(ABS) BLOB_LDFLAGS='$(SANFLAGS)' \
		$(NGX_SRC)/configure $(NGX_FLAGS) \
		--with-cc-opt='-g $(OPT) -fPIC -fno-omit-frame-pointer -Wextra -Wno-unused-parameter -Wno-cast-function-type $(SANFLAGS)' \
		--with-ld-opt='-fPIC' \
		--add-dynamic-module=$(TOP) >configure.log 2>&1 || \
		{ tail -20 configure.log; exit 1; }
	@touch $@

$(B)/ngx_http_blob_module.so: $(GLUE_SRC) $(wildcard ngx_blob_module/*.h) \
		$(call LIB,store) $(call LIB,proto) $(call LIB,base) \
		$(B)/ngx/objs/Makefile
	@rm -f $(B)/ngx/objs/ngx_http_blob_module.so
	+$(MAKE) -C $(B)/ngx -f objs/Makefile modules
	cp $(B)/ngx/objs/ngx_http_blob_module.so $@.tmp && mv $@.tmp $@

# ---- unit tests ----------------------------------------------------------
# t/unit/LAYER/test_X.c is one program; other .c files there are linked into
# each of them.  A line "/* link: -Wl,--wrap=f */" adds to the link command.

UNIT_LAYERS := $(filter $(LAYERS),$(notdir $(wildcard t/unit/*)))
UNIT_BINS :=

define unit_layer
UNIT_$(1) := $(patsubst t/unit/%.c,$(B)/t/%,$(wildcard t/unit/$(1)/test_*.c))
UNIT_BINS += $$(UNIT_$(1))

$(B)/t/$(1)/%.o: t/unit/$(1)/%.c $(B)/obj/$(1)/.made | $(call NEED,build) \
		$(call NEED,test)
	@mkdir -p $$(@D)
	$$(CC) $$(TEST_CFLAGS) $$(CFLAGS_$(1)) -I$(B)/inc/$(1) -It/unit \
		-MMD -MP -c -o $$@ $$<

$$(UNIT_$(1)): $(B)/t/$(1)/%: $(B)/t/$(1)/%.o \
		$(patsubst t/unit/%.c,$(B)/t/%.o,$(filter-out \
			$(wildcard t/unit/$(1)/test_*.c),\
			$(wildcard t/unit/$(1)/*.c))) \
		$(if $(filter cmd,$(1)),$(filter-out %/main.o,$(call OBJ,cmd))) \
		$(call LINKED,$(1))
	$$(CC) $$(SANFLAGS) $$(LDFLAGS) -o $$@ $$^ \
		$$$$(sed -n 's,^/\* link: \(.*\) \*/$$$$,\1,p' t/unit/$(1)/$$*.c) \
		$$(SYS_$(1)) -lcmocka

-include $(patsubst t/unit/%.c,$(B)/t/%.d,$(wildcard t/unit/$(1)/*.c))
endef
$(foreach l,$(UNIT_LAYERS),$(eval $(call unit_layer,$(l))))

UNIT_RUNS := $(patsubst $(B)/t/%,unit-run/%,$(UNIT_BINS))
UNIT_TIMEOUT ?= 300

.PHONY: $(UNIT_RUNS)
$(UNIT_RUNS): unit-run/%: $(B)/t/%
	@t/tools/unit.sh $(UNIT_TIMEOUT) $<

unit: $(UNIT_RUNS) fuzz-corpus
	@echo "unit: $(words $(UNIT_RUNS)) programs passed"

# ---- fuzz ----------------------------------------------------------------
# t/fuzz/X.c has LLVMFuzzerTestOneInput; its seeds are t/fuzz/corpus/X/.  The
# seeds run with the unit tests; make fuzz looks for new ones with libFuzzer.

FUZZ_SRC := $(filter-out t/fuzz/driver.c,$(wildcard t/fuzz/*.c))
FUZZ := $(patsubst t/fuzz/%.c,%,$(FUZZ_SRC))
FUZZ_SECONDS ?= 60

$(B)/fuzz/%: t/fuzz/%.c t/fuzz/driver.c $(call LINKED,cmd) $(B)/obj/cmd/.made
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -I$(B)/inc/cmd -o $@ $< t/fuzz/driver.c \
		$(call LINKED,cmd) $(SYS_sync)

.PHONY: fuzz-corpus $(FUZZ:%=fuzz-corpus-%) $(FUZZ:%=fuzz-run-%)
fuzz-corpus: $(FUZZ:%=fuzz-corpus-%)
$(FUZZ:%=fuzz-corpus-%): fuzz-corpus-%: $(B)/fuzz/%
	@timeout 120 $< $(wildcard t/fuzz/corpus/$*/*) || \
		{ echo "FAIL fuzz corpus $*"; exit 1; }

fuzz: $(FUZZ:%=fuzz-run-%)
$(FUZZ:%=fuzz-run-%): fuzz-run-%: t/fuzz/%.c $(B)/obj/cmd/.made | $(call NEED,build)
	@command -v clang >/dev/null || { echo "make fuzz needs clang"; exit 1; }
	@mkdir -p $(B)/fuzz/corpus/$* t/fuzz/corpus/$*
	clang -std=c11 -D_GNU_SOURCE -O1 -g \
		-fsanitize=fuzzer,address,undefined -I$(B)/inc/cmd \
		$(CFLAGS_origin) -o $(B)/fuzz/$*.libfuzzer t/fuzz/$*.c \
		$(foreach l,base proto store origin sync,$(call SRC,$(l))) \
		$(SYS_sync)
	$(B)/fuzz/$*.libfuzzer -max_total_time=$(FUZZ_SECONDS) \
		-artifact_prefix=$(B)/fuzz/$*- $(B)/fuzz/corpus/$* t/fuzz/corpus/$*

# ---- tests with servers --------------------------------------------------

PROVE_TESTS ?= $(wildcard t/*.t)
PROVE_JOBS ?= 2
TEST_ENV = BLOB_BUILD=$(ABS) SAN=$(SAN)

prove: all $(B)/.interop | $(call NEED,test)
	@$(if $(PROVE_TESTS),$(TEST_ENV) $(PROVE) -It/lib -j$(PROVE_JOBS) \
		--timer $(PROVE_TESTS),echo "prove: no tests")

# Every client against every arrangement of servers.
# SETUPS="edge" CLIENTS="azcopy sdkjs" choose.
interop: all $(B)/.interop
	@$(TEST_ENV) $(PERL) t/interop/matrix.pl

$(B)/.interop: t/interop/package.json t/interop/package-lock.json \
		$(call NEED,interop)
	@BLOB_BUILD=$(ABS) t/interop/install.sh
	@touch $@

FAULT_ROUNDS ?= 50
fault: all | $(call NEED,test)
	@$(TEST_ENV) $(PERL) -It/lib t/fault/kill.pl $(FAULT_ROUNDS)

# one after the other, also under make -j: they share two cores and time
test:
	@$(MAKE) unit
	@$(MAKE) prove
	@$(MAKE) interop
	@$(MAKE) fault
	@echo "test: all passed"

asan:
	@$(MAKE) B=$(B)/asan SAN=1 OPT=-O1 all
	@$(MAKE) B=$(B)/asan SAN=1 OPT=-O1 unit
	@$(MAKE) B=$(B)/asan SAN=1 OPT=-O1 PROVE_JOBS=1 prove

check: libs | $(call NEED,check)
	@BLOB_BUILD=$(ABS) t/check/run.sh

format: | $(call NEED,check)
	clang-format -i $(wildcard tier/*/*.[ch] ngx_blob_module/*.[ch])

bench: all $(B)/.interop $(B)/bench/load | $(call NEED,bench)
	@$(TEST_ENV) $(PERL) -It/lib t/bench/bench.pl $(BENCH)

$(B)/bench/load: t/bench/load.c | $(call NEED,build)
	@mkdir -p $(@D)
	$(CC) $(STD) $(TEST_WARN) -o $@ $< -lpthread

run: all
	@BLOB_BUILD=$(ABS) EDGE_PORT='$(EDGE_PORT)' LAKE_PORT='$(LAKE_PORT)' \
		STATE='$(STATE)' WRITE='$(WRITE)' ORIGIN='$(ORIGIN)' \
		ORIGIN_KEY='$(ORIGIN_KEY)' conf/dev/run.sh

clean:
	rm -rf $(B)
