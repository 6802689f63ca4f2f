// Making elements. Text only ever becomes text: nothing here takes markup.
const byId = (id) => document.getElementById(id);

function el(tag, properties, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (value === undefined || value === null) continue;
    if (name === "class") made.className = value;
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) made.append(child);
  return made;
}

const dot = (state) => el("span", { class: "dot s-" + state, "aria-hidden": "true" });

// A button that looks like a link and shows an instance.
const linkTo = (instance) =>
  el("button", { type: "button", class: "link", onclick: () => showDetails(instance) }, labelOf(instance));

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();
