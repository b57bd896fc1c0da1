/* The options of a redrive. */
#include "redrive/redrive.h"

#include "base/error.h"
#include "message/wire_time.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define OPTION(option) .name = #option, .field = offsetof(kca_redrive, option)

enum { LONGEST_ERROR_NAME = 1000 };
#define LAST_OFFSET 999999999999999.0 /* a double holds it exactly */

static kca_error *check_topic(kca__option_owner owner, const char *topic) {
    (void)owner;
    return kca__option_check_topic(topic);
}

static kca_error *check_target(kca__option_owner owner, const char *topic) {
    kca_error *e = kca__option_check_topic(topic);
    if (e || strncmp(topic, KCA__INTERNAL_TOPIC, strlen(KCA__INTERNAL_TOPIC)) != 0)
        return e;
    return kca__error_new(KCA_ERROR_ARGUMENT,
                          "redrive %s: topic %s is internal (\"" KCA__INTERNAL_TOPIC
                          "...\"): nothing is redriven to it",
                          owner.name, topic);
}

static kca_error *check_error_name(kca__option_owner owner, const char *error_name) {
    (void)owner;
    return kca__option_check_name("only_error", error_name, LONGEST_ERROR_NAME);
}

const kca__option kca__redrive_options[] = {
    {OPTION(group_id), .kind = KCA__OPTION_TEXT},
    {OPTION(to_topic), .kind = KCA__OPTION_TEXT, .check = check_target},
    {OPTION(max_messages), .kind = KCA__OPTION_INT, .least = 0, .most = INT_MAX},
    {OPTION(start_time_ms), .kind = KCA__OPTION_TIME, .least = 0, .most = KCA__WIRE_TIME_MAX_MS,
     .depends = true},
    {OPTION(end_time_ms), .kind = KCA__OPTION_TIME, .least = 0, .most = KCA__WIRE_TIME_MAX_MS,
     .depends = true},
    {OPTION(start_partition), .kind = KCA__OPTION_INT, .least = 0, .most = INT_MAX},
    {OPTION(start_offset), .kind = KCA__OPTION_TIME, .least = 0, .most = LAST_OFFSET},
    {OPTION(only_topic), .kind = KCA__OPTION_TEXTS, .check = check_topic},
    {OPTION(only_error), .kind = KCA__OPTION_TEXTS, .check = check_error_name},
    {OPTION(allowed_topic), .kind = KCA__OPTION_TEXTS, .check = check_target},
    {OPTION(max_redrives), .kind = KCA__OPTION_INT, .least = 1, .most = 1000000, .initial = 3},
    {OPTION(give_up_others), .kind = KCA__OPTION_FLAG},
    {OPTION(dry_run), .kind = KCA__OPTION_FLAG, .initial = 1},
    {OPTION(max_listed), .kind = KCA__OPTION_INT, .least = 0, .most = 1000000, .initial = 100},
    {OPTION(list_records), .kind = KCA__OPTION_FLAG},
    {.name = NULL},
};
