/* Standing: what the frontier of one partition waits for, and since when. For health: it is looked
 * at once a second, and when somebody asks. */
#ifndef KCA_ENGINE_STANDING_H
#define KCA_ENGINE_STANDING_H

#include <stdint.h>

/* What happens next to the first record that is not finished. */
typedef enum kca__waits_for {
    KCA__WAITS_FOR_NOTHING, /* all that there is is finished */
    KCA__WAITS_FOR_RECORDS, /* none is held, and the partition has some */
    KCA__WAITS_FOR_TURN,    /* it is given out */
    KCA__WAITS_FOR_HANDLER, /* the application, which has it, settles it and gives it back */
    KCA__WAITS_FOR_TIME,    /* a retry's pause, a delay, a batch's time */
    KCA__WAITS_FOR_LETTER,  /* a dead letter, reply or copy of it is stored */
    KCA__WAITS_FOR_RESUME   /* its partition is paused, or goes away */
} kca__waits_for;

typedef struct kca__standing {
    kca__waits_for waits_for;
    int64_t offset;   /* the frontier's, or where it begins; -1: not known */
    int attempt;      /* that the record is at */
    int64_t since_ms; /* monotonic: since when all of that is so */
} kca__standing;

#endif
