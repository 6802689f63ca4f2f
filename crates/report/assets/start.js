// Everything is put in its place, the cheap things first.
applyTheme();
showHead();
byId("summary").hidden = false;
showFailures();
if (attemptCount) {
  byId("timeline").hidden = false;
  startTimeline();
}
byId("lists").hidden = !data.tasks.length;
showLists();
byId("instances").hidden = false;
startTable();

addEventListener("beforeprint", () => {
  applyTheme("light");
  for (const watcher of view.watchers) watcher();
  printRows();
  for (const card of [...document.querySelectorAll("details.card")].slice(0, 50)) {
    card.fill();
    card.open = true;
  }
});
addEventListener("afterprint", () => applyTheme());
