// What an attempt wrote, and what of that is not in this file.
function streamsOf(attempt) {
  const made = [];
  const shown = captured().shown[attempt];
  const wrote = attempts.stdout[attempt] + attempts.stderr[attempt];
  if (shown) {
    addStream(made, "Standard output", shown.out);
    addStream(made, "Standard error", shown.err);
    if (shown.tail) addStream(made, "End of the error output", [shown.tail]);
  }
  if (wrote && !(shown && (shown.out || shown.err))) {
    made.push(el("p", { class: "stream left-out" }, "It wrote " + bytes(wrote) + ", which are not in this file. See: pexec show "
      + data.run));
  } else if (!wrote && !made.length) {
    made.push(el("p", { class: "stream" }, "No output was captured."));
  }
  return made;
}

function addStream(made, title, parts) {
  if (!parts) return;
  const [head, cut, rest] = parts;
  const text = el("pre", { tabindex: "0", "aria-label": title }, head);
  if (cut) text.append(el("span", { class: "left-out" }, (head ? "\n" : "") + "[" + bytes(cut) + " left out]" + (rest ? "\n" : "")), rest);
  made.push(el("p", { class: "stream" }, title), text);
}

function factsOf(attempt) {
  const pair = (name, value) => el("span", {}, name + " ", el("b", {}, value));
  const lane = attempts.lane[attempt];
  return el("p", { class: "pairs" },
    pair("began", moment(attempts.start[attempt])),
    pair("took", duration(attempts.wall[attempt])),
    pair("CPU", duration(attempts.cpu[attempt])),
    pair("memory", bytes(attempts.rss[attempt])),
    lane ? pair("worker", String(lane - 1)) : null,
    attempts.leaky[attempt] ? pair("leaky:", "a descendant kept its output open and was ended") : null);
}
