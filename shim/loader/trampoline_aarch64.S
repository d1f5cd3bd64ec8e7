/* dlsym, dlvsym, dlopen for aarch64: ask the filter, then branch, never call; see trampoline_x86_64.S. x30 is the caller's
 * address and must be back in place before the branch. The pads are for cores with branch target identification. */
#ifdef __aarch64__

	.text
	.globl	dlsym
	.type	dlsym, %function
	.p2align 4
dlsym:
	.cfi_startproc
	hint	#34			/* bti c */
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset 29, -32
	.cfi_offset 30, -24
	stp	x0, x1, [sp, #16]
	mov	x29, sp
	mov	x2, x30
	bl	det_filter_dlsym
	mov	x16, x1
	cbz	x16, 1f
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_remember_state
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	br	x16
1:	.cfi_restore_state
	ldp	x29, x30, [sp], #32
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	dlsym, . - dlsym

	.globl	dlvsym
	.type	dlvsym, %function
	.p2align 4
dlvsym:
	.cfi_startproc
	hint	#34
	stp	x29, x30, [sp, #-48]!
	.cfi_def_cfa_offset 48
	.cfi_offset 29, -48
	.cfi_offset 30, -40
	stp	x0, x1, [sp, #16]
	str	x2, [sp, #32]
	mov	x29, sp
	mov	x3, x30
	bl	det_filter_dlvsym
	mov	x16, x1
	cbz	x16, 1f
	ldp	x0, x1, [sp, #16]
	ldr	x2, [sp, #32]
	ldp	x29, x30, [sp], #48
	.cfi_remember_state
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	br	x16
1:	.cfi_restore_state
	ldp	x29, x30, [sp], #48
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	ret
	.cfi_endproc
	.size	dlvsym, . - dlvsym

	.globl	dlopen
	.type	dlopen, %function
	.p2align 4
dlopen:
	.cfi_startproc
	hint	#34
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset 29, -32
	.cfi_offset 30, -24
	str	x0, [sp, #16]
	mov	x29, sp
	mov	x2, x30
	bl	det_filter_dlopen
	mov	x16, x1
	mov	x1, x0
	ldr	x0, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	cbz	x16, 1f
	br	x16
1:	mov	x0, xzr
	ret
	.cfi_endproc
	.size	dlopen, . - dlopen

/* 2048 thunks (DET_N_THUNKS): leave the number in this thread, go on to the wrapper with everything else untouched. */
	.hidden	det_thunk_first
	.globl	det_thunk_first
	.hidden	det_thunk_end
	.globl	det_thunk_end
	.type	det_thunk_first, %function
	.p2align 4
det_thunk_first:
	.set	number, 0
	.rept	2048
	.p2align 4
	hint	#34
	mov	w16, #number
	b	thunk_tail
	.set	number, number + 1
	.endr
	.p2align 4
det_thunk_end:
thunk_tail:
	mrs	x17, tpidr_el0
	adrp	x9, :gottprel:det_guard
	ldr	x9, [x9, #:gottprel_lo12:det_guard]
	str	w16, [x17, x9]
	adrp	x17, det_thunk_wrappers
	add	x17, x17, #:lo12:det_thunk_wrappers
	ldr	x16, [x17, w16, uxtw #3]
	br	x16
	.size	det_thunk_first, . - det_thunk_first

#endif
	.section .note.GNU-stack, "", %progbits
