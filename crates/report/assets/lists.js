// Short lists: the tasks, the slowest, the retried.
function listTable(title, heads, rows, wide) {
  if (!rows.length) return;
  const cell = (tag, value, place, more) => el(tag, { class: place && typeof value === "string" ? "num" : null, ...more }, value);
  byId("lists").append(el("div", { class: wide ? "wide" : null },
    el("h3", {}, title),
    el("table", {},
      el("thead", {}, el("tr", {}, ...heads.map((head, place) => cell("th", head, place, { scope: "col" })))),
      el("tbody", {}, ...rows.map((row) => el("tr", {}, ...row.map((value, place) => cell("td", value, place))))))));
}

function showLists() {
  const byTask = data.tasks.map(() => ({ walls: [], ok: 0, failed: 0, other: 0, cpu: 0, rss: 0, sum: 0 }));
  for (let i = 0; i < instanceCount; i++) {
    const task = byTask[instances.task[i]];
    const state = instances.state[i];
    if (isSuccess(state)) task.ok++; else if (isFailure(state)) task.failed++; else task.other++;
  }
  for (let at = 0; at < attemptCount; at++) {
    const task = byTask[instances.task[attempts.instance[at]]];
    // What was up to date took no time, and says nothing about how long others take.
    if (attempts.lane[at]) task.walls.push(attempts.wall[at]);
    task.sum += attempts.wall[at];
    task.cpu += attempts.cpu[at];
    task.rss = Math.max(task.rss, attempts.rss[at]);
  }
  listTable("Tasks", ["Task", "Succeeded", "Failed", "Other", "Median", "95%", "Longest", "Sum", "CPU", "Memory"],
    byTask.map((task, place) => {
      const walls = Float64Array.from(task.walls).sort();
      const at = (share) => walls.length ? duration(walls[Math.min(walls.length - 1, Math.floor(walls.length * share))]) : "";
      const total = data.totals[place];
      const other = total === null ? task.other : Math.max(task.other, total - task.ok - task.failed);
      return [data.tasks[place], count(task.ok), count(task.failed), count(other), at(0.5), at(0.95), at(1),
        duration(task.sum), duration(task.cpu), bytes(task.rss)];
    }), true);

  const order = topOf(10, (i) => lastOf(i) < 0 || !attempts.lane[lastOf(i)] ? -1 : attempts.wall[lastOf(i)]);
  listTable("Slowest", ["Instance", "Took", "CPU", "Memory"], order.map((i) => {
    const at = lastOf(i);
    return [linkTo(i), duration(attempts.wall[at]), duration(attempts.cpu[at]), bytes(attempts.rss[at])];
  }));

  const retried = topOf(10, (i) => instances.attempts[i] > 1 ? instances.attempts[i] + (isSuccess(instances.state[i]) ? 0.5 : 0) : -1);
  listTable("Tried again", ["Instance", "Attempts", "At last"], retried.map((i) =>
    [linkTo(i), count(instances.attempts[i]), isSuccess(instances.state[i]) ? "succeeded: flaky" : word(data.states[instances.state[i]])]));
}

// The instances with the largest values, without those below 0; sorts only the few that may be among them.
function topOf(most, value) {
  let best = [];
  let least = -1;
  for (let i = 0; i < instanceCount; i++) {
    const v = value(i);
    if (v < 0 || (best.length >= most && v <= least)) continue;
    best.push([v, i]);
    if (best.length >= most * 4) {
      best = best.sort((a, b) => b[0] - a[0]).slice(0, most);
      least = best[best.length - 1][0];
    }
  }
  return best.sort((a, b) => b[0] - a[0] || a[1] - b[1]).slice(0, most).map(([, i]) => i);
}
