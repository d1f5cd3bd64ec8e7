/* dlsym, dlvsym, dlopen for x86-64: ask the filter, then jump, never call, so that libc sees our caller's return address
 * (notes/interposition.md section 1.2). No argument is in a vector register and none of these is variadic. */
#ifdef __x86_64__

	.text
/* name, saved argument registers, registers back, register of the caller's address for the filter */
	.globl	dlsym
	.type	dlsym, @function
	.p2align 4
dlsym:
	.cfi_startproc
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	movq	24(%rsp), %rdx
	call	det_filter_dlsym
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	testq	%rdx, %rdx
	jz	1f
	jmpq	*%rdx
1:	ret
	.cfi_endproc
	.size	dlsym, . - dlsym

	.globl	dlvsym
	.type	dlvsym, @function
	.p2align 4
dlvsym:
	.cfi_startproc
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	pushq	%rdx
	.cfi_adjust_cfa_offset 8
	movq	24(%rsp), %rcx
	call	det_filter_dlvsym
	movq	%rdx, %rcx
	popq	%rdx
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	testq	%rcx, %rcx
	jz	1f
	jmpq	*%rcx
1:	ret
	.cfi_endproc
	.size	dlvsym, . - dlvsym

/* The mode comes back in rax, perhaps without RTLD_DEEPBIND. */
	.globl	dlopen
	.type	dlopen, @function
	.p2align 4
dlopen:
	.cfi_startproc
	endbr64
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	movq	8(%rsp), %rdx
	call	det_filter_dlopen
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	movq	%rax, %rsi
	testq	%rdx, %rdx
	jz	1f
	jmpq	*%rdx
1:	xorl	%eax, %eax
	ret
	.cfi_endproc
	.size	dlopen, . - dlopen

/* 2048 thunks (DET_N_THUNKS): leave the number in this thread, go on to the wrapper with everything else untouched. */
	.hidden	det_thunk_first
	.globl	det_thunk_first
	.hidden	det_thunk_end
	.globl	det_thunk_end
	.type	det_thunk_first, @function
	.p2align 4
det_thunk_first:
	.set	number, 0
	.rept	2048
	.p2align 4
	endbr64
	movl	$number, %r11d
	jmp	thunk_tail
	.set	number, number + 1
	.endr
	.p2align 4
det_thunk_end:
thunk_tail:
	movq	det_guard@gottpoff(%rip), %r10
	movl	%r11d, %fs:(%r10)
	leaq	det_thunk_wrappers(%rip), %r10
	jmpq	*(%r10,%r11,8)
	.size	det_thunk_first, . - det_thunk_first

#endif
	.section .note.GNU-stack, "", %progbits
