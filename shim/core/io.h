/* System calls the rest needs, restarted after EINTR and leaving errno as they found it. */
#ifndef DET_CORE_IO_H
#define DET_CORE_IO_H

#include <stddef.h>
#include <sys/types.h>

#include "detshim/err.h"
#include "shim/core/bytes.h"

/** Write all of it, or fail with DET_E_IO. */
enum det_err det_io_write(int fd, const void *from, size_t n_bytes);
/** Whole file into `out`; DET_E_LIMIT past `max_bytes`. */
enum det_err det_io_read_file(const char *path, size_t max_bytes, struct det_bytes *out);
/** Write by temporary name in the same folder, fsync-free, then rename over `path`. */
enum det_err det_io_replace_file(const char *path, const void *from, size_t n_bytes, mode_t mode);
/** Copy memory of this process that may be unmapped (an address a program handed us): returns the bytes
 *  copied before the first unreadable page, never faults. Uses process_vm_readv, falls back to a pipe. */
size_t det_io_peek(const void *from, void *to, size_t n_bytes);
/** Path of the running executable into `to`; its length, 0 when unknown. */
size_t det_io_exe(char *to, size_t cap_bytes);

#endif
