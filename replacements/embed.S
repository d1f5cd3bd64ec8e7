/* PTX texts that the library carries, as NUL-terminated strings. */
#ifndef DET_FOLD_PTX /* a test links a wrong one */
#define DET_FOLD_PTX "replacements/fold.ptx"
#endif
    .section .rodata
    .global det_acc_fold_ptx
    .hidden det_acc_fold_ptx
    .type det_acc_fold_ptx, @object
det_acc_fold_ptx:
    .incbin DET_FOLD_PTX
    .byte 0
    .size det_acc_fold_ptx, . - det_acc_fold_ptx

    .global det_sparse_ptx
    .hidden det_sparse_ptx
    .type det_sparse_ptx, @object
det_sparse_ptx:
    .incbin "replacements/sparse.ptx"
    .byte 0
    .size det_sparse_ptx, . - det_sparse_ptx

    .section .note.GNU-stack, "", @progbits
