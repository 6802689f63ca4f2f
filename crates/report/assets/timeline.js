// The hand on the timeline: pointer, wheel and keys.
function startTimeline() {
  const plot = byId("plot");
  const canvas = byId("lanes");
  view.watchers.push(drawRuler, drawLanes, ...RULED.map((curve) => () => drawCurve(curve)));
  repaints.push(redrawSoon);
  new ResizeObserver(() => { view.width = plot.clientWidth; redrawSoon(); }).observe(plot);
  view.width = plot.clientWidth;
  canvas.setAttribute("aria-label", "Timeline: " + many(attemptCount, "attempt") + " of " + many(data.lanes, "worker"));
  for (const state of data.states) {
    if (attempts.state.includes(stateOf[state])) byId("legend").append(el("span", {}, dot(state), word(state)));
  }
  byId("zoom-in").addEventListener("click", () => zoom(0.5));
  byId("zoom-out").addEventListener("click", () => zoom(2));
  byId("zoom-reset").addEventListener("click", wholeRun);
  canvas.addEventListener("keydown", onKey);
  plot.addEventListener("wheel", onWheel, { passive: false });
  startPointer(plot, canvas);
}

// The page keeps its wheel until somebody has clicked here, or holds Ctrl.
function onWheel(event) {
  if (!event.ctrlKey && document.activeElement !== byId("lanes")) return;
  event.preventDefault();
  const x = event.clientX - byId("plot").getBoundingClientRect().left;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    pan((event.deltaX || event.deltaY) / view.width * (view.to - view.from));
  } else {
    zoom(Math.exp(event.deltaY * 0.002), timeAt(Math.max(GUTTER, x)));
  }
}

function startPointer(plot, canvas) {
  let drag = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    drag = { x: event.clientX, from: view.from, to: view.to, moved: false };
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointerup", (event) => {
    const clicked = drag && !drag.moved;
    drag = null;
    const at = clicked ? attemptAt(event.offsetX, event.offsetY) : -1;
    if (at >= 0) { select(at); showDetails(attempts.instance[at]); }
  });
  canvas.addEventListener("pointercancel", () => { drag = null; });
  canvas.addEventListener("dblclick", (event) => zoom(0.25, timeAt(event.offsetX)));
  plot.addEventListener("pointermove", (event) => {
    if (drag) {
      const by = (drag.x - event.clientX) / (view.width - GUTTER) * (drag.to - drag.from);
      if (Math.abs(event.clientX - drag.x) > 3) drag.moved = true;
      if (drag.moved) setView(drag.from + by, drag.to + by);
    }
    showTip(event, plot, canvas);
  });
  plot.addEventListener("pointerleave", () => { byId("tip").hidden = true; });
}

function showTip(event, plot, canvas) {
  const tip = byId("tip");
  const box = plot.getBoundingClientRect();
  const x = event.clientX - box.left;
  const at = event.target === canvas ? attemptAt(event.offsetX, event.offsetY) : -1;
  const us = timeAt(x);
  tip.hidden = x < GUTTER || us > view.to;
  if (tip.hidden) return;
  if (at >= 0) {
    tip.replaceChildren(el("b", {}, labelOf(attempts.instance[at])),
      sentence(at) + ", CPU " + duration(attempts.cpu[at]) + ", memory " + bytes(attempts.rss[at]));
  } else {
    const step = (view.to - view.from) / view.width;
    const told = RULED.map((curve) => curve.show(averageOf(curve, us, us + step)) + " " + curve.name);
    tip.replaceChildren(el("b", {}, "at " + duration(us)), told.join(", "));
  }
  tip.style.left = Math.min(x + 14, Math.max(0, view.width - tip.offsetWidth - 4)) + "px";
  tip.style.top = event.clientY - box.top + 16 + "px";
}

function select(at) {
  selected = at;
  const [from, to] = [attempts.start[at], endOf(at)];
  if (from < view.from || to > view.to) {
    const span = Math.max(view.to - view.from, (to - from) * 1.2);
    setView((from + to - span) / 2, (from + to + span) / 2);
  }
  byId("told").textContent = labelOf(attempts.instance[at]) + ": " + sentence(at) + ", worker " + (attempts.lane[at] - 1);
  redrawSoon();
}

function step(lanes, places) {
  if (selected < 0) {
    const first = laneAttempts.findIndex((list) => list.length);
    if (first >= 0) select(laneAttempts[first][Math.min(firstAfter(laneAttempts[first], view.from), laneAttempts[first].length - 1)]);
    return;
  }
  const lane = attempts.lane[selected] - 1;
  if (places) {
    const list = laneAttempts[lane];
    const next = list[firstAfter(list, attempts.start[selected] + attempts.wall[selected] / 2) + places];
    if (next !== undefined) select(next);
    return;
  }
  for (let to = lane + lanes; laneAttempts[to]; to += lanes) {
    const list = laneAttempts[to];
    if (!list.length) continue;
    select(list[Math.min(firstAfter(list, (attempts.start[selected] + endOf(selected)) / 2), list.length - 1)]);
    return;
  }
}

function onKey(event) {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const around = selected >= 0 ? (attempts.start[selected] + endOf(selected)) / 2 : undefined;
  const far = (view.to - view.from) / 5;
  const keys = {
    ArrowLeft: () => event.shiftKey ? pan(-far) : step(0, -1),
    ArrowRight: () => event.shiftKey ? pan(far) : step(0, 1),
    ArrowUp: () => step(-1, 0),
    ArrowDown: () => step(1, 0),
    "+": () => zoom(0.5, around), "=": () => zoom(0.5, around),
    "-": () => zoom(2, around), "_": () => zoom(2, around),
    0: wholeRun, Home: wholeRun,
    Enter: () => { if (selected >= 0) showDetails(attempts.instance[selected]); },
    Escape: () => { selected = -1; redrawSoon(); },
  };
  if (!keys[event.key]) return;
  event.preventDefault();
  keys[event.key]();
}
