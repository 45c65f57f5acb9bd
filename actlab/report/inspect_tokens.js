// The text as boxes, and the probabilities of a token.
const strip = (box, run, quantity, scale, other) => {
  const q = QUANTITIES[quantity];
  box.replaceChildren(...run.pieces.map((_, t) => {
    const v = q.of(run, t), made = element("span", { class: `t${t < run.prompt ? " given" : ""}${known(v) ? "" : " none"}${other && other.tokens[t] !== run.tokens[t] ? " differs" : ""}`, "data-t": t, dir: "auto" }, piece(run, t));
    if (known(v)) { const c = scale.colour(v); made.style.background = css(c); made.style.color = inkOn(c); }
    return made;
  }));
};
const stripKey = (canvas, scale, quantity) => {
  const [g, width] = sized(canvas, 34), q = QUANTITIES[quantity];
  key(g, scale, 2, 4, width - 4, q.title + (q.unit ? `, ${q.unit}` : ""));
  canvas.setAttribute("aria-label", `${q.title}: from ${number(scale.low)} to ${number(scale.high)}`);
};

// Rows of a distribution: raw candidates, those only filtered, and the token that came if it is in neither.
const odds = (run, row, came) => {
  const found = new Map();
  const k = run.arrays["next.candidates"]?.shape[1] ?? 0;
  const entry = (id) => found.get(id) ?? found.set(id, { id }).get(id);
  let full = true;
  for (let i = 0; i < k; i++) entry(get(run, "next.candidates", row, i)).raw = get(run, "next.log_probabilities", row, i);
  for (let i = 0; i < k; i++) {
    const p = get(run, "next.filtered_log_probabilities", row, i);
    if (p === -Infinity) { full = false; continue; }
    entry(get(run, "next.filtered_candidates", row, i)).left = p;
  }
  if (came !== undefined) {
    const own = entry(came);
    own.came = true;
    own.raw ??= get(run, "next.log_probability", row);
    own.left ??= get(run, "next.filtered_log_probability", row);
    own.rank = get(run, "next.rank", row);
  }
  // a candidate that the filtered list, not being full, lacks was cut; else it is only not among the k
  for (const one of found.values()) one.left ??= full ? undefined : -Infinity;
  return [...found.values()].sort((a, b) => (b.raw ?? -Infinity) - (a.raw ?? -Infinity));
};
const share = (log) => {
  const cell = element("td", {}, log === undefined ? "–" : log === -Infinity ? "cut" : percent(Math.exp(log)));
  if (known(log)) { const bar = element("span", { class: "bar" }); bar.style.width = `${100 * Math.exp(log)}%`; cell.append(bar); }
  return cell;
};
const oddsTable = (run, row, came, caption) => table(caption, ["token", "raw", "filtered"], odds(run, row, came).map((one) =>
  element("tr", { class: one.came ? "came" : undefined, "data-token": one.id },
    element("th", { class: "word", scope: "row", dir: "auto", title: label(run, one.id) }, `${one.came ? "● " : ""}${label(run, one.id)}${one.came && one.rank > (run.arrays["next.candidates"]?.shape[1] ?? 0) ? `  (rank ${number(one.rank)})` : ""}`),
    share(one.raw), share(one.left))));
const few = (pairs) => element("dl", { class: "few" }, ...pairs.map(([k, v]) => element("div", {}, element("dt", {}, k), element("dd", {}, v))));

const tokenPanel = (body, shown, t) => filling(body, () => shown.forEach(([mark, run]) => {
  const name = (what) => `${what}-${mark}`;
  if (t >= run.n) { put(body, name("facts"), element("p", { class: "said" }, `${run.label} ends before this token.`)); return; }
  const nats = QUANTITIES.surprisal.of(run, t);
  put(body, name("facts"), few([
    ...(shown.length > 1 ? [["run", run.label]] : []),
    ["token", `${piece(run, t)} (${run.tokens[t]})`], ["position", `${t}, ${t < run.prompt ? "given" : "drawn"}`],
    ["surprisal", nats === undefined ? "–" : `${number(nats)} nats, ${number(nats / Math.LN2)} bits`],
    ["probability", percent(QUANTITIES.probability.of(run, t))], ["rank", number(own(run, "next.rank", t))],
    ["entropy before: raw", number(own(run, "next.entropy", t))], ["filtered", number(own(run, "next.filtered_entropy", t))],
    ["entropy after: raw", number(get(run, "next.entropy", t))], ["filtered", number(get(run, "next.filtered_entropy", t))],
  ]));
  const pair = element("div", { class: "body two" });
  pair.append(t ? oddsTable(run, t - 1, run.tokens[t], t < run.prompt ? "what was expected here (this token was given)" : "how this token was chosen")
    : element("p", { class: "said" }, "Nothing foretells the first token: there is no distribution before it."));
  pair.append(oddsTable(run, t, t + 1 < run.n ? run.tokens[t + 1] : undefined, "after reading it: what comes next"));
  put(body, name("odds"), pair);
}));
