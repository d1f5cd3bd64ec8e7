/* What a program may ask the preloaded library. All optional: nothing has to be called. */
#ifndef DETSHIM_DETSHIM_H
#define DETSHIM_DETSHIM_H

#define DETSHIM_VERSION "0.1.0"

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the loaded library, e.g. "0.1.0"; find it with dlsym(RTLD_DEFAULT, "detshim_version"). */
const char *detshim_version(void);

#ifdef __cplusplus
}
#endif
#endif
