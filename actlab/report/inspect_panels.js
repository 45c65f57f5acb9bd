// Layers and the logit lens.
const options = (select, entries, chosen) => {
  const same = [...select.options].map((o) => o.value).join("\n") === entries.map(([v]) => v).join("\n");
  if (!same) select.replaceChildren(...entries.map(([v, words]) => element("option", { value: v }, words)));
  entries.forEach(([, words], i) => { if (select.options[i].textContent !== words) select.options[i].textContent = words; });
  select.value = entries.some(([v]) => String(v) === String(chosen)) ? chosen : entries[0]?.[0] ?? "";
  return select.value;
};
// All values of a record in some runs, without the first token unless it is wanted; `pick` turns a number into what is shown.
function* valuesOf(runs, name, first, pick = (v) => v) {
  for (const run of runs) {
    const array = run.arrays[name];
    if (!array) continue;
    const each = array.data.length / array.shape[0];
    for (let i = first || array.shape[0] === 1 ? 0 : each; i < array.data.length; i++) yield pick(array.data[i]);
  }
}
const tokenName = (run) => (t) => String(t);
const off = (run, scale, value, rows) => {
  for (let r = 0; r < rows; r++) { const v = value(r, 0); if (known(v) && scale.beyond(v)) return "the first token is beyond the scale (▲ ▼)"; }
  return "";
};

const layerPanel = (body, shown, state) => filling(body, () => {
  const { site, measure } = state, name = `site.${site}.${measure}`, how = MEASURES[measure] ?? { title: measure };
  const scale = makeScale(valuesOf(shown.map(([, run]) => run), name, state.first), how);
  for (const [mark, run] of shown) {
    const blocks = run.about.measured?.[site] ?? [];
    if (!run.arrays[name]) { put(body, `layers-${mark}`, element("p", { class: "said" }, `${run.label}: not recorded`)); continue; }
    const value = (r, t) => get(run, name, t, r);
    const words = (r, t) => `layer ${blocks[r]}, token ${t} ${piece(run, t)}: ${number(value(r, t))}`;
    cells(chart(body, `layers-${mark}`), {
      rows: blocks.length, columns: run.n, value, scale, words, title: `${shown.length > 1 ? `${run.label}: ` : ""}${siteName(run, site)}, ${how.title}`,
      rowName: (r) => String(blocks[r]), columnName: tokenName(run), axes: "layer ↑  token →", unit: how.title, note: state.first ? "" : off(run, scale, value, blocks.length),
      cursor: { row: Math.max(0, blocks.indexOf(state.layer)), column: Math.min(state.t, run.n - 1) }, pick: (r, t) => state.go({ layer: blocks[r], t }),
    });
    profile(chart(body, `profile-${mark}`), run, blocks, (r) => value(r, Math.min(state.t, run.n - 1)), scale, how, state);
  }
});
// A bar a layer, of the current token, on the scale of the whole text.
const profile = (figure, run, blocks, value, scale, how, state) => {
  const canvas = figure.querySelector("canvas"), tall = 110, top = 24, left = 34, right = 8;
  const [g, width] = sized(canvas, tall + top + 20), w = (width - left - right) / blocks.length;
  const zero = scale.signed ? top + tall / 2 : top + tall, t = Math.min(state.t, run.n - 1);
  g.fillStyle = style("--ink"); g.font = g.font.replace("12px", "600 13px"); g.textAlign = "left";
  g.fillText(clipped(g, `token ${t} ${piece(run, t)}: ${how.title} by layer`, width - 62), 0, 14);
  g.font = '11px system-ui, "Segoe UI", Roboto, Arial, sans-serif'; g.strokeStyle = style("--line"); g.lineWidth = 1;
  g.strokeRect(left, top, width - left - right, tall);
  blocks.forEach((block, r) => {
    const v = value(r), x = left + r * w;
    if (!known(v)) { hatch(g, x + 1, top, Math.max(1, w - 2), tall); return; }
    const y = top + tall * (1 - Math.max(0, Math.min(1, scale.place(v))));
    g.fillStyle = css(scale.colour(v)); g.fillRect(x + 1, Math.min(y, zero), Math.max(1, w - 2), Math.max(1, Math.abs(zero - y)));
    if (block === state.layer) { g.strokeStyle = style("--ink"); g.lineWidth = 2; g.strokeRect(x + 0.5, top, w - 1, tall); }
    const way = scale.beyond(v);
    if (way) { g.fillStyle = style("--ink"); g.textAlign = "center"; g.fillText(way > 0 ? "▲" : "▼", x + w / 2, way > 0 ? top - 1 : top + tall - 2); }
  });
  g.fillStyle = style("--soft"); g.textAlign = "center";
  const every = Math.ceil(20 / w);
  for (let r = 0; r < blocks.length; r += every) g.fillText(String(blocks[r]), left + (r + 0.5) * w, top + tall + 14);
  g.textAlign = "right"; g.fillText(number(scale.high).slice(0, 6), left - 3, top + 10); g.fillText(number(scale.low).slice(0, 6), left - 3, top + tall);
  const at = blocks.indexOf(state.layer), said = figure.querySelector(".said");
  said.textContent = at < 0 ? "" : `layer ${state.layer}: ${number(value(at))}`;
  canvas.setAttribute("aria-label", `${how.title} of token ${t} by layer: ${blocks.map((b, r) => `${b}: ${number(value(r))}`).join(", ")}`);
  canvas.onclick = (event) => { const r = Math.floor((event.clientX - canvas.getBoundingClientRect().left - left) / w); if (r >= 0 && r < blocks.length) state.go({ layer: blocks[r] }); };
};

