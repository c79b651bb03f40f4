// Where a study that runs is served (`--serve`, `report --watch`), the page loads itself anew when its tables have changed.
(() => {
  const address = document.documentElement.dataset.events;
  if (!address) return;
  const kept = JSON.parse(sessionStorage.getItem("kept") ?? "null");
  if (kept) page.ready.then(() => scrollTo({ top: kept.top, behavior: "instant" }));
  if (kept?.table) table?.ready.then(() => table.take(kept.table));
  const reload = () => {
    sessionStorage.setItem("kept", JSON.stringify({ top: scrollY, table: table?.state() }));
    location.reload();
  };
  const trial = document.getElementById("trial");
  let waits = false;  // somebody reads a trial: not before it is closed
  trial?.addEventListener("close", () => { if (waits) reload(); });
  const events = new EventSource(address);
  let failed = 0;
  events.addEventListener("open", () => { failed = 0; });
  events.addEventListener("error", () => { if (++failed > 5) events.close(); });  // the study has ended: the page stays
  events.addEventListener("changed", () => { if (trial?.open) waits = true; else reload(); });
})();
