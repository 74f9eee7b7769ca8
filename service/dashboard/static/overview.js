// Charts, of the overview and of figures; their captions and tables tell the same without scripts.
"use strict";
(() => {
  const HEIGHT = 150;
  const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3]];
  const drawn = new Map();
  const opened = new Set();
  const narrower = new ResizeObserver((entries) => {
    for (const { target } of entries) drawn.get(target.parentElement.id)?.setSize({ width: target.clientWidth, height: HEIGHT });
  });

  // A token may be one colour in the light and another in the dark: only an element knows which.
  function color(name) {
    const probe = document.createElement("i");
    probe.className = `tone ${name}`;
    document.body.append(probe);
    const found = getComputedStyle(probe).color;
    probe.remove();
    return found;
  }

  const faint = (rgb) => rgb.replaceAll(",", "").replace(")", " / 12%)");
  const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");
  function span(seconds) {
    if (seconds === 0) return "0";
    if (seconds < 1) return `${short(seconds * 1000)} ms`;
    if (seconds < 60) return `${short(seconds)} s`;
    if (seconds < 3600) return `${short(seconds / 60)} min`;
    return `${short(seconds / 3600)} h`;
  }

  function draw(figure) {
    const { unit, times, lines, joined } = JSON.parse(figure.dataset.chart);
    const place = figure.querySelector(".plot");
    if (place === null) return;
    const days = times.at(-1) - times[0] > 2 * 86400;
    const parts = days ? { day: "numeric", month: "short" } : { hour: "2-digit", minute: "2-digit" };
    const clock = new Intl.DateTimeFormat("en-GB", { ...parts, timeZone: figure.dataset.zone });
    const format = unit === "seconds" ? span : short;
    const written = (value) => value === null || value === undefined ? "–" : format(value);
    const ink = color("soft"), grid = color("line");
    const axis = { stroke: ink, font: "11px system-ui, sans-serif", grid: { stroke: grid, width: 1 }, ticks: { show: false } };
    place.replaceChildren();
    place.classList.add("drawn");
    drawn.get(figure.id)?.destroy();
    const plot = new uPlot({
      width: place.clientWidth,
      height: HEIGHT,
      padding: [6, 12, 0, 0],
      cursor: { y: false, drag: { x: false, y: false } },
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), figure.dataset.zone),
      scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [
        { ...axis, space: 60, size: 24, values: (_, at) => at.map((seconds) => clock.format(seconds * 1000)) },
        { ...axis, space: 30, size: 58, values: (_, at) => at.map(format) },
      ],
      series: [
        { label: "At", value: (_, at) => at === null || at === undefined ? "–" : clock.format(at * 1000) },
        ...lines.map(([label, tone], n) => ({
          label,
          stroke: color(tone),
          width: 1.75,
          dash: DASHES[n],
          spanGaps: joined === true,
          fill: n === 0 ? faint(color(tone)) : undefined,
          points: { show: true, size: 3, filter: alone },
          value: (_, value) => written(value),
        })),
      ],
    }, [times, ...lines.map((line) => line[2])], place);
    drawn.set(figure.id, plot);
    narrower.observe(place);
  }

  // Values without a neighbour have no line: they are shown as points.
  function alone(plot, series) {
    const values = plot.data[series];
    const none = (n) => values[n] === null || values[n] === undefined;
    return values.map((_, n) => n).filter((n) => !none(n) && none(n - 1) && none(n + 1));
  }

  function drawAll() {
    narrower.disconnect();
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target.id !== "live") return;
    opened.clear();
    document.querySelectorAll(".chart details[open]").forEach((details) => opened.add(details.id));
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "live") return;
    opened.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
    drawAll();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  drawAll();
})();
