// What the composer gains where scripts run; it works without.
"use strict";

(() => {
  const form = document.getElementById("composer");
  if (form === null) return;
  const check = form.querySelector('[name="do"][value="check"]');
  let touched = false;

  // The date is asked for where there is to be one, and the button says what it does.
  function fitTime() {
    const timed = form.elements.when.value === "at";
    form.querySelector("[data-when]").classList.toggle("off", !timed);
    for (const button of form.querySelectorAll("[data-now]")) button.textContent = timed ? button.dataset.at : button.dataset.now;
  }

  // An own text belongs to an account that is chosen.
  function fitAccounts() {
    for (const box of form.querySelectorAll('[name="accounts"]')) box.closest("li").querySelector("[data-own]").hidden = !box.checked;
  }

  form.addEventListener("change", (event) => {
    fitTime();
    fitAccounts();
    if (event.target.matches("[data-upload]") && event.target.files.length > 0) {
      touched = false;
      form.action = form.getAttribute("action").split("#")[0] + "#images";
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

  form.addEventListener("input", () => { touched = true; });
  form.addEventListener("submit", () => { touched = false; });
  window.addEventListener("beforeunload", (event) => { if (touched) event.preventDefault(); });

  fitTime();
  fitAccounts();
})();
