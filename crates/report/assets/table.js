// The table: only the rows that are seen exist. Above a height that browsers can hold, scrolling is scaled.
const ROW = 28;
const TALLEST = 8e6;
const grid = { scroll: null, space: null, window: null, rows: new Map(), focus: 0, first: 0 };

function startTable() {
  const heads = el("div", { role: "row", class: "heads", "aria-rowindex": "1" }, ...COLUMNS.map((column, place) => {
    const button = el("button", { type: "button", onclick: () => sortBy(column) }, column.title);
    column.head = el("div", { role: "columnheader", class: column.number ? "num" : null, "aria-colindex": place + 1, "aria-sort": "none" }, button);
    column.button = button;
    return column.head;
  }));
  grid.space = el("div");
  grid.window = el("div", { class: "window", role: "rowgroup" });
  grid.scroll = el("div", { class: "scroll", role: "presentation" }, grid.window, grid.space);
  byId("grid").append(el("div", { role: "rowgroup" }, heads), grid.scroll);
  grid.scroll.style.height = grid.window.style.height = viewHeight + "px";
  grid.scroll.addEventListener("scroll", drawRows, { passive: true });
  grid.scroll.addEventListener("keydown", onRowKey);
  new ResizeObserver(drawRows).observe(grid.scroll);
  startFilters();
  refresh();
}

function startFilters() {
  let waiting = 0;
  byId("search").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      table.words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
      refresh();
    }, 40);
  });
  const task = byId("task");
  task.append(el("option", { value: "-1" }, "All tasks"));
  data.tasks.forEach((name, place) => task.append(el("option", { value: place }, name)));
  task.hidden = data.tasks.length < 2;
  task.addEventListener("change", () => { table.task = Number(task.value); refresh(); });
  let retried = 0;
  for (let i = 0; i < instanceCount; i++) if (instances.attempts[i] > 1) retried++;
  const chips = [["all", instanceCount], ...data.states.map((state, place) => [state, stateCounts[place]]), ["retried", retried]];
  for (const [state, n] of chips) {
    if (!n && state !== "all") continue;
    byId("chips").append(el("button", { type: "button", "data-state": state, onclick: () => { table.state = state; refresh(); } },
      state === "all" || state === "retried" ? null : dot(state),
      (state === "all" ? "all" : state === "retried" ? "tried again" : word(state)) + " " + count(n)));
  }
}

function sortBy(column) {
  // Numbers are mostly looked at from the largest, and names from the first.
  table.down = table.sort === column.id ? !table.down : Boolean(column.number);
  table.sort = column.id;
  refresh();
}

function filterTo(state) {
  table.state = state;
  refresh();
  byId("instances").scrollIntoView();
  byId("instances").focus({ preventScroll: true });
}

function refresh() {
  arrange();
  for (const column of COLUMNS) {
    const sorted = column.id === table.sort;
    column.head.setAttribute("aria-sort", sorted ? (table.down ? "descending" : "ascending") : "none");
    column.button.textContent = column.title + (sorted ? (table.down ? " ▼" : " ▲") : "");
  }
  for (const chip of byId("chips").children) chip.setAttribute("aria-pressed", String(chip.dataset.state === table.state));
  byId("matches").textContent = table.order.length === instanceCount ? many(instanceCount, "instance")
    : count(table.order.length) + " of " + many(instanceCount, "instance");
  byId("grid").setAttribute("aria-rowcount", table.order.length + 1);
  const tall = table.order.length * ROW;
  // The window is sticky and takes its own height of the room that is scrolled.
  grid.space.style.height = Math.max(0, Math.min(tall, TALLEST) - viewHeight) + "px";
  grid.scroll.scrollTop = 0;
  grid.focus = 0;
  grid.window.replaceChildren();
  grid.rows.clear();
  drawRows();
}

// Stays as it is while somebody searches, so that nothing jumps.
const viewHeight = Math.min(17, Math.max(3, instanceCount)) * ROW;

