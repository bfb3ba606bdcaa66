# harpsweep. `make` builds bin/harpsweep; `make help` tells the rest.
#
# Objects go to build/VARIANT/, so that variants never mix: release (what is installed), san (address
# and undefined behaviour sanitizers), cover (gcov), analyze (gcc -fanalyzer), clang (the other compiler),
# fuzz (clang's libFuzzer with both sanitizers).

VERSION := 0.1.0
VARIANT := release
PREFIX  := /usr/local
# Where the program looks for its settings, below harpsweep/; what is installed names them there.
SYSCONFDIR := /etc
PYTHON  := /usr/bin/python3
WERROR  :=

LIBRARIES := libpq libcurl jansson inih

SOURCES := \
	src/buf.c \
	src/cli.c \
	src/cli_apply.c \
	src/cli_help.c \
	src/cli_reader.c \
	src/cli_spec.c \
	src/clock.c \
	src/clock_day.c \
	src/clock_local.c \
	src/cmd_adopt.c \
	src/cmd_change.c \
	src/cmd_check.c \
	src/cmd_check_db.c \
	src/cmd_check_nextcloud.c \
	src/cmd_check_report.c \
	src/cmd_job.c \
	src/cmd_job_write.c \
	src/cmd_fleet.c \
	src/cmd_list.c \
	src/cmd_metrics.c \
	src/cmd_observe.c \
	src/cmd_plan.c \
	src/cmd_progress.c \
	src/cmd_psql.c \
	src/cmd_report.c \
	src/cmd_report_answer.c \
	src/cmd_report_json.c \
	src/cmd_report_page.c \
	src/cmd_report_parts.c \
	src/cmd_report_style.c \
	src/cmd_report_tables.c \
	src/cmd_run.c \
	src/cmd_schedule.c \
	src/cmd_session.c \
	src/cmd_setup.c \
	src/cmd_setup_ask.c \
	src/cmd_setup_file.c \
	src/cmd_setup_next.c \
	src/cmd_setup_sql.c \
	src/cmd_show.c \
	src/cmd_status.c \
	src/cmd_status_json.c \
	src/cmd_status_nagios.c \
	src/cmd_status_view.c \
	src/cmd_version.c \
	src/cmd_watch.c \
	src/cmd_story.c \
	src/color.c \
	src/conf.c \
	src/conf_complete.c \
	src/conf_options.c \
	src/conf_scan.c \
	src/conf_show.c \
	src/csv_out.c \
	src/db.c \
	src/db_args.c \
	src/db_conninfo.c \
	src/db_exchange.c \
	src/db_kept.c \
	src/db_value.c \
	src/err.c \
	src/fdio.c \
	src/fleet.c \
	src/gateway.c \
	src/html_out.c \
	src/http.c \
	src/http_curl.c \
	src/http_loader.c \
	src/http_multi.c \
	src/http_request.c \
	src/imageref.c \
	src/jobs.c \
	src/jobs_news.c \
	src/jobs_record.c \
	src/json_out.c \
	src/keyfile.c \
	src/lane.c \
	src/ledger.c \
	src/ledger_check.c \
	src/ledger_report.c \
	src/log.c \
	src/main.c \
	src/mem.c \
	src/metrics_out.c \
	src/nextcloud.c \
	src/phpconf.c \
	src/phpconf_conninfo.c \
	src/phpconf_others.c \
	src/printable.c \
	src/probe.c \
	src/reply.c \
	src/reply_text.c \
	src/roster.c \
	src/screen.c \
	src/share.c \
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
	src/sweep_watch.c \
	src/table.c \
	src/table_print.c \
	src/verdict.c \
	src/verdict_container.c \
	src/verdict_inspect.c \
	src/verdict_rows.c

