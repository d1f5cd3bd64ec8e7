/* What the entropy files need from each other around fork and exec. */
#ifndef DET_ENTROPY_FORK_H
#define DET_ENTROPY_FORK_H

#include <stdbool.h>

/** Start all counters anew: the child has a path of its own. */
void det_stream_fork_child(void);
/** False in the child of a vfork, which shares our memory but is not us. */
bool det_path_is_mine(void);
#endif
