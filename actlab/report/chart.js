"use strict";
// What the pages share: open values of a specification, and one way to draw.
const actlabCharts = (() => {
  // The same as view.filled: {"expr": name} becomes the value of that name.
  const filled = (node, values) => {
    if (Array.isArray(node)) return node.map((item) => filled(item, values));
    if (node === null || typeof node !== "object") return node;
    const keys = Object.keys(node);
    if (keys.length === 1 && keys[0] === "expr" && node.expr in values) return values[node.expr];
    return Object.fromEntries(keys.map((key) => [key, filled(node[key], values)]));
  };

  const embed = async (box, spec, theme, name) => {
    const actions = name ? { export: true, source: false, compiled: false, editor: false } : false;
    try {
      return await vegaEmbed(box, spec, {
        mode: "vega-lite", renderer: "canvas", config: theme, ast: true, defaultStyle: false, forceActionsMenu: true,
        tooltip: { disableDefaultStyle: true, theme: "plain" }, actions,
        i18n: { CLICK_TO_VIEW_ACTIONS: "Save this chart" }, downloadFileName: name,
      });
    } catch (error) {
      box.textContent = `This chart could not be drawn: ${error.message}`;
      return null;
    }
  };

  return { filled, embed, dark: matchMedia("(prefers-color-scheme: dark)") };
})();