const lensPanel = (body, shown, state) => filling(body, () => {
  const measure = state.lens, how = LENS[measure], turn = how.minus ? (v) => (v === undefined ? v : 0 - v) : (v) => v;
  const scale = makeScale(valuesOf(shown.map(([, run]) => run), `lens.${measure}`, true, turn), how);
  for (const [mark, run] of shown) {
    const blocks = run.about.lens ?? [];
    if (!run.arrays["lens.entropy"]) {
      put(body, `lens-${mark}`, element("p", { class: "said" }, `${shown.length > 1 ? `${run.label}: not` : "Not"} recorded: the model's norm and head were not applied after its layers. Ask for it with --lens, or in the form; it costs several times the model itself.`));
      continue;
    }
    const value = (r, t) => turn(get(run, `lens.${measure}`, t, r)), t = Math.min(state.t, run.n - 1);
    const top = (r, c) => label(run, get(run, "lens.candidates", c, r, 0));
    cells(chart(body, `lens-${mark}`), {
      rows: blocks.length, columns: run.n, value, scale, title: `${shown.length > 1 ? `${run.label}: ` : ""}${how.title}`, rowName: (r) => String(blocks[r]), columnName: tokenName(run),
      axes: "layer ↑  token →", unit: [how.title, how.unit].filter(Boolean).join(", "), words: (r, c) => `after layer ${blocks[r]}, token ${c} ${piece(run, c)}: ${number(value(r, c))}, says ${top(r, c)}`,
      cursor: { row: Math.max(0, blocks.indexOf(state.layer)), column: t }, pick: (r, c) => state.go({ layer: blocks[r], t: c }),
    });
    const rows = blocks.map((block, r) => element("tr", { class: block === state.layer ? "came" : undefined },
      element("th", { scope: "row" }, `${block}`), element("td", { class: "word", dir: "auto" }, top(r, t)), element("td", {}, percent(Math.exp(get(run, "lens.log_probabilities", t, r, 0)))),
      element("td", {}, number(get(run, "lens.entropy", t, r))), element("td", {}, number(get(run, "lens.divergence", t, r)))));
    rows.push(element("tr", {}, element("th", { scope: "row" }, "model"), element("td", { class: "word", dir: "auto" }, label(run, get(run, "next.candidates", t, 0))),
      element("td", {}, percent(Math.exp(get(run, "next.log_probabilities", t, 0)))), element("td", {}, number(get(run, "next.entropy", t))), element("td", {}, "0")));
    const made = table(`after token ${t} ${piece(run, t)}: what would come next, were each layer the last`, ["layer", "likeliest", "p", "entropy", "KL"], rows);
    put(body, `lens-table-${mark}`, element("details", { class: "more", open: true }, element("summary", {}, "layer by layer"), made));
  }
});
