// SPDX-License-Identifier: Apache-2.0
/* The program: which of its faces is wanted. */
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "api/api.h"
#include "vmm/run.h"

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

/*
 * The program's large structures are zeroed pages that cost nothing until they are touched; a host
 * that gives them huge pages would clear 2 MiB for each, and the monitor would be that much larger.
 */
static void keep_pages_small(void)
{
	extern char __bss_start[], _end[];
	const uintptr_t page = 4096;
	uintptr_t start = (uintptr_t)__bss_start & ~(page - 1);

	/* Advice: a kernel without huge pages refuses it, and has none to give. */
	(void)madvise((void *)start, (uintptr_t)_end - start, MADV_NOHUGEPAGE);
}

int main(int argc, char **argv)
{
	struct timespec t;
	uint64_t start_ns;

	clock_gettime(CLOCK_MONOTONIC, &t);
	start_ns = (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
	protect_relocated();
	keep_pages_small();
	if (!have_stdio())
		return RUN_FAILED;
	if (argc >= 2 && strcmp(argv[1], "run") == 0)
		return run_main(argc - 1, argv + 1, start_ns);
	return api_main(argc, argv, start_ns);
}
