/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the monitor enters: 64-bit mode, identity-mapped, RSI = zero page (Linux' 64-bit boot
 * protocol). And where a second processor starts, in real mode at TRAMPOLINE, until it is as far.
 */
#include "tests/guest/layout.h"

	.section .text.start, "ax"
	.code64
	.globl _start
_start:
	cli
	cld
	lea	stack_bottom + STACK_LEN(%rip), %rsp
	xor	%ebp, %ebp
	mov	%rsi, %rdi
	call	guest_main
1:	hlt
	jmp	1b

	/* Copied to TRAMPOLINE, where CS is TRAMPOLINE >> 4 and IP 0: offsets count from ap_start. */
	.code16
	.globl ap_start, ap_start_end
ap_start:
	cli
	mov	%cs, %ax
	mov	%ax, %ds
	lgdtl	ap_gdt_ptr - ap_start
	mov	$0x20, %eax			/* CR4.PAE */
	mov	%eax, %cr4
	mov	ap_cr3 - ap_start, %eax
	mov	%eax, %cr3
	mov	$0xc0000080, %ecx		/* EFER.LME */
	mov	$0x100, %eax
	xor	%edx, %edx
	wrmsr
	mov	$0x80000011, %eax		/* CR0: PG, ET, PE */
	mov	%eax, %cr0
	ljmpl	$8, $ap_long
	.balign 8
ap_gdt:
	.quad	0, 0x00af9b000000ffff, 0x00cf93000000ffff
ap_gdt_ptr:
	.word	ap_gdt_ptr - ap_gdt - 1
	.long	TRAMPOLINE + (ap_gdt - ap_start)
	.globl ap_cr3
	.balign 4
ap_cr3:
	.long	0
ap_start_end:

	.code64
ap_long:
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	lea	ap_stack_bottom + STACK_LEN(%rip), %rsp
	xor	%ebp, %ebp
	call	ap_main
2:	hlt
	jmp	2b

	.bss
	.balign 16
stack_bottom:
	.skip	STACK_LEN
ap_stack_bottom:
	.skip	STACK_LEN

	.section .note.GNU-stack, "", @progbits
