#include "table.h"

#include <stdlib.h>
#include <string.h>

int table_count(struct table *table, const char *word)
{
    for (size_t at = 0; at < table->used; at++) {
        if (strcmp(table->entries[at].word, word) == 0) {
            table->entries[at].count++;
            return 1;
        }
    }
    if (table->used == table->room) {
        size_t room = table->room ? 2 * table->room : 64;
        struct entry *entries = realloc(table->entries, room * sizeof *entries);
        if (!entries)
            return 0;
        table->entries = entries;
        table->room = room;
    }
    size_t size = strlen(word) + 1;
    char *copy = malloc(size);
    if (!copy)
        return 0;
    memcpy(copy, word, size);
    table->entries[table->used++] = (struct entry){copy, 1};
    return 1;
}

static int more_frequent(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->count != y->count)
        return x->count < y->count ? 1 : -1;
    return strcmp(x->word, y->word);
}

void table_sort(struct table *table)
{
    if (table->used)
        qsort(table->entries, table->used, sizeof *table->entries, more_frequent);
}

void table_free(struct table *table)
{
    for (size_t at = 0; at < table->used; at++)
        free(table->entries[at].word);
    free(table->entries);
}
