// Scales, colours and the two charts there are: a map of cells, and a list of bars.
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const dark = matchMedia("(prefers-color-scheme: dark)");
const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const ramp = (stops) => Array.from({ length: 256 }, (_, i) => {
  const x = (i / 255) * (stops.length - 1), k = Math.min(stops.length - 2, Math.floor(x));
  return stops[k].map((c, j) => Math.round(c + (stops[k + 1][j] - c) * (x - k)));
});
const VIRIDIS = ramp(JSON.parse(document.getElementById("colours").textContent).map(rgb));
const SIGNED = { light: ramp(["#08519c", "#6baed6", "#f7f7f7", "#fdae6b", "#a63603"].map(rgb)), dark: ramp(["#6db3f0", "#2b5f94", "#20262d", "#9a4d12", "#ff9d52"].map(rgb)) };
const css = (c) => `rgb(${c[0]},${c[1]},${c[2]})`;
const inkOn = (c) => (0.299 * c[0] + 0.587 * c[1] + 0.114 * c[2] > 140 ? "#10151b" : "#ffffff");

// A scale for values that are finite; NaN, infinite and absent ones have no place on it. Logarithms are of v + shift.
const makeScale = (values, how) => {
  const shift = how.shift ?? 0;
  let low = Infinity, high = -Infinity, least = Infinity;
  for (const v of values) if (Number.isFinite(v)) { if (v < low) low = v; if (v > high) high = v; if (v + shift > 0 && v < least) least = v; }
  if (!(low <= high)) { low = 0; high = 1; least = 0.1; }
  if (how.signed) { high = Math.max(Math.abs(low), Math.abs(high)) || 1; low = -high; }
  const log = how.log && high + shift > 0, ln = (v) => Math.log(v + shift);
  low = log ? how.low ?? least : how.low ?? low;
  high = how.high ?? high;
  if (!(high > low)) high = log ? low * 2 + shift : low + (Math.abs(low) || 1) * 1e-3;
  const place = (v) => (log ? (ln(v) - ln(low)) / (ln(high) - ln(low)) : (v - low) / (high - low));
  const lut = () => (how.signed ? SIGNED[dark.matches ? "dark" : "light"] : VIRIDIS);
  return {
    low, high, log, shift, signed: how.signed, place, lut,
    // what lies beyond by more than a rounding is told: -1 below, 1 above
    beyond: (v) => { const p = place(v); return Number.isFinite(v) || p === -Infinity ? (p > 1.001 ? 1 : p < -0.001 ? -1 : 0) : 0; },
    colour: (v) => lut()[Math.max(0, Math.min(255, Math.round(255 * place(v)) || 0))],
  };
};
const known = (v) => v !== undefined && Number.isFinite(v);

const sized = (canvas, height) => {
  const ratio = devicePixelRatio || 1, width = Math.max(200, canvas.clientWidth || canvas.parentElement.clientWidth);
  canvas.style.height = `${height}px`;
  canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  g.clearRect(0, 0, width, height);
  g.font = '12px system-ui, "Segoe UI", Roboto, Arial, sans-serif'; g.textBaseline = "alphabetic";
  return [g, width];
};
const hatch = (g, x, y, w, h) => {
  g.save(); g.beginPath(); g.rect(x, y, w, h); g.clip();
  g.strokeStyle = style("--soft"); g.lineWidth = 1; g.globalAlpha = 0.6; g.beginPath();
  const first = Math.floor((x - h) / 6) * 6;
  for (let at = first; at < x + w; at += 6) { g.moveTo(at, y + h); g.lineTo(at + h, y); }
  g.stroke(); g.restore();
};
const key = (g, scale, x, y, width, unit) => {
  const lut = scale.lut();
  for (let i = 0; i < width; i++) { g.fillStyle = css(lut[Math.floor((i / width) * 256)]); g.fillRect(x + i, y, 1.5, 9); }
  g.fillStyle = style("--soft"); g.textAlign = "left"; g.fillText(number(scale.low), x, y + 22);
  g.textAlign = "right"; g.fillText(number(scale.high), x + width, y + 22);
  g.textAlign = "center"; g.fillText([unit, scale.log ? (scale.shift ? `log scale of it + ${scale.shift}` : "log scale") : ""].filter(Boolean).join(", "), x + width / 2, y + 22);
};
const clipped = (g, text, room) => {
  if (g.measureText(text).width <= room) return text;
  const letters = [...text];
  while (letters.length && g.measureText(`${letters.join("")}…`).width > room) letters.pop();
  return `${letters.join("")}…`;
};

