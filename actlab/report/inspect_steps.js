// What is chosen, and everything drawn anew when that changes.
const $ = (id) => document.getElementById(id);
const state = { runs: [], a: 0, b: -1, t: 0, layer: 0, head: 0, site: "resid_post", measure: "l2", ofHeads: "entropy", lens: "divergence", quantity: "surprisal", first: false, askRows: null, ablate: null, drawn: "" };
const chosen = () => state.runs[state.a];
const shownRuns = () => { const other = state.runs[state.b]; return [["a", chosen()], ...(other && state.b !== state.a ? [["b", other]] : [])].filter(([, run]) => run && run.n); };
state.go = (change) => { Object.assign(state, change); draw(); };

const controls = (run) => {
  const named = state.runs.map((r, i) => [String(i), r.label]);
  options($("run-a"), named, String(state.a));
  options($("run-b"), [["-1", "none"], ...named.filter(([i]) => Number(i) !== state.a)], String(state.b));
  options($("quantity"), Object.entries(QUANTITIES).map(([k, q]) => [k, q.title]), state.quantity);
  const recorded = Object.keys(run.about.sites ?? {}).filter((s) => run.about.measured?.[s]?.length);
  state.site = options($("site"), recorded.map((s) => [s, siteName(run, s)]), state.site);
  const measures = Object.keys(run.arrays).filter((k) => k.startsWith(`site.${state.site}.`)).map((k) => k.slice(state.site.length + 6));
  const order = Object.keys(MEASURES);
  measures.sort((x, y) => order.indexOf(x) - order.indexOf(y));
  state.measure = options($("measure"), measures.map((m) => [m, MEASURES[m]?.title ?? m]), state.measure);
  state.ofHeads = options($("of-heads"), Object.entries(HEADS).map(([k, h]) => [k, h.title]), state.ofHeads);
  state.lens = options($("of-lens"), Object.entries(LENS).map(([k, h]) => [k, h.title]), state.lens);
  const layers = Array.from({ length: run.about.depth }, (_, i) => [String(i), String(i)]);
  state.layer = Math.min(state.layer, run.about.depth - 1); state.head = Math.min(state.head, run.about.heads - 1);
  options($("layer"), layers, String(state.layer)); options($("neuron-layer"), layers, String(state.layer));
  options($("head"), Array.from({ length: run.about.heads }, (_, i) => [String(i), String(i)]), String(state.head));
};
const facts = (run) => {
  const s = run.about.sampling ?? {}, drawn = run.n - run.prompt;
  const how = [s.temperature ? `temperature ${s.temperature}` : "greedy", s.top_k ? `top-k ${s.top_k}` : "", s.top_p < 1 ? `top-p ${s.top_p}` : "", s.min_p ? `min-p ${s.min_p}` : "", s.temperature ? `seed ${s.seed}` : ""].filter(Boolean).join(", ");
  const edited = run.about.edited?.length ? run.about.edited.join(", ") : "nothing";
  const acts = [...new Set(run.acts)].map((i) => run.curves[i].name).join(", ");
  const pairs = [["model", run.about.model], ["blocks × heads", `${run.about.depth} × ${run.about.heads}`], ["width, hidden", `${run.about.width}, ${run.about.hidden}`], ["activation", acts], ["tokens", `${run.prompt} given, ${drawn} drawn`], ["chosen by", how], ["changed inside", edited]];
  $("facts").replaceChildren(...pairs.map(([k, v]) => element("div", {}, element("dt", {}, k), element("dd", {}, v))));
};