QUERIES := $(sort $(wildcard sql/queries/*.sql))
TESTS   := $(sort $(wildcard tests/unit/test_*.c))
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
TORTURE := $(sort $(wildcard tests/torture/*.c))
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
# Debug information names the sources from here on, so that the program is the same wherever it is built.
OPTIMIZE_release := -O2 -g -ffile-prefix-map=$(CURDIR)=. $(HARDENING)
OPTIMIZE_clang   := -O2 -g $(HARDENING)
OPTIMIZE_analyze := -O2 -fanalyzer
OPTIMIZE_san     := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
OPTIMIZE_cover   := -O0 -g --coverage
OPTIMIZE_fuzz    := -O2 -g -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

B := build/$(VARIANT)
Q := $(if $(V),,@)# make V=1 shows the commands
# On 32 bits, too, a time goes beyond 2038 and a file beyond 2 GiB.
COMPILE = $(CC) -std=c11 -pthread -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -D_TIME_BITS=64 -DHARPSWEEP_VERSION='"$(VERSION)"' \
	-DHARPSWEEP_SCHEMA_VERSION=$(SCHEMA_VERSION) -DHARPSWEEP_SYSCONFDIR='"$(SYSCONFDIR)"' \
	$(CURL_SONAME:%=-DHARPSWEEP_CURL_SONAME='"%"') \
	$(INIH_VERSION:%=-DHARPSWEEP_INIH_VERSION='"%"') -Isrc -Ibuild -fPIE $(WARNINGS) $(WERROR) \
	$(OPTIMIZE_$(VARIANT)) $(LIBRARY_FLAGS) $(CPPFLAGS) $(CFLAGS)
LINK    = $(CC) -pthread $(OPTIMIZE_$(VARIANT)) $(CFLAGS) -pie -Wl,-z,relro,-z,now $(LDFLAGS)
# Of what libraries may ask the program for: see src/main.c.
LINK_PROGRAM = $(LINK) -Wl,--export-dynamic-symbol=_gnutls_global_init_skip
# libcurl is loaded when there is something to ask (see src/http_loader.c); the others are linked.
LIBS   := $(shell pkg-config --libs $(filter-out libcurl,$(LIBRARIES)) 2>/dev/null) -ldl
CURL_SONAME := $(shell readelf -d "$$(pkg-config --variable=libdir libcurl)/libcurl.so" 2>/dev/null | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
INIH_VERSION := $(shell pkg-config --modversion inih 2>/dev/null)
LIBRARY_FLAGS := $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
TEST_PROGRAMS := $(TESTS:tests/unit/%.c=$(B)/%)
FORMATTED := $(wildcard src/*.[ch] tests/unit/*.[ch] tests/bench/*.[ch] tests/fuzz/*.[ch] tests/torture/*.[ch])
SCRIPTS := $(wildcard bin/check bin/demo bin/deps .ci/run tests/*/*.sh etc/completion/*.bash etc/debian/*inst etc/debian/*rm)
MANUALS := etc/man/harpsweep.1 etc/man/harpsweep.ini.5 etc/man/harpsweep.7
UNITS   := etc/harpsweep.service etc/harpsweep.timer

.PHONY: all objects check unit san valgrind integration integration-san model model-smoke chaos chaos-smoke mutate cover bench plots simulate check-versions \
	fuzz fuzz-smoke fuzz-programs torture torture-smoke lint lint-c lint-sh \
	lint-man layers cppcheck tidy analyze clang format format-check install uninstall deb check-deb dist clean help needs FORCE
.DELETE_ON_ERROR:

all: bin/harpsweep

bin/harpsweep: build/release/harpsweep
	@mkdir -p bin
	install -m 755 $< $@

$(B)/harpsweep: $(OBJECTS)
	@echo "  link $@"
	$(Q)$(LINK_PROGRAM) -o $@ $^ $(LIBS)

# The same with libcurl itself in place of its loader: never run, for whoever asks which libcurl it needs.
$(B)/linked-with-libcurl: $(filter-out $(B)/src/http_loader.o,$(OBJECTS))
	$(Q)$(LINK) -o $@ $^ $(LIBS) $(shell pkg-config --libs libcurl) -Wl,--unresolved-symbols=ignore-all

# Everything but main(): a test takes from it what it needs, and may bring its own in place of it.
$(B)/libharpsweep.a: $(filter-out $(B)/src/main.o,$(OBJECTS))
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(B)/test_%: $(B)/tests/unit/test_%.o $(B)/libharpsweep.a
	$(Q)$(LINK) -o $@ $^ $(LIBS) -lcmocka

$(B)/%.o: %.c $(B)/flags | build/queries.h build/commit.h
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

# Which commit it is: git's, or what "git archive" wrote into .commit. Where git refuses (another user's
# clone, as for root in "sudo make install"), what was found out before stays.
build/commit.h: FORCE
	@mkdir -p $(@D)
	@commit=; \
	if [ -e .git ]; then \
		commit=$$(git describe --always --abbrev=12 --exclude '*' --dirty=-modified 2>/dev/null); \
	else \
		commit=$$(sed -n 's/^\([0-9a-f]\{12\}\)[0-9a-f]*\(-modified\)\{0,1\}$$/\1\2/p' .commit 2>/dev/null); \
	fi; \
	[ -n "$$commit" ] || [ ! -e $@ ] || exit 0; \
	line="#define HARPSWEEP_COMMIT \"$${commit:-unknown}\""; \
	echo "$$line" | cmp -s - $@ || echo "$$line" >$@

needs:
	@DEPS=no bin/deps build

-include $(OBJECTS:.o=.d) $(TESTS:%.c=$(B)/%.d) $(FUZZERS:%.c=$(B)/%.d) $(TORTURE:%.c=$(B)/%.d)
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

chaos chaos-smoke: bin/harpsweep
	@bin/deps chaos
	$(PYTHON) tests/chaos/main.py $(if $(findstring smoke,$@),--short) $(CHAOS_ARGS)

# All mutants take hours: MUTATE_MINUTES is for as many as are judged in that time, drawn by MUTATE_SEED.
# MUTATE_ARGS="--only sql/queries/claim" is for a part of them; MUTATE_MINUTES=0 has no limit.
MUTATE_MINUTES ?= 60
MUTATE_SEED    ?= 1
mutate:
	@bin/deps check-no-docker
	$(PYTHON) tests/mutation/mutate.py --minutes $(MUTATE_MINUTES) --seed $(MUTATE_SEED) $(MUTATE_ARGS)

# Some tests install the program.
cover: bin/harpsweep
	@find build/cover -name '*.gcda' -delete 2>/dev/null || true
	@$(MAKE) --no-print-directory VARIANT=cover unit
	@$(MAKE) --no-print-directory VARIANT=cover PROGRAM=build/cover/harpsweep integration
	$(PYTHON) tests/coverage/report.py build/cover/src $(SOURCES)

# Other releases of PostgreSQL, the libraries, the compilers and Python, and 32 bits, in small Debian systems in
# build/versions.
check-versions:
	@bin/deps versions
	$(PYTHON) tests/versions/check_versions.py $(VERSIONS_ARGS)

# The program with the sanitizers, each of whose calls can be told to fail: see tests/torture/torture.h.
TORTURE_WRAPS = $(shell sed -n 's/^TORTURE_WRAP.[^,]*, \([A-Za-z_]*\).*/\1/p' $(TORTURE))

$(B)/harpsweep-torture: $(OBJECTS) $(TORTURE:%.c=$(B)/%.o)
	@echo "  link $@"
	$(Q)$(LINK_PROGRAM) $(TORTURE_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

# Its malloc() is there before the sanitizers are.
$(B)/tests/torture/torture_memory.o: private OPTIMIZE_$(VARIANT) := -O1 -g

torture torture-smoke: bin/harpsweep
	@$(MAKE) --no-print-directory VARIANT=san WERROR= build/san/harpsweep-torture
	$(PYTHON) tests/torture/torture.py $(if $(findstring smoke,$@),--smoke) $(TORTURE_ARGS)

BENCH_PROGRAMS := $(patsubst tests/bench/%.c,build/bench/%,$(wildcard tests/bench/*.c))
build/bench/%: tests/bench/%.c | needs
	@mkdir -p $(@D)
	$(Q)$(COMPILE) -o $@ $< -pie -Wl,--as-needed $(LIBS) -lcurl

# The other queues that it is measured beside; pinned, from npm, in tests/bench/peers/node_modules.
tests/bench/peers/node_modules/.package-lock.json: tests/bench/peers/package.json
	@bin/deps bench
	cd $(@D)/.. && npm install --no-audit --no-fund --no-package-lock
	@touch $@

# Parts that BENCH_ARGS names; none: all.
BENCH_PARTS = $(filter-out -% 0% 1% 2% 3% 4% 5% 6% 7% 8% 9%,$(BENCH_ARGS))
BENCH_PEERS = tests/bench/peers/node_modules/.package-lock.json

# Drawn anew where a part was measured that they show.
BENCH_PLOTS = @$(MAKE) --no-print-directory plots

bench: bin/harpsweep $(BENCH_PROGRAMS) $(if $(BENCH_PARTS),$(if $(filter peers,$(BENCH_PARTS)),$(BENCH_PEERS)),$(BENCH_PEERS))
	@bin/deps bench
	$(PYTHON) tests/bench/bench.py $(BENCH_ARGS)
	$(if $(BENCH_PARTS),$(if $(filter slots history,$(BENCH_PARTS)),$(BENCH_PLOTS)),$(BENCH_PLOTS))

# From the figures of the last `make bench`, and of `make simulate`.
plots:
	@DEPS=no bin/deps plots
	$(PYTHON) tests/bench/plots.py

simulate:
	$(PYTHON) tests/simulate/simulate.py $(SIMULATE_ARGS)

# Fuzzing: FUZZ_RUNS executions of each target. FUZZ_TARGETS="conf cli" leaves the others out.
FUZZ_RUNS     ?= 10000000
FUZZ_TARGETS  := $(FUZZERS:tests/fuzz/fuzz_%.c=%)
FUZZ_PROGRAMS := $(FUZZERS:tests/fuzz/%.c=$(B)/%)

# Every text goes through these letter by letter: to tell libFuzzer of each comparison is a good part of an
# execution, and of no use to it.
$(addprefix $(B)/src/,buf.o html_out.o json_out.o log.o printable.o): private OPTIMIZE_fuzz += -fno-sanitize-coverage=trace-cmp

# -rdynamic: libcurl calls functions of fuzz_http.c in the place of the system's.
$(B)/fuzz_%: $(B)/tests/fuzz/fuzz_%.o $(B)/libharpsweep.a
	@echo "  link $@"
	$(Q)$(LINK) -fsanitize=fuzzer -rdynamic -o $@ $^ $(LIBS) -lm

fuzz-programs: $(FUZZ_PROGRAMS)

fuzz fuzz-smoke:
	@bin/deps fuzz
	@$(MAKE) --no-print-directory VARIANT=fuzz CC=clang fuzz-programs
	$(PYTHON) tests/fuzz/run.py $(if $(findstring smoke,$@),--smoke,--runs $(FUZZ_RUNS)) $(FUZZ_ARGS) $(FUZZ_TARGETS)

# Lint

lint: lint-c lint-sh lint-man
lint-c: format-check layers cppcheck tidy analyze clang

layers:
	@tests/lint/layers.sh $(SOURCES)

cppcheck: build/queries.h build/commit.h
	cppcheck -q -j 2 --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 \
		--suppress=missingIncludeSystem -Isrc -Ibuild $(SOURCES)

tidy: $(SOURCES:%.c=build/tidy/%.ok)
build/tidy/%.ok: %.c .clang-tidy $(wildcard src/*.h) | build/queries.h build/commit.h
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
	zsh -n etc/completion/_harpsweep
	fish --no-execute etc/completion/harpsweep.fish

lint-man:
	@tests/lint/manuals.sh $(MANUALS)

format-check:
	clang-format --dry-run -Werror $(FORMATTED)

format:
	clang-format -i $(FORMATTED)

# Installation. Nothing is written to SYSCONFDIR: the settings, and whether cron or systemd starts runs, are
# the administrator's; README.md tells what to copy there.

SHARE = $(DESTDIR)$(PREFIX)/share
# The files name the paths of a default installation; what is installed names its own.
AS_INSTALLED = sed 's,/usr/local,$(PREFIX),g; s,/etc/harpsweep,$(SYSCONFDIR)/harpsweep,g'
ZSH_COMPLETIONS  = zsh/site-functions
FISH_COMPLETIONS = fish/vendor_completions.d

# $(call install_text,SOURCE,TARGET): in steps that fail where one of them does.
define install_text
	$(AS_INSTALLED) $(1) >build/as-installed
	install -m 644 build/as-installed $(2)

endef

install: bin/harpsweep
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/harpsweep/sql/migrations $(SHARE)/doc/harpsweep \
		$(SHARE)/man/man1 $(SHARE)/man/man5 $(SHARE)/man/man7 $(SHARE)/bash-completion/completions \
		$(SHARE)/$(ZSH_COMPLETIONS) $(SHARE)/$(FISH_COMPLETIONS)
	install -m 755 bin/harpsweep $(DESTDIR)$(PREFIX)/bin/harpsweep
	install -m 644 sql/*.sql $(SHARE)/harpsweep/sql
	install -m 644 sql/migrations/*.sql $(SHARE)/harpsweep/sql/migrations
	$(foreach page,$(MANUALS),$(call install_text,$(page),$(SHARE)/man/man$(subst .,,$(suffix $(page)))/$(notdir $(page))))
	install -m 644 etc/harpsweep.rules.yml etc/harpsweep-dashboard.json $(SHARE)/harpsweep
	$(foreach name,ini cron logrotate,$(call install_text,etc/harpsweep.$(name),$(SHARE)/harpsweep/harpsweep.$(name)))
	$(if $(UNITS),install -d $(DESTDIR)$(PREFIX)/lib/systemd/system)
	$(foreach unit,$(UNITS),$(call install_text,$(unit),$(DESTDIR)$(PREFIX)/lib/systemd/system/$(notdir $(unit))))
	install -m 644 etc/completion/harpsweep.bash $(SHARE)/bash-completion/completions/harpsweep
	install -m 644 etc/completion/_harpsweep $(SHARE)/$(ZSH_COMPLETIONS)/_harpsweep
	install -m 644 etc/completion/harpsweep.fish $(SHARE)/$(FISH_COMPLETIONS)/harpsweep.fish
	install -m 644 README.md CHANGELOG.md LICENSE $(SHARE)/doc/harpsweep

# What "make install" with the same variables would install now, and the directories of its own.
uninstall:
	@rm -rf build/uninstall
	@$(MAKE) --no-print-directory install DESTDIR=$(CURDIR)/build/uninstall >/dev/null
	@cd build/uninstall && find . -type f | while read -r file; do rm -f "$(DESTDIR)/$$file"; done
	rm -rf $(SHARE)/harpsweep $(SHARE)/doc/harpsweep
	@rm -rf build/uninstall

# What is built from: git's files as they are now, else all files of the archive.
define copy_sources
	rm -rf $(1) && mkdir -p $(1)
	@if [ -e .git ]; then git ls-files; else find . -type f ! -path './build/*' ! -path ./bin/harpsweep; fi | \
		tar -cf build/sources.tar --mode=u=rwX,go=rX -T -
	@tar -xf build/sources.tar -C $(1)
	@sed -n 's/.*"\(.*\)"/\1/p' build/commit.h >$(1)/.commit
endef

# A Debian package, in build/deb/. make's own variables are for here and not for the package.
DEB = build/deb
deb: build/commit.h
	@bin/deps deb
	@rm -rf $(DEB)
	@$(call copy_sources,$(DEB)/harpsweep-$(VERSION))
	@cp -r etc/debian $(DEB)/harpsweep-$(VERSION)/debian
	@echo '  dpkg-buildpackage'
	@cd $(DEB)/harpsweep-$(VERSION) && env -u MAKEFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u MFLAGS \
		dpkg-buildpackage -b -us -uc -j$(shell getconf _NPROCESSORS_ONLN) >../build.log 2>&1 || { cat ../build.log; exit 1; }
	@rm -rf $(DEB)/harpsweep-$(VERSION)
	@ls $(DEB)/*.deb

check-deb: bin/harpsweep
	@bin/deps check-deb
	@$(MAKE) --no-print-directory deb
	tests/package/check.sh

# The sources of a release.
dist:
	@mkdir -p build
	git archive --prefix=harpsweep-$(VERSION)/ HEAD | gzip -9n >build/harpsweep-$(VERSION).tar.gz
	@ls build/harpsweep-$(VERSION).tar.gz

clean:
	rm -rf build bin/harpsweep

help:
	@echo 'make                builds bin/harpsweep'
	@echo 'make check          everything below but model, chaos, mutate, cover, check-versions, fuzz, torture, bench, plots, simulate and check-deb, installing what is missing (bin/check)'
	@echo 'make unit           unit tests'
	@echo 'make san            unit tests with the address and undefined behaviour sanitizers'
	@echo 'make valgrind       unit tests under valgrind'
	@echo 'make integration    with a temporary PostgreSQL, the HaRP stand-in and a private Docker Engine;'
	@echo '                    PYTEST_ARGS="-m '"'not docker'"'" leaves the engine out, WORKERS=0 runs one by one'
	@echo 'make integration-san   the same with the sanitizers'
	@echo 'make model          the life of a job, searched for broken promises with spin; MODEL_ARGS="--story NO_CONFIRM"'
	@echo '                    tells what that guard is for (tests/model/run.sh)'
	@echo 'make model-smoke    a few seconds of it'
	@echo 'make chaos          ten thousand runs killed over 100,000 jobs while everything around them fails, and a judge of'
	@echo '                    what came of it; CHAOS_ARGS="--seed 1 --jobs 2000 --kills 200 --minutes 2" plays less of it'
	@echo 'make chaos-smoke    the same for half a minute'
	@echo 'make mutate         takes each guard of the SQL and the sources away, one at a time: some test must fail. As many as fit'
	@echo '                    into MUTATE_MINUTES=$(MUTATE_MINUTES), drawn by MUTATE_SEED=$(MUTATE_SEED); MUTATE_ARGS="--only claim.sql" for a part'
	@echo '                    (tests/mutation/mutate.py)'
	@echo 'make lint           clang-format, layers, cppcheck, clang-tidy, gcc -fanalyzer, clang, shellcheck, mandoc'
	@echo 'make format         formats the C sources'
	@echo 'make cover          tests with gcov, and what they reach; fails below 95 % of lines or 85 % of branches'
	@echo 'make check-versions    PostgreSQL 13 to 18, gcc and clang, libpq and libcurl of three Debian releases, 32 bits:'
	@echo '                    each in a small Debian system in build/versions; VERSIONS_ARGS="--only trixie"'
	@echo 'make fuzz           fuzzing with clang'"'"'s libFuzzer: FUZZ_RUNS=$(FUZZ_RUNS) executions of each target'
	@echo 'make fuzz-smoke     replays its corpus, and a few executions more'
	@echo 'make torture        fails each allocation, each call of libpq and libcurl and each read, write and wait once,'
	@echo '                    over whole commands, for 25 minutes at most; TORTURE_ARGS="--only run:libpq" less'
	@echo 'make torture-smoke  each kind of call once, and some more at random'
	@echo 'make bench          the benchmark, and its plots in build/bench; BENCH_ARGS="history --history 1000000" a part of it'
	@echo 'make plots          draws them anew (build/bench/*.svg), from the figures of the last time'
	@echo 'make simulate       10, 1,000 and 100,000 instances, from measured costs: what is busy, and how late deletes are;'
	@echo '                    SIMULATE_ARGS="--instances 5000 --cron-hosts 2 --set delete_median=20" another crowd'
	@echo 'make install        PREFIX=$(PREFIX), SYSCONFDIR=$(SYSCONFDIR), DESTDIR; make uninstall takes the same'
	@echo 'make deb            a Debian package, in build/deb/'
	@echo 'make check-deb      tests it: built twice, lintian; installed, upgraded, removed and purged in a chroot'
	@echo 'make dist           the sources of the last commit as build/harpsweep-$(VERSION).tar.gz'
	@echo 'make clean          removes what was built'
