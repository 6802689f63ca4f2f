# A damped oscillator, x'' + 2 d w x' + w^2 x = 0 from x = 1 at rest, by the midpoint rule: time and place, a line each.
BEGIN {
    w = 6.283185307 * frequency
    step = 0.002
    x = 1
    v = 0
    for (n = 0; n <= 2000; n++) {
        if (n % 20 == 0)
            printf "%.3f,%.6f\n", n * step, x
        mx = x + step / 2 * v
        mv = v + step / 2 * (-2 * damping * w * v - w * w * x)
        x += step * mv
        v += step * (-2 * damping * w * mv - w * w * mx)
    }
}
