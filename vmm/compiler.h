/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes that compilers spell differently, in one place. */
#ifndef MOTE_VMM_COMPILER_H
#define MOTE_VMM_COMPILER_H

#define MUST_CHECK	   __attribute__((warn_unused_result))
#define PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define NORETURN	   __attribute__((noreturn))
#define PACKED		   __attribute__((packed))

/*
 * guest_ram marks pointers into guest memory. Under clang a dereference of one is an error, so that
 * guest memory is only reached through the loads, stores and copies of gmem.h.
 */
#ifdef __clang__
#define guest_ram __attribute__((noderef))
#define NO_TSAN	  __attribute__((no_sanitize("thread")))
#else
#define guest_ram
#define NO_TSAN __attribute__((no_sanitize_thread))
#endif

#endif
