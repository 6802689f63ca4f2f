# Results of the sweep, a file each, as one SVG.
BEGIN {
    FS = ","
    split("#4269d0 #efb118 #ff725c #6cc5b0 #3ca951 #ff8ab7 #a463f2 #97bbf5", colour, " ")
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 760 340\" font-family=\"sans-serif\" font-size=\"12\">"
    print "<rect width=\"760\" height=\"340\" fill=\"white\"/>"
    print "<path d=\"M40 170H600M40 20V320\" stroke=\"#888\" fill=\"none\"/>"
    print "<text x=\"44\" y=\"24\">1</text><text x=\"44\" y=\"318\">-1</text><text x=\"580\" y=\"186\">4 s</text>"
}
FNR == 1 {
    if (path)
        draw()
    path = ""
    name = FILENAME
    sub(/.*\//, "", name)
    sub(/\.csv$/, "", name)
}
{ path = path (path ? "L" : "M") sprintf("%.1f %.1f", 40 + $1 * 140, 170 - $2 * 145) }
END {
    if (path)
        draw()
    print "</svg>"
}
function draw() {
    n++
    printf "<path d=\"%s\" stroke=\"%s\" stroke-width=\"1.5\" fill=\"none\"/>\n", path, colour[(n - 1) % 8 + 1]
    printf "<text x=\"615\" y=\"%d\" fill=\"%s\">%s</text>\n", 20 + n * 20, colour[(n - 1) % 8 + 1], name
}
