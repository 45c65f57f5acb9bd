// The form and the server: a run is streamed line by line; closing the stream stops the model.
const FIELDS = ["prompt", "new", "temperature", "top_k", "top_p", "min_p", "seed", "ablate", "swap"];
const MOST_RUNS = 6, MOST_KEPT = 4500000; // characters that a browser keeps for a tab, at the least
let model = null, running = null;
const say = (words) => { $("state").textContent = words; };
const complain = (words) => { $("wrong").hidden = !words; $("wrong").textContent = words ?? ""; };
const remember = () => {
  const form = Object.fromEntries(FIELDS.map((id) => [id, $(id).value]));
  const kind = document.querySelector("[name=kind]:checked").value;
  sessionStorage.setItem("form", JSON.stringify({ ...form, kind, lens: $("with-lens").checked }));
};
const whole = (run) => ({ ...run.head, label: run.label, parts: run.parts, asked: run.asked, rows: run.rowsTold });
const keep = () => {
  const runs = JSON.stringify(state.runs.map(whole));
  try {
    if (runs.length > MOST_KEPT) throw new Error("too long");
    sessionStorage.setItem("runs", runs);
  } catch { sessionStorage.removeItem("runs"); }
};
const restored = (head) => {
  const run = makeRun(head);
  run.asked = head.asked; run.rowsTold = {}; run.id = ++made;
  for (const [where, told] of Object.entries(head.rows ?? {})) takeRows(run, where, told);
  return run;
};
let made = 0;
const takeRows = (run, where, told) => { run.rowsTold[where] = told; run.rows[where] = { n: told[0][0], data: decode(told).data }; };
const restore = () => {
  const form = JSON.parse(sessionStorage.getItem("form") ?? "null");
  if (form) {
    for (const id of FIELDS) $(id).value = form[id];
    document.querySelector(`[name=kind][value=${form.kind === "chat" ? "chat" : "text"}]`).checked = true;
    $("with-lens").checked = form.lens;
  }
  for (const head of JSON.parse(sessionStorage.getItem("runs") ?? "[]")) state.runs.push(restored(head));
  if (state.runs.length) { state.a = state.runs.length - 1; state.t = Math.min(chosen().prompt, chosen().n - 1); state.layer = Math.floor(chosen().about.depth / 2); draw(); }
};
const units = (text) => {
  const sites = {};
  for (const part of text.split(";").map((p) => p.trim()).filter(Boolean)) {
    const match = /^([\w.]+)\s*:\s*(\d+(?:[\s,]+\d+)*)$/.exec(part);
    if (!match) throw new Error(`silence units: ${part} is not like blocks.3.mlp.act: 17, 912`);
    sites[match[1]] = [...(sites[match[1]] ?? []), ...match[2].split(/[\s,]+/).map(Number)];
  }
  return sites;
};
const question = () => {
  const value = (id) => { const v = $(id).valueAsNumber; if (Number.isNaN(v)) throw new Error(`${id === "new" ? "new tokens" : id}: not a number`); return v; };
  const asked = { max_new_tokens: value("new") };
  for (const id of ["temperature", "top_k", "top_p", "min_p", "seed"]) asked[id] = value(id);
  const text = $("prompt").value;
  if (document.querySelector("[name=kind]:checked").value === "chat") asked.messages = [{ role: "user", content: text }]; else asked.prompt = text;
  const ablate = units($("ablate").value), swap = $("swap").value.trim();
  if (Object.keys(ablate).length) asked.ablate = ablate;
  if (swap) asked.swap = swap;
  if ($("with-lens").checked) asked.lens = true;
  return asked;
};
const titled = (asked) => [
  asked.max_new_tokens ? (asked.temperature ? `T ${asked.temperature}, seed ${asked.seed}` : "greedy") : "read",
  asked.swap ? `with ${asked.swap}` : "", asked.ablate ? `without ${Object.values(asked.ablate).flat().length} units` : "",
].filter(Boolean).join(", ");
const post = (path, body, signal) => fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
async function* lines(response) {
  const reader = response.body.getReader(), decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    waiting += done ? decoder.decode() : decoder.decode(value, { stream: true });
    const full = waiting.split("\n");
    waiting = full.pop();
    for (const line of full) yield JSON.parse(line);
    if (done) { if (waiting) throw new Error("the server's answer broke off"); return; }
  }
}
const refusal = async (response) => { try { return (await response.json()).error; } catch { return `the server answered ${response.status}`; } };
const generate = async () => {
  if (running || $("go").disabled) return;
  complain(null); remember();
  let asked;
  try { asked = question(); } catch (error) { complain(error.message); return; }
  running = new AbortController();
  $("go").disabled = true; $("stop").disabled = false;
  const begun = performance.now(), seconds = () => ((performance.now() - begun) / 1000).toFixed(1);
  let run = null, ended = "stopped";
  const clock = setInterval(() => { if (!run) say(`waiting for the first tokens, ${seconds()} s; a new length, change or lens is compiled first`); }, 200);
  try {
    const response = await post("/api/generate", asked, running.signal);
    if (!response.ok) { ended = null; complain(await refusal(response)); return; }
    for await (const told of lines(response)) {
      if (told.event === "error") { ended = null; complain(told.error); }
      else if (told.event === "end") ended = told.reason;
      else if (told.event === "part") {
        if (!run) {
          run = makeRun({ ...told.head, label: `${++made}: ${titled(asked)}` });
          run.asked = asked; run.id = made; run.rowsTold = {};
          if (state.runs.length === MOST_RUNS) { state.runs.shift(); state.b = state.b > 0 ? state.b - 1 : -1; state.a -= 1; }
          state.runs.push(run);
          state.a = state.runs.length - 1;
          if (state.b === state.a) state.b = -1;
          state.t = 0;
          if (state.runs.length === 1) state.layer = Math.floor(run.about.depth / 2);
        }
        const following = state.t >= run.n - 1;
        append(run, told.part);
        if (following) state.t = run.n - 1;
        draw();
        say(`${run.n} tokens, ${run.n - run.prompt} drawn, ${seconds()} s`);
      }
    }
  } catch (error) {
    if (error.name !== "AbortError") { ended = null; complain(`broken off: ${error.message}`); }
  } finally {
    running.abort();
    clearInterval(clock);
    const why = { end: "the model ended its turn", length: "as many as asked for", stopped: "stopped" }[ended] ?? "broken off";
    say(run ? `${run.n} tokens, ${run.n - run.prompt} drawn in ${seconds()} s: ${why}` : ended ? why : "");
    running = null;
    $("go").disabled = false; $("stop").disabled = true;
    if (run) keep();
  }
};
state.askRows = async (run, layer, head) => {
  if (run.asking) return;
  run.asking = true; run.refused = ""; draw();
  try {
    const { ablate, swap } = run.asked ?? {};
    const response = await post("/api/rows", { tokens: run.tokens, layer, head, ...(ablate ? { ablate } : {}), ...(swap ? { swap } : {}) });
    if (response.ok) { takeRows(run, `${layer}.${head}`, (await response.json()).rows); keep(); } else run.refused = await refusal(response);
  } catch (error) { run.refused = `the server is gone: ${error.message}`; }
  run.asking = false; draw();
};
state.ablate = (layer, unit) => {
  const field = $("ablate"), site = `blocks.${layer}.mlp.act`;
  let sites;
  try { sites = units(field.value); } catch (error) { complain(error.message); return; }
  sites[site] = [...new Set([...(sites[site] ?? []), unit])];
  field.value = Object.entries(sites).map(([k, v]) => `${k}: ${v.join(", ")}`).join("; ");
  field.closest("details").open = true;
  say(`unit ${unit} of layer ${layer} will be silent: Generate, then choose a run beside`);
};
const watch = async () => {
  try {
    const told = await (await fetch("/api/model")).json();
    if (told.state === "ready") {
      model = told.model;
      $("lead").textContent = `${model.name}: ${model.depth} blocks of ${model.heads} heads, ${model.dtype}. What it computes while it reads and writes, token by token.`;
      $("swaps").replaceChildren(...told.swaps.map((name) => element("option", { value: name })));
      $("new").max = told.longest;
      document.querySelector("[name=kind][value=chat]").disabled = !model.chat;
      if (!model.chat) document.querySelector("[name=kind][value=text]").checked = true;
      $("go").disabled = false; say(`ready after ${told.seconds} s`);
      return;
    }
    if (told.state === "failed") { complain(told.told); say("the model could not be loaded"); return; }
    say(`${told.told}, ${told.seconds} s`);
  } catch (error) { say(`the server does not answer: ${error.message}`); }
  setTimeout(watch, 300);
};
$("ask").addEventListener("submit", (event) => { event.preventDefault(); generate(); });
$("stop").addEventListener("click", () => running?.abort());
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); generate(); }
  if (event.key === "Escape") running?.abort();
});
for (const id of [...FIELDS, "with-lens"]) $(id).addEventListener("change", remember);
document.querySelectorAll("[name=kind]").forEach((radio) => radio.addEventListener("change", remember));
$("html").hidden = false;
$("html").addEventListener("click", async () => {
  const shell = await (await fetch("/shell")).text(), runs = JSON.stringify(state.runs.map(whole)).replaceAll("<", "\\u003c");
  save(`${fileName(chosen())}.html`, shell.split("@@runs@@").join(runs), "text/html");
});
restore();
watch();
