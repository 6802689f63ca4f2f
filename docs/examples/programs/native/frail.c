/* A library as one inherits them: right for ordinary input, and not for all of it. */

#include <stdlib.h>
#include <string.h>

/* The sum of `n` bytes. Keeps a copy of them for ever. Reads through a null pointer if there are none, and aborts
   when it meets a zero. */
unsigned long frail_sum(const unsigned char *bytes, unsigned long n) {
    unsigned char *kept = malloc(n + (1 << 20));
    unsigned long sum = 0;
    if (n == 0) {
        const volatile unsigned char *nothing = NULL;
        return *nothing;
    }
    if (kept == NULL) {
        abort();
    }
    memset(kept, 1, n + (1 << 20));
    memcpy(kept, bytes, n);
    for (unsigned long i = 0; i < n; i++) {
        if (kept[i] == 0) {
            abort();
        }
        sum += kept[i];
    }
    return sum;
}
