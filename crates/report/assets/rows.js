// Which instances the table shows, in which order. Numbers of instances in a typed array: sorting fifty thousand is
// quick, and nothing is made for those that are not seen.
const table = { order: new Uint32Array(0), sort: "plan", down: false, state: "all", task: -1, words: [] };

const attemptValue = (column) => (i) => { const at = lastOf(i); return at < 0 ? -1 : column[at]; };
const COLUMNS = [
  { id: "plan", title: "Instance" },
  { id: "state", title: "Outcome", value: (i) => instances.state[i] },
  { id: "why", title: "Why", value: lazy(() => reasonRanks()) },
  { id: "attempts", title: "Attempts", number: true, value: (i) => instances.attempts[i] },
  { id: "start", title: "Began", number: true, value: attemptValue(attempts.start) },
  { id: "wall", title: "Took", number: true, value: attemptValue(attempts.wall) },
  { id: "cpu", title: "CPU", number: true, value: attemptValue(attempts.cpu) },
  { id: "rss", title: "Memory", number: true, value: attemptValue(attempts.rss) },
  { id: "output", title: "Output", number: true, value: (i) => { const at = lastOf(i); return at < 0 ? -1 : attempts.stdout[at] + attempts.stderr[at]; } },
];

// Reasons repeat, so they are put in order once and rows are sorted by number.
function reasonRanks() {
  const ranks = data.lines.map((line, place) => place).sort((a, b) => data.lines[a] < data.lines[b] ? -1 : 1);
  const rank = new Uint32Array(ranks.length);
  ranks.forEach((line, place) => { rank[line] = place; });
  return (i) => rank[instances.by[i] || (lastOf(i) < 0 ? 0 : attempts.why[lastOf(i)])];
}

const lowered = lazy(() => Array.from({ length: instanceCount }, (_, i) => labelOf(i).toLowerCase()));
const loweredTasks = data.tasks.map((task) => task.toLowerCase());
const loweredLines = lazy(() => data.lines.map((line) => line.toLowerCase()));

function matches(i) {
  const state = instances.state[i];
  if (table.task >= 0 && instances.task[i] !== table.task) return false;
  if (table.state === "retried") { if (instances.attempts[i] < 2) return false; }
  else if (table.state !== "all" && data.states[state] !== table.state) return false;
  const last = lastOf(i);
  for (const word of table.words) {
    if (lowered()[i].includes(word) || loweredTasks[instances.task[i]].includes(word)) continue;
    if (loweredLines()[instances.by[i]].includes(word)) continue;
    if (last >= 0 && loweredLines()[attempts.why[last]].includes(word)) continue;
    return false;
  }
  return true;
}

// The rows of now, by the filters and the order that were chosen.
function arrange() {
  const found = [];
  for (let i = 0; i < instanceCount; i++) if (matches(i)) found.push(i);
  const planned = (a, b) => instances.task[a] - instances.task[b] || instances.index[a] - instances.index[b];
  const order = Uint32Array.from(found);
  const column = COLUMNS.find((one) => one.id === table.sort);
  if (!column.value) {
    order.sort(table.down ? (a, b) => planned(b, a) : planned);
  } else {
    const value = column.id === "why" ? column.value() : column.value;
    const values = new Float64Array(instanceCount);
    for (const i of found) values[i] = value(i);
    order.sort(table.down ? (a, b) => values[b] - values[a] || planned(a, b) : (a, b) => values[a] - values[b] || planned(a, b));
  }
  table.order = order;
}
