# harpsweep. `make` builds bin/harpsweep; `make help` tells the rest.
#
# Objects go to build/VARIANT/, so that variants never mix: release (what is installed), san (address
# and undefined behaviour sanitizers), cover (gcov), analyze (gcc -fanalyzer), clang (the other compiler),
# fuzz (clang's libFuzzer with both sanitizers).

VERSION := 0.1.0
VARIANT := release
PREFIX  := /usr/local
PYTHON  := /usr/bin/python3
WERROR  :=

LIBRARIES := libpq libcurl jansson inih

SOURCES := \
	src/buf.c \
	src/cli.c \
	src/cli_help.c \
	src/cli_reader.c \
	src/cli_spec.c \
	src/clock.c \
	src/cmd_adopt.c \
	src/cmd_change.c \
	src/cmd_check.c \
	src/cmd_check_db.c \
	src/cmd_check_nextcloud.c \
	src/cmd_check_report.c \
	src/cmd_job.c \
	src/cmd_fleet.c \
	src/cmd_list.c \
	src/cmd_observe.c \
	src/cmd_plan.c \
	src/cmd_run.c \
	src/cmd_schedule.c \
	src/cmd_session.c \
	src/cmd_show.c \
	src/cmd_status.c \
	src/cmd_status_view.c \
	src/conf.c \
	src/conf_complete.c \
	src/conf_options.c \
	src/conf_scan.c \
	src/conf_show.c \
	src/db.c \
	src/db_args.c \
	src/db_exchange.c \
	src/err.c \
	src/fleet.c \
	src/gateway.c \
	src/http.c \
	src/http_curl.c \
	src/http_loader.c \
	src/http_multi.c \
	src/imageref.c \
	src/jobs.c \
	src/jobs_news.c \
	src/json_out.c \
	src/keyfile.c \
	src/lane.c \
	src/ledger.c \
	src/log.c \
	src/main.c \
	src/mem.c \
	src/nextcloud.c \
	src/printable.c \
	src/probe.c \
	src/reply.c \
	src/reply_text.c \
	src/roster.c \
	src/sig.c \
	src/sqlstate.c \
	src/survey.c \
	src/sweep.c \
	src/sweep_ask.c \
	src/sweep_claim.c \
	src/sweep_daemon.c \
	src/sweep_db.c \
	src/sweep_job.c \
	src/sweep_look.c \
	src/sweep_news.c \
	src/sweep_record.c \
	src/table.c \
	src/verdict.c \
	src/verdict_container.c \
	src/verdict_inspect.c \
	src/verdict_rows.c

