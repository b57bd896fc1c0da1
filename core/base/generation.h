/* Fork safety: handles remember the generation they were made in; a fork's child has the next one.
 */
#ifndef KCA_BASE_GENERATION_H
#define KCA_BASE_GENERATION_H

/* The number of forks between this process and the one that first called kca__generation_watch. */
unsigned kca__generation(void);

/* Begins counting; called by whatever makes the first handle. */
void kca__generation_watch(void);

#endif
