/* The import hook's Python text, so that nothing of ours lies on disk. */
    .section .rodata
    .globl det_python_finder
    .hidden det_python_finder
det_python_finder:
    .incbin "shim/python/finder.py"
    .byte 0
    .globl det_python_frameworks
    .hidden det_python_frameworks
det_python_frameworks:
    .incbin "shim/python/frameworks.py"
    .byte 0
    .section .note.GNU-stack,"",%progbits
