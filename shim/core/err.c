/* Texts of the error codes and of the ledger's classes, from their tables. */
#include "detshim/err.h"

#include "detshim/classes.h"

const char *det_err_text(enum det_err err)
{
    static const char *const texts[DET_N_ERRORS] = {
#define DET_ERROR(name, text) text,
#include "detshim/errors.def"
#undef DET_ERROR
    };
    return (unsigned)err < DET_N_ERRORS ? texts[err] : "unknown error";
}

const char *det_class_word(enum det_class cls)
{
    static const char *const words[DET_N_CLASSES] = {
#define DET_CLASS(id, word, meaning) word,
#include "detshim/classes.def"
#undef DET_CLASS
    };
    return (unsigned)cls < DET_N_CLASSES ? words[cls] : "unknown";
}
