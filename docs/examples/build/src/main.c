/* The ten most frequent words of its input. */
#include "table.h"
#include "words.h"

int main(void)
{
    struct table table = {0};
    char word[64];
    while (next_word(stdin, word, sizeof word)) {
        if (!table_count(&table, word)) {
            fputs("frequent: out of memory\n", stderr);
            return 1;
        }
    }
    table_sort(&table);
    for (size_t at = 0; at < table.used && at < 10; at++)
        printf("%lu %s\n", table.entries[at].count, table.entries[at].word);
    table_free(&table);
    return 0;
}
