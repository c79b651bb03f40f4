// The table of trials: searched, filtered and sorted as columns; only the rows in sight are in the document.
const table = (() => {
  const box = document.getElementById("grid");
  if (!box) return null;
  const { make } = page;
  const HEIGHT = 34, SPARE = 12, PRINTED = 500;  // pixels of a row, as page.css has them; rows beyond what is seen
  const tools = document.getElementById("grid-tools");
  const field = (name) => tools.querySelector(`[name="${name}"]`);
  const head = box.querySelector("thead"), body = box.querySelector("tbody");
  const data = { columns: [], best: null, details: {} };
  const state = { search: "", state: "", ranges: {}, sort: null, brush: null, hide: false };
  let view = [];  // places of the rows that are shown, in their order
  let texts = [];  // of each row, in small letters, for the search

  const column = (name) => data.columns.find((each) => each.name === name);
  const text = (each, i) => (each.texts ?? each.values)[i] ?? "";
  const shown = () => data.columns.filter((each) => each.shown);
  const number = (i) => data.columns[0].values[i];

  const keeps = (i) => {
    const now = column("State").values[i];
    if (state.state ? now !== state.state : state.hide && page.stopped.has(now)) return false;
    if (state.brush && !state.brush.has(number(i))) return false;
    if (state.search && !state.search.split(/\s+/).every((word) => texts[i].includes(word))) return false;
    return Object.entries(state.ranges).every(([name, [low, high]]) => {
      const each = column(name), value = each.values[i];
      const at = typeof value === "number" ? value * (each.scale ?? 1) : NaN;
      return (low === null || at >= low) && (high === null || at <= high);
    });
  };
  const compare = () => {
    if (!state.sort) return (a, b) => a - b;
    const [name, sign] = state.sort, { values } = column(name);
    return (a, b) => {
      const by = page.order(values[a] ?? "", values[b] ?? "");
      return (Number.isFinite(by) ? sign * by : by) || a - b;
    };
  };

  const cell = (each, i, first) => {
    const said = text(each, i), sort = each.number ? { "data-sort": each.values[i] ?? "" } : {};
    if (first) return make("td", { ...sort }, make("a", { href: `#trial-${said}` }, said));
    if (each.name === "State") return make("td", {}, make("span", { class: `state ${said}` }, said));
    return make("td", { class: each.number ? "n" : null, title: said.length > 20 ? said : null, ...sort }, String(said));
  };
  const row = (place) => {
    const i = view[place], best = number(i) === data.best;
    return make("tr", { id: `trial-${number(i)}`, class: best ? "best" : null, "aria-rowindex": place + 2 },
      ...shown().map((each, at) => cell(each, i, at === 0)));
  };
  const spacer = (rows) => make("tr", { "aria-hidden": "true", class: "spacer" },
    make("td", { colspan: shown().length, style: `height:${rows * HEIGHT}px` }));
  const render = () => {
    const print = document.documentElement.classList.contains("print");
    const seen = Math.ceil(box.clientHeight / HEIGHT) || 20;
    const from = print ? 0 : Math.max(0, Math.min(Math.floor(box.scrollTop / HEIGHT), view.length - seen) - SPARE);
    const to = Math.min(view.length, print ? PRINTED : from + seen + 2 * SPARE);
    const rows = [];
    for (let place = from; place < to; place++) rows.push(row(place));
    if (from > 0) rows.unshift(spacer(from));
    if (to < view.length && !print) rows.push(spacer(view.length - to));
    body.replaceChildren(...rows);
  };

  // Columns keep their width while rows come and go: that of their longest text, in characters.
  const width = (each) => {
    each.widest ??= (each.texts ?? each.values).reduce((most, said) => Math.max(most, String(said ?? "").length), 0);
    const mark = each.name === "State" ? 3 : 0;
    return Math.min(Math.max(each.widest + 4 + mark, Math.min(each.name.length + 5, 25), 8), 36);
  };
  const writeHead = () => {
    const sorted = (each) => (state.sort?.[0] !== each.name ? null : state.sort[1] === 1 ? "ascending" : "descending");
    head.replaceChildren(make("tr", {}, ...shown().map((each, at) => {
      const sort = () => {
        state.sort = [each.name, state.sort?.[0] === each.name && state.sort[1] === 1 ? -1 : 1];
        writeHead();
        resort();
        [...head.querySelectorAll("button")].find((button) => button.textContent === each.name)?.focus();
      };
      const name = make("button", { type: "button", title: each.path, onclick: sort }, each.name);
      const given = { class: each.number && at ? "n" : null, style: `width:${width(each)}ch`, "aria-sort": sorted(each) };
      return make("th", { scope: "col", ...given }, name);
    })));
    box.querySelector("table").style.minWidth = `${shown().reduce((sum, each) => sum + width(each), 0)}ch`;
  };
  const resort = () => {
    view.sort(compare());
    box.scrollTop = 0;
    render();
  };
  const update = (told = true) => {
    view = texts.map((_, i) => i).filter(keeps);
    const chosen = state.search || state.state || state.brush || Object.values(state.ranges).flat().some((end) => end !== null);
    field("clear").hidden = !chosen;
    const some = view.length === texts.length ? "" : `${view.length} of `;
    document.getElementById("grid-count").textContent = `${some}${texts.length} ${texts.length === 1 ? "trial" : "trials"}${state.brush ? ", chosen in a chart" : ""}`;
    box.querySelector("table").setAttribute("aria-rowcount", view.length + 1);
    resort();
    dispatchEvent(new Event("filtered"));
    if (told) page.choose(chosen ? new Set(view.map(number)) : null);
  };
  let waiting = 0;
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(update, 120); };

  const limits = (each) => {
    const limit = (at, what) => make("input", { type: "number", step: "any", "aria-label": `${each.name}, ${what}`, placeholder: what,
      oninput: ({ target }) => {
        const own = state.ranges[each.name] ?? [null, null];
        own[at] = target.value === "" ? null : Number(target.value);
        state.ranges[each.name] = own;
        soon();
      } });
    const name = each.unit ? `${each.name}, ${each.unit}` : each.name;
    return make("div", { class: "range", "data-name": each.name }, make("span", {}, name), limit(0, "from"), limit(1, "to"));
  };
  const writeMenus = () => {
    const states = [...new Set(column("State").values)].sort();
    field("state").append(...states.map((each) => make("option", { value: each }, each)));
    document.getElementById("grid-ranges").replaceChildren(...data.columns.filter((each) => each.number).map(limits));
    document.getElementById("grid-columns").replaceChildren(...data.columns.slice(1).map((each) => make("label", {},
      make("input", { type: "checkbox", checked: each.shown, onchange: ({ target }) => {
        each.shown = target.checked;
        writeHead();
        render();
      } }), ` ${each.name}`)));
  };

  // Exports hold what is shown: these rows, these columns, values in full.
  const quoted = (value) => {
    const said = value === null ? "" : typeof value === "string" && /^[=+@\t\r-]/.test(value) ? `'${value}` : String(value);
    return /[",\n\r]/.test(said) ? `"${said.replaceAll('"', '""')}"` : said;
  };
  const named = (each) => each.path ?? each.name;
  const csv = () => [shown().map((each) => quoted(named(each))), ...view.map((i) => shown().map((each) => quoted(each.values[i] ?? null)))]
    .map((line) => `${line.join(",")}\r\n`).join("");
  const json = () => JSON.stringify(view.map((i) => Object.fromEntries(shown().map((each) => [named(each), each.values[i] ?? null]))), null, 1);
  const save = (content, kind) => {
    const address = URL.createObjectURL(new Blob([content], { type: kind === "csv" ? "text/csv" : "application/json" }));
    make("a", { href: address, download: `${data.study.replace(/[^\w.-]+/g, "_")}.${kind}` }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  };
  const clear = () => {
    Object.assign(state, { search: "", state: "", ranges: {}, brush: null });
    for (const input of tools.querySelectorAll("input:not([type=checkbox]), select")) input.value = "";
    update();
  };

  const begin = async () => {
    Object.assign(data, JSON.parse(await page.unpacked("trials-data")));
    texts = data.columns[0].values.map((_, i) => data.columns.map((each) => String(text(each, i))).join("\n").toLowerCase());
    writeMenus();
    writeHead();
    field("search").addEventListener("input", ({ target }) => { state.search = target.value.trim().toLowerCase(); soon(); });
    field("state").addEventListener("change", ({ target }) => { state.state = target.value; update(); });
    field("csv").addEventListener("click", () => save(csv(), "csv"));
    field("json").addEventListener("click", () => save(json(), "json"));
    field("clear").addEventListener("click", clear);
    let frame = 0;
    box.addEventListener("scroll", () => { cancelAnimationFrame(frame); frame = requestAnimationFrame(render); });
    body.addEventListener("click", ({ target }) => {
      const own = target.closest("tr[id]");
      if (own && !target.closest("a") && !String(getSelection())) location.hash = `#${own.id}`;
    });
    addEventListener("painted", render);
    addEventListener("click", ({ target }) => {
      for (const menu of tools.querySelectorAll("details[open]")) if (!menu.contains(target)) menu.open = false;
    });
    const brushed = (numbers) => { state.brush = numbers; update(); };
    brushed.hide = (on) => { state.hide = on; update(false); };
    page.onBrush(brushed);
    update(false);
  };
  const ready = begin();
  ready.catch((error) => {
    console.error(error);
    body.replaceChildren(make("tr", {}, make("td", {}, "This table needs a newer browser; its rows are in trials.arrow.")));
  }).finally(() => { document.documentElement.dataset.filled = "yes"; });

  // What somebody was looking for, to be found again when the page was loaded anew.
  const kept = () => ({ search: state.search, state: state.state, ranges: state.ranges, sort: state.sort });
  const take = (before) => {
    Object.assign(state, before);
    field("search").value = state.search;
    field("state").value = state.state;
    for (const [name, ends] of Object.entries(state.ranges)) {
      const inputs = [...tools.querySelectorAll(".range")].find((each) => each.dataset.name === name)?.querySelectorAll("input");
      inputs?.forEach((input, at) => { input.value = ends[at] ?? ""; });
    }
    writeHead();
    update();
  };
  return { data, ready, column, text, view: () => view, csv, json, state: kept, take };
})();
