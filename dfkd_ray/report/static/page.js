"use strict";
(() => {
  const root = document.documentElement;
  const plots = document.querySelectorAll(".plot");
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = {
    responsive: true,
    displaylogo: false,
    modeBarButtons: [["toImage", "resetScale2d"]],
  };

  // Figures and Plotly are gzip in base64. Plotly runs as a script of the page: its policy names the hash of this text.
  const unpacked = (id) => {
    const text = atob(document.getElementById(id).textContent);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  };
  let figures = {};
  const unpack = async () => {
    figures = JSON.parse(await unpacked("figures"));
    const script = document.createElement("script");
    script.textContent = await unpacked("plotly");
    document.head.append(script);
  };
  const instead = (plot, why) => { plot.textContent = `${why}; its numbers are in the tables beside this page.`; };

  // Figures name colours as CSS variables: page.css is the only palette.
  const paint = (item, css) => {
    if (typeof item === "string") {
      const name = /^var\((--[\w-]+)\)$/.exec(item);
      return name ? css.getPropertyValue(name[1]).trim() : item;
    }
    if (Array.isArray(item)) return item.map((inner) => paint(inner, css));
    if (item === null || typeof item !== "object") return item;
    return Object.fromEntries(Object.entries(item).map(([key, inner]) => [key, paint(inner, css)]));
  };

  const template = (css) => {
    const axis = {
      automargin: true, gridcolor: "var(--grid)", linecolor: "var(--rule)", zerolinecolor: "var(--rule)", zeroline: false,
      ticks: "", tickfont: { size: 12, color: "var(--muted)" },
      title: { font: { size: 13, color: "var(--muted)" }, standoff: 10 },
    };
    const scale = Array.from({ length: 9 }, (_, i) => [i / 8, `var(--scale-${i})`]);
    const bar = { tickfont: { size: 12, color: "var(--muted)" }, title: { font: { size: 13, color: "var(--muted)" } } };
    return paint({
      layout: {
        font: { family: getComputedStyle(document.body).fontFamily, size: 13, color: "var(--ink)" },
        paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
        margin: { l: 8, r: 12, t: 12, b: 8 },
        xaxis: { ...axis, showgrid: false, showline: true }, yaxis: axis,
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12, color: "var(--muted)" } },
        hoverlabel: { bgcolor: "var(--raised)", bordercolor: "var(--rule)", font: { color: "var(--ink)", size: 12 }, align: "left" },
        hovermode: "closest", dragmode: touch ? false : "zoom",
        coloraxis: { colorscale: scale, colorbar: bar },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: "var(--muted)", activecolor: "var(--accent)" },
      },
    }, css);
  };

  // Marks of one pair are joined by a faint line, which stands out while one of them is pointed at.
  const lift = (plot, up) => ({ points: [{ curveNumber, data }] }) => {
    if (data.meta !== "pair") return;
    const style = { "line.color": up ? "var(--ink)" : "var(--grid)", "line.width": up ? 2 : 1 };
    Plotly.restyle(plot, paint(style, getComputedStyle(root)), [curveNumber]);
  };
  const liftable = (plot) => {
    if (plot.dataset.lifts || !plot.on) return;
    plot.dataset.lifts = "yes";
    plot.on("plotly_hover", lift(plot, true));
    plot.on("plotly_unhover", lift(plot, false));
  };

  const drawOne = (plot) => {
    const css = getComputedStyle(root);
    const { data, layout } = paint(figures[plot.id], css);
    try {
      const tools = !touch && layout.height >= 300;  // a small panel has no room for them
      const style = { ...layout, template: template(css), autosize: true };
      Plotly.react(plot, data, style, { ...config, displayModeBar: tools });
      liftable(plot);
    } catch (error) {
      console.error(`${plot.id}: ${error}`);
      instead(plot, "This chart could not be drawn");
    }
  };
  const draw = () => plots.forEach(drawOne);
  const begin = async () => {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    const printing = (on) => { root.classList.toggle("print", on); draw(); };
    addEventListener("beforeprint", () => printing(true));
    addEventListener("afterprint", () => printing(false));
    for (const plot of plots) {
      drawOne(plot);
      await new Promise((next) => setTimeout(next));  // the reader may scroll and read meanwhile
    }
  };
  const fail = (error) => {
    const old = !("DecompressionStream" in window);
    const why = old ? "This chart needs a newer browser (Chrome 80, Firefox 113 or Safari 16.4)" : "This chart could not be unpacked";
    console.error(error);
    for (const plot of plots) instead(plot, why);
  };
  unpack().then(begin, fail).finally(() => { root.dataset.drawn = "yes"; });

  // Tables sort by a click on a column's head: numbers by data-sort, text by itself; what is missing stays at the end.
  const key = (row, at) => {
    const cell = row.cells[at];
    const raw = cell.dataset.sort ?? cell.textContent.trim();
    return raw === "" || Number.isNaN(Number(raw)) ? raw : Number(raw);
  };
  const order = (a, b) => {
    if (a === "" || b === "") return a === b ? 0 : a === "" ? Infinity : -Infinity;
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b));
  };
  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => {
      const head = button.closest("th");
      const body = head.closest("table").tBodies[0];
      const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of head.parentElement.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", sign === 1 ? "ascending" : "descending");
      const at = head.cellIndex;
      const compare = (a, b) => { const by = order(key(a, at), key(b, at)); return Number.isFinite(by) ? sign * by : by; };
      body.append(...[...body.rows].sort(compare));
    });
  }

  // The contents follow the reader.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const follow = new IntersectionObserver((entries) => {
    const seen = entries.find((entry) => entry.isIntersecting);
    if (!seen) return;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(seen.target.id)?.setAttribute("aria-current", "true");
  }, { rootMargin: "-10% 0px -75% 0px" });
  for (const section of document.querySelectorAll("section")) follow.observe(section);
})();
