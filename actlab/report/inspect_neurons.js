// The units of a layer whose outputs are largest at a token, as points on the activation's own curve.
const neuronPanel = (body, shown, state) => filling(body, () => {
  for (const [mark, run] of shown) {
    const index = run.arrays["units.index"], t = Math.min(state.t, run.n - 1), which = shown.length > 1 ? `${run.label}: ` : "";
    if (!index) { put(body, `units-${mark}`, element("p", { class: "said" }, `${which}units were not recorded.`)); continue; }
    const layer = Math.min(state.layer, index.shape[1] - 1), units = Array.from({ length: index.shape[2] }, (_, i) => ({
      unit: get(run, "units.index", t, layer, i), pre: get(run, "units.pre", t, layer, i), post: get(run, "units.post", t, layer, i), value: get(run, "units.value", t, layer, i),
    }));
    onCurve(chart(body, `curve-${mark}`), run, layer, t, units, which, state);
    const gated = run.about.mlp === "gated", big = Math.max(...units.map((u) => Math.abs(u.value)).filter(Number.isFinite), 1e-30);
    const bar = (v) => { const cell = element("td", {}, number(v)); if (known(v)) { const b = element("span", { class: `bar${v < 0 ? " minus" : ""}` }); b.style.width = `${(100 * Math.abs(v)) / big}%`; cell.append(b); } return cell; };
    put(body, `units-${mark}`, table(`${which}layer ${layer}, token ${t} ${piece(run, t)}: largest units`, ["unit", "pre", "post", ...(gated ? ["post × up"] : []), ...(state.ablate ? [""] : [])], units.map((u) => {
      const row = element("tr", { "data-unit": u.unit }, element("th", { scope: "row" }, `${u.unit}`), element("td", {}, number(u.pre)), gated ? element("td", {}, number(u.post)) : bar(u.post));
      if (gated) row.append(bar(u.value));
      if (state.ablate) {
        const button = element("button", { type: "button", "aria-label": `ablate unit ${u.unit} of layer ${layer}` }, "ablate");
        button.addEventListener("click", () => state.ablate(layer, u.unit));
        row.append(element("td", {}, button));
      }
      return row;
    })));
  }
});
const onCurve = (figure, run, layer, t, units, which, state) => {
  const canvas = figure.querySelector("canvas"), said = figure.querySelector(".said"), curve = run.curves[run.acts[layer]];
  const each = run.arrays["units.pre"], depth = each.shape[1], k = each.shape[2];
  let low = -4, high = 4;
  for (let s = state.first || run.n === 1 ? 0 : 1; s < run.n; s++) for (let i = 0; i < k; i++) { const v = each.data[(s * depth + layer) * k + i]; if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); } }
  const margin = (high - low) * 0.04; low -= margin; high += margin;
  const tall = 200, top = 26, left = 46, right = 10, [g, width] = sized(canvas, tall + top + 34);
  const inside = curve.y ? [...curve.x.keys()].filter((i) => curve.x[i] >= low && curve.x[i] <= high) : [];
  let bottom = 0, most = 0;
  for (const i of inside) if (Number.isFinite(curve.y[i])) { bottom = Math.min(bottom, curve.y[i]); most = Math.max(most, curve.y[i]); }
  if (!inside.length) for (const u of units) if (known(u.post)) { bottom = Math.min(bottom, u.post); most = Math.max(most, u.post); }
  const room = (most - bottom || 1) * 0.06; bottom -= room; most += room;
  const x = (v) => left + ((width - left - right) * (v - low)) / (high - low), y = (v) => top + tall - (tall * (v - bottom)) / (most - bottom);
  g.fillStyle = style("--ink"); g.font = g.font.replace("12px", "600 13px"); g.fillText(clipped(g, `${which}layer ${layer}: ${curve.name}`, width - 62), 0, 14);
  g.font = '11px system-ui, "Segoe UI", Roboto, Arial, sans-serif';
  g.strokeStyle = style("--line"); g.lineWidth = 1; g.beginPath(); g.moveTo(left, y(0)); g.lineTo(width - right, y(0)); g.moveTo(x(0), top); g.lineTo(x(0), top + tall); g.stroke();
  g.save(); g.beginPath(); g.rect(left, top, width - left - right, tall); g.clip();
  g.strokeStyle = style("--soft"); g.lineWidth = 2; g.beginPath();
  inside.forEach((i, n) => (n ? g.lineTo(x(curve.x[i]), y(curve.y[i])) : g.moveTo(x(curve.x[i]), y(curve.y[i])))); g.stroke(); g.restore();
  let outside = 0;
  const named = [];
  units.forEach((u, i) => {
    if (!known(u.pre) || !known(u.post)) return;
    if (u.pre < low || u.pre > high) outside++;
    const px = Math.max(left, Math.min(width - right, x(u.pre))), py = Math.max(top, Math.min(top + tall, y(u.post)));
    g.fillStyle = i < 3 ? style("--link") : style("--soft"); g.strokeStyle = style("--card"); g.lineWidth = 1.5; g.beginPath(); g.arc(px, py, i < 3 ? 6 : 4.5, 0, 7); g.fill(); g.stroke();
    if (i < 3) named.push([px, py, `${u.unit}`]);
  });
  // the names one above the other over the highest point, each with a line to its own
  const above = Math.max(top + 40, Math.min(...named.map(([, py]) => py), top + tall) - 12);
  named.sort((p, q) => p[0] - q[0]).forEach(([px, py, name], i) => {
    const ly = above - 13 * i, right = px > width / 2, lx = px + (right ? -14 : 14);
    g.strokeStyle = style("--soft"); g.lineWidth = 0.8; g.beginPath(); g.moveTo(px, py); g.lineTo(lx, ly); g.stroke();
    g.fillStyle = style("--ink"); g.textAlign = right ? "right" : "left"; g.fillText(name, lx, ly);
  });
  g.fillStyle = style("--soft"); g.textAlign = "left"; g.fillText(number(Number(low.toPrecision(3))), left, top + tall + 14); g.textAlign = "right"; g.fillText(number(Number(high.toPrecision(3))), width - right, top + tall + 14);
  g.textAlign = "center"; g.fillText("pre-activation", (left + width) / 2, top + tall + 28);
  g.textAlign = "right"; g.fillText(number(Number(most.toPrecision(2))), left - 4, top + 10); g.fillText(number(Number(bottom.toPrecision(2))), left - 4, top + tall);
  said.textContent = `${curve.y ? "the curve is the activation itself; points: the units below, the first three with their numbers" : "the activation's own curve is not to be had here; points: the units below"}${outside ? ` · ${outside} beyond the axis, at its edge` : ""}`;
  canvas.setAttribute("aria-label", `layer ${layer}, ${curve.name}: ${units.map((u) => `unit ${u.unit}: ${number(u.pre)} to ${number(u.post)}`).join("; ")}`);
};
