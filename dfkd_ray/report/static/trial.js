// One trial, opened by its address (#trial-3): its row in full, curves, last picture, command and method, to copy.
(() => {
  const box = document.getElementById("trial");
  if (!box || !table) return;
  const { make } = page;

  // JSON as YAML, which is a superset of it: blocks for mappings, everything else as JSON in one line.
  const plain = (word) => /^[A-Za-z_][\w./-]*$/.test(word) && !/^(true|false|null|yes|no|on|off|y|n)$/i.test(word);
  const word = (value) => (typeof value === "string" && plain(value) ? value : JSON.stringify(value));
  const yaml = (tree, pad = "") => Object.entries(tree).map(([key, value]) => {
    const inner = value !== null && typeof value === "object" && !Array.isArray(value) && Object.keys(value).length;
    return inner ? `${pad}${word(key)}:\n${yaml(value, `${pad}  `)}` : `${pad}${word(key)}: ${word(value)}\n`;
  }).join("");

  const copied = async (button, said) => {
    try {
      await navigator.clipboard.writeText(said);
    } catch {  // the page is not a secure one, or may not: then as of old
      getSelection().selectAllChildren(button.parentElement.querySelector("pre"));
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };
  const listing = (title, said) => {
    const button = make("button", { type: "button", class: "toggle", onclick: () => copied(button, said) }, "Copy");
    return make("div", { class: "listing" }, make("h3", {}, title), button, make("pre", { tabindex: "0" }, make("code", {}, said)));
  };
  const facts = (i) => make("dl", { class: "facts" }, ...table.data.columns.flatMap((each) => {
    const said = String(table.text(each, i));
    return said && said !== "–" ? [make("dt", { title: each.path }, each.name), make("dd", {}, said)] : [];
  }));
  const curve = ({ name, unit, epochs, values }) => {
    const plot = make("div", { class: "plot", role: "img", "aria-label": `${name} after each epoch`, style: "height:200px" });
    const axis = unit === "%" ? { tickformat: ".3~p" } : {};
    const line = { type: "scatter", x: epochs, y: values, mode: epochs.length < 3 ? "lines+markers" : "lines", line: { color: "var(--complete)", width: 2 } };
    const layout = { height: 200, xaxis: { title: { text: "Epoch" } }, yaxis: axis, showlegend: false };
    return [make("h3", {}, name), plot, () => page.draw(plot, { data: [line], layout })];
  };

  let before = null;  // what had the focus
  const close = () => {
    if (!box.open) return;
    box.close();
    history.replaceState(null, "", `${location.pathname}${location.search}`);
    (before?.isConnected ? before : document.getElementById("grid")).focus({ preventScroll: true });
  };
  const show = (number) => {
    const i = table.data.columns[0].values.indexOf(number);
    if (i < 0) return;
    const { command, method, curves = [], picture } = table.data.details[number] ?? {};
    const drawings = curves.map(curve);
    const beside = (step) => {
      const view = table.view(), at = view.indexOf(i) + step, other = table.data.columns[0].values[view[at]];
      const href = other === undefined ? null : `#trial-${other}`;
      return make("a", { class: "toggle", href, "aria-label": step < 0 ? "The trial above" : "The trial below" }, step < 0 ? "↑" : "↓");
    };
    const seen = picture && `A grid of synthetic images after epoch ${picture.epoch}`;
    const image = picture && make("figure", { class: "picture" }, make("img", { src: picture.source, alt: seen }),
      make("figcaption", {}, `Its images after epoch ${picture.epoch}`));
    const rest = `Its page: dfkd-ray report ${table.data.folder} --trial ${number}`;
    box.replaceChildren(
      make("div", { class: "bar" }, make("h2", { id: "trial-title" }, `Trial ${number}`), beside(-1), beside(1),
        make("button", { type: "button", class: "toggle", onclick: close, "aria-label": "Close" }, "×")),
      facts(i),
      ...drawings.flatMap(([title, plot]) => [title, plot]),
      ...(image ? [image] : []),
      ...(command ? [listing("Teach one student with these settings", command)] : []),
      ...(method && Object.keys(method).length ? [listing("Its method", yaml(method))] : []),
      make("p", { class: "note" }, rest),
    );
    if (!box.open) {
      before = document.activeElement;
      box.show();
    }
    box.scrollTop = 0;
    box.querySelector("button").focus({ preventScroll: true });
    page.ready.then(() => drawings.forEach(([, , act]) => act()));
  };
  const follow = () => {
    const [, number] = /^#trial-(\d+)$/.exec(location.hash) ?? [];
    if (number === undefined) close();
    else table.ready.then(() => show(Number(number)));
  };
  addEventListener("hashchange", follow);
  addEventListener("keydown", ({ key }) => { if (key === "Escape") close(); });
  follow();
})();
