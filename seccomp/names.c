// SPDX-License-Identifier: Apache-2.0
/* The names that a condition may use, from the headers of the kernel and of libc. */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/if_tun.h>
#include <linux/kvm.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

#include "seccomp/policy.h"

#define N(name)                         \
	{                               \
#name, (uint64_t)(name) \
	}

static const struct {
	const char *name;
	uint64_t value;
} names[] = {
	/* memory */
	N(PROT_NONE),
	N(PROT_READ),
	N(PROT_WRITE),
	N(PROT_EXEC),
	N(MAP_SHARED),
	N(MAP_PRIVATE),
	N(MAP_ANONYMOUS),
	N(MAP_FIXED),
	N(MAP_NORESERVE),
	N(MAP_HUGETLB),
	N(MADV_DONTNEED),
	N(MADV_REMOVE),
	N(MADV_FREE),
	N(MADV_HUGEPAGE),
	N(MADV_NOHUGEPAGE),
	N(MADV_DONTDUMP),
	/* files and sockets */
	N(O_WRONLY),
	N(O_RDWR),
	N(O_CREAT),
	N(O_TRUNC),
	N(O_TMPFILE),
	N(O_DIRECTORY),
	N(O_CLOEXEC),
	N(O_NONBLOCK),
	N(O_APPEND),
	N(O_PATH),
	N(F_GETFL),
	N(F_SETFL),
	N(F_GETFD),
	N(F_SETFD),
	N(F_DUPFD_CLOEXEC),
	N(AF_UNIX),
	N(AF_INET),
	N(SOCK_STREAM),
	N(SOCK_CLOEXEC),
	N(SOCK_NONBLOCK),
	N(SHUT_RD),
	N(SHUT_WR),
	N(SHUT_RDWR),
	N(SOL_SOCKET),
	N(SO_ERROR),
	N(SO_SNDBUF),
	N(SO_RCVBUF),
	N(SO_PEERCRED),
	N(SO_TYPE),
	N(RLIMIT_NOFILE),
	N(SEEK_SET),
	N(SEEK_CUR),
	N(SEEK_END),
	N(FALLOC_FL_KEEP_SIZE),
	N(FALLOC_FL_PUNCH_HOLE),
	N(FALLOC_FL_ZERO_RANGE),
	/* threads, signals, time, processes */
	N(CLONE_VM),
	N(CLONE_FS),
	N(CLONE_FILES),
	N(CLONE_SIGHAND),
	N(CLONE_THREAD),
	N(CLONE_SYSVSEM),
	N(CLONE_SETTLS),
	N(CLONE_PARENT_SETTID),
	N(CLONE_CHILD_CLEARTID),
	N(CLONE_DETACHED),
	N(FUTEX_WAIT),
	N(FUTEX_WAKE),
	N(FUTEX_REQUEUE),
	N(FUTEX_PRIVATE_FLAG),
	N(FUTEX_UNLOCK_PI),
	N(SIG_BLOCK),
	N(SIG_UNBLOCK),
	N(SIG_SETMASK),
	N(SIGTERM),
	N(SIGINT),
	N(SIGHUP),
	N(SIGQUIT),
	N(SIGSYS),
	N(SIGBUS),
	N(SIGSEGV),
	N(SIGILL),
	N(SIGFPE),
	N(SIGABRT),
	N(CLOCK_REALTIME),
	N(CLOCK_MONOTONIC),
	N(CLOCK_PROCESS_CPUTIME_ID),
	N(PR_SET_NAME),
	N(PR_SET_NO_NEW_PRIVS),
	N(PR_SET_DUMPABLE),
	N(PR_SET_VMA),
	N(SECCOMP_SET_MODE_FILTER),
	/* devices */
	N(TCGETS),
	N(TCSETS),
	N(TCSETSW),
	N(TCSETSF),
	N(TIOCGPGRP),
	N(TIOCGWINSZ),
	N(TUNSETIFF),
	N(TUNGETIFF),
	N(TUNSETOFFLOAD),
	N(TUNSETVNETHDRSZ),
	N(TUNSETSNDBUF),
	N(SIOCGIFINDEX),
	N(BLKGETSIZE64),
	N(BLKDISCARD),
	N(BLKZEROOUT),
	N(BLKSSZGET),
	N(FIONREAD),
	N(FIONBIO),
	/* KVM */
	N(KVM_GET_API_VERSION),
	N(KVM_CREATE_VM),
	N(KVM_CHECK_EXTENSION),
	N(KVM_GET_VCPU_MMAP_SIZE),
	N(KVM_GET_SUPPORTED_CPUID),
	N(KVM_CREATE_VCPU),
	N(KVM_SET_USER_MEMORY_REGION),
	N(KVM_SET_TSS_ADDR),
	N(KVM_SET_IDENTITY_MAP_ADDR),
	N(KVM_CREATE_IRQCHIP),
	N(KVM_CREATE_PIT2),
	N(KVM_IRQ_LINE),
	N(KVM_IOEVENTFD),
	N(KVM_SET_GSI_ROUTING),
	N(KVM_RUN),
	N(KVM_GET_REGS),
	N(KVM_SET_REGS),
	N(KVM_GET_SREGS),
	N(KVM_SET_SREGS),
	N(KVM_GET_SREGS2),
	N(KVM_SET_SREGS2),
	N(KVM_GET_MSRS),
	N(KVM_SET_MSRS),
	N(KVM_GET_MSR_INDEX_LIST),
	N(KVM_GET_FPU),
	N(KVM_SET_FPU),
	N(KVM_GET_LAPIC),
	N(KVM_SET_LAPIC),
	N(KVM_SET_CPUID2),
	N(KVM_GET_MP_STATE),
	N(KVM_SET_MP_STATE),
	N(KVM_GET_VCPU_EVENTS),
	N(KVM_SET_VCPU_EVENTS),
	N(KVM_GET_DEBUGREGS),
	N(KVM_SET_DEBUGREGS),
	N(KVM_GET_XSAVE),
	N(KVM_SET_XSAVE),
	N(KVM_GET_XSAVE2),
	N(KVM_GET_XCRS),
	N(KVM_SET_XCRS),
	N(KVM_GET_IRQCHIP),
	N(KVM_SET_IRQCHIP),
	N(KVM_GET_PIT2),
	N(KVM_SET_PIT2),
	N(KVM_GET_CLOCK),
	N(KVM_SET_CLOCK),
	N(KVM_GET_DIRTY_LOG),
	N(KVM_GET_TSC_KHZ),
	N(KVM_SET_TSC_KHZ),
	N(KVM_KVMCLOCK_CTRL),
	N(KVM_ENABLE_CAP),
};

int constant_value(const char *text, size_t len, uint64_t *value)
{
	char word[64];
	char *end;

	if (len == 0 || len >= sizeof(word))
		return -1;
	memcpy(word, text, len);
	word[len] = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(word, names[i].name) == 0) {
			/* Of a type that is an int somewhere: its bits, without the sign's. */
			*value = names[i].value & UINT32_MAX;
			return 0;
		}
	}
	errno = 0;
	*value = strtoull(word, &end, 0);
	return errno != 0 || *end != '\0' || *word < '0' || *word > '9' ? -1 : 0;
}
