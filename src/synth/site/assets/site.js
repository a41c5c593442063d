// Search over NODES of search.js: every word must be in a name, a kind or a text; names that begin with it come first.
"use strict";
const input = document.getElementById("search");
const list = document.getElementById("found");
const up = document.currentScript ? document.currentScript.dataset.up : document.querySelector("script[data-up]").dataset.up;
const MOST = 20;
let active = -1;

function rank(node, words) {
  const name = node.name.toLowerCase();
  const all = `${name} ${node.kind} ${node.text}`.toLowerCase();
  if (!words.every((word) => all.includes(word))) return -1;
  if (name === words[0]) return 3;
  if (name.split(".").some((part) => part.startsWith(words[0]))) return 2;
  return name.includes(words[0]) ? 1 : 0;
}

function show() {
  const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
  const found = words.length
    ? NODES.map((node) => [rank(node, words), node]).filter(([value]) => value >= 0).sort((a, b) => b[0] - a[0]).slice(0, MOST)
    : [];
  list.replaceChildren(...found.map(([, node], place) => item(node, place)));
  if (words.length && !found.length) list.append(nothing());
  list.hidden = !words.length;
  input.setAttribute("aria-expanded", String(!list.hidden));
  mark(found.length ? 0 : -1);
}

function item(node, place) {
  const line = document.createElement("li");
  line.id = `found-${place}`;
  line.setAttribute("role", "option");
  const link = document.createElement("a");
  link.href = up + node.href;
  link.tabIndex = -1;
  const name = document.createElement("b");
  name.textContent = node.name;
  const kind = document.createElement("span");
  kind.textContent = node.kind;
  link.append(name, kind);
  line.append(link);
  return line;
}

function nothing() {
  const line = document.createElement("li");
  line.className = "none";
  line.textContent = "Nothing found";
  return line;
}

function mark(place) {
  active = place;
  [...list.children].forEach((line, i) => line.setAttribute("aria-selected", String(i === place)));
  if (place >= 0) {
    input.setAttribute("aria-activedescendant", `found-${place}`);
    list.children[place].scrollIntoView({ block: "nearest" });
  } else input.removeAttribute("aria-activedescendant");
}

input.addEventListener("input", show);
input.addEventListener("keydown", (event) => {
  const links = list.querySelectorAll("a");
  if (event.key === "ArrowDown" && links.length) mark((active + 1) % links.length);
  else if (event.key === "ArrowUp" && links.length) mark((active - 1 + links.length) % links.length);
  else if (event.key === "Enter" && links[active]) location.href = links[active].href;
  else if (event.key === "Escape") { input.value = ""; show(); }
  else return;
  event.preventDefault();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "/" && document.activeElement !== input) { event.preventDefault(); input.focus(); }
});
document.addEventListener("click", (event) => {
  if (!event.target.closest(".search")) { list.hidden = true; input.setAttribute("aria-expanded", "false"); }
});
