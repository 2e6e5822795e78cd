// The page of a network. @mark@.
import { csvOf, rowsOf, shortest } from "./table.js";

const SEEN = 200; // rows of results that are shown, and values of a row
const $ = (selector) => document.querySelector(selector);
const data = JSON.parse($("#data").textContent);
const product = (sizes) => sizes.reduce((a, b) => a * b, 1);
const make = (name, properties, ...inside) => {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...inside);
  return element;
};
const nest = (flat, shape) => {
  if (!shape.length) return flat[0];
  const step = flat.length / shape[0];
  return Array.from({ length: shape[0] }, (_, i) => nest(flat.slice(i * step, (i + 1) * step), shape.slice(1)));
};
const shapeOf = (port) => port.shape.map((n) => (typeof n === "number" ? n : "any")).join(" × ") || "1";
const called = (name, shape, count) => (count === 1 ? [name] : Array.from({ length: count }, (_, i) => {
  let rest = i;
  const at = shape.toReversed().map((n) => [rest % n, (rest = Math.floor(rest / n))][0]);
  return `${name}[${at.reverse().join(",")}]`;
}));
const columnsOf = (port, k) => data.columns[k] ?? called(port.name, port.shape, product(port.shape));

let results = []; // lines of the table that is downloaded, the first its names

function say(text, isBad = false) {
  $("#results").hidden = false;
  $("#status").textContent = text;
  $("#status").classList.toggle("bad", isBad);
  if (isBad) {
    $("#results table").replaceChildren();
    $("#save").hidden = true;
  }
}

function show(y, rows, note = "") {
  const single = predict.outputs.length === 1;
  const all = Array.isArray(y) && !single ? y : single && Array.isArray(y) ? [y] : predict.outputs.map((port) => y[port.name]);
  const deep = (v) => (Array.isArray(v) ? [v.length, ...deep(v[0] ?? 0)] : []);
  const shapes = all.map((rows) => deep(rows[0] ?? 0));
  const names = predict.outputs.flatMap((port, k) => called(port.name, shapes[k], product(shapes[k])));
  const lines = Array.from({ length: rows }, (_, r) => all.flatMap((of) => [of[r]].flat(Infinity).map(shortest)));
  results = [names, ...lines];
  const cell = (text) => make("td", { textContent: text });
  const head = (text, scope) => make("th", { textContent: text, scope });
  const shown = rows === 1
    ? names.slice(0, SEEN).map((name, i) => make("tr", {}, head(name, "row"), cell(lines[0][i])))
    : [make("tr", {}, head("row", "col"), ...names.slice(0, SEEN).map((n) => head(n, "col"))), ...lines.slice(0, SEEN).map((line, r) => make("tr", {}, head(r + 1, "row"), ...line.slice(0, SEEN).map(cell)))];
  $("#results table").replaceChildren(...shown);
  const more = rows > SEEN || names.length > SEEN ? ` The first ${SEEN} are shown; the file has all.` : "";
  say(`${note}${rows} ${rows === 1 ? "row" : "rows"}.${more}`);
  $("#save").hidden = false;
  $("#results").scrollIntoView({ block: "nearest" });
}

const guarded = (work) => async (event) => {
  try {
    await work(event);
  } catch (error) {
    say(error.message, true);
  }
};

// One row: how the page reads it from each input's fields, and fills them.
// if fields
const ofFields = (port, k) => {
  const kinds = { float: { type: "number", step: "any" }, int: { type: "number", step: 1 }, text: {} };
  const fields = columnsOf(port, k).map((name) => {
    const field = make("input", { required: port.kind !== "text", ...kinds[port.kind] });
    $("#fields").append(make("label", {}, name, field));
    return field;
  });
  return {
    row: () => nest(fields.map((f) => (port.kind === "text" ? f.value : f.valueAsNumber)), port.shape),
    fill: (flat) => fields.forEach((f, i) => (f.value = flat[i])),
  };
};
// end
// if lists
const ofFields = (port) => {
  const field = make("textarea", { required: true, spellcheck: false });
  $("#fields").append(make("label", { className: "long" }, `${port.name}: one row, as nested lists of shape ${shapeOf(port)}`, field));
  return { row: () => JSON.parse(field.value), fill: (flat, shape) => (field.value = JSON.stringify(nest(flat, shape))) };
};
// end

const together = (inputs) => (inputs.length === 1 ? inputs[0] : inputs);

// if table
function ofTable(text) {
  const columns = predict.inputs.flatMap((port, k) => columnsOf(port, k).map((name) => ({ name, text: port.kind === "text" })));
  const { values, note } = rowsOf(text, columns);
  let from = 0;
  const inputs = predict.inputs.map((port) => {
    const start = from, end = (from += product(port.shape));
    return values.map((row) => nest(row.slice(start, end), port.shape));
  });
  show(predict(together(inputs)), values.length, note);
}
// end

