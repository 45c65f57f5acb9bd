"use strict";
(() => {
  const { films, colours } = JSON.parse(document.getElementById("films").textContent);
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const slider = document.getElementById("frame"), play = document.getElementById("play"), told = document.getElementById("step");
  const bytes = (text, Kind) => new Kind(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const percent = (v) => `${(100 * v).toFixed(v < 0.9995 && v > 0.0005 ? 1 : 0)} %`;
  const LEVELS = 32;
  const frames = Math.max(...films.map((film) => film.steps.length));
  for (const film of films) {
    film.map = bytes(film.map, Uint8Array);
    film.points = bytes(film.points, Int8Array);
  }
  const alike = films.every((film) => film.steps.join() === films[0].steps.join());
  slider.max = frames - 1;

  const palette = () => colours[dark.matches ? "dark" : "light"];
  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
  const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  const dot = (g, x, y, label, size) => {
    g.beginPath();
    g.arc(x, y, size, 0, 2 * Math.PI);
    g.fillStyle = palette()[label];
    g.fill();
    g.lineWidth = 1.2;
    g.strokeStyle = style("--card");
    g.stroke();
  };

  const ground = (g, film, frame, side) => {
    const n = film.grid, image = new ImageData(n, n), sets = palette().map(rgb);
    for (let row = 0; row < n; row++)
      for (let column = 0; column < n; column++) {
        const cell = film.map[(frame * n + row) * n + column], at = 4 * ((n - 1 - row) * n + column);
        const [r, gr, b] = sets[Math.floor(cell / LEVELS)];
        image.data.set([r, gr, b, 20 + 130 * (cell % LEVELS) / (LEVELS - 1)], at);
      }
    const small = new OffscreenCanvas(n, n);
    small.getContext("2d").putImageData(image, 0, 0);
    g.imageSmoothingEnabled = true;
    g.drawImage(small, 0, 0, side, side);
  };

  const panel = (canvas, film, frame, layer) => {
    const g = canvas.getContext("2d"), side = canvas.width, n = film.samples;
    g.clearRect(0, 0, side, side);
    if (layer === 0) {
      ground(g, film, frame, side);
      const [x0, x1, y0, y1] = film.extent;
      film.inputs.forEach(([x, y], i) => dot(g, (x - x0) / (x1 - x0) * side, side - (y - y0) / (y1 - y0) * side, film.labels[i], 4));
      return;
    }
    const start = (frame * film.layers.length + layer) * n * 2, half = side / 2 - 10;
    for (let i = 0; i < n; i++)
      dot(g, side / 2 + film.points[start + 2 * i] / 127 * half, side / 2 - film.points[start + 2 * i + 1] / 127 * half, film.labels[i], 4.5);
  };

  // Probe accuracies over the moments, a line for each layer, the network's own in ink.
  const course = (canvas, film, frame) => {
    const g = canvas.getContext("2d"), { width, height } = canvas, left = 66, right = width - 190, top = 16, bottom = height - 40;
    const count = film.steps.length, least = Math.min(...film.probes.flat(), ...film.accuracy), low = Math.floor(least * 10) / 10;
    const x = (k) => left + (right - left) * k / (count - 1), y = (v) => bottom - (bottom - top) * (v - low) / (1 - low || 1);
    g.clearRect(0, 0, width, height);
    g.font = "22px system-ui, sans-serif";
    g.textBaseline = "middle";
    g.strokeStyle = style("--line");
    g.fillStyle = style("--soft");
    for (const v of [low, (1 + low) / 2, 1]) {
      g.beginPath(); g.moveTo(left, y(v)); g.lineTo(right, y(v)); g.stroke();
      g.textAlign = "right"; g.fillText(`${Math.round(100 * v)}`, left - 8, y(v));
    }
    g.textAlign = "center";
    for (const k of [0, Math.round((count - 1) / 2), count - 1]) g.fillText(film.steps[k].toLocaleString("en"), x(k), bottom + 22);
    const lines = film.layers.map((name, k) => [name.replace(/\.act$/, ""), film.probes.map((row) => row[k]), 0.3 + 0.7 * k / (film.layers.length - 1)]);
    const ends = [];
    const line = (name, values, colour, alpha, dash) => {
      g.globalAlpha = alpha; g.strokeStyle = colour; g.lineWidth = 3.5; g.setLineDash(dash);
      g.beginPath(); values.forEach((v, k) => k ? g.lineTo(x(k), y(v)) : g.moveTo(x(k), y(v))); g.stroke();
      g.globalAlpha = 1; g.setLineDash([]);
      ends.push([y(values[count - 1]), name, colour, alpha]);
    };
    for (const [name, values, alpha] of lines) line(name, values, palette()[0], alpha, []);
    line("network", film.accuracy, style("--ink"), 1, [9, 6]);
    ends.sort((a, b) => a[0] - b[0]);
    ends.forEach((end, i) => { if (i) end[0] = Math.max(end[0], ends[i - 1][0] + 23); });
    const over = Math.max(0, ends[ends.length - 1][0] - bottom);
    g.textAlign = "left";
    for (const [at, name, colour, alpha] of ends) { g.fillStyle = colour; g.globalAlpha = Math.max(alpha, 0.6); g.fillText(name, right + 10, at - over); }
    g.globalAlpha = 1;
    g.strokeStyle = style("--ink"); g.lineWidth = 1.5;
    g.beginPath(); g.moveTo(x(frame), top); g.lineTo(x(frame), bottom); g.stroke();
  };

  const draw = () => {
    const now = Number(slider.value);
    told.textContent = alike ? `step ${films[0].steps[now].toLocaleString("en")}` : `${now + 1} of ${frames}`;
    slider.setAttribute("aria-valuetext", told.textContent);
    document.querySelectorAll("[data-film]").forEach((card) => {
      const film = films[card.dataset.film], frame = Math.min(now, film.steps.length - 1);
      const step = alike ? "" : `step ${film.steps[frame].toLocaleString("en")}, `;
      card.querySelector("small").textContent = `${step}network ${percent(film.accuracy[frame])}`;
      card.querySelectorAll("canvas[data-layer]").forEach((canvas) => {
        const layer = Number(canvas.dataset.layer), words = `probe ${percent(film.probes[frame][layer])}`;
        panel(canvas, film, frame, layer);
        canvas.nextElementSibling.querySelector("span").textContent = layer ? `${words}, ${Math.round(100 * film.shown[layer])} % of variance` : words;
        canvas.setAttribute("aria-label", `${film.label}, ${film.layers[layer]}: ${words}`);
      });
      course(card.querySelector("canvas[data-course]"), film, frame);
    });
  };

  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; play.textContent = "Play"; play.setAttribute("aria-pressed", "false"); };
  const toggle = () => {
    if (timer !== null) return stop();
    if (Number(slider.value) === frames - 1) slider.value = 0;
    play.textContent = "Pause"; play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => {
      if (Number(slider.value) === frames - 1) return stop();
      slider.value = Number(slider.value) + 1;
      draw();
    }, 220);
    draw();
  };
  play.addEventListener("click", toggle);
  slider.addEventListener("input", () => { stop(); draw(); });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === " " && event.target !== play) { event.preventDefault(); toggle(); }
    const way = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (way && event.target !== slider) { event.preventDefault(); stop(); slider.value = Number(slider.value) + way; draw(); }
  });
  dark.addEventListener("change", draw);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) slider.value = frames - 1;
  draw();
})();
