/* The options of a redrive. */
#include "redrive/redrive.h"

#include "message/wire_time.h"

#include <limits.h>
#include <stddef.h>

#define OPTION(option) .name = #option, .field = offsetof(kca_redrive, option)

enum { LONGEST_ERROR_NAME = 1000 };

static kca_error *check_topic(kca__option_owner owner, const char *topic) {
    (void)owner;
    return kca__option_check_topic(topic);
}

static kca_error *check_error_name(kca__option_owner owner, const char *error_name) {
    (void)owner;
    return kca__option_check_name("only_error", error_name, LONGEST_ERROR_NAME);
}

const kca__option kca__redrive_options[] = {
    {OPTION(group_id), .kind = KCA__OPTION_TEXT},
    {OPTION(to_topic), .kind = KCA__OPTION_TEXT, .check = check_topic},
    {OPTION(max_messages), .kind = KCA__OPTION_INT, .least = 0, .most = INT_MAX},
    {OPTION(start_time_ms), .kind = KCA__OPTION_TIME, .least = 0, .most = KCA__WIRE_TIME_MAX_MS,
     .depends = true},
    {OPTION(end_time_ms), .kind = KCA__OPTION_TIME, .least = 0, .most = KCA__WIRE_TIME_MAX_MS,
     .depends = true},
    {OPTION(only_topic), .kind = KCA__OPTION_TEXTS, .check = check_topic},
    {OPTION(only_error), .kind = KCA__OPTION_TEXTS, .check = check_error_name},
    {OPTION(max_redrives), .kind = KCA__OPTION_INT, .least = 1, .most = 1000000, .initial = 3},
    {OPTION(dry_run), .kind = KCA__OPTION_FLAG, .initial = 1},
    {.name = NULL},
};
