// Runs: tokens with their records. Arrays are {shape, data} with the tokens first; what was not recorded is undefined.
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const half = (h) => {
  const sign = h & 0x8000 ? -1 : 1, e = (h >> 10) & 31, f = h & 1023;
  return e === 0 ? sign * f * 2 ** -24 : e === 31 ? (f ? NaN : sign * Infinity) : sign * (1 + f / 1024) * 2 ** (e - 15);
};
const decode = ([shape, kind, text]) => {
  const buffer = bytes(text).buffer;
  const data = kind === "f4" ? new Float32Array(buffer) : kind === "i4" ? new Int32Array(buffer) : Float32Array.from(new Uint16Array(buffer), half);
  return { shape, data, kind };
};

const makeRun = (head) => {
  const run = {
    ...head, curves: head.curves.map((c) => ({ name: c.name, act: c.act, x: decode(c.x).data, y: c.y && decode(c.y).data })),
    n: 0, prompt: 0, tokens: [], pieces: [], labels: {}, arrays: {}, rows: {}, head, parts: [],
  };
  for (const part of head.parts ?? []) append(run, part);
  for (const [where, told] of Object.entries(head.rows ?? {})) run.rows[where] = { n: told[0][0], data: decode(told).data };
  return run;
};
const append = (run, part) => {
  run.parts.push(part);
  run.n += part.n; run.prompt += part.given;
  run.tokens.push(...decode(part.tokens).data); run.pieces.push(...part.pieces);
  Object.assign(run.labels, part.labels);
  for (const [name, told] of Object.entries(part.arrays)) {
    const more = decode(told), old = run.arrays[name];
    if (!old) { run.arrays[name] = more; continue; }
    const data = new old.data.constructor(old.data.length + more.data.length);
    data.set(old.data); data.set(more.data, old.data.length);
    run.arrays[name] = { shape: [old.shape[0] + more.shape[0], ...old.shape.slice(1)], data, kind: old.kind };
  }
};
// A record's number; undefined where there is none.
const get = (run, name, ...index) => {
  const array = run.arrays[name];
  if (!array || index[0] < 0 || index[0] >= array.shape[0]) return undefined;
  let at = 0;
  index.forEach((i, k) => { at = at * array.shape[k] + i; });
  for (let k = index.length; k < array.shape.length; k++) at *= array.shape[k];
  return array.data[at];
};
// A token itself is foretold by the row before it.
const own = (run, name, t) => (t > 0 ? get(run, name, t - 1) : undefined);

// Characters that would not be seen, or would move others, are written out.
const seen = (text) => (/^ +$/.test(text) ? "␣".repeat(text.length) : text).replace(/\n/g, "⏎").replace(/\t/g, "⇥")
  .replace(/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
const label = (run, id) => seen(run.labels[id] ?? `token ${id}`);
const piece = (run, t) => (run.pieces[t] ? seen(run.pieces[t]) : label(run, run.tokens[t]));

const number = (v) => {
  if (v === undefined || v === null) return "–";
  if (Number.isNaN(v)) return "not a number";
  if (!Number.isFinite(v)) return v > 0 ? "infinite" : "minus infinite";
  const size = Math.abs(v);
  if (Number.isInteger(v) && size < 1e6) return v.toLocaleString("en");
  if (size < 1e-3 || size >= 1e6) return v.toExponential(2);
  return size < 1000 ? String(Number(v.toPrecision(4))) : Math.round(v).toLocaleString("en");
};
// What is not exactly none or all is never rounded to it.
const percent = (p) => {
  if (p === undefined || Number.isNaN(p)) return number(p);
  if (p === 0) return "0 %";
  if (p < 1e-5) return `${(100 * p).toExponential(1)} %`;
  const shown = Number((100 * p).toPrecision(4));
  return p < 1 && shown === 100 ? ">99.99 %" : `${shown} %`;
};

const QUANTITIES = {
  surprisal: { title: "surprisal", unit: "nats", low: 0, of: (r, t) => { const v = own(r, "next.log_probability", t); return v === undefined ? v : 0 - v; } },
  probability: { title: "probability", low: 0, high: 1, of: (r, t) => { const v = own(r, "next.log_probability", t); return v === undefined ? v : Math.exp(v); } },
  rank: { title: "rank", log: true, low: 1, of: (r, t) => own(r, "next.rank", t) },
  before: { title: "entropy before it", unit: "nats", low: 0, of: (r, t) => own(r, "next.entropy", t) },
  after: { title: "entropy after it", unit: "nats", low: 0, of: (r, t) => get(r, "next.entropy", t) },
};
const MEASURES = {
  l2: { title: "L2 norm", log: true }, rms: { title: "root mean square", log: true }, mean: { title: "mean", signed: true },
  variance: { title: "variance", log: true }, skew: { title: "skewness", signed: true }, kurtosis: { title: "excess kurtosis (Gaussian: 0)", log: true, shift: 3 },
  negative: { title: "share negative", low: 0, high: 1 }, near_zero: { title: "share near zero", low: 0 },
  participation: { title: "participation ratio", log: true }, largest: { title: "largest |x|", log: true }, saturated: { title: "share saturated", low: 0 },
};
const HEADS = {
  entropy: { title: "entropy", unit: "nats", low: 0 }, normalized: { title: "entropy / ln n", low: 0, high: 1 }, effective: { title: "tokens read, exp(entropy)", log: true, low: 1 },
  largest: { title: "largest weight", low: 0, high: 1 }, first: { title: "weight on the first token", low: 0, high: 1 },
  entropy_rest: { title: "entropy without the first token", unit: "nats", low: 0 }, distance: { title: "mean distance, tokens", low: 0 },
};
const LENS = {
  divergence: { title: "KL(model ‖ layer)", unit: "nats", low: 0 }, entropy: { title: "entropy", unit: "nats", low: 0 },
  log_probability: { title: "surprisal of the next token", unit: "nats", low: 0, minus: true }, rank: { title: "rank of the next token", log: true, low: 1 },
};
const SITES = {
  resid_pre: "residual stream before the block", "attention.heads": "heads' outputs, concatenated", attn_out: "attention output", resid_mid: "residual stream after attention",
  "mlp.act.pre": "MLP pre-activation (gate)", "mlp.act.post": "MLP post-activation", "mlp.up": "MLP up", "mlp.post": "MLP post: activation × up", mlp_out: "MLP output", resid_post: "residual stream after the block",
};
// Where there is no gate the pre-activation is the map up itself.
const siteName = (run, site) => (run.about.mlp === "plain" ? (SITES[site] ?? site).replace(" (gate)", "") : SITES[site] ?? site);
