// A post that is on its way when its page is made may be out before the page listens: look again.
"use strict";

(() => {
  const part = document.getElementById("live");
  const busy = () => part.querySelector("input:checked[data-select], :is(input, select, textarea):focus") !== null;
  if (part === null || part.querySelector(".state:is(.publishing, .scheduled)") === null) return;
  for (const pause of [700, 2500]) setTimeout(() => { if (!busy()) htmx.trigger(part, "changed"); }, pause);
})();
