// What the composer gains where scripts run; it works without.
"use strict";

(() => {
  const form = document.getElementById("composer");
  if (form === null) return;
  const check = form.querySelector('[name="do"][value="check"]');
  let touched = false;

  // The date is asked for where there is to be one, and the button says what it does.
  function fitTime() {
    const when = form.elements.when.value;
    const timed = when === "at";
    form.querySelector("[data-when]").classList.toggle("off", !timed);
    for (const button of form.querySelectorAll("[data-now]")) button.textContent = button.dataset[when];
  }

  // How much of a line is used, where it has a limit.
  function count(field) {
    const place = form.querySelector(`[data-counts="${CSS.escape(field.id)}"]`);
    if (place === null) return;
    const used = [...field.value].length;
    place.textContent = `${used} / ${place.dataset.most}`;
    place.classList.toggle("over", used > Number(place.dataset.most));
  }

  form.addEventListener("change", (event) => {
    fitTime();
    if (event.target.matches("[data-upload]") && event.target.files.length > 0) {
      touched = false;
      form.action = form.getAttribute("action").split("#")[0] + "#" + event.target.dataset.upload;
      check.value = "show";
      form.requestSubmit(check);
    }
  });

  // Shortening: the account gets a text of its own, which fits and can be edited.
  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-fix]");
    if (button === null) return;
    const own = document.getElementById("text-" + button.value);
    if (own === null) return;
    event.preventDefault();
    own.closest("details").open = true;
    own.value = button.dataset.fix;
    own.focus();
    own.dispatchEvent(new Event("input", { bubbles: true }));
  });

  form.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    form.requestSubmit(check);
  });

  form.addEventListener("input", (event) => {
    touched = true;
    if (event.target.id) count(event.target);
  });

  // What follows has one block more or less: the new one is written in, the previews change.
  document.body.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.requestConfig?.path !== "/posts/thread") return;
    const pressed = event.detail.requestConfig.parameters;
    const texts = form.querySelectorAll("#thread .part textarea[name$='-text']");
    const added = pressed.get?.("add") ?? pressed.add;
    if (added && texts.length > 0) texts[texts.length - 1].focus();
    else form.querySelector("#thread [name='add']").focus();
    form.dispatchEvent(new Event("input", { bubbles: true }));
  });

  form.addEventListener("submit", () => { touched = false; });
  window.addEventListener("beforeunload", (event) => { if (touched) event.preventDefault(); });

  fitTime();
})();