// if picture
async function ofPicture(file) {
  const { order, channels } = data.picture, shape = predict.inputs[0].shape;
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new Error(`${file.name} is not a picture that this browser reads`);
  });
  const [height, width] = (order === "last" ? shape.slice(0, 2) : shape.slice(1)).map((n, i) => (typeof n === "number" ? n : [bitmap.height, bitmap.width][i]));
  const canvas = Object.assign($("canvas"), { width, height, hidden: false });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  const pixels = context.getImageData(0, 0, width, height), { data: rgba } = pixels;
  const [low, high] = $("#picture select").value.split(" ").map(Number);
  const count = width * height, numbers = new Float32Array(count * channels);
  for (let i = 0; i < count; i++) {
    const [r, g, b] = rgba.subarray(4 * i, 4 * i + 3);
    const grey = 0.299 * r + 0.587 * g + 0.114 * b;
    if (channels === 1) rgba.fill(grey, 4 * i, 4 * i + 3);
    const parts = channels === 1 ? [grey] : [r, g, b];
    parts.forEach((v, c) => (numbers[order === "last" ? i * channels + c : c * count + i] = low + (v / 255) * (high - low)));
  }
  context.putImageData(pixels, 0, 0);
  const row = nest([...numbers], order === "last" ? [height, width, channels] : [channels, height, width]);
  show(predict([row]), 1, `${file.name}. `);
}
// end

// A place where files are chosen, or dropped.
function files(section, use) {
  const input = $(`${section} input`), label = $(`${section} .drop`);
  input.addEventListener("click", () => (input.value = "")); // so that the same file may be chosen again
  input.addEventListener("change", guarded(async () => input.files[0] && (await use(input.files[0]))));
  for (const kind of ["dragover", "dragleave", "drop"])
    label.addEventListener(kind, guarded(async (event) => {
      event.preventDefault();
      label.classList.toggle("over", kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files[0]) await use(event.dataTransfer.files[0]);
    }));
}

// The recorded rows, computed here.
function check() {
  let worst = 0;
  data.examples.forEach(({ inputs, shapes, outputs }) => {
    const y = predict(together(inputs.map((flat, k) => [nest(flat, shapes[k])])));
    const all = predict.outputs.length === 1 && Array.isArray(y) ? [y] : Array.isArray(y) ? y : predict.outputs.map((p) => y[p.name]);
    const found = all.flat(Infinity);
    outputs.flat(Infinity).forEach((v, i) => (worst = Math.max(worst, Math.abs(v - found[i]) / (1 + Math.abs(v)) || 0)));
  });
  return worst <= data.allowed ? `Checked here: ${data.examples.length} recorded rows agree within ${worst.toPrecision(2)}.` : `THE RECORDED ROWS DO NOT AGREE HERE: they differ by ${worst.toPrecision(2)}. Do not use these predictions.`;
}

const predict = await import(data.module).then(({ load }) => load()).catch((error) => {
  $("#waiting").textContent = `The network could not be loaded: ${error.message}`;
  throw error;
});
const shapeText = (port) => `${port.name} (${shapeOf(port)})`;
$("#waiting").hidden = true;
$("#inputs").hidden = false;
$("#about").textContent = `Takes ${predict.inputs.map(shapeText).join(", ")}; gives ${predict.outputs.map(shapeText).join(", ")}. ${check()}`;
const parts = predict.inputs.map(ofFields);
let next = 0;
const example = () => {
  const { inputs, shapes } = data.examples[next++ % data.examples.length];
  parts.forEach((part, k) => part.fill(inputs[k], shapes[k]));
};
$("#example").hidden = !data.examples.length;
$("#example").addEventListener("click", example);
$("#one").addEventListener("submit", guarded((event) => {
  event.preventDefault();
  show(predict(together(parts.map((part) => [part.row()]))), 1);
}));
// if table
const columns = predict.inputs.flatMap(columnsOf);
const listed = columns.length > 24 ? [...columns.slice(0, 3), "…", columns.at(-1)] : columns;
$("#columns").textContent = `${columns.length} ${columns.length === 1 ? "column" : "columns"}: ${listed.join(", ")}; with a line of names, or in this order without.`;
files("#many", async (file) => ofTable(await file.text()));
// end
// if picture
let last;
const use = (file) => ofPicture((last = file));
files("#picture", use);
$("#picture select").addEventListener("change", guarded(() => last && use(last)));
$("#scaling").textContent = `The browser stretches the picture to the input's size, on white where it is transparent. ${data.picture.channels === 1 ? "Grey is 0.299 red + 0.587 green + 0.114 blue. " : ""}The network was trained with pixels in one of these ranges: choose the same.`;
// end
$("#save").addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([csvOf(results)], { type: "text/csv" }));
  make("a", { href: url, download: "predictions.csv" }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
});
