/* The six classes of the ledger (design: every launch and library call of a process ends in exactly one). */
#ifndef DETSHIM_CLASSES_H
#define DETSHIM_CLASSES_H

enum det_class {
#define DET_CLASS(id, word, meaning) DET_CLASS_##id,
#include "detshim/classes.def"
#undef DET_CLASS
    DET_N_CLASSES
};

/** "exact", "ordered", …; never NULL. */
const char *det_class_word(enum det_class cls);

#endif
