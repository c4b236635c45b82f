// SPDX-License-Identifier: Apache-2.0
/* The program: which of its faces is wanted. */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "vmm/log.h"
#include "vmm/run.h"
#include "vmm/version.h"

static void print_help(void)
{
	printf("usage: mote run [OPTION]... [-- COMMAND ARG...]   boot a microVM now\n"
	       "       mote run --help                            its options\n"
	       "       mote --version\n"
	       "       mote --help\n\n"
	       "mote is a minimal monitor for microVMs on Linux/KVM; see mote(1).\n");
}

/*
 * Standard input, output and error must be something, or the next file that is opened takes the
 * place of the one that is missing. False when even /dev/null is.
 */
static bool have_stdio(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			return false;
	}
	return true;
}

/*
 * Makes what the program relocated at its start read-only: a dynamic loader would, but a static
 * program has none, and musl leaves it writable. Without the header (another linker) nothing is
 * lost.
 */
static void protect_relocated(void)
{
	const uintptr_t page = 4096;
	const Elf64_Phdr *ph = (const Elf64_Phdr *)getauxval(AT_PHDR);
	unsigned long nr = getauxval(AT_PHNUM);
	uintptr_t base = (uintptr_t)ph - sizeof(Elf64_Ehdr); /* the headers follow each other */

	for (unsigned long i = 0; i < nr; i++) {
		uintptr_t start = (base + ph[i].p_vaddr) & ~(page - 1);
		uintptr_t end = (base + ph[i].p_vaddr + ph[i].p_memsz) & ~(page - 1);

		if (ph[i].p_type == PT_GNU_RELRO && end > start)
			(void)mprotect((void *)start, end - start, PROT_READ);
	}
}

int main(int argc, char **argv)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	protect_relocated();
	if (!have_stdio())
		return RUN_FAILED;
	if (argc >= 2 && strcmp(argv[1], "run") == 0)
		return run_main(argc - 1, argv + 1,
				(uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec);
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("mote v%s\n", MOTE_VERSION);
		return 0;
	}
	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		print_help();
		return 0;
	}
	log_error("%s '%s', expected 'run', --help or --version",
		  argc < 2 ? "no subcommand" : "argument", argc < 2 ? "" : argv[1]);
	return RUN_BAD_ARGUMENT;
}
