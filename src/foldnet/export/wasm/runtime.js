// The network @title@ in WebAssembly. @mark@.
const network = @network@;
const plain = new URL("./@file@.wasm", import.meta.url);
const fast = new URL("./@file@.simd.wasm", import.meta.url);

// (module (func (result v128) i32.const 0 i8x16.splat)), which is valid where there are vectors.
const PROBE = Uint8Array.of(0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 8, 1, 6, 0, 65, 0, 253, 15, 11);
// Bytes that one call of the module reads and writes, unless a single row has more.
const BLOCK = 1 << 22;

const fail = (text) => {
  throw new Error(text);
};
const product = (sizes) => sizes.reduce((a, b) => a * b, 1);
const isFlat = (x) => ArrayBuffer.isView(x) && typeof x[0] !== "bigint" && !(x instanceof DataView);
const isTensor = (x) => isFlat(x?.data) && Array.isArray(x.shape);
const isList = (x) => Array.isArray(x) || isFlat(x);
const shown = (x) => (isList(x) ? "a list" : typeof x === "string" ? JSON.stringify(x) : String(x));
const quoted = (names) => names.map((name) => `"${name}"`).join(", ");
const fault = (port, text) => fail(`input "${port.name}" ${text}; expected ${port.kind}s of shape (${["rows", ...port.shape].join(", ")})`);

// Load the network; the types are beside this file.
export async function load({ simd = WebAssembly.validate(PROBE), wasm = simd ? fast : plain } = {}) {
  return predictor(await instance(wasm));
}

async function instance(wasm) {
  if (wasm instanceof WebAssembly.Module) return new WebAssembly.Instance(wasm);
  if (wasm instanceof URL) {
    if (wasm.protocol === "file:" && globalThis.process?.versions?.node) {
      const { readFile } = await import(/* webpackIgnore: true */ /* @vite-ignore */ "node:fs/promises");
      wasm = await readFile(wasm);
    } else {
      const answer = await fetch(wasm);
      if (!answer.ok) fail(`${wasm} cannot be read: the server answers ${answer.status}`);
      // Servers that do not know what type such a file has are no obstacle.
      if (answer.headers.get("Content-Type") === "application/wasm") return (await WebAssembly.instantiateStreaming(answer)).instance;
      wasm = await answer.arrayBuffer();
    }
  }
  return (await WebAssembly.instantiate(wasm)).instance;
}

// Say what is wrong with a value that does not have this shape.
function complain(port, value, shape, place) {
  const where = `at ${place.map((i) => `[${i}]`).join("")}`;
  if (shape.length) {
    if (!isList(value)) fault(port, `has ${shown(value)} ${where}, which is no list`);
    if (value.length !== shape[0]) fault(port, `has ${value.length} values ${where}, and not ${shape[0]}`);
    // Array.from makes values of the holes of a list.
    Array.from(value).forEach((v, i) => complain(port, v, shape.slice(1), [...place, i]));
  } else if (port.kind === "text" ? typeof value !== "string" || /\p{Surrogate}/u.test(value) : typeof value !== "number" || (port.kind === "int" && value !== (value | 0)))
    fault(port, `has ${shown(value)} ${where}, which is no ${{ float: "number", int: "whole number of 32 bits", text: "text" }[port.kind]}`);
}

// Write nested lists to memory. Returns the next place, or NaN if they do not have this shape.
function put(value, shape, axis, whole, view, at) {
  const n = shape[axis];
  if (axis < shape.length && !(isList(value) && value.length === n)) return NaN;
  if (axis + 1 < shape.length) {
    for (let i = 0; i < n; i++) at = put(value[i], shape, axis + 1, whole, view, at);
    return at;
  }
  for (let i = 0; i < (n ?? 1); i++) {
    const x = n === undefined ? value : value[i];
    if (typeof x !== "number" || (whole && x !== (x | 0))) return NaN;
    view[at++] = x;
  }
  return at;
}

// Numbers of memory as nested lists.
function nested(view, at, size, shape, axis) {
  if (axis === shape.length) return view[at];
  const n = shape[axis], step = size / n, list = [];
  for (let i = 0; i < n; i++) list.push(step === 1 ? nested(view, at + i, 1, shape, axis + 1) : nested(view, at + i * step, step, shape, axis + 1));
  return list;
}

