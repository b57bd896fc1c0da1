/* JSON pointers (RFC 6901) into a tree of cJSON and, in step with it, into the text that the tree
 * was parsed from. */
#ifndef KCA_JSON_JSON_POINTER_H
#define KCA_JSON_JSON_POINTER_H

#include <stdbool.h>

struct cJSON;

/* True for "" and "/..." with "~" only as "~0" or "~1". */
bool kca__json_pointer_is_valid(const char *pointer);

/* The value that a valid pointer leads to, or NULL; of members with one name the last, as in Go.
 * `*text` (NULL: not wanted) is the JSON text of the root and becomes that of the value found. */
const struct cJSON *kca__json_pointer_find(const struct cJSON *root, const char *pointer,
                                           const char **text);

#endif
