// Files made in the browser: JSON for other programs, npz for numpy and Trace.load, a picture of a chart.
const save = (name, content, type) => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  document.body.append(link); link.click(); link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
};
const acts = (run) => run.acts.map((i) => run.curves[i].act);
const told = (run) => ({ format: 1, pieces: run.pieces, labels: run.labels, prompt: run.prompt, about: { ...run.about, activations: acts(run) } });
const asJson = (run) => {
  const plain = (v) => (Number.isFinite(v) ? v : Number.isNaN(v) ? "NaN" : v > 0 ? "Infinity" : "-Infinity");
  const arrays = Object.fromEntries(Object.entries(run.arrays).map(([k, a]) => [k, { shape: a.shape, data: Array.from(a.data, plain) }]));
  return JSON.stringify({ ...told(run), text: run.pieces.join(""), tokens: run.tokens, arrays });
};

const CRC = Uint32Array.from({ length: 256 }, (_, n) => { let c = n; for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1; return c >>> 0; });
const crc = (data) => { let c = 0xffffffff; for (const b of data) c = CRC[(c ^ b) & 255] ^ (c >>> 8); return (c ^ 0xffffffff) >>> 0; };
const npy = (shape, kind, data) => {
  let header = `{'descr': '${kind}', 'fortran_order': False, 'shape': (${shape.join(", ")}${shape.length === 1 ? "," : ""}), }`;
  header += " ".repeat(63 - (10 + header.length) % 64) + "\n";
  const file = new Uint8Array(10 + header.length + data.byteLength), view = new DataView(file.buffer);
  file.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0]); view.setUint16(8, header.length, true);
  file.set(new TextEncoder().encode(header), 10);
  file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return file;
};
// A zip archive, its files stored as they are (PKWARE APPNOTE 4.3).
const zip = (files) => {
  const parts = [], directory = [];
  let offset = 0;
  for (const [name, data] of files) {
    const title = new TextEncoder().encode(name), sum = crc(data);
    const fields = (view, at) => {
      view.setUint16(at, 20, true); view.setUint16(at + 2, 0x800, true); view.setUint16(at + 8, 33, true);
      view.setUint32(at + 10, sum, true); view.setUint32(at + 14, data.length, true); view.setUint32(at + 18, data.length, true);
      view.setUint16(at + 22, title.length, true);
    };
    const local = new DataView(new ArrayBuffer(30)), central = new DataView(new ArrayBuffer(46));
    local.setUint32(0, 0x04034b50, true); fields(local, 4);
    central.setUint32(0, 0x02014b50, true); central.setUint16(4, 20, true); fields(central, 6); central.setUint32(42, offset, true);
    parts.push(local, title, data); directory.push(central, title);
    offset += 30 + title.length + data.length;
  }
  const size = directory.reduce((n, d) => n + d.byteLength, 0), end = new DataView(new ArrayBuffer(22));
  end.setUint32(0, 0x06054b50, true); end.setUint16(8, files.length, true); end.setUint16(10, files.length, true);
  end.setUint32(12, size, true); end.setUint32(16, offset, true);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
};
const asNpz = (run) => {
  const words = new TextEncoder().encode(JSON.stringify(told(run)));
  const files = [["told.npy", npy([words.length], "|u1", words)], ["tokens.npy", npy([run.n], "<i4", Int32Array.from(run.tokens))]];
  for (const [name, a] of Object.entries(run.arrays)) files.push([`${name}.npy`, npy(a.shape, a.kind === "i4" ? "<i4" : "<f4", a.data)]);
  return zip(files);
};
const picture = (canvas, name) => {
  const whole = document.createElement("canvas"), g = whole.getContext("2d");
  whole.width = canvas.width + 24; whole.height = canvas.height + 24;
  g.fillStyle = style("--card"); g.fillRect(0, 0, whole.width, whole.height); g.drawImage(canvas, 12, 12);
  whole.toBlob((blob) => save(`${name}.png`, blob));
};

// A table as it stands on the page: bands, bars, words.
const tablePicture = (table, name) => {
  const whole = table.getBoundingClientRect(), ratio = devicePixelRatio || 1, canvas = document.createElement("canvas"), g = canvas.getContext("2d");
  canvas.width = Math.ceil(whole.width * ratio); canvas.height = Math.ceil(whole.height * ratio);
  g.setTransform(ratio, 0, 0, ratio, -whole.x * ratio, -whole.y * ratio);
  for (const part of table.querySelectorAll("tr, .bar")) { const b = part.getBoundingClientRect(); g.fillStyle = getComputedStyle(part).backgroundColor; g.fillRect(b.x, b.y, b.width, b.height); }
  for (const cell of table.querySelectorAll("caption, th, td")) {
    const b = cell.getBoundingClientRect(), as = getComputedStyle(cell), text = [...cell.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data).join("");
    const right = as.textAlign === "right", inset = right ? parseFloat(as.paddingRight) : parseFloat(as.paddingLeft);
    g.font = `${as.fontWeight} ${as.fontSize} ${as.fontFamily}`; g.fillStyle = as.color; g.textAlign = right ? "right" : "left"; g.textBaseline = "middle";
    g.fillText(clipped(g, text, b.width - 2 * inset + 1), right ? b.right - inset : b.x + inset, b.y + b.height / 2);
  }
  picture(canvas, name);
};
