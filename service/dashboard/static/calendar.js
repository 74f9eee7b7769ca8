// The calendar where scripts run: posts are moved by pointer or by keys, filters apply at once.
"use strict";

(() => {
  const HOLD = "#holding";
  const calendar = () => document.getElementById("calendar");
  const isWeek = () => calendar().dataset.view === "week";
  const entryOf = (element) => element.closest(".entry");
  let held = null; // what is being moved: {post, from, to, byKeys}

  // Messages

  function say(text, kind = "", undo = null) {
    const place = document.getElementById("calendar-says");
    place.className = `says ${kind}`;
    place.textContent = text;
    if (undo === null) return;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "Undo";
    button.addEventListener("click", undo);
    place.append(button);
  }

  function sayAt(post, text) {
    const entry = find(post);
    if (entry === null) return;
    entry.classList.add("refused");
    const note = document.createElement("p");
    note.className = "entry-says";
    note.textContent = text;
    entry.querySelector(".entry-says")?.remove();
    entry.append(note);
  }

  const find = (post) => document.querySelector(`[data-post="${CSS.escape(post)}"]`);

  // Places: `{date: "2026-11-24", time: "09:00"}`

  const placeOf = (entry) => ({ date: entry.dataset.date, time: entry.dataset.time });
  function shifted(place, days, hours) {
    const at = new Date(`${place.date}T${place.time}:00Z`); // wall-clock time, so without a zone
    at.setUTCDate(at.getUTCDate() + days);
    at.setUTCHours(at.getUTCHours() + hours);
    const text = at.toISOString();
    return { date: text.slice(0, 10), time: text.slice(11, 16) };
  }
  function placeAt(cell, from) {
    const minutes = from.time.slice(3);
    const time = cell.dataset.hour === undefined ? from.time : `${cell.dataset.hour.padStart(2, "0")}:${minutes}`;
    return { date: cell.dataset.date, time };
  }
  function cellOf(place) {
    const hour = isWeek() ? `[data-hour="${Number(place.time.slice(0, 2))}"]` : "";
    return document.querySelector(`[data-drop][data-date="${place.date}"]${hour}`);
  }
  function inWords(place) {
    const at = new Date(`${place.date}T${place.time}:00Z`);
    const day = at.toLocaleDateString("en-GB", { weekday: "long", day: "numeric", month: "long", timeZone: "UTC" });
    return `${day}, ${place.time}`;
  }
  function mark(cell) {
    for (const other of document.querySelectorAll("[data-drop].target")) other.classList.remove("target");
    cell?.classList.add("target");
  }

  // Holding: the live part waits meanwhile.

  function hold(entry, byKeys) {
    const from = placeOf(entry);
    const start = from.date ? from : { date: today(), time: from.time };
    held = { post: entry.dataset.post, from, to: start, byKeys };
    const box = document.querySelector(HOLD);
    box.disabled = false;
    box.checked = true;
    // What is lifted is pictured in the very event that begins a drag: changed after it.
    setTimeout(() => { if (held !== null) entry.classList.add(byKeys ? "holding" : "lifted"); }, 0);
  }
  const wake = () => document.querySelector(".week")?.classList.add("awake");
  let overGap = null; // nights are shown to who waits on one
  function restOn(element) {
    const gap = element?.closest?.(".gap") ?? null;
    if (gap !== null && overGap === null) overGap = setTimeout(wake, 500);
    if (gap === null) {
      clearTimeout(overGap);
      overGap = null;
    }
  }
  function release() {
    if (held === null) return;
    for (const entry of document.querySelectorAll(".entry")) entry.classList.remove("holding", "lifted");
    mark(null);
    restOn(null);
    if (!new URLSearchParams(location.search).has("hours")) document.querySelector(".week")?.classList.remove("awake");
    held = null;
    const box = document.querySelector(HOLD);
    box.checked = false;
    box.disabled = true;
    document.getElementById("live").dispatchEvent(new Event("change", { bubbles: true }));
  }
  const today = () => document.querySelector(".today[data-date], .today [data-date]")?.dataset.date
    ?? document.querySelector("[data-drop]").dataset.date;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (held !== null && event.target.id === "live") event.detail.shouldSwap = false;
  });

  // Moving

  async function move(post, from, to, isUndo = false) {
    const fields = new URLSearchParams({ post, ...to, zone: calendar().dataset.zone, csrf: calendar().dataset.csrf });
    let message = "The server did not answer. Try again.";
    let done = false;
    try {
      const reply = await fetch("/calendar/move", { method: "POST", body: fields, headers: { Accept: "application/json" } });
      const answer = await reply.json();
      message = answer.message ?? answer.detail;
      done = reply.ok;
    } catch { /* what is said is the above */ }
    if (!done) {
      say(message, "refused");
      return sayAt(post, message);
    }
    say(isUndo ? `Put back. ${message}` : message, "", isUndo || !from.date ? null : () => move(post, to, from, true));
    const focused = document.activeElement;
    const again = focused === document.body || focused.closest("#live, #calendar-says") !== null;
    document.addEventListener("htmx:afterSettle", () => { if (again) find(post)?.querySelector(".post").focus(); }, { once: true });
    htmx.trigger(document.getElementById("live"), "changed");
  }
  function drop() {
    const { post, from, to } = held;
    release();
    if (to.date === from.date && to.time === from.time) return say("It stays where it was.");
    say("Moving…", "moving");
    return move(post, from, to);
  }
  function refuse(entry) {
    const text = entry.dataset.fixed ?? "You may not move posts.";
    say(text, "refused");
    sayAt(entry.dataset.post, text);
  }

  // By pointer

  document.addEventListener("dragstart", (event) => {
    const entry = event.target.closest?.(".entry[draggable]");
    if (!entry) return;
    event.dataTransfer.effectAllowed = "move";
    event.dataTransfer.setData("text/plain", entry.querySelector(".words").textContent);
    hold(entry, false);
  });
  document.addEventListener("dragover", (event) => {
    if (held === null) return;
    const cell = event.target.closest?.("[data-drop]") ?? null;
    restOn(event.target);
    mark(cell);
    if (cell === null) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "move";
  });
  document.addEventListener("drop", (event) => {
    const cell = event.target.closest?.("[data-drop]");
    if (held === null || !cell) return;
    event.preventDefault();
    held.to = placeAt(cell, held.from);
    drop();
  });
  document.addEventListener("dragend", release);
  // What stays says so when somebody pulls at it.
  let pulled = null;
  document.addEventListener("pointerdown", (event) => {
    const entry = event.target.closest?.(".entries > .entry[data-fixed]");
    pulled = entry ? { entry, x: event.clientX, y: event.clientY } : null;
  });
  document.addEventListener("pointermove", (event) => {
    if (pulled === null || event.buttons === 0 || event.pointerType === "touch") return;
    if (Math.hypot(event.clientX - pulled.x, event.clientY - pulled.y) < 12) return;
    refuse(pulled.entry);
    pulled = null;
    const stay = (click) => click.preventDefault(); // who pulls does not want to open it
    document.addEventListener("click", stay, { capture: true, once: true });
    document.addEventListener("pointerup", () => setTimeout(() => document.removeEventListener("click", stay, true), 0), { once: true });
  });
  document.addEventListener("pointerup", () => { pulled = null; });

  // By keys

  const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [-7, 0], ArrowDown: [7, 0] };
  const HOURS = { ...ARROWS, ArrowUp: [0, -1], ArrowDown: [0, 1] };
  function keyWhileHeld(key) {
    const arrow = (isWeek() ? HOURS : ARROWS)[key];
    if (arrow) {
      held.to = shifted(held.to, ...arrow);
      const cell = cellOf(held.to);
      if (cell?.classList.contains("asleep")) wake();
      mark(cell);
      cell?.scrollIntoView({ block: "nearest" });
      say(`Move to ${inWords(held.to)}${cell === null ? " (not shown here)" : ""}? Enter moves it, Escape does not.`, "moving");
    } else if (key === "Enter") drop();
    else if (key === "Escape" || key === "Tab") {
      release();
      say("It stays where it was.");
    } else return false;
    return key !== "Tab";
  }
  function step(by) {
    const posts = [...document.querySelectorAll("#calendar .post")].filter((post) => post.offsetParent !== null);
    const at = posts.indexOf(document.activeElement);
    const next = at < 0 ? (by > 0 ? 0 : posts.length - 1) : at + by;
    posts[next]?.focus();
    return true;
  }
  function begin(entry) {
    if (entry.dataset.fixed || !entry.querySelector(".move")) return refuse(entry);
    if (calendar().dataset.view === "day") return entry.querySelector(".move").click();
    hold(entry, true);
    mark(cellOf(held.to));
    say(`Arrows choose ${isWeek() ? "day and hour" : "the day"}, Enter moves the post, Escape leaves it where it is.`, "moving");
  }
  function keyOnPage(key) {
    const entry = document.activeElement?.closest(".entry") ?? null;
    if (key === "m" && entry !== null) begin(entry);
    else if (key === "j" || key === "k") step(key === "j" ? 1 : -1);
    else {
      const link = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
      if (link === null) return false;
      link.click();
    }
    return true;
  }
  let going = false; // `g` and a letter lead to another page
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (going) { going = false; return; }
    if (held !== null && !held.byKeys) return;
    if (held === null && event.key === "g") {
      going = true;
      setTimeout(() => { going = false; }, 1500);
      return;
    }
    if (held === null ? keyOnPage(event.key) : keyWhileHeld(event.key)) event.preventDefault();
  }, true);

  // Filters apply at once for a pointer; keys pass over values that nobody wants.
  let pointed = false;
  document.addEventListener("pointerdown", () => { pointed = true; }, true);
  document.addEventListener("keydown", () => { pointed = false; }, true);
  document.addEventListener("change", (event) => { if (pointed) event.target.closest("[data-filters]")?.requestSubmit(); });
})();
