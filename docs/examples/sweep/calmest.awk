# The result that has died down most: the least of the largest places after three seconds.
BEGIN { FS = "," }
FNR == 1 { names[++n] = FILENAME }
$1 >= 3 && ($2 > most[n] || -$2 > most[n]) { most[n] = $2 < 0 ? -$2 : $2 }
END {
    best = 1
    for (at = 2; at <= n; at++)
        if (most[at] < most[best])
            best = at
    print names[best]
}
