"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const slider = document.getElementById("cursor");
const charts = [...document.querySelectorAll("svg[data-figure]")];

function text(value) {
  if (value === undefined) return "";
  return Number.isInteger(value) ? String(value) : String(+value.toPrecision(3));
}

// An epoch's logs stand at its last step alone: between them, the latest known value is shown.
function known(values, place) {
  for (let i = place; i >= 0; i--) if (values[i] !== null) return values[i];
  return undefined;
}

function show(place) {
  const step = data.steps[place];
  document.getElementById("step").textContent = `${step.toLocaleString("en")}, epoch ${data.epochs[place]}`;
  for (const svg of charts) {
    const { low, high, left, right, figure } = svg.dataset;
    const share = +high > +low ? (step - low) / (high - low) : 0.5;
    const x = +left + share * (right - left);
    const line = svg.querySelector(".cursor");
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    for (const output of document.querySelectorAll(`[data-keys="${figure}"] output`)) {
      output.textContent = text(known(data.figures[figure][output.dataset.line], place));
    }
  }
}

function nearest(svg, event) {
  const box = svg.getBoundingClientRect();
  const { low, high, left, right } = svg.dataset;
  const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
  const step = +low + ((x - left) / (right - left)) * (high - low);
  let best = 0;
  data.steps.forEach((s, i) => { if (Math.abs(s - step) <= Math.abs(data.steps[best] - step)) best = i; });
  return best;
}

for (const svg of charts) {
  svg.addEventListener("pointermove", (event) => {
    slider.value = nearest(svg, event);
    show(+slider.value);
  });
}
slider.addEventListener("input", () => show(+slider.value));
slider.setAttribute("aria-valuetext", "");
slider.addEventListener("input", () => {
  slider.setAttribute("aria-valuetext", `step ${data.steps[+slider.value]}`);
});
document.querySelector(".bar").hidden = false;
document.body.classList.add("live");
show(+slider.value);
