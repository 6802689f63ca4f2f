// Curves over the same time as the lanes: how much ran, computed and was held at once. Each is the slope of a sum that
// grows while attempts run, so any part of the run can be averaged with two look-ups.
const RULED = [
  { id: "curve-running", name: "running", weight: () => 1, show: (n) => n.toFixed(n < 1 ? 2 : n < 10 ? 1 : 0) },
  { id: "curve-cpu", name: "CPUs", weight: (at) => attempts.wall[at] ? Math.min(1e4, attempts.cpu[at] / attempts.wall[at]) : 0, show: (n) => n.toFixed(n < 1 ? 2 : n < 10 ? 1 : 0) },
  { id: "curve-memory", name: "memory", weight: (at) => attempts.rss[at] / 1048576, show: (n) => bytes(n * 1048576) },
];

// The begins and ends of all attempts, in their order: an end as the complement of its attempt.
const boundaries = lazy(() => {
  const marks = [];
  for (let at = 0; at < attemptCount; at++) if (attempts.lane[at] && attempts.wall[at]) marks.push(at, ~at);
  const when = (mark) => mark < 0 ? endOf(~mark) : attempts.start[mark];
  const order = Int32Array.from(marks).sort((a, b) => when(a) - when(b));
  return { order, times: Float64Array.from(order, when) };
});

function sumsOf(curve) {
  if (curve.sums) return curve.sums;
  const { order, times } = boundaries();
  curve.sums = new Float64Array(order.length);
  curve.slopes = new Float64Array(order.length);
  let [sum, slope] = [0, 0];
  order.forEach((mark, place) => {
    if (place) sum += slope * (times[place] - times[place - 1]) / 1e6;
    slope += mark < 0 ? -curve.weight(~mark) : curve.weight(mark);
    if (Math.abs(slope) < 1e-9) slope = 0;
    curve.sums[place] = sum;
    curve.slopes[place] = slope;
  });
  return curve.sums;
}

function sumAt(curve, us) {
  const sums = sumsOf(curve);
  const { times } = boundaries();
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] <= us) low = middle + 1; else high = middle;
  }
  return low ? sums[low - 1] + curve.slopes[low - 1] * (us - times[low - 1]) / 1e6 : 0;
}

const averageOf = (curve, from, to) => Math.max(0, (sumAt(curve, to) - sumAt(curve, from)) / ((to - from) / 1e6));

function drawCurve(curve) {
  const tall = 76;
  const pen = canvasOf(curve.id, tall);
  const wide = Math.max(1, Math.floor(view.width - GUTTER));
  const values = new Float64Array(wide);
  let before = sumAt(curve, view.from);
  const step = (view.to - view.from) / wide;
  let most = 0;
  for (let x = 0; x < wide; x++) {
    const sum = sumAt(curve, view.from + (x + 1) * step);
    values[x] = Math.max(0, (sum - before) / (step / 1e6));
    most = Math.max(most, values[x]);
    before = sum;
  }
  const top = most || 1;
  const y = (value) => tall - 3 - value / top * (tall - 16);
  pen.fillStyle = colour("line");
  pen.fillRect(GUTTER, tall - 2, wide, 1);
  for (const at of ticks().found) pen.fillRect(Math.round(xOf(at)), 0, 1, tall);
  pen.beginPath();
  pen.moveTo(GUTTER, y(values[0]));
  for (let x = 0; x < wide; x++) { pen.lineTo(GUTTER + x, y(values[x])); pen.lineTo(GUTTER + x + 1, y(values[x])); }
  pen.strokeStyle = colour("curve");
  pen.lineWidth = 1.5;
  pen.stroke();
  pen.lineTo(GUTTER + wide, tall - 2);
  pen.lineTo(GUTTER, tall - 2);
  pen.fillStyle = colour("curve-fill");
  pen.fill();
  pen.fillStyle = colour("quiet");
  pen.fillText(curve.name, 6, 14);
  pen.fillText(curve.show(most), 6, 30);
  byId(curve.id).setAttribute("aria-label", curve.name + " over time, at most " + curve.show(most));
}
