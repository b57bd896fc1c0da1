/*
 * Recent ids: the newest N message ids, to see when one comes again.
 *
 * Each id has one block of memory, in a chain from the oldest to the newest and in one bucket of a
 * hash table. The table has as many buckets as there are ids: each new id adds one bucket, which
 * takes its share out of one other (linear hashing). So memory is that of the ids seen, and no
 * single adding has to move a table of millions while others wait for the lock.
 *
 * Ids are compared whole: the hash only says where to look, it never makes an id look seen. It
 * starts from the set's address, so that nobody outside can choose ids which share a bucket.
 *
 * Pure: no threads, no time. The owner locks.
 */
#ifndef KCA_ENGINE_RECENT_IDS_H
#define KCA_ENGINE_RECENT_IDS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct kca__recent_ids kca__recent_ids;

/* Of at most `capacity` ids, 1 or more. NULL: memory is out. */
kca__recent_ids *kca__recent_ids_new(int capacity);
void kca__recent_ids_free(kca__recent_ids *ids);

bool kca__recent_ids_has(const kca__recent_ids *ids, const char *id, size_t len);

/* Keeps a copy as the newest and forgets the oldest when that is one too many. One that is there
 * already stays as old as it is. False: memory is out; nothing has changed. */
bool kca__recent_ids_add(kca__recent_ids *ids, const char *id, size_t len);

#endif
