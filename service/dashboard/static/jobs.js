// The search line completes the word at the cursor. Without this the browser's own list does, for
// the first word.
"use strict";

(() => {
  const input = document.querySelector("[data-completes]");
  if (input === null) return;
  const source = document.getElementById(input.dataset.completes);
  const hints = [...source.options].map((option) => option.value);
  const most = 8;
  let active = -1;

  const list = document.createElement("ul");
  list.id = "completions";
  list.className = "completions";
  list.role = "listbox";
  list.ariaLabel = "Completions";
  list.hidden = true;
  input.after(list);
  input.removeAttribute("list");
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", "false");

  // From the last space before the cursor to the next one behind it, quotation marks aside.
  function word() {
    const text = input.value;
    let start = 0;
    let quoted = false;
    for (let i = 0; i < input.selectionStart; i += 1) {
      if (text[i] === '"' && text[i - 1] !== "\\") quoted = !quoted;
      else if (!quoted && /\s/.test(text[i])) start = i + 1;
    }
    if (quoted) return null;
    const rest = text.slice(input.selectionStart).search(/\s/);
    const end = rest === -1 ? text.length : input.selectionStart + rest;
    return { start, end, text: text.slice(start, input.selectionStart).toLowerCase() };
  }

  // A field is offered before its values: `st` → `state:`, `state:` → `state:queued`, and so on.
  function matches(typed) {
    const found = new Set();
    for (const hint of hints) {
      const colon = hint.indexOf(":");
      const field = colon === -1 ? hint : hint.slice(0, colon + 1);
      if (typed.includes(":")) {
        const value = typed.slice(typed.indexOf(":") + 1);
        const begins = typed.startsWith(field) && hint.slice(field.length).toLowerCase().includes(value);
        if (begins && hint !== typed) found.add(hint);
      } else {
        if (field.startsWith(typed)) found.add(field);
        else if (typed.length > 1 && hint.slice(field.length).includes(typed)) found.add(hint);
      }
    }
    return [...found].slice(0, typed.includes(":") ? hints.length : most);
  }

  function close() {
    list.hidden = true;
    active = -1;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
  }

  function open() {
    const place = word();
    const found = place === null ? [] : matches(place.text);
    if (found.length === 0) return close();
    list.replaceChildren(...found.map((text, index) => {
      const item = document.createElement("li");
      item.id = `completion-${index}`;
      item.role = "option";
      item.ariaSelected = "false";
      item.textContent = text;
      return item;
    }));
    active = -1;
    input.removeAttribute("aria-activedescendant");
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
  }

  function choose(index) {
    const items = [...list.children];
    active = (index + items.length) % items.length;
    items.forEach((item, at) => { item.ariaSelected = String(at === active); });
    items[active].scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", items[active].id);
  }

  function accept(item) {
    const place = word();
    if (place === null) return close();
    const whole = !/[:.]$/.test(item.textContent);
    const text = item.textContent + (whole ? " " : "");
    const rest = input.value.slice(place.end);
    input.value = input.value.slice(0, place.start) + text + (whole ? rest.trimStart() : rest);
    const cursor = place.start + text.length;
    input.setSelectionRange(cursor, cursor);
    input.focus();
    if (whole) close();
    else open();
  }

  input.addEventListener("input", open);
  input.addEventListener("blur", () => setTimeout(close, 100));
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown" && list.hidden) open();
    if (list.hidden) return;
    if (event.key === "ArrowDown") choose(active + 1);
    else if (event.key === "ArrowUp") choose(active === -1 ? -1 : active - 1);
    else if (event.key === "Escape") close();
    else if (event.key === "Enter" && active !== -1) accept(list.children[active]);
    else if (event.key === "Tab" && active !== -1) accept(list.children[active]);
    else return;
    event.preventDefault();
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the focus stays in the line
    const item = event.target.closest("li");
    if (item !== null) accept(item);
  });
})();
