(() => {
  // A click on a heading sorts a table by that column: numbers by data-v, else text; again turns it round.
  for (const table of document.querySelectorAll("table[data-sort]")) {
    const body = table.tBodies[0], heads = [...table.tHead.rows[0].cells];
    const key = (row, i) => row.cells[i].dataset.v ?? row.cells[i].textContent;
    const sort = (i) => {
      const up = heads[i].getAttribute("aria-sort") !== "ascending";
      heads.forEach((head, j) => head.setAttribute("aria-sort", j === i ? (up ? "ascending" : "descending") : "none"));
      const rows = [...body.rows].map((row) => [key(row, i), row]);
      // What has no value comes last, whichever way round.
      rows.sort(([a], [b]) => (a === "") - (b === "") || (up ? 1 : -1) * (isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b));
      body.append(...rows.map(([, row]) => row));
    };
    heads.forEach((head, i) => {
      head.setAttribute("aria-sort", "none");
      head.tabIndex = 0;
      head.addEventListener("click", () => sort(i));
      head.addEventListener("keydown", (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); sort(i); } });
    });
  }
})();
