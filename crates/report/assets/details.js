// One instance with all its attempts, over the page.
function showDetails(instance) {
  const dialog = byId("details");
  const state = data.states[instances.state[instance]];
  const reason = reasonOf(instance);
  const all = attemptsOf(instance);
  dialog.replaceChildren(
    el("div", { class: "row" },
      el("h2", { id: "details-title" }, labelOf(instance)),
      el("button", { type: "button", onclick: () => dialog.close() }, "Close")),
    el("p", { class: "state" }, dot(state), word(state) + (reason ? ": " + reason : "")),
    el("p", { class: "quiet" }, "Task " + data.tasks[instances.task[instance]] + ", place " + instances.index[instance]
      + (all.length ? ", " + many(all.length, "attempt") : ", never started")));
  for (const attempt of all.reverse()) {
    const why = data.lines[attempts.why[attempt]];
    dialog.append(el("div", { class: "attempt" },
      all.length > 1 ? el("h3", {}, dot(stateName(attempt)), "Attempt " + attempts.number[attempt] + ": " + (why || word(stateName(attempt)))) : null,
      factsOf(attempt), ...streamsOf(attempt)));
  }
  dialog.showModal();
  dialog.scrollTop = 0;
}
byId("details").addEventListener("click", (event) => {
  if (event.target === byId("details")) byId("details").close();
});
