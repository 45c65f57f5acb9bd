// Two runs, by position: where they part, and what differs.
const comparePanel = (body, shown, state) => filling(body, () => {
  const [[, a], [, b]] = shown, n = Math.min(a.n, b.n);
  let parted = 0;
  while (parted < n && a.tokens[parted] === b.tokens[parted]) parted++;
  const same = parted === n ? (a.n === b.n ? "All tokens are the same." : `The ${n} tokens that both have are the same.`) : `The same up to token ${parted}: there ${a.label} has ${piece(a, parted)}, ${b.label} has ${piece(b, parted)}.`;
  const mean = (run) => { let sum = 0; for (let t = 1; t < run.n; t++) sum += QUANTITIES.surprisal.of(run, t); return run.n > 1 ? sum / (run.n - 1) : undefined; };
  put(body, "parted", element("p", { class: "said" }, `${same} Numbers are of ${b.label} minus ${a.label}; where the tokens differ they are of different tokens. Both must have been recorded: what one lacks is hatched.`));
  const [ma, mb] = [mean(a), mean(b)];
  put(body, "means", few([["mean surprisal", `${number(ma)} → ${number(mb)} nats`], ["difference", number(mb - ma)], ["models", `${a.about.model}, ${b.about.model}`]]));
  const minus = (p, q) => (known(p) && known(q) ? q - p : undefined);
  const map = (name, title, axes, rows, columns, value, rowName, cursor, pick, words, sideways) => {
    const all = [];
    for (let c = state.first || columns === 1 || sideways ? 0 : 1; c < columns; c++) for (let r = 0; r < rows; r++) all.push(value(r, c));
    if (!all.some(known)) { put(body, name, element("p", { class: "said" }, `${title}: not to be had, one of the two has not recorded it.`)); return; }
    const scale = makeScale(all, { signed: true });
    cells(chart(body, name), { rows, columns, value, scale, title, axes, unit: "difference", rowName, cursor, pick, sideways, words: (r, c) => `${words(r, c)}: ${number(value(r, c))}`, note: state.first || sideways ? "" : off(null, scale, value, rows) });
  };
  const blocks = (a.about.measured?.[state.site] ?? []).filter((i) => b.about.measured?.[state.site]?.includes(i));
  const place = (run, i) => run.about.measured[state.site].indexOf(i), site = `site.${state.site}.${state.measure}`;
  const t = Math.min(state.t, n - 1), what = MEASURES[state.measure]?.title ?? state.measure;
  if (n) {
    map("difference-layers", `${siteName(a, state.site)}, ${what}: difference`, "layer ↑  token →", Math.max(1, blocks.length), n, (r, c) => blocks.length ? minus(get(a, site, c, place(a, blocks[r])), get(b, site, c, place(b, blocks[r]))) : undefined,
      (r) => String(blocks[r]), { row: Math.max(0, blocks.indexOf(state.layer)), column: t }, (r, c) => state.go({ layer: blocks[r], t: c }), (r, c) => `layer ${blocks[r]}, token ${c}`);
    const name = `heads.${state.ofHeads}`, shapes = [a, b].map((run) => run.arrays[name]?.shape ?? [0, 0, 0]), depth = Math.min(shapes[0][1], shapes[1][1]), heads = Math.min(shapes[0][2], shapes[1][2]);
    if (depth) map("difference-heads", `token ${t}: attention, ${HEADS[state.ofHeads].title}: difference`, "layer ↑  head →", depth, heads, (r, h) => minus(get(a, name, t, r, h), get(b, name, t, r, h)),
      undefined, { row: Math.min(state.layer, depth - 1), column: Math.min(state.head, heads - 1) }, (r, h) => state.go({ layer: r, head: h }), (r, h) => `layer ${r}, head ${h}`, true);
  }
});
