/* "Say this once per process tree", without touching the environment, which other threads may be reading. */
#ifndef DET_CORE_ONCE_H
#define DET_CORE_ONCE_H

#include <stdbool.h>

/** True for the first process of this session (setsid) that asks about `text`; false while that process or a forked
 *  child of it lives. The mark is an abstract socket name, held by a close-on-exec descriptor >= 512 where the
 *  limits allow; where sockets are forbidden, and from the ninth text on, the answer is true. */
bool det_once_per_tree(const char *text);

#endif
