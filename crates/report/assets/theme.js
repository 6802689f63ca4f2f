// Light or dark: as the system is, until somebody presses the button. Who draws is told.
const repaints = [];
const dark = matchMedia("(prefers-color-scheme: dark)");
let chosen = null;

function applyTheme(forced) {
  const now = forced || chosen || (dark.matches ? "dark" : "light");
  document.documentElement.dataset.theme = now;
  byId("theme").textContent = now === "dark" ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", "Switch to " + (now === "dark" ? "light" : "dark") + " colours");
  for (const repaint of repaints) repaint();
}

byId("theme").addEventListener("click", () => {
  chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  applyTheme();
});
dark.addEventListener("change", () => applyTheme());
