#include "json/json_pointer.h"

#include "json/json_text.h"

#include <limits.h>

#include <cjson/cJSON.h>

/* Written here, because cJSON's own pointers (cJSON_Utils) take "abc" for "" and "/list/" for
 * "/list/0", are missing in Debian's package, and do not walk the text in step. */

bool kca__json_pointer_is_valid(const char *pointer) {
    if (pointer[0] != '\0' && pointer[0] != '/')
        return false;
    for (const char *p = pointer; *p; p++)
        if (*p == '~' && p[1] != '0' && p[1] != '1')
            return false;
    return true;
}

static bool token_ends(char c) {
    return c == '\0' || c == '/';
}

static bool token_equals(const char *token, const char *name) {
    for (; !token_ends(*token); token++, name++) {
        char c = *token;
        if (c == '~')
            c = *++token == '0' ? '~' : '/';
        if (*name != c)
            return false;
    }
    return *name == '\0';
}

/* The token as an index ("0", or digits that do not begin with 0), or -1. */
static int token_index(const char *token) {
    if (token[0] == '0')
        return token_ends(token[1]) ? 0 : -1;
    int index = 0;
    const char *p = token;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (index > (INT_MAX - 9) / 10)
            return -1;
        index = index * 10 + (*p - '0');
    }
    return p > token && token_ends(*p) ? index : -1;
}

/* The child of this name or index, and its position among the children. */
static const cJSON *child(const cJSON *parent, const char *token, int *place) {
    const cJSON *found = NULL;
    bool object = cJSON_IsObject(parent);
    int wanted = cJSON_IsArray(parent) ? token_index(token) : -1;
    int i = 0;
    for (const cJSON *c = parent->child; c; c = c->next, i++) {
        if (object ? token_equals(token, c->string) : i == wanted) {
            found = c;
            *place = i;
        }
    }
    return found;
}

const cJSON *kca__json_pointer_find(const cJSON *root, const char *pointer, const char **text) {
    const cJSON *item = root;
    while (item && *pointer == '/') {
        const cJSON *parent = item;
        int place = 0;
        pointer++;
        item = child(parent, pointer, &place);
        while (!token_ends(*pointer))
            pointer++;
        if (!item || !text)
            continue;
        *text = kca__json_text_first(*text);
        for (; place > 0; place--)
            *text = kca__json_text_next(*text, cJSON_IsObject(parent));
    }
    return item;
}