QUERIES := $(sort $(wildcard sql/queries/*.sql))
TESTS   := $(sort $(wildcard tests/unit/test_*.c))
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
SCHEMA_VERSION := $(shell ls sql/migrations | sed -n 's/^0*\([0-9][0-9]*\)_.*\.sql$$/\1/p' | sort -n | tail -n 1)

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
	-Wmissing-prototypes -Wold-style-definition -Wcast-qual -Wcast-align -Wpointer-arith \
	-Wwrite-strings -Wundef -Wvla -Wformat=2 -Wswitch-enum -Wnull-dereference -Wdouble-promotion \
	-Wredundant-decls -Wimplicit-fallthrough
# ISO C promises 4095 characters of a literal; an embedded query may be longer, and both compilers take it.
WARNINGS += -Wno-overlength-strings
ifeq ($(findstring clang,$(shell $(CC) --version 2>/dev/null)),)
WARNINGS += -Wlogical-op -Wduplicated-cond -Wduplicated-branches
endif

HARDENING := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
OPTIMIZE_release := -O2 -g $(HARDENING)
OPTIMIZE_clang   := -O2 -g $(HARDENING)
OPTIMIZE_analyze := -O2 -fanalyzer
OPTIMIZE_san     := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPTIMIZE_cover   := -O0 -g --coverage
OPTIMIZE_fuzz    := -O2 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

B := build/$(VARIANT)
Q := $(if $(V),,@)# make V=1 shows the commands
COMPILE = $(CC) -std=c11 -pthread -D_POSIX_C_SOURCE=200809L -DHARPSWEEP_VERSION='"$(VERSION)"' \
	-DHARPSWEEP_SCHEMA_VERSION=$(SCHEMA_VERSION) $(CURL_SONAME:%=-DHARPSWEEP_CURL_SONAME='"%"') -Isrc -Ibuild -fPIE $(WARNINGS) $(WERROR) \
	$(OPTIMIZE_$(VARIANT)) $(LIBRARY_FLAGS) $(CPPFLAGS) $(CFLAGS)
LINK    = $(CC) -pthread $(OPTIMIZE_$(VARIANT)) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS)
# libcurl is loaded when there is something to ask (see src/http_loader.c); the others are linked.
LIBS   := $(shell pkg-config --libs $(filter-out libcurl,$(LIBRARIES)) 2>/dev/null) -ldl
CURL_SONAME := $(shell readelf -d "$$(pkg-config --variable=libdir libcurl)/libcurl.so" 2>/dev/null | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
LIBRARY_FLAGS := $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
TEST_PROGRAMS := $(TESTS:tests/unit/%.c=$(B)/%)
FORMATTED := $(wildcard src/*.[ch] tests/unit/*.[ch] tests/bench/*.[ch] tests/fuzz/*.[ch])
SCRIPTS := $(wildcard bin/check bin/demo bin/deps .ci/run tests/*/*.sh)

.PHONY: all objects check unit san valgrind integration integration-san model model-smoke cover bench \
	fuzz fuzz-smoke fuzz-programs lint lint-c lint-sh \
	layers cppcheck tidy analyze clang format format-check install clean help needs FORCE
.DELETE_ON_ERROR:

all: bin/harpsweep

bin/harpsweep: build/release/harpsweep
	@mkdir -p bin
	install -m 755 $< $@

$(B)/harpsweep: $(OBJECTS)
	@echo "  link $@"
	$(Q)$(LINK) -o $@ $^ $(LIBS)

# Everything but main(): a test takes from it what it needs, and may bring its own in place of it.
$(B)/libharpsweep.a: $(filter-out $(B)/src/main.o,$(OBJECTS))
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/test_%: $(B)/tests/unit/test_%.o $(B)/libharpsweep.a
	$(Q)$(LINK) -o $@ $^ $(LIBS) -lcmocka

$(B)/%.o: %.c $(B)/flags | build/queries.h
	@mkdir -p $(@D)
	@echo "  $(CC) $<"
	$(Q)$(COMPILE) -MMD -MP -c -o $@ $<

# Changes when the command line does: other flags mean other objects.
$(B)/flags: FORCE | needs
	@mkdir -p $(@D)
	@printf '%s\n' "$(subst ",\",$(COMPILE))" | cmp -s - $@ || printf '%s\n' "$(subst ",\",$(COMPILE))" >$@

build/queries.h: $(QUERIES) sql/embed.awk
	@mkdir -p $(@D)
	awk -f sql/embed.awk $(QUERIES) >$@

needs:
	@DEPS=no bin/deps build

-include $(OBJECTS:.o=.d) $(TESTS:%.c=$(B)/%.d) $(FUZZERS:%.c=$(B)/%.d)
.SECONDARY:

objects: $(OBJECTS)

# Tests

check:
	bin/check

unit: $(TEST_PROGRAMS)
	@RUNNER="$(RUNNER)" tests/harness/unit.sh $(TEST_PROGRAMS)

san:
	@$(MAKE) --no-print-directory VARIANT=san WERROR= unit

valgrind:
	@$(MAKE) --no-print-directory unit \
		RUNNER='valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite,possible'

# Each worker has a PostgreSQL of its own; they wait for it, for timeouts and for graces more than they compute.
WORKERS := 3
PROGRAM := bin/harpsweep
integration: $(PROGRAM)
	HARPSWEEP_PROGRAM=$(abspath $(PROGRAM)) $(PYTHON) -m pytest -p no:cacheprovider -n $(WORKERS) --dist loadfile \
		tests/integration $(PYTEST_ARGS)

integration-san:
	@$(MAKE) --no-print-directory VARIANT=san WERROR= PROGRAM=build/san/harpsweep integration

model model-smoke:
	@DEPS=no bin/deps model
	tests/model/run.sh $(if $(findstring smoke,$@),--smoke,$(MODEL_ARGS))

cover:
	@$(MAKE) --no-print-directory VARIANT=cover unit
	@$(MAKE) --no-print-directory VARIANT=cover PROGRAM=build/cover/harpsweep integration
	@gcov -n -o build/cover/src $(SOURCES) | grep -A 1 "^File 'src/" | grep -v '^--'

BENCH_PROGRAMS := $(patsubst tests/bench/%.c,build/bench/%,$(wildcard tests/bench/*.c))
build/bench/%: tests/bench/%.c | needs
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -o $@ $< -pie -Wl,--as-needed $(LIBS)

bench: bin/harpsweep $(BENCH_PROGRAMS)
	$(PYTHON) tests/bench/bench.py $(BENCH_ARGS)

# Fuzzing: FUZZ_RUNS executions of each target, but of `http`, which needs a connection for each, only
# what it does in FUZZ_HTTP_SECONDS. FUZZ_TARGETS="conf cli" leaves the others out.
FUZZ_RUNS         ?= 10000000
FUZZ_HTTP_SECONDS ?= 300
FUZZ_TARGETS      := $(FUZZERS:tests/fuzz/fuzz_%.c=%)
FUZZ_PROGRAMS     := $(FUZZERS:tests/fuzz/%.c=$(B)/%)

$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/libharpsweep.a
	@echo "  link $@"
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $^ $(LIBS) -lm

fuzz-programs: $(FUZZ_PROGRAMS)

fuzz fuzz-smoke:
	@bin/deps fuzz
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-programs
	$(PYTHON) tests/fuzz/run.py $(if $(findstring smoke,$@),--smoke,--runs $(FUZZ_RUNS) \
		--http-seconds $(FUZZ_HTTP_SECONDS)) $(FUZZ_ARGS) $(FUZZ_TARGETS)

# Lint

lint: lint-c lint-sh
lint-c: format-check layers cppcheck tidy analyze clang

layers:
	@tests/lint/layers.sh $(SOURCES)

cppcheck: build/queries.h
	cppcheck -q -j 2 --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem -Isrc -Ibuild $(SOURCES)

tidy: $(SOURCES:%.c=build/tidy/%.ok)
build/tidy/%.ok: %.c .clang-tidy $(wildcard src/*.h) | build/queries.h
	@mkdir -p $(@D)
	@echo "  clang-tidy $<"
	$(Q)clang-tidy --quiet --warnings-as-errors='*' $< -- $(filter-out -W%,$(wordlist 2,99,$(COMPILE)))
	@touch $@

analyze:
	@$(MAKE) --no-print-directory VARIANT=analyze CC=gcc WERROR=-Werror objects

clang:
	@$(MAKE) --no-print-directory VARIANT=clang CC=clang WERROR=-Werror objects

lint-sh:
	shellcheck $(SCRIPTS)

format-check:
	clang-format --dry-run -Werror $(FORMATTED)

format:
	clang-format -i $(FORMATTED)

# Installation: nothing is written to /etc; README.md tells what to copy there.

SHARE = $(DESTDIR)$(PREFIX)/share/harpsweep
install: bin/harpsweep
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/sql/migrations $(DESTDIR)$(PREFIX)/share/doc/harpsweep
	install -m 755 bin/harpsweep $(DESTDIR)$(PREFIX)/bin/harpsweep
	install -m 644 sql/*.sql $(SHARE)/sql
	install -m 644 sql/migrations/*.sql $(SHARE)/sql/migrations
	install -m 644 etc/harpsweep.ini $(SHARE)/harpsweep.ini
	sed 's,/usr/local,$(PREFIX),' etc/harpsweep.cron >$(SHARE)/harpsweep.cron
	install -m 644 README.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/harpsweep

clean:
	rm -rf build bin/harpsweep

help:
	@echo 'make                builds bin/harpsweep'
	@echo 'make check          everything below but model, cover, fuzz and bench, installing what is missing (bin/check)'
	@echo 'make unit           unit tests'
	@echo 'make san            unit tests with the address and undefined behaviour sanitizers'
	@echo 'make valgrind       unit tests under valgrind'
	@echo 'make integration    with a temporary PostgreSQL, the HaRP stand-in and a private Docker Engine;'
	@echo '                    PYTEST_ARGS="-m '"'not docker'"'" leaves the engine out, WORKERS=0 runs one by one'
	@echo 'make integration-san   the same with the sanitizers'
	@echo 'make model          the life of a job, searched for broken promises with spin; MODEL_ARGS="--story NO_CONFIRM"'
	@echo '                    tells what that guard is for (tests/model/run.sh)'
	@echo 'make model-smoke    a few seconds of it'
	@echo 'make lint           clang-format, layers, cppcheck, clang-tidy, gcc -fanalyzer, clang, shellcheck'
	@echo 'make format         formats the C sources'
	@echo 'make cover          tests with gcov, and what they reach'
	@echo 'make fuzz           fuzzing with clang'"'"'s libFuzzer: FUZZ_RUNS=$(FUZZ_RUNS) executions of each target'
	@echo 'make fuzz-smoke     replays its corpus, and a few executions more'
	@echo 'make bench          the benchmark'
	@echo 'make install        PREFIX=$(PREFIX), DESTDIR'
	@echo 'make clean          removes what was built'
