/* The option and rule tables as data. */
#include "shim/policy/policy.h"

const struct det_rule_info *det_rule_info(enum det_rule rule)
{
    static const struct det_rule_info rules[DET_N_RULES] = {
#define DET_RULE(id, slug_, library_, on, cls_, sentence_, effects_, source_)                      \
    { .slug = (slug_),                                                                             \
        .library = (library_),                                                                     \
        .sentence = (sentence_),                                                                   \
        .effects = (effects_),                                                                     \
        .source = (source_),                                                                       \
        .standard = (on),                                                                          \
        .cls = DET_CLASS_##cls_ },
#include "shim/policy/rules.def"
#undef DET_RULE
    };
    static const struct det_rule_info none = { "", "", "", "", "", false, DET_CLASS_UNKNOWN };
    return (unsigned)rule < DET_N_RULES ? &rules[rule] : &none;
}

const struct det_option_info *det_option_info(enum det_option option)
{
    static const struct det_option_info options[DET_N_OPTIONS] = {
#define DET_OPTION(id, variable_, type, standard_, values_, help_)                                 \
    { .variable = (variable_), .standard = (standard_), .values = (values_), .help = (help_) },
#include "shim/policy/options.def"
#undef DET_OPTION
    };
    return &options[(unsigned)option < DET_N_OPTIONS ? option : 0];
}
