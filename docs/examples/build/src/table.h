/* Words and how often each was seen. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

struct entry {
    char *word;
    unsigned long count;
};

struct table {
    struct entry *entries;
    size_t used, room;
};

/* Counts a word once more; 0: there is no memory for it. */
int table_count(struct table *table, const char *word);
/* Most frequent first. */
void table_sort(struct table *table);
void table_free(struct table *table);

#endif
