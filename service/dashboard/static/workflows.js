// A live part that is exchanged keeps where a person has scrolled to, and what they have opened.
"use strict";

(() => {
  let places = [];
  let opened = [];
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id !== "live") return;
    places = [...document.querySelectorAll("[data-keep-scroll]")].map((box) => [box.id, box.scrollLeft, box.scrollTop]);
    opened = [...document.querySelectorAll("#live details[id]")].map((box) => [box.id, box.open]);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id !== "live") return;
    for (const [id, left, top] of places) document.getElementById(id)?.scrollTo({ left, top, behavior: "instant" });
    for (const [id, open] of opened) document.getElementById(id)?.toggleAttribute("open", open);
  });
})();