// What one chart needs; it is made once for a name and filled again at every step.
const chart = (body, name) => {
  let figure = body.querySelector(`[data-chart="${name}"]`);
  if (!figure?.matches("figure")) {
    figure = document.createElement("figure");
    figure.className = "chart"; figure.dataset.chart = name;
    const canvas = document.createElement("canvas"), said = document.createElement("figcaption"), button = document.createElement("button");
    canvas.tabIndex = 0; canvas.setAttribute("role", "img");
    said.className = "said";
    button.type = "button"; button.className = "png"; button.textContent = "PNG"; button.title = "save this chart as a picture";
    button.addEventListener("click", () => picture(canvas, name));
    figure.append(canvas, said, button);
  }
  return place(body, figure);
};
// In the order in which they are asked for; what stands right already is not moved, it may have the focus.
const place = (body, made) => {
  made.dataset.kept = "1";
  const next = body.filled ? body.filled.nextSibling : body.firstChild;
  if (next !== made) body.insertBefore(made, next);
  body.filled = made;
  return made;
};
// Everything in a panel that is not asked for again goes.
const filling = (body, fill) => {
  for (const child of body.children) child.dataset.kept = "";
  body.filled = null;
  fill();
  for (const child of [...body.children]) if (!child.dataset.kept) child.remove();
};

