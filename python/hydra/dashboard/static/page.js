// The page without this is whole: it only loads itself again, part by part, when the server says that something changed.
"use strict";
(() => {
  const parts = document.querySelectorAll("[data-live]");
  if (!parts.length || !window.EventSource) return;
  const id = parts[0].dataset.live;
  const root = document.body.dataset.root;
  let isLoading = false;
  const isUsed = (part) => part.contains(document.activeElement) || part.querySelector("details[open]");
  async function load() {
    if (isLoading || document.hidden) return;
    isLoading = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelectorAll("[data-live]");
      parts.forEach((part, place) => {
        if (fresh[place] && !isUsed(part)) part.replaceChildren(...fresh[place].childNodes);
      });
    } finally {
      isLoading = false;
    }
  }
  const events = new EventSource(root + "/live" + (id ? "?id=" + encodeURIComponent(id) : ""));
  events.addEventListener("changed", load);
  events.addEventListener("open", () => { document.getElementById("live").hidden = false; });
  events.addEventListener("error", () => { document.getElementById("live").hidden = true; });
  addEventListener("pagehide", () => events.close());
})();
