#include "kafka/property_table.h"

#include "base/text.h"

#include <librdkafka/rdkafka.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made once, kept for the life of the process. */
static kca__known_property *table;
static int count;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void add_line(char *line) {
    char *save, *name = strtok_r(line, " |", &save), *scope = strtok_r(NULL, " |", &save);
    if (!name || !scope || scope[1] != '\0' || !strchr("PC*", *scope))
        return;
    kca__known_property *grown = realloc(table, (size_t)(count + 1) * sizeof *table);
    if (!grown)
        return;
    table = grown;
    table[count].name = kca__text_copy(name);
    table[count].scope = *scope;
    count += table[count].name != NULL;
}

/* The table as librdkafka prints it: "name | scope | range | default | ..." with a line for each
 * property. */
static void make(void) {
    char *page = NULL, *save;
    size_t size = 0;
    FILE *out = open_memstream(&page, &size);
    if (!out)
        return;
    rd_kafka_conf_properties_show(out);
    if (fclose(out) == 0)
        for (char *line = strtok_r(page, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
            add_line(line);
    free(page);
}

const kca__known_property *kca__property_table_find(const char *name) {
    pthread_once(&made, make);
    for (int i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

const char *kca__property_table_nearest(const char *name) {
    pthread_once(&made, make);
    const char *nearest = "";
    int least = INT_MAX;
    for (int i = 0; i < count; i++) {
        int distance = kca__text_distance(name, table[i].name);
        if (distance < least) {
            least = distance;
            nearest = table[i].name;
        }
    }
    return nearest;
}
