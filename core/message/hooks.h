/*
 * Hooks: what the application puts before and after each publish, and before and after the handling
 * of each delivery. Pure: time is an argument.
 *
 * The before functions are called in the order in which the hooks were added, until one says
 * something else than to go on. Then the after functions are called, in reverse, of those hooks
 * that let it go on: a hook whose before function stopped it, and those behind it, have nothing to
 * clean up. Who publishes or handles lives between the two:
 *
 *     kca__hooked_begin, kca__hooked_enter, (what is hooked), kca__hooked_judge, kca__hooked_leave,
 *     kca__hooked_end
 */
#ifndef KCA_MESSAGE_HOOKS_H
#define KCA_MESSAGE_HOOKS_H

#include "message/message.h"

typedef struct kca__hook {
    kca_hook_fn before, after; /* one of them may be NULL */
    void *user;
    kca_free_fn free_user;
} kca__hook;

enum { KCA__HOOKS_MOST = 16 };

/* Those of one kind; filled before start, only read afterwards. */
typedef struct kca__hooks {
    kca__hook all[KCA__HOOKS_MOST];
    int count;
    bool of_publish;   /* else of handling */
    const void *owner; /* the system */
} kca__hooks;

/* One publish or one handling; lives on the stack of who does it. */
struct kca_hooked {
    const kca__hooks *hooks;
    const kca_message *message; /* as it goes on: the application's, or `own` */
    kca_message *own;           /* of a publish: the copy that hooks may change; NULL: nobody did */
    kca_delivery *delivery;     /* of a publish: in whose transaction; NULL: in none */
    const char *channel;        /* of a publish */
    int at;                     /* the hook that is called now */
    int entered;                /* so many of them let it go on */
    void *kept[KCA__HOOKS_MOST];
    char *explained_name, *explained_text; /* by the hook that is called now */

    int verdict;                   /* KCA_DONE, ..., or KCA_DROP; KCA_GO_ON: not known yet */
    char *error_name, *error_text; /* NULL: nobody said why */
    int64_t begun_us, duration_us;
    int partition; /* of a publish: where the message is stored */
    int64_t offset;
};

/* On failure the caller still has `user`. */
kca_error *kca__hooks_add(kca__hooks *hooks, kca__hook hook);

/* Frees the users. */
void kca__hooks_close(kca__hooks *hooks);

/* True: this thread is inside a hook of this kind: what that publishes goes without hooks, or they
 * would have no end. */
bool kca__hooks_are_inside(const kca__hooks *hooks);

void kca__hooked_begin(kca_hooked *out, const kca__hooks *hooks, const kca_message *m,
                       kca_delivery *d, const char *channel, int64_t now_us);

/* Calls the before functions. False: one of them has decided, `verdict` says how. */
bool kca__hooked_enter(kca_hooked *h);

/* What came of it; the texts are copied, NULL or "" is none. */
void kca__hooked_judge(kca_hooked *h, int verdict, const char *error_name, const char *error_text,
                       int64_t now_us);

/* The verdict is that of a failure. */
bool kca__hooked_fails(const kca_hooked *h);

/* Calls the after functions; one that fails changes verdict and error. True: one did. */
bool kca__hooked_leave(kca_hooked *h);

void kca__hooked_end(kca_hooked *h);

/* The copy of a publish's message that may be changed; NULL: it is a handling, or memory is out. */
kca_message *kca__hooked_change(kca_hooked *h);

#endif
