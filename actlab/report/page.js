(() => {
  const { specs, views, themes } = JSON.parse(document.getElementById("views").textContent);
  const CONCAT_MARGIN = 128, HALVES_MARGIN = 100; // as in view.py
  const { filled, embed, dark } = actlabCharts;

  // The same as view.rows: a line becomes a row a point, a grid one a cell, bins become corners, columns rows.
  const pick = (columns, i) => Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[i]]));
  const rows = (table) => {
    if (table.lines) {
      return table.lines.flatMap((line, row) => {
        const key = pick(table.keys, row);
        return line.flatMap((cell, i) => cell === null ? [] : [{
          x: table.x[i], value: cell === "!" ? null : cell, bad: cell === "!", ...key, ...pick(table.marks, i),
        }]);
      });
    }
    if (table.cells) {
      return table.sites.flatMap((site, row) => table.cells[row].flatMap((cell, i) => cell === null ? [] : [{
        site, step: table.steps[i], from: table.edges[i], to: table.edges[i + 1] + table.overlap,
        value: cell === "!" ? null : cell, bad: cell === "!",
      }]));
    }
    if (table.heights) {
      return table.records.flatMap((record, row) => table.heights[row].flatMap((height, i) => [0.02, 0.98].map((corner) => (
        { record, height, at: table.low[row] + table.width[row] * (i + corner) }
      ))));
    }
    const names = Object.keys(table);
    return table[names[0]].map((_, i) => pick(table, i));
  };

  const plots = [...document.querySelectorAll(".plot")].map((box) => ({ box, view: views[+box.dataset.view] }));

  const draw = async (plot) => {
    const total = Math.floor(plot.box.clientWidth);
    if (!total) return;
    const mode = `${total} ${dark.matches}`;
    if (plot.mode === mode) return;
    plot.mode = mode;
    const inner = total - CONCAT_MARGIN;
    const half = Math.floor((total - HALVES_MARGIN) / 2);
    const sizes = { width: total, left: Math.floor(inner * 0.7), right: Math.floor(inner * 0.3), half };
    const spec = filled(specs[plot.view.spec], { ...plot.view.values, ...sizes });
    spec.datasets = Object.fromEntries(Object.entries(plot.view.tables).map(([name, table]) => [name, rows(table)]));
    spec.description = plot.view.label;
    const theme = structuredClone(dark.matches ? themes.dark : themes.light);
    if (total < 420) theme.axis.labelLimit = 84;
    plot.result?.finalize();
    plot.result = await embed(plot.box, spec, theme, plot.view.name);
    if (plot.result) plot.box.dataset.drawn = dark.matches ? "dark" : "light";
    if (plot.result && "start" in plot.view.values) show(plot, plot.view.values.start);
  };

  // The charts against depth hold every step; the slider says which one they show.
  const slider = document.getElementById("depth-step"), play = document.getElementById("depth-play");
  const show = (plot, at) => plot.result.view.signal("chosen", at).runAsync().then(() => { plot.box.dataset.step = at; });
  const choose = (at) => {
    const step = Number(slider.dataset.steps.split(",")[at]).toLocaleString("en");
    slider.value = at;
    slider.setAttribute("aria-valuetext", `step ${step}`);
    slider.parentElement.querySelector("output").textContent = step;
    for (const plot of plots) {
      if (!("start" in plot.view.values)) continue;
      plot.view.values.start = at;
      if (plot.result) show(plot, at);
    }
  };
  if (slider) {
    let running;
    const stop = () => {
      clearInterval(running);
      running = undefined;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    };
    slider.addEventListener("input", () => { stop(); choose(+slider.value); });
    play.addEventListener("click", () => {
      if (running) { stop(); return; }
      choose(+slider.value < +slider.max ? +slider.value : 0);
      play.textContent = "Stop";
      play.setAttribute("aria-pressed", "true");
      running = setInterval(() => {
        choose(+slider.value + 1);
        if (slider.value === slider.max) stop();
      }, 180);
    });
  }

  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const plot = plots.find(({ box }) => box === target);
      plot.near = isIntersecting;
      if (isIntersecting) draw(plot);
    }
  }, { rootMargin: "800px 0px" });
  for (const { box } of plots) near.observe(box);

  const redraw = () => plots.filter((plot) => plot.near).forEach(draw);
  let timer;
  addEventListener("resize", () => { clearTimeout(timer); timer = setTimeout(redraw, 150); });
  dark.addEventListener("change", redraw);
  addEventListener("beforeprint", () => plots.forEach(draw));

  for (const button of document.querySelectorAll("button[data-copy]")) {
    button.addEventListener("click", async () => {
      const code = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }
})();
