// What pages gain where scripts run; all of them work without.
"use strict";

// Live parts: listen while the page is shown, ask for the part again when something has changed.
(() => {
  let source = null;
  let waiting = false;
  const part = () => document.getElementById("live");
  // A person who selects or types is not interrupted.
  const busy = (element) => element.querySelector("input:checked[data-select], :is(input, select, textarea):focus") !== null;
  function refresh() {
    const element = part();
    if (element === null) return;
    waiting = busy(element);
    if (!waiting) htmx.trigger(element, "changed");
  }
  function open() {
    const element = part();
    if (source !== null || element === null || !element.dataset.live || document.hidden) return;
    source = new EventSource(element.dataset.live);
    source.addEventListener("open", refresh); // what has happened since the page was made
    source.addEventListener("change", refresh);
    source.addEventListener("over", () => location.assign("/login?next=" + encodeURIComponent(location.pathname + location.search)));
  }
  function close() {
    if (source !== null) source.close();
    source = null;
  }
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) close();
    else open();
  });
  document.addEventListener("change", () => { if (waiting) refresh(); });
  document.addEventListener("focusout", () => { if (waiting) setTimeout(refresh, 0); });
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", open);
})();

// Selections: one box for all of a table, and how many are selected.
document.addEventListener("change", (event) => {
  const box = event.target;
  if (!box.matches("[data-select], [data-select-all]")) return;
  const form = box.form;
  const boxes = [...form.elements].filter((element) => element.matches("[data-select]"));
  if (box.matches("[data-select-all]")) boxes.forEach((one) => { one.checked = box.checked; });
  const count = boxes.filter((one) => one.checked).length;
  for (const all of form.querySelectorAll("[data-select-all]")) {
    all.checked = count > 0 && count === boxes.length;
    all.indeterminate = count > 0 && count < boxes.length;
  }
  for (const place of form.querySelectorAll("[data-selected]")) place.textContent = String(count);
});

// Keys: `/` searches, `?` lists the keys, `g` and a letter go to a page.
(() => {
  let going = false;
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (going) {
      going = false;
      const link = document.querySelector(`[data-go="${CSS.escape(event.key)}"]`);
      if (link !== null) link.click();
    } else if (event.key === "g") {
      going = true;
      setTimeout(() => { going = false; }, 1500);
    } else if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (search === null) return;
      search.focus();
      search.select();
    } else if (event.key === "?") {
      document.getElementById("keys")?.showPopover();
    } else return;
    event.preventDefault();
  });
})();

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  if (event.target.dataset.sent) return event.preventDefault();
  if (event.target.method === "post") event.target.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => { delete form.dataset.sent; }));

// The zone of the browser, until the person chooses one.
if (!document.cookie.includes("almanac_zone=")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `almanac_zone=${zone}; path=/; max-age=31536000; samesite=lax`;
}
