/* The type of a payload, as the header content-type names it: "text/plain; charset=UTF-8". */
#ifndef KCA_MESSAGE_CONTENT_TYPE_H
#define KCA_MESSAGE_CONTENT_TYPE_H

#include <stdbool.h>

/* The header of this name has it. */
bool kca__content_type_is_name(const char *name);

/* Whatever its parameters: the payload is JSON; a CloudEvent in structured mode; text. */
bool kca__content_type_is_json(const char *type);
bool kca__content_type_is_event(const char *type);
bool kca__content_type_is_text(const char *type);

#endif
