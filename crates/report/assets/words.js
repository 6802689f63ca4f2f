// How states, numbers, durations and sizes are written for people.
const STATE_WORDS = {
  success: "succeeded", up_to_date: "up to date", failed: "failed", timeout: "timed out", memory: "out of memory",
  killed: "killed", blocked: "blocked", unfinished: "unfinished", not_run: "did not run or end",
};
const word = (state) => STATE_WORDS[state] || state;

const grouped = new Intl.NumberFormat("en-US");
const count = (n) => grouped.format(n);
const many = (n, noun) => count(n) + " " + noun + (n === 1 ? "" : "s");

// Microseconds, as exact as they are long.
function duration(us) {
  if (us < 1e3) return Math.round(us) + " µs";
  if (us < 1e6) return (us / 1e3).toFixed(us < 1e4 ? 1 : 0) + " ms";
  const s = us / 1e6;
  if (s < 59.95) return s.toFixed(s < 10 ? 2 : 1) + " s";
  const whole = Math.round(s);
  const [h, m, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? h + " h " + two(m) + " m" : m + " m " + two(rest) + " s";
}

function bytes(n) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) { n /= 1024; unit++; }
  return (unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)) + " " + units[unit];
}

// A moment of running time, by the wall clock.
function moment(us) {
  let place = 0;
  while (place + 1 < data.starts.length && data.starts[place + 1] <= us) place++;
  return clock(data.began[place] + (us - data.starts[place]) / 1e3);
}
const clock = (ms) => new Date(ms).toISOString().replace("T", " ").replace(/\.\d+Z$/, " UTC");

// An instance or attempt in a sentence, for the tooltip and for those who listen.
function sentence(attempt) {
  const why = data.lines[attempts.why[attempt]];
  return word(stateName(attempt)) + (why ? ", " + why : "") + "; began at " + duration(attempts.start[attempt])
    + ", took " + duration(attempts.wall[attempt]);
}
