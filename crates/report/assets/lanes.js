// The lanes: what each worker did, as boxes. Where boxes are thinner than a pixel, what went wrong is drawn last.
const laneAttempts = Array.from({ length: data.lanes }, () => []);
for (let at = 0; at < attemptCount; at++) if (attempts.lane[at]) laneAttempts[attempts.lane[at] - 1].push(at);
// In a lane nothing overlaps, so this order is that of the ends too.
for (const lane of laneAttempts) lane.sort((a, b) => attempts.start[a] - attempts.start[b]);

const laneHeight = data.lanes <= 4 ? 26 : data.lanes <= 20 ? 20 : data.lanes <= 64 ? 12 : 8;
const lanesHeight = () => Math.max(1, data.lanes) * laneHeight;
let selected = -1;

// The place in a lane of the first attempt that ends after this time.
function firstAfter(lane, us) {
  let [low, high] = [0, lane.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endOf(lane[middle]) <= us) low = middle + 1; else high = middle;
  }
  return low;
}

function drawRuler() {
  const pen = canvasOf("ruler", 22);
  pen.fillStyle = colour("quiet");
  const { step, found } = ticks();
  for (const at of found) pen.fillText(tickName(at, step), Math.min(xOf(at), view.width - 60), 15);
  byId("range").textContent = view.to - view.from >= view.all ? "whole run, " + duration(view.all)
    : duration(view.to - view.from) + " of " + duration(view.all);
}

function drawLanes() {
  const height = lanesHeight();
  const pen = canvasOf("lanes", height);
  const colours = data.states.map(colour);
  const [line, text, back] = [colour("line"), colour("quiet"), colour("card")];
  pen.fillStyle = line;
  for (const at of ticks().found) pen.fillRect(Math.round(xOf(at)), 0, 1, height);
  for (let lane = 0; lane < data.lanes; lane++) drawLane(pen, lane, colours, back);
  // Names are put over what ran out to the left.
  pen.fillStyle = back;
  pen.fillRect(0, 0, GUTTER, height);
  pen.fillStyle = text;
  const every = Math.ceil(14 / laneHeight);
  for (let lane = 0; lane < data.lanes; lane += every) {
    pen.fillText("worker " + lane, 6, lane * laneHeight + Math.min(laneHeight - 3, laneHeight / 2 + 4));
  }
  drawMarks(pen, height, text);
  if (selected >= 0) outline(pen, selected);
}

function drawLane(pen, lane, colours, back) {
  const list = laneAttempts[lane];
  const [top, tall] = [lane * laneHeight + 1, laneHeight - 2];
  // Of boxes in one pixel the worst one's colour is shown.
  let [pixel, state] = [-1, -1];
  const flush = () => {
    if (pixel >= 0) { pen.fillStyle = colours[state]; pen.fillRect(pixel, top, 1, tall); }
    pixel = -1;
  };
  for (let place = firstAfter(list, view.from); place < list.length; place++) {
    const at = list[place];
    if (attempts.start[at] > view.to) break;
    const [left, right] = [Math.max(GUTTER, xOf(attempts.start[at])), Math.min(view.width, xOf(endOf(at)))];
    if (right - left < 1.5) {
      const here = Math.floor(left);
      if (here !== pixel) { flush(); pixel = here; state = attempts.state[at]; }
      else if (!isSuccess(attempts.state[at])) state = attempts.state[at];
      continue;
    }
    flush();
    pen.fillStyle = colours[attempts.state[at]];
    pen.fillRect(left, top, right - left - (right - left > 3 ? 1 : 0), tall);
    if (right - left > 46 && laneHeight >= 16) {
      pen.save();
      pen.beginPath();
      pen.rect(left, top, right - left - 4, tall);
      pen.clip();
      pen.fillStyle = back;
      pen.fillText(labelOf(attempts.instance[at]), left + 5, top + tall / 2 + 4);
      pen.restore();
    }
  }
  flush();
}

// Signals, and where the run was resumed.
function drawMarks(pen, height, text) {
  pen.save();
  pen.strokeStyle = pen.fillStyle = text;
  pen.setLineDash([4, 3]);
  const mark = (at, name) => {
    if (at < view.from || at > view.to) return;
    pen.beginPath();
    pen.moveTo(xOf(at), 0);
    pen.lineTo(xOf(at), height);
    pen.stroke();
    pen.fillText(name, Math.min(xOf(at) + 4, view.width - 70), 12);
  };
  data.starts.slice(1).forEach((at) => mark(at, "resumed"));
  data.signals.forEach(([at, signal]) => mark(at, "signal " + signal));
  pen.restore();
}

function outline(pen, at) {
  const left = Math.max(GUTTER, xOf(attempts.start[at]));
  const right = Math.min(view.width, xOf(endOf(at)));
  if (right < GUTTER || left > view.width) return;
  pen.strokeStyle = colour("text");
  pen.lineWidth = 2;
  pen.strokeRect(left - 1, (attempts.lane[at] - 1) * laneHeight + 1, Math.max(3, right - left + 1), laneHeight - 2);
  pen.lineWidth = 1;
}

// The attempt at a place of the canvas, or one within two pixels; -1 where there is none.
function attemptAt(x, y) {
  const list = laneAttempts[Math.floor(y / laneHeight)];
  if (!list || x < GUTTER) return -1;
  const place = firstAfter(list, timeAt(x));
  for (const near of [place, place - 1]) {
    const at = list[near];
    if (at === undefined) continue;
    if (x >= xOf(attempts.start[at]) - 2 && x <= xOf(endOf(at)) + 2) return at;
  }
  return -1;
}