function predictor({ exports: module }) {
  const { inputs, outputs, lengths, faults } = network;
  const heap = (module.__heap_base.value + 15) & -16;
  let floats, ints, plan = {};
  const viewOf = (port) => (port.kind === "float" ? floats : ints);

  const room = (end) => {
    const { memory } = module, more = end - memory.buffer.byteLength;
    try {
      if (more > 0) memory.grow(Math.ceil(more / 65536));
    } catch {
      fail(`there is no memory for ${end} bytes`);
    }
    floats = new Float32Array(memory.buffer);
    ints = new Int32Array(memory.buffer);
  };

  // if texts
  // The codes of texts, by the tables of the module.
  const codes = (port, value, shape, place) => {
    if (shape.length && Array.isArray(value)) return value.map((v, i) => codes(port, v, shape.slice(1), [...place, i]));
    complain(port, value, shape, place);
    const bytes = new TextEncoder().encode(value), free = plan.end ?? heap;
    room(free + bytes.length);
    new Uint8Array(module.memory.buffer, free).set(bytes);
    return module[port.coder](free, bytes.length);
  };
  // end

  // An input as its data, the number of rows, and the shape of one.
  const read = (port, x, count) => {
    const size = product(port.shape);
    if (isFlat(x)) {
      // if lengths
      if (isNaN(size)) fault(port, "has axes of any length: give { data, shape }, not numbers alone");
      // end
      x = { data: x, shape: [count ?? Math.floor(x.length / (size || 1)), ...port.shape] };
    }
    if (isTensor(x)) {
      const { data, shape } = x, [rows, ...row] = shape;
      const fits = row.length === port.shape.length && port.shape.every((n, i) => n === row[i] || typeof n === "string");
      if (!fits || !shape.every((n) => n >= 0 && Number.isInteger(n)) || data.length !== product(shape) || port.kind === "text") fault(port, `has ${data.length} numbers for shape (${shape.join(", ")})`);
      if (port.kind === "int") data.forEach((v, i) => v === (v | 0) || complain(port, v, [], [i]));
      return { data, rows, row, flat: true };
    }
    if (!Array.isArray(x)) fault(port, `is ${shown(x)}`);
    let row = port.shape;
    // if lengths
    let first = x[0];
    row = row.map((n) => {
      const found = typeof n === "number" ? n : first?.length ?? 0;
      first = first?.[0];
      return found;
    });
    // end
    // if texts
    if (port.kind === "text") x = x.map((v, i) => codes(port, v, row, [i]));
    // end
    return { data: x, rows: x.length, row, flat: false };
  };

  // The inputs in order, whether they are given in order or by name.
  const given = (x) => {
    const single = inputs.length === 1;
    if (single && (isList(x) || isTensor(x))) return [x];
    if (!single && Array.isArray(x) && x.length === inputs.length) return x;
    if (!x || typeof x !== "object" || isList(x)) single ? fault(inputs[0], `is ${shown(x)}`) : fail(`give a list of the ${inputs.length} inputs, or an object with ${quoted(inputs.map((p) => p.name))}`);
    const keys = Object.keys(x);
    if (keys.length !== inputs.length || inputs.some((port) => !keys.includes(port.name))) fail(`the inputs are ${quoted(inputs.map((p) => p.name))}, and it was given ${quoted(keys) || "none"}`);
    return inputs.map((port) => x[port.name]);
  };

  // Where a block of rows lies in memory, and all sizes.
  const planned = (all, total) => {
    let known = [], workspace = 0, free = [];
    // if lengths
    if (total) {
      const found = {};
      inputs.forEach((port, k) => port.shape.forEach((n, i) => {
        const size = all[k].row[i];
        if (typeof n === "string" && (found[n] ??= size) !== size) fault(port, `has length ${size} where another has ${found[n]}, and they must be equal`);
      }));
      known = lengths.map((name) => found[name]);
      room(heap + 4096);
      if (!module.sizes(...known.map((n) => Math.min(n, 2 ** 31 - 1)), heap)) fail(`the network cannot take rows of the lengths ${known.join(", ")}`);
      [workspace, ...free] = ints.slice(heap / 4, heap / 4 + 1000);
    }
    // end
    const gives = outputs.map((port) => port.shape.map((n) => n ?? free.shift() ?? 0));
    const sizes = [...all.map((t) => product(t.row)), ...gives.map(product)];
    const row = 4 * sizes.reduce((a, b) => a + b, 1);
    const block = Math.max(1, Math.min(total, Math.floor(BLOCK / row)));
    let end = heap + 16 + 4 * (sizes.length + known.length + 1);
    const places = [...sizes.map((n) => 4 * n * block), workspace].map((bytes) => {
      const place = (end + 15) & -16;
      end = place + bytes;
      return place;
    });
    room(end);
    // What the module is called with: the fault, the places of inputs and outputs, the workspace, the lengths.
    ints.set([0, ...places, ...known], heap / 4);
    return { total, end, gives, sizes, block, at: places.map((place) => place / 4) };
  };

  const predict = (x, count) => {
    const all = given(x).map((value, k) => read(inputs[k], value, count)), { rows: total, flat } = all[0];
    if (all.some((t) => t.rows !== total)) fail(`the inputs have ${all.map((t) => t.rows).join(" and ")} rows; give each as many`);
    if (lengths.length || plan.total !== total) plan = planned(all, total);
    const { gives, sizes, block, at } = plan;
    const results = gives.map((shape, k) => (flat ? new (viewOf(outputs[k]).constructor)(total * product(shape)) : []));
    for (let start = 0; start < total; start += block) {
      const rows = Math.min(block, total - start);
      all.forEach(({ data, row, flat }, k) => {
        const view = viewOf(inputs[k]), size = sizes[k];
        let to = at[k];
        if (flat) view.set(data.subarray(start * size, (start + rows) * size), to);
        else
          for (let r = start; r < start + rows; r++) {
            to = put(data[r], row, 0, view === ints, view, to);
            if (isNaN(to)) complain(inputs[k], data[r], row, [r]);
          }
      });
      const done = module.run(rows, heap);
      if (done < rows) fail(`row ${start + done} has no prediction: ${faults[ints[heap / 4] - 1]}`);
      gives.forEach((shape, j) => {
        const k = inputs.length + j, view = viewOf(outputs[j]), size = sizes[k];
        if (flat) results[j].set(view.subarray(at[k], at[k] + rows * size), start * size);
        else for (let r = 0; r < rows; r++) results[j].push(nested(view, at[k] + r * size, size, shape, 0));
      });
    }
    const made = flat ? results.map((data, k) => ({ data, shape: [total, ...gives[k]] })) : results;
    return network.named ? Object.fromEntries(outputs.map((port, k) => [port.name, made[k]])) : made.length > 1 ? made : made[0];
  };
  return Object.assign(predict, { inputs, outputs });
}
