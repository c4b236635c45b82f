// SPDX-License-Identifier: Apache-2.0
#include "seccomp/shrink.h"

#include <linux/bpf_common.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>

#include "seccomp/policy.h"
#include "vmm/seccomp_file.h"

#define MAX_INSNS (SECCOMP_FILE_MAX / sizeof(struct sock_filter))
#define X32_BIT	  0x40000000u
#define LOAD	  (BPF_LD | BPF_W | BPF_ABS)
#define JUMP(op)  (BPF_JMP | (op) | BPF_K)

static bool is(const struct sock_filter *i, unsigned int code, uint32_t k)
{
	return i->code == code && i->k == k;
}

static bool is_jump(const struct sock_filter *i)
{
	return BPF_CLASS(i->code) == BPF_JMP;
}

/* Where instruction `at` may go on, each as an index; of those that do not jump, the next. */
static size_t target(const struct sock_filter *insn, size_t at, bool yes)
{
	if (insn[at].code == (BPF_JMP | BPF_JA))
		return at + 1 + insn[at].k;
	if (!is_jump(&insn[at]))
		return at + 1;
	return at + 1 + (yes ? insn[at].jt : insn[at].jf);
}

/* "Is the upper half of the argument, without any of its bits, 0?" It is; a load follows. */
static bool asks_nothing(const struct sock_filter *i, size_t left)
{
	return left > 3 && i[0].code == LOAD && is(&i[1], BPF_ALU | BPF_AND | BPF_K, 0) &&
	       is(&i[2], JUMP(BPF_JEQ), 0) && i[2].jt == 0 && i[3].code == LOAD;
}

/* "Is it a number of x32, and not -1?", and the number once more. */
static bool asks_x32(const struct sock_filter *i, size_t left)
{
	return left > 2 && is(&i[0], JUMP(BPF_JGE), X32_BIT) && i[0].jt == 0 && i[0].jf == 1 &&
	       is(&i[1], JUMP(BPF_JEQ), UINT32_MAX) && i[1].jt == 0 && is(&i[2], LOAD, 0);
}

size_t shrink(struct sock_filter *insn, size_t nr, bool x32_falls_through)
{
	static bool gone[MAX_INSNS + 1];
	static size_t
		moved[MAX_INSNS + 1]; /* new place of each; of what is gone, of what follows */
	size_t n = 0;

	memset(gone, 0, sizeof(gone));
	for (size_t i = 0; i < nr; i++) {
		if (asks_nothing(&insn[i], nr - i) ||
		    (x32_falls_through && asks_x32(&insn[i], nr - i)))
			gone[i] = gone[i + 1] = gone[i + 2] = true;
	}
	for (size_t i = 0; i <= nr; i++) {
		moved[i] = n;
		n += !gone[i];
	}
	for (size_t i = 0; i < nr; i++) {
		struct sock_filter c = insn[i];

		if (gone[i])
			continue;
		if (c.code == (BPF_JMP | BPF_JA)) {
			c.k = (uint32_t)(moved[target(insn, i, true)] - moved[i] - 1);
		} else if (is_jump(&c)) {
			c.jt = (uint8_t)(moved[target(insn, i, true)] - moved[i] - 1);
			c.jf = (uint8_t)(moved[target(insn, i, false)] - moved[i] - 1);
		}
		insn[moved[i]] = c;
	}
	return moved[nr];
}
