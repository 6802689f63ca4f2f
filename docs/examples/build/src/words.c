#include "words.h"

#include <ctype.h>

int next_word(FILE *in, char *word, size_t size)
{
    size_t length = 0;
    int c;
    while ((c = getc(in)) != EOF) {
        if (isalpha(c)) {
            if (length + 1 < size)
                word[length++] = (char)tolower(c);
        } else if (length) {
            break;
        }
    }
    word[length] = '\0';
    return length > 0;
}
