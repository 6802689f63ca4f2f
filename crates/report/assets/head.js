// The first look: how many came to what, and the figures of the whole run.
function showHead() {
  for (const more of data.more) byId("more").append(el("li", {}, more));
  const parts = data.states
    .map((state, place) => [state, stateCounts[place]])
    .filter(([state]) => state !== "unfinished")
    .concat([["not_run", data.notRun]]);
  const tiles = byId("tiles");
  tiles.append(el("button", { type: "button", class: "tile", onclick: () => filterTo("all") },
    el("b", {}, count(data.planned)), el("span", {}, data.planned === 1 ? "instance" : "instances")));
  for (const [state, n] of parts) {
    if (n === 0 && state !== "success" && state !== "failed") continue;
    tiles.append(el("button", { type: "button", class: "tile", onclick: () => filterTo(state === "not_run" ? "unfinished" : state) },
      el("b", {}, count(n)), el("span", {}, dot(state), word(state))));
  }
  const share = byId("share");
  share.setAttribute("aria-label", parts.filter(([, n]) => n).map(([state, n]) => count(n) + " " + word(state)).join(", "));
  for (const [state, n] of parts) {
    if (!n) continue;
    const part = el("span", { class: "s-" + state });
    part.style.flexGrow = n;
    share.append(part);
  }
  showFacts();
  byId("about").textContent = "Written by pexec " + data.version + " for run " + data.run + ". This file is complete in itself: it loads nothing.";
}

function showFacts() {
  let [busy, cpu, peak, retried, leaky] = [0, 0, 0, 0, 0];
  for (let at = 0; at < attemptCount; at++) {
    busy += attempts.wall[at];
    cpu += attempts.cpu[at];
    peak = Math.max(peak, attempts.rss[at]);
    leaky += attempts.leaky[at];
  }
  let flaky = 0;
  for (let i = 0; i < instanceCount; i++) {
    if (instances.attempts[i] < 2) continue;
    retried++;
    if (isSuccess(instances.state[i])) flaky++;
  }
  const used = data.elapsed && data.jobs ? Math.min(100, 100 * busy / (data.elapsed * data.jobs)) : 0;
  const facts = [
    ["Run", data.run],
    ["Began", data.began.length ? clock(data.began[0]) : "unknown"],
    ["Took", duration(data.elapsed) + (data.starts.length > 1 ? " in " + data.starts.length + " parts" : "")],
    ["Directory", data.dir],
    ["At once", count(data.jobs) + ", busy " + used.toFixed(0) + "% of the time"],
    ["Time of all attempts", duration(busy)],
    ["CPU time", duration(cpu) + (busy ? " (" + (100 * cpu / busy).toFixed(0) + "% of it)" : "")],
    ["Largest process", bytes(peak)],
    ["Tried again", count(retried) + (flaky ? ", " + count(flaky) + " of them flaky: succeeded later" : "")],
  ];
  if (leaky) facts.push(["Leaky attempts", count(leaky)]);
  for (const [name, value] of facts) byId("facts").append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
}
