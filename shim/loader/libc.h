/* Libc's own look-ups for the rest of the library: what a name means to a process apart from us. */
#ifndef DET_LOADER_LIBC_H
#define DET_LOADER_LIBC_H

/** The next definition of a libc function after ours (another preload's, else libc's); works where the process has no dlsym. NULL only
 *  when nothing defines it. */
void *det_libc_next(const char *name);
/** What dlsym(RTLD_DEFAULT, name) gives: the program's or a library's function, NULL when none is visible. */
void *det_libc_default(const char *name);
/** Does a loaded object, the program included, define `name`? Reads the debugger's list and hash tables: no lock, no allocation,
 *  unlike a dlsym that finds nothing. */
bool det_listed_symbol(const char *name);

#endif
