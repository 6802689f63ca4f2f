// What failed, by cause: the same task with the same reason is one cause. Cards are filled when they are opened.
const CARDS = 20;

function causes() {
  const found = new Map();
  for (let i = 0; i < instanceCount; i++) {
    if (!isFailure(instances.state[i]) && instances.state[i] !== stateOf.killed) continue;
    const key = instances.task[i] + " " + instances.state[i] + " " + reasonOf(i);
    if (!found.has(key)) found.set(key, []);
    found.get(key).push(i);
  }
  return [...found.values()].sort((a, b) =>
    (isFailure(instances.state[b[0]]) - isFailure(instances.state[a[0]])) || b.length - a.length);
}

function blockedBy() {
  const kept = new Map();
  for (let i = 0; i < instanceCount; i++) {
    const by = instances.by[i];
    if (by) kept.set(data.lines[by], (kept.get(data.lines[by]) || 0) + 1);
  }
  return kept;
}

function showFailures() {
  const all = causes();
  if (!all.length) return;
  byId("failures").hidden = false;
  const kept = blockedBy();
  const list = byId("failure-list");
  let opened = false;
  const addCause = (group) => {
    const [first] = group;
    list.append(el("p", { class: "cause" }, dot(data.states[instances.state[first]]),
      data.tasks[instances.task[first]] + ": " + (reasonOf(first) || word(data.states[instances.state[first]])),
      el("span", { class: "quiet" }, many(group.length, "instance"))));
    const cards = el("div");
    list.append(cards);
    addCards(cards, group, 0, kept, () => !opened && (opened = true));
  };
  const some = (from) => {
    all.slice(from, from + 50).forEach(addCause);
    if (from + 50 < all.length) {
      const more = el("button", { type: "button", onclick: () => { more.remove(); some(from + 50); } },
        "Show more of " + many(all.length, "cause"));
      list.append(more);
    }
  };
  some(0);
  const { leftOut, tailsDropped } = captured();
  if (leftOut || tailsDropped) {
    list.append(el("p", { class: "quiet" }, "To keep this file small, the output of " + many(leftOut || tailsDropped, "attempt")
      + " is not in it. It is in the run's record: pexec show " + data.run));
  }
}

function addCards(cards, group, from, kept, open) {
  const most = from === 0 && group.length > 5 ? 5 : CARDS;
  for (const instance of group.slice(from, from + most)) {
    const held = kept.get(labelOf(instance));
    const card = el("details", { class: "card" },
      el("summary", {}, el("b", {}, labelOf(instance)),
        el("span", { class: "quiet" }, many(instances.attempts[instance], "attempt")
          + (lastOf(instance) < 0 ? "" : ", " + duration(attempts.wall[lastOf(instance)]))
          + (held ? ", kept " + many(held, "other") + " from running" : ""))));
    card.fill = () => fillCard(card, instance);
    card.addEventListener("toggle", card.fill);
    cards.append(card);
    if (open()) card.open = true;
  }
  const next = from + most;
  if (next < group.length) {
    const more = el("button", { type: "button", onclick: () => { more.remove(); addCards(cards, group, next, kept, () => false); } },
      "Show " + Math.min(CARDS, group.length - next) + " more of " + count(group.length));
    cards.append(more);
  }
}

function fillCard(card, instance) {
  if (card.querySelector(".inside")) return;
  const last = lastOf(instance);
  const inside = el("div", { class: "inside" }, factsOf(last), ...streamsOf(last));
  if (instances.attempts[instance] > 1) {
    inside.append(el("button", { type: "button", onclick: () => showDetails(instance) }, "All attempts"));
  }
  card.append(inside);
}
