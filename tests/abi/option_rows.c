/* Prints the option tables as JSON, for the tests that compare them with the header, and for what
 * is written from them: {"consumer_builder": [{"name": "partition", ...}, ...], ...}. */
#include "connection/connection.h"
#include "inbound/consumer_builder.h"
#include "outbound/publisher_builder.h"
#include "redrive/redrive.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const kinds[] = {
    [KCA__OPTION_INT] = "int",       [KCA__OPTION_FLAG] = "flag",  [KCA__OPTION_TIME] = "time",
    [KCA__OPTION_DOUBLE] = "double", [KCA__OPTION_TEXT] = "text",  [KCA__OPTION_CHOICE] = "choice",
    [KCA__OPTION_INTS] = "ints",     [KCA__OPTION_TEXTS] = "texts"};

static void add_text(cJSON *o, const char *name, const char *text) {
    if (text)
        cJSON_AddStringToObject(o, name, text);
}

static cJSON *row_of(const kca__option *row) {
    cJSON *o = cJSON_CreateObject();
    cJSON_AddStringToObject(o, "name", row->name);
    cJSON_AddStringToObject(o, "kind", kinds[row->kind]);
    cJSON_AddNumberToObject(o, "least", row->kind == KCA__OPTION_FLAG ? 0 : row->least);
    cJSON_AddNumberToObject(o, "most", row->kind == KCA__OPTION_FLAG ? 1 : row->most);
    cJSON_AddNumberToObject(o, "initial", row->initial);
    cJSON_AddBoolToObject(o, "depends", row->depends);
    cJSON_AddBoolToObject(o, "hidden", row->hidden);
    add_text(o, "otherwise", row->otherwise);
    add_text(o, "sets", row->sets);
    add_text(o, "document", row->document);
    cJSON *choices = cJSON_AddArrayToObject(o, "choices");
    for (int i = 0; row->choices && row->choices[i]; i++)
        cJSON_AddItemToArray(choices, cJSON_CreateString(row->choices[i]));
    return o;
}

static void add(cJSON *all, const char *noun, const kca__option *rows) {
    cJSON *list = cJSON_AddArrayToObject(all, noun);
    for (const kca__option *row = rows; row->name; row++)
        cJSON_AddItemToArray(list, row_of(row));
}

int main(void) {
    cJSON *all = cJSON_CreateObject();
    add(all, "connection", kca__connection_options);
    add(all, "publisher_builder", kca__publisher_options);
    add(all, "consumer_builder", kca__consumer_options);
    add(all, "redrive", kca__redrive_options);
    char *text = cJSON_Print(all);
    puts(text);
    free(text);
    cJSON_Delete(all);
    return 0;
}
