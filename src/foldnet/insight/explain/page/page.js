"use strict";
// Python has worked out all that can be shown; here one thing is put in another's place.

const data = JSON.parse(document.getElementById("data").textContent);

// -- light and dark ----------------------------------------------------------------------------------------

const theme = document.getElementById("theme");
const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
const showTheme = () => theme.setAttribute("aria-pressed", String(isDark()));
theme.addEventListener("click", () => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  showTheme();
});
dark.addEventListener("change", showTheme);
showTheme();

// -- elements ----------------------------------------------------------------------------------------------

function element(name, text, ...children) {
  const made = document.createElement(name);
  if (text) made.textContent = text;
  made.append(...children);
  return made;
}

// -- which values share a statistic ------------------------------------------------------------------------

function startSharing(root) {
  const views = data[root.dataset.name].views;
  const find = (selector) => root.querySelector(selector);
  const boxes = [...root.querySelectorAll("input[type=checkbox]")];
  const layout = find(".layout");
  const initial = layout ? layout.value : "";
  const box = find(".tensor");
  const readout = find(".readout");
  let at = -1; // the cell that the reader is at

  const view = () => views[layout ? layout.value : ""];
  const choice = () => {
    const own = !layout || layout.value === initial;
    const key = boxes.filter((b) => b.checked).map((b) => b.value).join(",");
    root.dataset.now = key;
    return { ...view().choices[key], own };
  };
  const picture = () => [...root.querySelectorAll("[data-layout]")].find((p) => !p.hidden);
  const cells = () => [...picture().querySelectorAll("g")];

  function show() {
    for (const p of root.querySelectorAll("[data-layout]")) p.hidden = layout !== null && p.dataset.layout !== layout.value;
    const now = choice();
    cells().forEach((cell, i) => {
      const group = now.groups.length ? now.groups[i] : -1;
      cell.style.setProperty("--g", group);
      cell.lastChild.textContent = group < 0 ? "" : group;
    });
    boxes.forEach((b, i) => (b.nextElementSibling.textContent = view().axes[i]));
    find(".axis").textContent = now.axis;
    find(".shape").textContent = view().shape;
    const said = now.text.map((part) =>
      Array.isArray(part) ? [element("p", part[0]), element("pre", part[1])] : [element("p", part)]
    );
    find(".said").replaceChildren(...said.flat());
    point(at < cells().length ? at : -1);
  }

  function place(i) {
    const found = [];
    for (const size of [...view().drawn].reverse()) {
      found.unshift(i % size);
      i = Math.floor(i / size);
    }
    return found;
  }

  function point(i) {
    at = i;
    const groups = choice().groups;
    const same = (k) => at >= 0 && groups.length > 0 && groups[k] === groups[at];
    cells().forEach((cell, k) => {
      cell.classList.toggle("at", k === at);
      cell.classList.toggle("same", same(k));
    });
    box.classList.toggle("pointed", at >= 0 && groups.length > 0);
    if (at < 0 || !groups.length) return;
    const count = groups.filter((_, k) => same(k)).length;
    readout.textContent =
      `x[${place(at).join(", ")}] uses statistic ${groups[at]}, which ${count} of the ${groups.length} values drawn share.`;
  }

  // Arrow keys go where the eye does: to the nearest cell that lies that way.
  function step(dx, dy) {
    const all = cells().map((cell) => cell.getBoundingClientRect());
    if (at < 0) return point(0);
    const from = all[at];
    let best = -1;
    let least = Infinity;
    all.forEach((to, i) => {
      const x = to.left - from.left;
      const y = to.top - from.top;
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      if (along > 1 && along + 4 * aside < least) [best, least] = [i, along + 4 * aside];
    });
    if (best >= 0) point(best);
  }

  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  box.addEventListener("keydown", (event) => {
    if (event.key === "Escape") return point(-1);
    if (!(event.key in moves)) return;
    event.preventDefault();
    step(...moves[event.key]);
  });
  box.addEventListener("click", (event) => {
    const cell = event.target.closest("g");
    if (cell) point(cells().indexOf(cell));
  });
  boxes.forEach((b) => b.addEventListener("change", show));
  if (layout) layout.addEventListener("change", show);
  find(".reset").addEventListener("click", () => {
    const own = root.dataset.own.split(",");
    boxes.forEach((b) => (b.checked = own.includes(b.value)));
    if (layout) layout.value = initial;
    at = -1;
    show();
  });
}

// -- numbers, step by step ---------------------------------------------------------------------------------

// Four digits and a true minus sign, as Python's %.4g writes them: half-way cases go to the even digit.
function number(value) {
  if (Number.isNaN(value)) return "nan";
  const sign = value < 0 || Object.is(value, -0) ? "−" : "";
  if (!Number.isFinite(value)) return sign + "inf";
  const size = Math.abs(value);
  const halfway = size.toExponential(60).match(/^(\d\.\d\d[02468])50*(e.+)$/);
  const rounded = halfway ? halfway[1] + halfway[2] : size.toExponential(3);
  const [digits, power] = rounded.split("e").map(Number);
  if (power >= -4 && power < 4) {
    const text = Number(rounded).toFixed(Math.max(0, 3 - power));
    return sign + (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
  }
  return `${sign}${digits}e${power < 0 ? "−" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

const operations = {
  less: (value, v, name) => [value - v, `less the ${name} ${number(v)}`],
  root: (value, v, name, e, text) => [value / Math.sqrt(v + e), `÷ sqrt(${number(v)} + ${text})`],
  over: (value, v, name) => [value / v, `÷ the ${name} ${number(v)}`],
  times: (value, v, name) => [value * v, `× ${name} ${number(v)}`],
  plus: (value, v, name) => [value + v, `+ ${name} ${number(v)}`],
};

function startNumbers(root) {
  const { rows, x, trails } = data[root.dataset.name].numbers;
  const row = root.querySelector(".row");
  const channel = root.querySelector(".channel");
  // JSON has no words for what is not finite; Python's come as text.
  const pick = (table) => {
    const v = table[table.length > 1 ? Number(row.value) : 0][Number(channel.value)];
    return typeof v === "number" ? v : Number(v.replace("inf", "Infinity"));
  };
  const line = (what, result) => element("li", "", element("span", what), " → ", element("b", result));

  function show() {
    const named = (text) => text.replace("{row}", rows[Number(row.value)]);
    root.querySelectorAll(".trail").forEach((trail, i) => {
      const { title, first, statistics, steps } = trails[i];
      const known = statistics.map(([name, table]) => `${name} ${number(pick(table))}`).join(", ");
      let value = pick(x);
      let start = `x = ${number(value)}, `;
      const lines = [line(named(first[Number(channel.value)]), known)];
      for (const [kind, name, table, epsilon, text] of steps) {
        let words;
        [value, words] = operations[kind](value, pick(table), name, epsilon, text);
        lines.push(line(start + words, number(value)));
        start = "";
      }
      trail.querySelector("p").textContent = named(title);
      trail.querySelector("ol").replaceChildren(...lines);
    });
  }
  row.addEventListener("change", show);
  channel.addEventListener("change", show);
}

document.querySelectorAll(".sharing").forEach(startSharing);
document.querySelectorAll(".numbers").forEach(startNumbers);
