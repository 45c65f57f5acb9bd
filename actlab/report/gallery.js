(() => {
  const { card, overlay, themes, colours, functions } = JSON.parse(document.getElementById("data").textContent);
  const { filled, embed, dark } = actlabCharts;
  const ORDERS = ["f", "f′", "f″"];
  const $ = (id) => document.getElementById(id);
  const place = new Map(functions.map(({ name }, i) => [name, i]));
  const cards = [...document.querySelectorAll(".fn")];
  const theme = () => structuredClone(dark.matches ? themes.dark : themes.light);

  // A function's points of one order within ±reach; p tells the pieces between jumps apart. Far outside the picture
  // a line is cut short: canvases do not dash one of a million pixels.
  const points = (f, order, reach, [low, high], more) => {
    const rows = [];
    const floor = 2 * low - high, ceiling = 2 * high - low;
    let piece = 0;
    f.x.forEach((x, i) => {
      if (f.starts[piece + 1] === i) piece += 1;
      const v = Math.max(floor, Math.min(ceiling, f.y[order][i]));
      if (Math.abs(x) <= reach) rows.push({ x, v, p: `${order} ${piece} ${more.n ?? ""}`, ...more });
    });
    return rows;
  };

  const drawCard = async (plot) => {
    const width = Math.floor(plot.box.clientWidth);
    const mode = `${width} ${dark.matches}`;
    if (!width || plot.mode === mode) return;
    plot.mode = mode;
    const f = functions[plot.place], config = theme();
    const spec = filled(card, { width, x: [-f.reach, f.reach], y: f.window });
    config.range.category = ["curve", "derivative", "curvature"].map((name) => config.style[name].color);
    spec.datasets = {
      zero: [{ zero: 0 }],
      lines: [...f.drawn].reverse().flatMap((order) => points(f, order, f.reach, f.window, { o: ORDERS[order] })),
      marks: f.marks.filter(([order]) => f.drawn.includes(order)).map(([order, x, v]) => ({ o: ORDERS[order], x, v })),
    };
    plot.result?.finalize();
    plot.result = await embed(plot.box, spec, config);
    if (plot.result) plot.box.dataset.drawn = dark.matches ? "dark" : "light";
  };

  const clean = (plot) => {
    plot.result?.finalize();
    plot.box.replaceChildren();
    delete plot.box.dataset.drawn;
    plot.result = plot.mode = null;
  };

  const plots = new Map([...document.querySelectorAll(".fn .plot")].map((box) => [box, { box, place: +box.dataset.place }]));
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const plot = plots.get(target);
      plot.near = isIntersecting;
      if (isIntersecting) drawCard(plot); else if (plot.result) clean(plot); // hundreds of canvases are heavy
    }
  }, { rootMargin: "700px 0px" });
  for (const box of plots.keys()) near.observe(box);

  // What is asked for lives here and in the address, so that a view can be sent on.
  const state = { q: "", family: "", kind: "", smooth: "", sort: "name", flags: [], pick: [], order: 0, range: 5 };

  const ranked = (name, also, words) => {
    if (!words.length) return 0;
    const all = words.join(" ");
    return name === all ? 0 : name.startsWith(all) ? 1 : name.includes(all) ? 2 : also.includes(all) ? 3 : 4;
  };

  const choose = () => {
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const left = cards.filter(({ dataset }) => {
      const flags = dataset.flags.split(" ");
      return words.every((word) => dataset.search.includes(word)) && state.flags.every((flag) => flags.includes(flag))
        && (!state.family || dataset.family === state.family) && (!state.kind || dataset.kind === state.kind)
        && (!state.smooth || dataset.smooth === state.smooth);
    });
    const rank = new Map(left.map((node) => [node, ranked(node.id, node.querySelector(".sub").textContent, words)]));
    const key = (node) => functions[+node.dataset.place].sort[state.sort];
    left.sort((a, b) => {
      const [one, other] = [key(a), key(b)];
      const order = one === other ? 0 : one === null ? 1 : other === null ? -1 : one < other ? -1 : 1;
      return rank.get(a) - rank.get(b) || order || (a.id < b.id ? -1 : 1);
    });
    const shown = new Set(left);
    for (const node of cards) node.hidden = !shown.has(node);
    const grid = $("cards");
    if (left.some((node, i) => grid.children[i] !== node)) grid.prepend(...left);
    $("count").textContent = left.length === cards.length ? `${cards.length} functions` : `${left.length} of ${cards.length}`;
    $("none").hidden = left.length > 0;
  };

  let drawn = null;
  const drawOverlay = async () => {
    const box = document.querySelector("#overlay .plot");
    const few = state.pick.length < 1;
    $("overlay").hidden = few;
    $("see").hidden = few;
    $("see").textContent = `Overlay (${state.pick.length})`;
    for (const button of document.querySelectorAll(".pick")) {
      button.setAttribute("aria-pressed", String(state.pick.includes(button.dataset.name)));
    }
    $("picked").replaceChildren(...state.pick.map((name) => {
      const chip = document.createElement("button");
      Object.assign(chip, { type: "button", className: "chip", textContent: name, onclick: () => toggle(name) });
      chip.setAttribute("aria-label", `Remove ${name}`);
      return chip;
    }));
    if (few) { drawn?.finalize(); drawn = null; box.replaceChildren(); return; }
    const { order, range } = state;
    // Steep ends leave the picture; what lies inside decides its height.
    const cap = order === 0 ? 1.2 * range : Math.max(3, 0.6 * range);
    const rows = state.pick.flatMap((name) => points(functions[place.get(name)], order, range, [-cap, cap], { n: name }));
    const values = [0, ...rows.map(({ v }) => Math.max(-cap, Math.min(cap, v)))];
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = 0.05 * (high - low) || 1;
    const width = Math.floor(box.clientWidth);
    const config = theme();
    config.range.category = dark.matches ? colours.dark : colours.light;
    const spec = filled(overlay, {
      width, height: width < 600 ? 260 : 340, x: [-range, range], y: [low - room, high + room], names: state.pick,
      columns: Math.max(1, Math.floor(width / 130)),
    });
    spec.datasets = { zero: [{ zero: 0 }], lines: rows };
    const label = `${ORDERS[order]} of ${state.pick.join(", ")} from ${-range} to ${range}`;
    box.setAttribute("aria-label", label);
    const short = state.pick.filter((name) => functions[place.get(name)].x.at(-1) < range);
    const out = rows.some(({ v }) => Math.abs(v) > cap) ? "Where a line ends at the edge, it goes on outside. " : "";
    $("overlay-note").textContent = (state.pick.length < 2 ? "Pick another one to compare. " : "") + out
      + (short.length ? `${short.join(", ")}: turns too often to be drawn further out. ` : "");
    drawn?.finalize();
    drawn = await embed(box, spec, config, `overlay_${state.pick.join("_")}`);
    box.dataset.drawn = `${label}`;
  };

  const address = () => {
    const said = new URLSearchParams();
    for (const [key, value] of Object.entries(state)) {
      const usual = { sort: "name", order: 0, range: 5 }[key];
      const text = Array.isArray(value) ? value.join(",") : String(value);
      if (text && value !== usual) said.set(key, text);
    }
    history.replaceState(null, "", said.size ? `#?${said}` : location.pathname);
  };

  const toggle = (name) => {
    state.pick = state.pick.includes(name) ? state.pick.filter((other) => other !== name) : [...state.pick, name];
    address();
    drawOverlay();
  };

  const boxes = [...document.querySelectorAll("[name=flag]")];
  const fill = () => {
    const said = new URLSearchParams(location.hash.startsWith("#?") ? location.hash.slice(2) : "");
    for (const key of ["q", "family", "kind", "smooth"]) state[key] = said.get(key) ?? "";
    state.sort = said.get("sort") ?? "name";
    for (const key of ["flags", "pick"]) state[key] = (said.get(key) ?? "").split(",").filter(Boolean);
    state.pick = state.pick.filter((name) => functions[place.get(name)]?.x);
    state.order = [0, 1, 2].includes(+said.get("order")) ? +said.get("order") : 0;
    state.range = [2, 5, 10].includes(+said.get("range")) ? +said.get("range") : 5;
    $("search").value = state.q;
    for (const key of ["family", "kind", "smooth", "sort"]) $(key).value = state[key];
    for (const box of boxes) box.checked = state.flags.includes(box.value);
    for (const name of ["order", "range"]) document.querySelector(`[name=${name}][value="${state[name]}"]`).checked = true;
    choose();
    drawOverlay();
  };

  let timer;
  const soon = (what) => { clearTimeout(timer); timer = setTimeout(what, 80); };
  $("search").addEventListener("input", () => { state.q = $("search").value; soon(() => { address(); choose(); }); });
  for (const key of ["family", "kind", "smooth", "sort"]) {
    $(key).addEventListener("change", () => { state[key] = $(key).value; address(); choose(); });
  }
  for (const box of boxes) {
    box.addEventListener("change", () => {
      state.flags = boxes.filter(({ checked }) => checked).map(({ value }) => value);
      address();
      choose();
    });
  }
  for (const name of ["order", "range"]) {
    $(name).addEventListener("change", ({ target }) => { state[name] = +target.value; address(); drawOverlay(); });
  }
  document.querySelector(".bar").addEventListener("submit", (event) => event.preventDefault());
  $("cards").addEventListener("click", ({ target }) => { if (target.matches(".pick")) toggle(target.dataset.name); });
  $("see").addEventListener("click", () => $("overlay").scrollIntoView());
  $("clear").addEventListener("click", () => { state.pick = []; address(); drawOverlay(); });
  $("reset").addEventListener("click", () => {
    const { pick, order, range } = state;
    Object.assign(state, { q: "", family: "", kind: "", smooth: "", sort: "name", flags: [], pick, order, range });
    address();
    fill();
  });
  addEventListener("hashchange", () => { if (location.hash.startsWith("#?")) fill(); });
  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input,select,textarea")) return;
    event.preventDefault();
    $("search").focus();
  });

  const redraw = () => {
    for (const plot of plots.values()) if (plot.near) drawCard(plot);
    if (state.pick.length) drawOverlay();
  };
  let resized;
  addEventListener("resize", () => { clearTimeout(resized); resized = setTimeout(redraw, 150); });
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => plots.forEach(drawCard));
  if (innerWidth < 640) document.querySelector(".filters").open = false;
  fill();
})();
