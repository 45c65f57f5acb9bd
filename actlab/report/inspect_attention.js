// Attention: every head by itself; where one looks, if its rows are there or can be had.
const rowsOf = (run, layer, head) => {
  const kept = run.arrays[`rows.${layer}`];
  if (kept) return (t, s) => (s > t ? undefined : kept.data[(t * kept.shape[1] + head) * kept.shape[2] + s]);
  const got = run.rows[`${layer}.${head}`];
  return got && got.n === run.n ? (t, s) => (s > t ? undefined : got.data[t * got.n + s]) : null;
};
const attentionPanel = (body, shown, state) => filling(body, () => {
  const name = `heads.${state.ofHeads}`, how = HEADS[state.ofHeads], scale = makeScale(valuesOf(shown.map(([, run]) => run), name, state.first), how);
  for (const [mark, run] of shown) {
    const array = run.arrays[name], t = Math.min(state.t, run.n - 1), which = shown.length > 1 ? `${run.label}: ` : "";
    if (!array) { put(body, `heads-${mark}`, element("p", { class: "said" }, `${which}heads were not recorded.`)); continue; }
    const [, depth, heads] = array.shape, layer = Math.min(state.layer, depth - 1), head = Math.min(state.head, heads - 1);
    cells(chart(body, `heads-${mark}`), {
      rows: depth, columns: heads, value: (r, h) => get(run, name, t, r, h), scale, title: `${which}token ${t} ${piece(run, t)}: ${how.title}, every head`, axes: "layer ↑  head →", unit: [how.title, how.unit].filter(Boolean).join(", "),
      words: (r, h) => `layer ${r}, head ${h}: ${number(get(run, name, t, r, h))}`, cursor: { row: layer, column: head }, sideways: true, pick: (r, h) => state.go({ layer: r, head: h }),
    });
    const value = (r, c) => get(run, name, c, r, head);
    cells(chart(body, `heads-tokens-${mark}`), {
      rows: depth, columns: run.n, value, scale, title: `${which}head ${head} of each layer: ${how.title}`, columnName: tokenName(run), axes: "layer ↑  token →", unit: [how.title, how.unit].filter(Boolean).join(", "),
      words: (r, c) => `layer ${r}, head ${head}, token ${c} ${piece(run, c)}: ${number(value(r, c))}`, note: state.first ? "" : off(run, scale, value, depth),
      cursor: { row: layer, column: t }, pick: (r, c) => state.go({ layer: r, t: c }),
    });
    looks(body, mark, run, layer, head, t, which, state);
  }
});
const looks = (body, mark, run, layer, head, t, which, state) => {
  const row = rowsOf(run, layer, head), title = `${which}where layer ${layer}, head ${head} looks from token ${t} ${piece(run, t)}`;
  if (!row) {
    const made = element("p", { class: "said" }, `${title}: `);
    if (state.askRows) {
      const button = element("button", { type: "button" }, run.asking ? "reading the text again…" : "show its rows of attention");
      button.disabled = Boolean(run.asking);
      button.addEventListener("click", () => state.askRows(run, layer, head));
      made.append(button);
      if (run.refused) made.append(` ${run.refused}`);
    } else made.append("its rows were not recorded. Ask for them with --rows.");
    put(body, `looks-${mark}`, made);
    return;
  }
  const scale = makeScale([], { low: 0, high: 1 }), box = element("div", { class: "strip", role: "img", "aria-label": title });
  const order = [...Array(t + 1).keys()].sort((a, b) => row(t, b) - row(t, a));
  for (let s = 0; s <= t; s++) {
    const v = row(t, s), chip = element("span", { class: `t${known(v) ? "" : " none"}`, dir: "auto", title: `token ${s}: ${percent(v)}` }, piece(run, s));
    if (known(v)) { const c = scale.colour(v); chip.style.background = css(c); chip.style.color = inkOn(c); }
    box.append(chip);
  }
  const most = order.slice(0, 5).map((s) => `${s} ${piece(run, s)} ${percent(row(t, s))}`).join(",  ");
  put(body, `looks-${mark}`, element("div", { class: "looks" }, element("p", { class: "said" }, `${title}, 0 to 100 %. Most: ${most}`), box));
  cells(chart(body, `rows-${mark}`), {
    rows: run.n, columns: run.n, value: (r, c) => row(r, c), scale, height: Math.min(320, Math.max(160, run.n * 6)), title: `${which}layer ${layer}, head ${head}: weights`, axes: "reading token ↑  looks at token →", unit: "weight",
    words: (r, c) => (c > r ? `token ${r} cannot see token ${c}` : `token ${r} ${piece(run, r)} looks at ${c} ${piece(run, c)}: ${percent(row(r, c))}`), cursor: { row: t }, pick: (r) => state.go({ t: r }),
  });
};
