"use strict";
// Charts, and what the other scripts of the page share: `page`.
const page = (() => {
  const root = document.documentElement;
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { responsive: true, displaylogo: false };

  // An element with attributes, properties of events (onclick) and children; text stays text.
  const make = (tag, given = {}, ...children) => {
    const made = document.createElement(tag);
    for (const [key, value] of Object.entries(given)) {
      if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  };

  // Figures, trials and Plotly are gzip in base64. Plotly runs as a script of the page: its policy names the hash of this text.
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
  const drawn = () => [...document.querySelectorAll(".plot")].filter((plot) => figures[plot.id]);
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
        paper_bgcolor: "var(--paper)", plot_bgcolor: "rgba(0,0,0,0)",  // a picture of a chart has a ground
        margin: { l: 8, r: 12, t: 12, b: 8 },
        xaxis: { ...axis, showgrid: false, showline: true }, yaxis: axis,
        legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", font: { size: 12, color: "var(--muted)" } },
        hoverlabel: { bgcolor: "var(--raised)", bordercolor: "var(--rule)", font: { color: "var(--ink)", size: 12 }, align: "left" },
        hovermode: "closest", dragmode: touch ? false : "zoom",
        coloraxis: { colorscale: scale, colorbar: bar },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: "var(--muted)", activecolor: "var(--accent)" },
        newselection: { line: { color: "var(--best)", width: 2 } },
        activeselection: { fillcolor: "var(--best)", opacity: 0.15 },
      },
    }, css);
  };

  // Marks of one pair are joined by a faint line, which stands out while one of them is pointed at.
  const lift = (plot, up) => ({ points: [{ curveNumber, data }] }) => {
    if (data.meta !== "pair") return;
    const style = { "line.color": up ? "var(--ink)" : "var(--grid)", "line.width": up ? 2 : 1 };
    Plotly.restyle(plot, paint(style, getComputedStyle(root)), [curveNumber]);
  };

  // What is chosen (null: nothing, so all), in the table or in a chart; whether stopped trials are hidden; log axes.
  let chosen = null;
  let hidden = false;
  let brush = () => {};
  const stopped = new Set(["pruned", "stopped", "failed"]);  // a mark's role, or what the table says
  const logs = new Set();

  // What is chosen stands out: other marks fade; chosen lines are drawn again over faint ones.
  const dressed = (data) => data.filter((trace) => !(hidden && stopped.has(trace.meta))).flatMap((trace) => {
    if (!chosen || !trace.customdata) return [trace];
    const whose = trace.customdata;
    const own = whose.flatMap((number, i) => (chosen.has(number) ? [i] : []));
    if (!(trace.mode ?? "").includes("lines")) return [{ ...trace, selectedpoints: own }];
    const kept = (values) => values.map((value, i) => (chosen.has(whose[i]) ? value : null));
    return [
      { ...trace, opacity: 0.12, hoverinfo: "skip", showlegend: false },
      { ...trace, x: kept(trace.x), y: kept(trace.y), opacity: 1 },
    ];
  });
  const block = (plot) => plot.closest(".chart-block");
  const scaled = (plot, layout) => {
    if (!logs.has(block(plot))) return layout;
    return { ...layout, yaxis: { ...layout.yaxis, type: "log", autorangeoptions: {} } };
  };

  // Trials inside a box; where an axis is a setting, boxes on several axes have to hold a trial all together.
  const inside = (plot, points) => {
    const by = new Map();
    for (const { customdata, y } of points) {
      const axis = plot.layout.meta === "axes" ? y : 0;
      if (!by.has(axis)) by.set(axis, new Set());
      by.get(axis).add(customdata);
    }
    const [first, ...rest] = by.values();
    return first ? new Set([...first].filter((number) => rest.every((other) => other.has(number)))) : null;
  };
  const listen = (plot) => {
    if (plot.dataset.listens || !plot.on) return;
    plot.dataset.listens = "yes";
    plot.on("plotly_hover", lift(plot, true));
    plot.on("plotly_unhover", lift(plot, false));
    plot.on("plotly_click", ({ points: [{ customdata }] }) => {
      if (Number.isInteger(customdata)) location.hash = `#trial-${customdata}`;
    });
    plot.on("plotly_selected", (event) => { if (event?.points.length) brush(inside(plot, event.points)); });
    plot.on("plotly_deselect", () => brush(null));
  };

  const draw = (plot, { data, layout }) => {
    const css = getComputedStyle(root);
    const tools = !touch && layout.height >= 300;  // a small panel has no room for them
    const linked = data.some((trace) => trace.customdata);
    const buttons = ["toImage", "resetScale2d", ...(linked && layout.dragmode !== "select" ? ["select2d"] : [])];
    const style = { ...paint(scaled(plot, layout), css), template: template(css), autosize: true };
    if (touch) style.dragmode = false;
    if (chosen && plot.layout?.selections) style.selections = plot.layout.selections;
    Plotly.react(plot, paint(dressed(data), css), style, { ...config, displayModeBar: tools, modeBarButtons: [buttons] });
    listen(plot);
  };
  const drawOne = (plot) => {
    try {
      draw(plot, figures[plot.id]);
    } catch (error) {
      console.error(`${plot.id}: ${error}`);
      instead(plot, "This chart could not be drawn");
    }
  };
  let turn = 0;
  const redraw = async (which) => {
    const own = ++turn;
    for (const plot of which) {
      if (own !== turn) return;  // it is being drawn anew
      drawOne(plot);
      await new Promise((next) => setTimeout(next));  // the reader may scroll and read meanwhile
    }
  };
  const linkedPlots = () => drawn().filter((plot) => figures[plot.id].data.some((trace) => trace.customdata));

  // Switches: a logarithmic axis where all values are above 0, and one for stopped trials in all charts.
  const loggable = (plots) => plots.every((plot) => {
    const { data, layout: { yaxis = {} } } = figures[plot.id];
    const plain = yaxis.visible !== false && !yaxis.range && !yaxis.type && !yaxis.tickvals;
    return plain && data.every(({ type, y }) => type === "scatter" && (y ?? []).every((v) => v === null || v > 0));
  });
  const toggled = (name, act) => {
    const button = make("button", { type: "button", class: "toggle", "aria-pressed": "false", onclick: () => {
      const on = button.getAttribute("aria-pressed") === "false";
      button.setAttribute("aria-pressed", String(on));
      act(on);
    } }, name);
    return button;
  };
  const addSwitches = () => {
    for (const each of new Set(drawn().map(block).filter(Boolean))) {
      const own = drawn().filter((plot) => block(plot) === each);
      if (!loggable(own)) continue;
      each.querySelector("h3").append(toggled("log", (on) => { logs[on ? "add" : "delete"](each); own.forEach(drawOne); }));
    }
    const [first] = linkedPlots();
    const some = linkedPlots().some((plot) => figures[plot.id].data.some((trace) => stopped.has(trace.meta)));
    const head = first?.closest("section").querySelector("h2");
    if (some) head?.append(toggled("Hide stopped trials", (on) => { hidden = on; brush.hide?.(on); redraw(linkedPlots()); }));
  };

  const begin = async () => {
    const all = () => { drawn().forEach(drawOne); dispatchEvent(new Event("painted")); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
    const printing = (on) => { root.classList.toggle("print", on); all(); };
    addEventListener("beforeprint", () => printing(true));
    addEventListener("afterprint", () => printing(false));
    addSwitches();
    await redraw(drawn());
  };
  const fail = (error) => {
    const old = !("DecompressionStream" in window);
    const why = old ? "This chart needs a newer browser (Chrome 80, Firefox 113 or Safari 16.4)" : "This chart could not be unpacked";
    console.error(error);
    for (const plot of document.querySelectorAll(".plot")) instead(plot, why);
  };
  const ready = unpack();
  ready.then(begin, fail).finally(() => { root.dataset.drawn = "yes"; });

  // Small tables sort by a click on a column's head: numbers by data-sort, text by itself; what is missing stays at the end.
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

  return {
    make, draw, order, ready, unpacked, stopped,
    choose: (numbers) => { chosen = numbers; redraw(linkedPlots()); },
    onBrush: (act) => { brush = act; },
  };
})();
