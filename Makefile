# The extension. The listener has a Makefile of its own: make -C listener

EXTENSION = dispatch
MODULE_big = dispatch
DATA = $(wildcard sql/dispatch--*.sql)
OBJS = $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))

REGRESS = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS = --inputdir=test
ISOLATION = $(sort $(patsubst test/isolation/specs/%.spec,%,$(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation

PKG_CONFIG ?= pkg-config
PG_CPPFLAGS = $(shell $(PKG_CONFIG) --cflags libpcre2-8)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs libpcre2-8)

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs)
ifeq ($(PGXS),)
$(error $(PG_CONFIG) was not found: install postgresql-server-dev-15, or say PG_CONFIG=...)
endif
include $(PGXS)

ifeq ($(shell $(PKG_CONFIG) --exists libpcre2-8 || echo missing),missing)
$(error PCRE2 was not found by pkg-config: install libpcre2-dev)
endif

# PGXS does not track headers.
$(OBJS): $(wildcard src/*.h)