const draw = () => {
  const run = chosen(), shown = shownRuns();
  $("shown").hidden = !shown.length || !run?.n;
  if (!run || !run.n) return;
  const longest = Math.max(...shown.map(([, r]) => r.n));
  state.t = Math.max(0, Math.min(longest - 1, state.t));
  controls(run); facts(run);
  $("at").max = longest - 1; $("at").value = state.t;
  const told = (r) => (state.t < r.n ? `${piece(r, state.t)}` : "(ended)");
  $("now").textContent = `token ${state.t} of ${longest}: ${shown.map(([, r]) => told(r)).join("  |  ")}`;
  $("at").setAttribute("aria-valuetext", $("now").textContent);
  $("back").disabled = state.t === 0; $("on").disabled = state.t === longest - 1;
  const other = shown[1]?.[1], q = QUANTITIES[state.quantity];
  const drawn = [state.a, state.b, run.n, other?.n, state.quantity, dark.matches, state.runs.length, run.id, other?.id].join();
  if (drawn !== state.drawn) {
    const all = shown.flatMap(([, r]) => Array.from({ length: r.n }, (_, t) => q.of(r, t)));
    const scale = makeScale(all, q);
    strip($("strip-a"), run, state.quantity, scale, other);
    $("strip-b").hidden = !other;
    if (other) strip($("strip-b"), other, state.quantity, scale, run); else $("strip-b").replaceChildren();
    stripKey($("strip-key"), scale, state.quantity);
    state.drawn = drawn;
  }
  for (const box of [$("strip-a"), $("strip-b")]) {
    box.querySelector(".now")?.classList.remove("now");
    const at = box.children[state.t];
    if (!at) continue;
    at.classList.add("now");
    if (at.offsetTop < box.scrollTop + box.offsetTop || at.offsetTop + at.offsetHeight > box.scrollTop + box.offsetTop + box.clientHeight) box.scrollTop = at.offsetTop - box.offsetTop - box.clientHeight / 2;
  }
  const body = (id) => $(id).querySelector(".body");
  tokenPanel(body("token"), shown, state.t);
  layerPanel(body("layers"), shown, state);
  attentionPanel(body("attention"), shown, state);
  neuronPanel(body("neurons"), shown, state);
  lensPanel(body("lens"), shown, state);
  $("compare").hidden = !other;
  if (other) comparePanel(body("compare"), shown, state);
};

const step = (by) => state.go({ t: state.t + by });
$("back").addEventListener("click", () => step(-1));
$("on").addEventListener("click", () => step(1));
$("at").addEventListener("input", () => state.go({ t: Number($("at").value) }));
$("first").addEventListener("change", () => state.go({ first: $("first").checked }));
for (const [id, name, turn] of [["quantity", "quantity"], ["site", "site"], ["measure", "measure"], ["of-heads", "ofHeads"], ["of-lens", "lens"], ["layer", "layer", Number], ["neuron-layer", "layer", Number], ["head", "head", Number], ["run-b", "b", Number]]) {
  $(id).addEventListener("change", () => state.go({ [name]: (turn ?? String)($(id).value) }));
}
$("run-a").addEventListener("change", () => { const a = Number($("run-a").value); state.go({ a, b: state.b === a ? -1 : state.b }); });
for (const id of ["strip-a", "strip-b"]) $(id).addEventListener("click", (event) => { const at = event.target.closest("[data-t]"); if (at) state.go({ t: Number(at.dataset.t) }); });
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select") || $("shown").hidden) return;
  const way = { ArrowRight: 1, ArrowLeft: -1, Home: -Infinity, End: Infinity, PageDown: 10, PageUp: -10 }[event.key];
  if (way === undefined || (Math.abs(way) > 1 && event.target === document.body && Math.abs(way) === 10)) return;
  event.preventDefault(); step(way);
});
const fileName = (run) => `actlab-${run.about.model.replace(/[^\w.-]+/g, "-")}`;
$("json").addEventListener("click", () => save(`${fileName(chosen())}.json`, asJson(chosen()), "application/json"));
$("npz").addEventListener("click", () => save(`${fileName(chosen())}.npz`, asNpz(chosen())));
dark.addEventListener("change", draw);
let resized = null;
addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(() => { state.drawn = ""; draw(); }, 120); });

for (const head of JSON.parse($("runs").textContent)) state.runs.push(makeRun(head));
if (state.runs.length) {
  state.b = state.runs.length > 1 ? 1 : -1;
  const run = chosen();
  state.t = run.prompt < run.n ? run.prompt : Math.min(1, run.n - 1);
  state.layer = Math.floor(run.about.depth / 2);
}
draw();
