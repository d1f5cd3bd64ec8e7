/* Inside shim/log/: canonical order of log lines. */
#ifndef DET_LOG_ORDER_H
#define DET_LOG_ORDER_H

#include <stdbool.h>
#include <sys/types.h>

/** Sort the lines in [from, from + n_bytes) of the file by their bytes, in place (their total length does not change).
 *  False when the range does not end in a newline, is over 256 MiB, or reading or writing failed. */
bool det_order_lines(int fd, off_t from, off_t n_bytes);

#endif
