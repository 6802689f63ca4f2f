// Which part of the run the timeline and the curves show, and how places on the screen and times belong together.
const GUTTER = 84;
const view = { from: 0, to: Math.max(1, data.elapsed), all: Math.max(1, data.elapsed), width: 0, watchers: [] };

const xOf = (us) => GUTTER + (us - view.from) / (view.to - view.from) * (view.width - GUTTER);
const timeAt = (x) => view.from + (x - GUTTER) / (view.width - GUTTER) * (view.to - view.from);

function setView(from, to) {
  const least = Math.min(view.all, 50);
  const span = Math.min(view.all, Math.max(least, to - from));
  from = Math.min(Math.max(0, from), view.all - span);
  view.from = from;
  view.to = from + span;
  redrawSoon();
}

// By a factor, around a time that stays where it is.
function zoom(factor, around) {
  const at = around === undefined ? (view.from + view.to) / 2 : around;
  setView(at - (at - view.from) * factor, at + (view.to - at) * factor);
}
const pan = (us) => setView(view.from + us, view.to + us);
const wholeRun = () => setView(0, view.all);

let redrawing = false;
function redrawSoon() {
  if (redrawing) return;
  redrawing = true;
  requestAnimationFrame(() => {
    redrawing = false;
    for (const watcher of view.watchers) watcher();
  });
}

// A canvas of the plot's width, cleared, with one unit a pixel of the page.
function canvasOf(id, height) {
  const canvas = byId(id);
  const scale = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(view.width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.height = height + "px";
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, view.width, height);
  pen.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  return pen;
}

// Round times, at most so many that their names do not touch.
function ticks() {
  const room = Math.max(2, Math.floor((view.width - GUTTER) / 110));
  const rough = (view.to - view.from) / room;
  const steps = [1, 2, 5].flatMap((n) => [n, n * 10, n * 100, n * 1e3, n * 1e4, n * 1e5, n * 1e6])
    .concat([10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400].map((s) => s * 1e6))
    .sort((a, b) => a - b);
  const step = steps.find((s) => s >= rough) || Math.ceil(rough / 86400e6) * 86400e6;
  const found = [];
  for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) found.push(at);
  return { step, found };
}

// A time on the ruler, as exact as the step needs.
function tickName(at, step) {
  if (step < 1e3) return (at / 1e3).toFixed(3) + " ms";
  if (step < 1e6 && view.to < 1e6) return Math.round(at / 1e3) + " ms";
  if (view.to < 60e6) return (at / 1e6).toFixed(step < 1e4 ? 3 : step < 1e5 ? 2 : step < 1e6 ? 1 : 0) + " s";
  const s = at / 1e6;
  const two = (n) => String(n).padStart(2, "0");
  const rest = step < 1e6 ? (s % 60).toFixed(step < 1e5 ? 3 : 1).padStart(step < 1e5 ? 6 : 4, "0") : two(Math.round(s % 60));
  return (s >= 3600 ? Math.floor(s / 3600) + ":" + two(Math.floor(s / 60) % 60) : String(Math.floor(s / 60))) + ":" + rest;
}
