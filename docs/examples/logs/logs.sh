#!/bin/sh
# Makes three logs of a few thousand lines, always the same.
set -eu
cd "$(dirname "$0")"
mkdir -p logs
for name in access mail system; do
    awk -v name="$name" 'BEGIN {
        srand(length(name))
        split("GET POST PUT HEAD", verb, " ")
        for (n = 0; n < 5000; n++)
            printf "2026-11-%02d %02d:%02d:%02d %s[%d]: %s /item/%d took %d ms\n", n / 1000 + 1, n / 60 % 24, n % 60,
                rand() * 60, name, 100 + rand() * 20, verb[int(rand() * 4) + 1], rand() * 9999, rand() * 500
    }' > "logs/$name.log"
done
