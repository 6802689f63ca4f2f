/* Words of a stream: letters, in lower case. */
#ifndef WORDS_H
#define WORDS_H

#include <stdio.h>

/* The next word, cut to size - 1 letters; 0: there is none. */
int next_word(FILE *in, char *word, size_t size);

#endif
