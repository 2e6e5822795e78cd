// Tables as text. @mark@.
const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;
const OTHERS = { nan: NaN, inf: Infinity, "+inf": Infinity, "-inf": -Infinity };

export const numberOf = (cell, comma = false) => {
  const text = comma ? cell.replace(",", ".") : cell;
  return NUMBER.test(text) ? Number(text) : OTHERS[text.toLowerCase()];
};

// The cells of a CSV. A comma separates only where the first line has neither semicolons nor tabs.
export function cellsOf(text) {
  text = text.replace(/^\uFEFF/, "");
  const head = text.trimStart().split("\n")[0].replace(/"[^"]*"/g, "");
  const by = [";", "\t"].find((separator) => head.includes(separator)) ?? ",";
  const rows = [];
  let row = [], cell = "", quoted = false, blank = true;
  const add = (c) => {
    cell += c;
    blank &&= !c.trim();
  };
  const end = () => {
    row.push(cell.trim());
    cell = "";
    blank = true;
  };
  const endRow = () => {
    end();
    if (row.length > 1 || row[0]) rows.push(row);
    row = [];
  };
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c !== '"') add(c);
      else if (text[i + 1] === '"') add(text[++i]);
      else quoted = false;
    } else if (c === '"' && blank) quoted = true;
    else if (c === by) end();
    else if (c === "\n" || (c === "\r" && text[i + 1] !== "\n")) endRow();
    else if (c !== "\r") add(c);
  }
  if (quoted) throw new Error("the table ends inside quotes");
  endRow();
  return { rows, comma: by !== "," };
}

// The values of the columns that a network takes, in its order: [{ name, text, whole }].
export function rowsOf(text, columns) {
  const { rows, comma } = cellsOf(text);
  if (!rows.length) throw new Error("the table is empty");
  const names = columns.map((c) => c.name), head = rows[0];
  const named = names.every((n) => head.includes(n)), twice = named && names.find((n) => head.indexOf(n) !== head.lastIndexOf(n));
  if (named && twice !== undefined) throw new Error(`the table has several columns with the name ${JSON.stringify(twice)}`);
  const counted = head.length > 1 && head.every((c, i) => c === String(i));
  const odd = head.length === names.length && head.some((c, i) => !columns[i].text && numberOf(c, comma) === undefined);
  const isHead = named || counted || odd || head.every((c) => c && numberOf(c, comma) === undefined && !columns.some((k) => k.text));
  const order = named ? names.map((n) => head.indexOf(n)) : names.map((_, i) => i);
  const note = counted && !named ? "The first line counts the columns and is not a row. " : "";
  if (isHead) rows.shift();
  if (!rows.length) throw new Error("the table has no row below its names");
  const values = rows.map((row, r) => {
    const where = `row ${r + 1}`;
    if (isHead && row.length !== head.length) throw new Error(`${where} has ${row.length} values, and there are ${head.length} columns`);
    if (!named && row.length !== names.length) throw new Error(`${where} has ${row.length} values, expected ${names.length}: ${names.slice(0, 20).join(", ")}`);
    return order.map((from, i) => {
      if (columns[i].text) return row[from];
      const value = numberOf(row[from], comma);
      if (value === undefined) throw new Error(`${where}, ${names[i]}: ${JSON.stringify(row[from])} is not a number`);
      return value;
    });
  });
  const left = named ? head.filter((c) => !names.includes(c)) : [];
  return { values, note: note + (left.length ? `Not used: ${left.join(", ")}. ` : "") };
}

// The shortest text that gives the same 32-bit float.
export function shortest(value) {
  if (!Number.isFinite(value) || Number.isInteger(value)) return String(value);
  for (let digits = 6; digits < 10; digits++) {
    const text = String(Number(value.toPrecision(digits)));
    if (Math.fround(Number(text)) === value) return text;
  }
  return String(value);
}

export const csvOf = (rows) => rows.map((row) => row.map((c) => (/[",;\r\n]/.test(c) ? `"${c.replaceAll('"', '""')}"` : c)).join(",") + "\r\n").join("");
