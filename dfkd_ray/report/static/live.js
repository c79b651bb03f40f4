// Where a study that runs is served (`--serve`, `report --watch`), the page loads itself anew when its tables have changed.
(() => {
  const address = document.documentElement.dataset.events;
  if (!address) return;
  const kept = sessionStorage.getItem("place");
  if (kept) addEventListener("load", () => scrollTo({ top: Number(kept), behavior: "instant" }));
  const events = new EventSource(address);
  events.addEventListener("changed", () => {
    if (document.getElementById("trial")?.open) return;  // somebody reads: the next change will do
    sessionStorage.setItem("place", String(scrollY));
    location.reload();
  });
  events.addEventListener("ended", () => events.close());
})();
