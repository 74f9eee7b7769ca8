// Uploads one after the other, each with its progress, by dropping files or choosing them.
// Without this the form sends all of them at once.
"use strict";
(() => {
  const form = document.querySelector("[data-uploads]");
  if (form === null) return;
  const input = form.querySelector("input[type=file]");
  const list = form.querySelector(".uploads");
  const said = form.querySelector("[data-said]");
  form.querySelector("[data-drops]").hidden = false;
  const waiting = [];
  let busy = false;
  let refused = 0;

  function line(file) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    const progress = document.createElement("progress");
    name.textContent = file.name;
    progress.max = 1;
    progress.value = 0;
    progress.setAttribute("aria-label", file.name);
    item.append(name, progress);
    list.append(item);
    return { item, progress };
  }
  function problem(item, text) {
    const line = document.createElement("p");
    line.className = "problem";
    line.textContent = text;
    item.append(line);
    refused += 1;
  }
  function reason(request) {
    try {
      const reply = JSON.parse(request.responseText);
      const first = (reply.problems || [])[0];
      return first ? first.message : reply.detail;
    } catch {
      return "The server did not take it";
    }
  }
  function send({ file, item, progress }) {
    return new Promise((done) => {
      const body = new FormData();
      body.append("file", file);
      const request = new XMLHttpRequest();
      request.open("POST", "/v1/media");
      request.setRequestHeader("X-CSRF-Token", form.elements.csrf.value);
      request.upload.addEventListener("progress", (event) => {
        if (event.lengthComputable) progress.value = event.loaded / event.total;
      });
      request.addEventListener("loadend", () => {
        progress.value = 1;
        if (request.status !== 201) problem(item, request.status ? reason(request) : "The connection was lost");
        done();
      });
      request.send(body);
    });
  }
  async function work() {
    if (busy) return;
    busy = true;
    while (waiting.length) {
      said.textContent = `Uploading, ${waiting.length} to go.`;
      await send(waiting.shift());
    }
    busy = false;
    if (refused === 0) return location.assign("/media");
    const noun = refused === 1 ? "1 file was" : `${refused} files were`;
    said.textContent = `${noun} not taken; the others are here. `;
    const link = document.createElement("a");
    link.href = "/media";
    link.textContent = "Show them";
    said.append(link);
  }
  function take(files) {
    for (const file of files) waiting.push({ file, ...line(file) });
    input.value = "";
    if (waiting.length) work();
  }
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    event.stopPropagation();
    take(input.files);
  });
  input.addEventListener("change", () => take(input.files));
  for (const kind of ["dragenter", "dragover"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.add("over");
    });
  }
  form.addEventListener("dragleave", (event) => {
    if (!form.contains(event.relatedTarget)) form.classList.remove("over");
  });
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    form.classList.remove("over");
    take(event.dataTransfer.files);
  });
})();
