# SPDX-License-Identifier: Apache-2.0
# Third-party code in the monitor: fetched, verified and patched into $(DEP_SRC), compiled from there
# with each build's own flags but without our warnings. Included by the top Makefile before all rules.

DEP_SRC := $(BUILD)/deps/src
# Not third-party, but made before anything is compiled, too: the system call filters (seccomp/).
SECCOMP_HDR := $(DEP_SRC)/seccomp_filters.h
DEP_HDRS := $(DEP_SRC)/cJSON.h $(DEP_SRC)/picohttpparser.h $(SECCOMP_HDR)
DEP_C := $(DEP_SRC)/cJSON.c $(DEP_SRC)/picohttpparser.c

# -isystem: what is wrong in there is not ours to warn of. 64 levels are deeper than any document of
# the API, and far from the end of a stack.
DEP_FLAGS := -isystem $(DEP_SRC) -DCJSON_NESTING_LIMIT=64
DEP_QUIET := -w

$(DEP_SRC)/cJSON.c $(DEP_SRC)/cJSON.h &: deps/pins deps/source
	$(Q)deps/source cjson $(DEP_SRC) cJSON.c cJSON.h
	@touch $(DEP_SRC)/cJSON.c $(DEP_SRC)/cJSON.h

$(DEP_SRC)/picohttpparser.c $(DEP_SRC)/picohttpparser.h &: deps/pins deps/source
	$(Q)deps/source picohttpparser $(DEP_SRC) 'deps/picohttpparser/picohttpparser.[ch]'
	@touch $(DEP_SRC)/picohttpparser.c $(DEP_SRC)/picohttpparser.h

.PHONY: deps-src
deps-src: $(DEP_C) $(DEP_HDRS)