// How far down the rows are, in pixels as if all of them were there.
function offset() {
  const tall = table.order.length * ROW;
  const room = Math.min(tall, TALLEST) - viewHeight;
  return room <= 0 ? 0 : grid.scroll.scrollTop / room * (tall - viewHeight);
}

function drawRows() {
  const top = offset();
  const first = Math.max(0, Math.floor(top / ROW) - 4);
  const last = Math.min(table.order.length, Math.ceil((top + viewHeight) / ROW) + 4);
  for (const [place, row] of grid.rows) {
    if (place < first || place >= last) { row.remove(); grid.rows.delete(place); }
  }
  for (let place = first; place < last; place++) {
    let row = grid.rows.get(place);
    if (!row) {
      row = rowOf(place);
      grid.rows.set(place, row);
      grid.window.append(row);
    }
    row.style.transform = "translateY(" + (place * ROW - top) + "px)";
    row.tabIndex = place === grid.focus ? 0 : -1;
  }
  // There is always a row that Tab can reach.
  if (!grid.rows.has(grid.focus) && last > first) grid.rows.get(Math.min(last - 1, Math.ceil(top / ROW))).tabIndex = 0;
  if (!table.order.length) grid.window.replaceChildren(el("p", { class: "none" }, "No instance matches."));
}

function rowOf(place) {
  const i = table.order[place];
  const row = el("div", { role: "row", "aria-rowindex": place + 2, "data-place": place, onclick: () => { grid.focus = place; showDetails(i); } });
  cellsOf(i).forEach((value, column) => {
    const cell = el("div", { role: "gridcell", "aria-colindex": column + 1 });
    if (column === 1) {
      const state = data.states[instances.state[i]];
      cell.className = "state";
      cell.append(dot(state), word(state));
    } else {
      cell.textContent = value;
      if (COLUMNS[column].number) cell.className = "num"; else cell.title = value;
    }
    row.append(cell);
  });
  return row;
}

function cellsOf(i) {
  const at = lastOf(i);
  const state = word(data.states[instances.state[i]]);
  if (at < 0) return [labelOf(i), state, reasonOf(i), "", "", "", "", "", ""];
  return [labelOf(i), state, reasonOf(i), count(instances.attempts[i]), duration(attempts.start[at]), duration(attempts.wall[at]),
    duration(attempts.cpu[at]), bytes(attempts.rss[at]), bytes(attempts.stdout[at] + attempts.stderr[at])];
}

function onRowKey(event) {
  const here = Number(event.target.dataset.place);
  if (Number.isNaN(here)) return;
  const page = Math.floor(viewHeight / ROW) - 1;
  const last = table.order.length - 1;
  const to = { ArrowDown: here + 1, ArrowUp: here - 1, PageDown: here + page, PageUp: here - page, Home: 0, End: last }[event.key];
  if (to !== undefined) {
    event.preventDefault();
    focusRow(Math.max(0, Math.min(last, to)));
  } else if (event.key === "Enter" || event.key === " ") {
    event.preventDefault();
    showDetails(table.order[here]);
  }
}

function focusRow(place) {
  grid.focus = place;
  const [tall, top] = [table.order.length * ROW, offset()];
  const room = Math.min(tall, TALLEST) - viewHeight;
  const wanted = place * ROW < top ? place * ROW : (place + 1) * ROW > top + viewHeight ? (place + 1) * ROW - viewHeight : top;
  if (wanted !== top) grid.scroll.scrollTop = wanted / (tall - viewHeight) * room;
  drawRows();
  const row = grid.rows.get(place);
  if (row) row.focus({ preventScroll: true });
}

// On paper there is no scrolling: the first rows as they are arranged now, and how many more there are.
function printRows() {
  const MOST = 500;
  const rows = Array.from(table.order.slice(0, MOST), (i) => el("tr", {}, ...cellsOf(i).map((value) => el("td", {}, value))));
  byId("printed").replaceChildren(
    el("table", {}, el("thead", {}, el("tr", {}, ...COLUMNS.map((column) => el("th", {}, column.title)))), el("tbody", {}, ...rows)),
    table.order.length > MOST ? el("p", {}, "and " + count(table.order.length - MOST) + " more") : "");
}