// A map of cells: rows from below, columns from the left; value(row, column), cursor {row, column}, pick(row, column).
const cells = (figure, spec) => {
  const canvas = figure.querySelector("canvas"), said = figure.querySelector(".said");
  const { rows, columns, value, scale, cursor } = spec;
  const left = 34, right = 8, top = 26, below = 62;
  const tall = spec.height ?? Math.max(70, Math.min(330, rows * 11));
  const [g, width] = sized(canvas, tall + top + below);
  const w = (width - left - right) / columns, h = tall / rows;
  const x = (c) => left + c * w, y = (r) => top + tall - (r + 1) * h;
  const image = new ImageData(columns, rows), gaps = [], marks = [];
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    const v = value(r, c), at = 4 * ((rows - 1 - r) * columns + c);
    if (!known(v)) { gaps.push([r, c]); continue; }
    const colour = scale.colour(v);
    image.data[at] = colour[0]; image.data[at + 1] = colour[1]; image.data[at + 2] = colour[2]; image.data[at + 3] = 255;
    const way = scale.beyond(v);
    if (way) marks.push([r, c, way, colour]);
  }
  const small = document.createElement("canvas");
  small.width = columns; small.height = rows; small.getContext("2d").putImageData(image, 0, 0);
  g.imageSmoothingEnabled = false;
  g.drawImage(small, left, top, width - left - right, tall);
  for (const [r, c] of gaps) hatch(g, x(c), y(r), w, h);
  g.textAlign = "center";
  for (const [r, c, way, colour] of marks) {
    const s = Math.max(2, Math.min(4, w / 2, h / 2)), mx = x(c) + w / 2, my = y(r) + h / 2;
    g.fillStyle = inkOn(colour); g.beginPath(); g.moveTo(mx - s, my + (s / 1.5) * way); g.lineTo(mx + s, my + (s / 1.5) * way); g.lineTo(mx, my - (s / 1.2) * way); g.fill();
  }
  g.fillStyle = style("--ink"); g.textAlign = "left"; g.font = g.font.replace("12px", "600 13px");
  g.fillText(clipped(g, spec.title, width - 62), 0, 14);
  g.font = g.font.replace("600 13px", "11px").replace("bold 13px", "11px");
  g.fillStyle = style("--soft"); g.textAlign = "right";
  const every = Math.ceil(13 / h);
  for (let r = 0; r < rows; r += every) g.fillText(spec.rowName ? spec.rowName(r) : String(r), left - 5, y(r) + h / 2 + 4);
  g.textAlign = "center";
  const apart = Math.ceil(34 / w);
  for (let c = 0; c < columns; c += apart) g.fillText(spec.columnName ? spec.columnName(c) : String(c), x(c) + w / 2, top + tall + 14);
  g.textAlign = "left"; g.fillText(spec.axes, left, top + tall + 29);
  key(g, scale, Math.max(left, width - right - 260), top + tall + 34, Math.min(260, width - left - right), spec.unit);
  if (cursor) {
    // a light line on a dark one is seen on every colour
    const box = (bx, by, bw, bh, thick) => { for (const [colour, line] of [["#10151b", thick + 2], ["#ffffff", thick]]) { g.strokeStyle = colour; g.lineWidth = line; g.strokeRect(bx - 1, by - 1, bw + 2, bh + 2); } };
    const { row, column } = cursor, wide = Math.max(w, 2), high = Math.max(h, 2);
    if (column !== undefined) box(x(column), top, wide, tall, 0.8);
    if (row !== undefined) box(left, y(row), width - left - right, high, 0.8);
    if (row !== undefined && column !== undefined) box(x(column), y(row), wide, high, 2);
  }
  const words = spec.words;
  said.textContent = cursor && cursor.row !== undefined && cursor.column !== undefined ? words(cursor.row, cursor.column) : "";
  if (spec.note) said.textContent += `${said.textContent ? " · " : ""}${spec.note}`;
  canvas.setAttribute("aria-label", `${spec.title}. ${said.textContent}`);
  const under = (event) => {
    const box = canvas.getBoundingClientRect(), c = Math.floor((event.clientX - box.left - left) / w), r = Math.floor((top + tall - event.clientY + box.top) / h);
    return r >= 0 && r < rows && c >= 0 && c < columns ? [r, c] : null;
  };
  canvas.onpointermove = (event) => { const at = under(event); if (at) tip(event, words(...at)); else untip(); };
  canvas.onpointerleave = untip;
  canvas.onclick = (event) => { const at = under(event); if (at && spec.pick) spec.pick(...at); };
  canvas.style.cursor = spec.pick ? "pointer" : "default";
  canvas.onkeydown = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !cursor || !spec.pick) return;
    const up = { ArrowUp: 1, ArrowDown: -1 }[event.key], along = spec.sideways ? { ArrowRight: 1, ArrowLeft: -1 }[event.key] : 0;
    if (!up && !along) return;
    event.preventDefault(); event.stopPropagation();
    const fit = (v, n) => Math.max(0, Math.min(n - 1, v));
    spec.pick(fit((cursor.row ?? 0) + (up ?? 0), rows), fit((cursor.column ?? 0) + (along ?? 0), columns));
  };
};

const tip = (event, words) => {
  const box = document.getElementById("tip");
  box.hidden = false; box.textContent = words;
  const wide = box.offsetWidth, tall = box.offsetHeight;
  box.style.left = `${Math.max(4, Math.min(innerWidth - wide - 4, event.clientX + 14))}px`;
  box.style.top = `${Math.max(4, event.clientY + 18 + tall > innerHeight ? event.clientY - tall - 12 : event.clientY + 18)}px`;
};
const untip = () => { document.getElementById("tip").hidden = true; };

// Elements: text is always text.
const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [k, v] of Object.entries(attributes)) if (v !== undefined && v !== false) made.setAttribute(k, v === true ? "" : v);
  made.append(...children.filter((c) => c !== undefined && c !== null));
  return made;
};
const put = (body, name, made) => {
  const old = body.querySelector(`[data-chart="${name}"]`);
  made.dataset.chart = name;
  if (old) old.replaceWith(made);
  place(body, made);
};
const table = (caption, heading, rows) => {
  const button = element("button", { type: "button", class: "png", title: "save this table as a picture" }, "PNG");
  const made = element("table", { class: "odds" }, element("caption", {}, caption, button),
    element("thead", {}, element("tr", {}, ...heading.map((h) => element("th", { scope: "col" }, h)))), element("tbody", {}, ...rows));
  button.addEventListener("click", () => tablePicture(made, caption.replace(/[^\p{L}\p{N}]+/gu, "-").slice(0, 60)));
  return made;
};
