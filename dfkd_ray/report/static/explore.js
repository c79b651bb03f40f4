// Any two columns against each other, a third as colour: the trials of the table as it is filtered.
(() => {
  const box = document.getElementById("explore");
  if (!box || !table) return;
  const { make } = page;
  const MOST = 500, GRID = 30;  // marks, as elsewhere on the page; cells of a surface, each way
  const plot = document.getElementById("explore-plot");
  const field = (name) => box.querySelector(`[name="${name}"]`);
  const axis = (each) => ({
    title: { text: each.unit ? `${each.name}, ${each.unit}` : each.name }, zeroline: false,
    ...(each.log ? { type: "log" } : {}), ...(each.number ? {} : { type: "category" }),
  });
  const value = (each, i) => {
    const own = each.values[i] ?? null;
    return typeof own === "number" && each.number ? own * (each.scale ?? 1) : own;
  };

  // Between complete trials: a mean weighted by the inverse square of the distance, axes alike in length.
  const surface = (x, y, z, logs) => {
    const at = [x, y].map((all, k) => all.map((v) => (logs[k] ? Math.log10(v) : v)));
    const ends = at.map((all) => [Math.min(...all), Math.max(...all)]);
    const line = ends.map(([low, high]) => Array.from({ length: GRID }, (_, i) => low + ((high - low) * i) / (GRID - 1)));
    const far = (k, i, v) => (at[k][i] - v) / (ends[k][1] - ends[k][0] || 1);
    const rows = line[1].map((b) => line[0].map((a) => {
      let sum = 0, weight = 0;
      for (let i = 0; i < z.length; i++) {
        const w = 1 / (far(0, i, a) ** 2 + far(1, i, b) ** 2 + 1e-4);
        sum += w * z[i];
        weight += w;
      }
      return sum / weight;
    }));
    const back = line.map((all, k) => all.map((v) => (logs[k] ? 10 ** v : v)));
    return { type: "contour", x: back[0], y: back[1], z: rows, coloraxis: "coloraxis", contours: { coloring: "heatmap" },
      line: { color: "var(--paper)", width: 0.5 }, opacity: 0.45, hoverinfo: "skip" };
  };

  const update = () => {
    const [x, y, colour] = ["x", "y", "colour"].map((name) => table.column(field(name).value));
    const all = table.view().filter((i) => value(x, i) !== null && value(y, i) !== null);
    const step = Math.max(1, all.length / MOST);
    const some = Array.from({ length: Math.min(all.length, MOST) }, (_, k) => all[Math.floor(k * step)]);
    const numbers = table.data.columns[0].values;
    const trace = (own, marker, name) => ({
      type: "scatter", mode: "markers", name, x: own.map((i) => value(x, i)), y: own.map((i) => value(y, i)), marker,
      text: own.map((i) => [`Trial ${numbers[i]}`, ...[x, y, colour].map((each) => `${each.name}: ${table.text(each, i)}`)].join("\n")
        .replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll("\n", "<br>")),
      hoverinfo: "text", customdata: own.map((i) => numbers[i]),
    });
    const edge = { size: 9, line: { color: "var(--paper)", width: 1 } };
    const data = [];
    const bar = { title: { text: colour.unit ? `${colour.name}, ${colour.unit}` : colour.name, side: "top" }, orientation: "h", y: 1.02, yanchor: "bottom", thickness: 10 };
    if (colour.number) {
      const states = table.column("State").values;
      const known = all.filter((i) => states[i] === "complete" && [x, y, colour].every((each) => typeof value(each, i) === "number"));
      if (field("surface").checked && x.number && y.number && known.length > 3) {
        const thin = known.filter((_, k) => k % Math.ceil(known.length / 400) === 0);
        data.push(surface(...[x, y, colour].map((each) => thin.map((i) => value(each, i))), [x.log, y.log]));
      }
      const told = some.filter((i) => value(colour, i) !== null);
      const pale = { color: "var(--muted)", width: 1 };  // the poor end of the scale needs an edge
      data.push(trace(told, { ...edge, line: pale, color: told.map((i) => value(colour, i)), coloraxis: "coloraxis" }, ""));
    } else {
      const kinds = [...new Set(some.map((i) => String(table.text(colour, i))))];
      const tint = (k) => (k < 8 ? `var(--arm-${k})` : "var(--pruned)");
      kinds.forEach((kind, k) => data.push(trace(some.filter((i) => String(table.text(colour, i)) === kind), { ...edge, color: tint(k) }, kind)));
    }
    const clean = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    const titled = (each) => { const made = axis(each); made.title.text = clean(made.title.text); return made; };
    bar.title.text = clean(bar.title.text);
    for (const each of data) if (each.name) each.name = clean(each.name);
    page.draw(plot, { data, layout: { height: 460, xaxis: titled(x), yaxis: titled(y), coloraxis: { colorbar: bar }, showlegend: !colour.number, margin: { t: colour.number ? 60 : 12 } } });
  };

  const begin = () => {
    const some = table.data.columns.filter(({ values, name }) => name !== "Fingerprint" && values.some((v) => v !== null && v !== ""));
    const first = (...names) => names.find((name) => some.some((each) => each.name === name)) ?? some[0].name;
    const goal = table.data.goal;
    const [one, two] = some.filter((each) => each.path && each.number).map((each) => each.name);
    const chosen = { x: one ?? first("Arm", "Trial"), y: two ?? first(goal), colour: two ? first(goal) : first("State") };
    for (const [name, own] of Object.entries(chosen)) {
      field(name).append(...some.map((each) => make("option", { value: each.name, selected: each.name === own }, each.name)));
      field(name).addEventListener("change", update);
    }
    field("surface").addEventListener("change", update);
    box.hidden = false;
    addEventListener("filtered", update);
    addEventListener("painted", update);
    update();
  };
  Promise.all([page.ready, table.ready]).then(begin);
})();
