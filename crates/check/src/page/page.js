"use strict";
// Draws what can be seen and nothing else. Positions come laid out; `zoom` scales them, `scroll` moves them. The chart is no taller than the
// window, since a canvas has a greatest height, which some thousand lanes are beyond: it goes down with the reader.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const count = data.from.length;
  const $ = (id) => document.getElementById(id);
  const chart = $("chart"), view = $("view"), overview = $("overview"), tip = $("tip"), details = $("details");
  const NAMES = 116, HEAD = 40, BAR = 24, ZOOM_MAX = 4, LANES_SHOWN_MAX = 40;
  const LANE = data.lanes.length > LANES_SHOWN_MAX ? 28 : 34;
  const HEIGHT = HEAD + Math.max(1, data.lanes.length) * LANE + 8;
  view.style.height = HEIGHT + 2 + "px";

  // The bars of each lane stand from left to right and do not overlap, so the visible ones are found by halving.
  const lanes = data.lanes.map(() => []);
  for (let bar = 0; bar < count; bar++) lanes[data.lane[bar]].push(bar);
  for (const lane of lanes) lane.sort((a, b) => data.from[a] - data.from[b]);
  const core = new Set(data.core);
  const problems = new Map(data.problems.map((bar, number) => [bar, data.why[number]]));
  const place = new Int32Array(count).fill(-1), part = new Int32Array(count).fill(-1);
  data.orders.forEach((order, number) => order.forEach((bar, at) => { place[bar] = at; part[bar] = number; }));

  let zoom = 1, scroll = 0, down = 0, chosen = -1, hovered = -1, colors = {}, width = chart.clientWidth, scheduled = false;
  const room = () => Math.max(1, width - NAMES);
  const zoomMin = () => Math.min(1, room() / data.width);
  const x = (position) => NAMES + position * zoom - scroll;
  const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

  function readColors() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["paper", "ink", "quiet", "line", "returned", "returned-edge", "failed", "failed-edge", "open",
      "open-edge", "problem", "problem-edge", "core-edge", "point", "band", "band-text", "focus", "panel", "edge"]) {
      colors[name] = style.getPropertyValue("--" + name).trim();
    }
  }

  function sized(canvas, height) {
    const ratio = window.devicePixelRatio || 1, wide = canvas.clientWidth;
    canvas.style.height = height + "px";
    if (canvas.width !== Math.round(wide * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(wide * ratio);
      canvas.height = Math.round(height * ratio);
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    return pen;
  }

  const FONT = '12px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace';
  function cut(text, wide) {
    const most = Math.floor(wide / 7.25);
    if (text.length <= most) return text;
    return most < 2 ? "" : text.slice(0, most - 1) + "…";
  }

  const KINDS = ["returned", "failed", "open"];
  function drawBar(pen, bar, top) {
    const from = x(data.from[bar]), to = Math.max(x(data.to[bar]), from + 1.5), wide = to - from;
    const kind = data.kind[bar], isProblem = problems.has(bar), name = isProblem ? "problem" : KINDS[kind];
    if (kind === 2 && wide > 6) {
      const fade = pen.createLinearGradient(from, 0, to, 0);
      fade.addColorStop(0, colors[name]);
      fade.addColorStop(0.6, colors[name]);
      fade.addColorStop(1, colors.paper);
      pen.fillStyle = fade;
    } else {
      pen.fillStyle = wide < 4 ? colors[name + "-edge"] : colors[name];
    }
    pen.fillRect(from, top, wide, BAR);
    if (wide >= 4) {
      pen.strokeStyle = core.has(bar) && !isProblem ? colors["core-edge"] : colors[name + "-edge"];
      pen.lineWidth = isProblem || core.has(bar) ? 3 : 1;
      pen.setLineDash(kind === 0 ? [] : kind === 1 ? [3, 3] : [6, 3]);
      pen.beginPath();
      if (kind === 2) {
        pen.moveTo(to, top + 0.5); pen.lineTo(from + 0.5, top + 0.5);
        pen.lineTo(from + 0.5, top + BAR - 0.5); pen.lineTo(to, top + BAR - 0.5);
      } else {
        pen.rect(from + 0.5, top + 0.5, wide - 1, BAR - 1);
      }
      pen.stroke();
      pen.setLineDash([]);
    }
    if (data.point[bar] >= 0 && wide >= 4) {
      const at = x(data.point[bar]);
      pen.strokeStyle = colors.point;
      pen.lineWidth = 2;
      pen.beginPath();
      // Across the edges only: the text stays free.
      pen.moveTo(at, top - 4); pen.lineTo(at, top + 5); pen.moveTo(at, top + BAR - 5); pen.lineTo(at, top + BAR + 4);
      pen.stroke();
    }
    if (wide > 18) {
      pen.fillStyle = colors.ink;
      const begin = Math.max(from, NAMES) + 6;
      pen.fillText(cut(data.label[bar], to - begin - 4), begin, top + 16);
    }
    if (bar === chosen || bar === hovered) {
      pen.strokeStyle = bar === chosen ? colors.focus : colors.edge;
      pen.lineWidth = 2;
      pen.strokeRect(from - 3, top - 3, wide + 6, BAR + 6);
    }
  }

  function firstVisible(lane, position) {
    let low = 0, high = lane.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.to[lane[middle]] < position) low = middle + 1; else high = middle;
    }
    return low;
  }

  function draw() {
    scheduled = false;
    width = chart.clientWidth;
    zoom = clamp(zoom, zoomMin(), ZOOM_MAX);
    scroll = clamp(scroll, 0, Math.max(0, data.width * zoom - room()));
    const tall = Math.min(HEIGHT, Math.max(window.innerHeight, HEAD + LANE));
    down = Math.floor(clamp(-view.getBoundingClientRect().top, 0, HEIGHT - tall));
    chart.style.top = down + "px";
    const pen = sized(chart, tall);
    pen.fillStyle = colors.paper;
    pen.fillRect(0, 0, width, tall);
    pen.font = FONT;
    const left = scroll / zoom, right = (scroll + room()) / zoom;
    pen.save();
    pen.translate(0, -down);
    drawBands(pen, left, right);
    let visible = 0;
    const shown = [];
    const firstLane = Math.max(0, Math.floor((down - HEAD) / LANE));
    const lastLane = Math.min(lanes.length - 1, Math.floor((down + tall - HEAD) / LANE));
    for (let number = firstLane; number <= lastLane; number++) {
      const lane = lanes[number], top = HEAD + number * LANE;
      pen.strokeStyle = colors.line;
      pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(NAMES, top + LANE / 2); pen.lineTo(width, top + LANE / 2); pen.stroke();
      let painted = -1, first = -1;
      for (let at = firstVisible(lane, left); at < lane.length && data.from[lane[at]] <= right; at++) {
        const bar = lane[at];
        if (first < 0) first = bar;
        visible++;
        // Where bars are thinner than a pixel one stands for those behind it, unless it matters.
        const end = Math.floor(x(data.to[bar]));
        if (end <= painted && !problems.has(bar) && !core.has(bar) && bar !== chosen) continue;
        painted = end;
        drawBar(pen, bar, top + (LANE - BAR) / 2);
        if (data.point[bar] >= 0) shown.push(bar);
      }
      drawName(pen, number, first, top);
    }
    drawOrder(pen, shown);
    drawFlags(pen, left, right);
    pen.restore();
    drawHead(pen, left, right);
    drawOverview(left, right);
    const root = document.documentElement.dataset;
    root.ready = "yes"; root.visible = visible; root.chosen = chosen; root.zoom = zoom.toFixed(4);
    root.count = count;
  }

  // What the time is, above the lanes that are shown.
  function drawHead(pen, left, right) {
    pen.save();
    pen.beginPath(); pen.rect(0, 0, width, HEAD - 6); pen.clip();
    pen.fillStyle = colors.paper;
    pen.fillRect(0, 0, width, HEAD);
    drawBands(pen, left, right);
    drawRuler(pen, left, right);
    pen.restore();
  }

  function drawName(pen, number, first, top) {
    pen.fillStyle = colors.paper;
    pen.fillRect(0, top, NAMES - 2, LANE);
    pen.fillStyle = colors.ink;
    const name = first >= 0 ? data.client[first] : data.lanes[number];
    pen.fillText(cut("process " + name, NAMES - 12), 8, top + LANE / 2 + 4);
  }

  function drawBands(pen, left, right) {
    for (let band = 0; band < data.bandFrom.length; band++) {
      if (data.bandTo[band] < left || data.bandFrom[band] > right) continue;
      const from = Math.max(NAMES, x(data.bandFrom[band])), to = x(data.bandTo[band]);
      pen.fillStyle = colors.band;
      pen.fillRect(from, 0, Math.max(2, to - from), HEIGHT);
      pen.fillStyle = colors["band-text"];
      pen.fillText(cut(data.bandWhat[band], to - from - 6), from + 4, 14);
    }
  }

  function time(microseconds) {
    if (microseconds < 1000) return microseconds.toFixed(0) + " µs";
    if (microseconds < 1e6) return (microseconds / 1e3).toFixed(microseconds < 1e4 ? 2 : 1) + " ms";
    return (microseconds / 1e6).toFixed(3) + " s";
  }

  // The first bar, in the order of invocation, that begins there or later.
  function firstFrom(position) {
    let low = 0, high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.from[middle] < position) low = middle + 1; else high = middle;
    }
    return low;
  }

  function drawRuler(pen, left, right) {
    if (count === 0 || data.invoked[0] < 0) return;
    pen.fillStyle = colors.quiet;
    for (let bar = firstFrom(left); bar < count && data.from[bar] <= right; bar = Math.max(bar + 1, firstFrom(data.from[bar] + 110 / zoom))) {
      const at = x(data.from[bar]);
      pen.fillText(time(data.invoked[bar]), at + 3, 32);
      pen.fillRect(at, 24, 1, 14);
    }
  }

  // The order in which things take effect, as a line from point to point, of the part that is looked at.
  function drawOrder(pen, shown) {
    const wanted = chosen >= 0 && part[chosen] >= 0 ? part[chosen] : data.orders.length === 1 ? 0 : -1;
    if (wanted < 0 || zoom < 0.25) return;
    const row = shown.filter((bar) => part[bar] === wanted).sort((a, b) => place[a] - place[b]);
    pen.strokeStyle = colors.point;
    pen.lineWidth = 1;
    pen.setLineDash([2, 3]);
    pen.beginPath();
    let before = -2;
    for (const bar of row) {
      const at = x(data.point[bar]), middle = HEAD + data.lane[bar] * LANE + LANE / 2;
      if (place[bar] === before + 1) pen.lineTo(at, middle); else pen.moveTo(at, middle);
      before = place[bar];
    }
    pen.stroke();
    pen.setLineDash([]);
  }

  function drawFlags(pen, left, right) {
    pen.fillStyle = colors["problem-edge"];
    for (const bar of data.problems) {
      if (data.to[bar] < left || data.from[bar] > right) continue;
      const at = x(data.to[bar]), top = HEAD + data.lane[bar] * LANE;
      pen.beginPath(); pen.moveTo(at, top - 6); pen.lineTo(at + 12, top - 1); pen.lineTo(at, top + 4); pen.fill();
    }
  }

  // Everything at once: how busy each moment is, where the problems are, and what part is shown below.
  let crowd = null;
  function drawOverview(left, right) {
    const height = 34, pen = sized(overview, height), wide = overview.clientWidth, scale = wide / data.width;
    if (!crowd || crowd.length !== Math.ceil(wide)) {
      crowd = new Float32Array(Math.ceil(wide));
      for (let bar = 0; bar < count; bar++) {
        const from = Math.floor(data.from[bar] * scale), to = Math.min(crowd.length - 1, Math.floor(data.to[bar] * scale));
        for (let column = from; column <= to; column++) crowd[column]++;
      }
    }
    let most = 1;
    for (const value of crowd) most = Math.max(most, value);
    pen.clearRect(0, 0, wide, height);
    for (let band = 0; band < data.bandFrom.length; band++) {
      pen.fillStyle = colors.band;
      pen.fillRect(data.bandFrom[band] * scale, 0, Math.max(1, (data.bandTo[band] - data.bandFrom[band]) * scale), height);
    }
    pen.fillStyle = colors.edge;
    for (let column = 0; column < crowd.length; column++) {
      const tall = crowd[column] / most * (height - 8);
      pen.fillRect(column, height - tall, 1, tall);
    }
    pen.fillStyle = colors["problem-edge"];
    for (const bar of data.problems) pen.fillRect(data.to[bar] * scale - 2, 0, 4, height);
    pen.strokeStyle = colors.focus;
    pen.lineWidth = 2;
    pen.strokeRect(left * scale + 1, 1, Math.max(6, (right - left) * scale - 2), height - 2);
  }

  function redraw() {
    if (scheduled) return;
    scheduled = true;
    requestAnimationFrame(draw);
  }

  const ENDS = ["", ", failed: it did not happen", ", never answered: it may take effect at any time, or never"];
  function sentence(bar) {
    const words = [data.mark + bar + ": " + data.label[bar] + ", process " + data.client[bar] + ", line " + data.line[bar] + ENDS[data.kind[bar]]];
    if (data.invoked[bar] >= 0) words.push("invoked at " + time(data.invoked[bar]));
    if (data.took[bar] >= 0) words.push("took " + time(data.took[bar]));
    if (place[bar] >= 0) {
      words.push("takes effect as number " + (place[bar] + 1) + (data.orders.length > 1 ? " of its part" : ""));
    }
    if (problems.has(bar)) words.push(problems.get(bar));
    else if (core.has(bar)) words.push("one of those that are impossible together");
    return words.join("; ") + ".";
  }

  function choose(bar, isCentred) {
    if (bar < 0 || bar >= count) return;
    chosen = bar;
    details.textContent = sentence(bar);
    const from = x(data.from[bar]), to = x(data.to[bar]);
    if (isCentred || from < NAMES || to > width) {
      scroll = (data.from[bar] + data.to[bar]) / 2 * zoom - room() / 2;
    }
    const top = HEAD + data.lane[bar] * LANE, rectangle = view.getBoundingClientRect();
    if (rectangle.top + top < (down > 0 ? HEAD : 0) || rectangle.top + top + LANE > window.innerHeight) {
      window.scrollBy(0, rectangle.top + top - window.innerHeight / 2);
    }
    redraw();
  }

  function jump(list) {
    if (list.length === 0) return;
    const at = list.indexOf(chosen);
    if (zoom < 0.8) zoom = 1;
    choose(list[(at + 1) % list.length], true);
  }

  function changeLane(by) {
    if (chosen < 0) return choose(0, true);
    for (let number = data.lane[chosen] + by; number >= 0 && number < lanes.length; number += by) {
      const lane = lanes[number];
      if (lane.length === 0) continue;
      const at = Math.min(firstVisible(lane, data.from[chosen]), lane.length - 1);
      return choose(lane[at]);
    }
  }

  function zoomBy(factor, around) {
    const at = around ?? (chosen >= 0 ? clamp(x((data.from[chosen] + data.to[chosen]) / 2), NAMES, width) : NAMES + room() / 2);
    const position = (at - NAMES + scroll) / zoom;
    zoom = clamp(zoom * factor, zoomMin(), ZOOM_MAX);
    scroll = position * zoom - (at - NAMES);
    redraw();
  }

  function fit() { zoom = zoomMin(); scroll = 0; redraw(); }

  function setTheme(name) {
    document.documentElement.dataset.theme = name;
    readColors();
    redraw();
  }
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  system.addEventListener("change", () => setTheme(system.matches ? "dark" : "light"));

  function help() {
    const isHidden = $("keys").hidden = !$("keys").hidden;
    $("help").setAttribute("aria-expanded", String(!isHidden));
  }

  const firstOf = () => (chosen < 0 ? 0 : chosen + 1);
  const actions = {
    ArrowRight: () => choose(Math.min(firstOf(), count - 1)),
    ArrowLeft: () => choose(Math.max(chosen - 1, 0)),
    ArrowDown: () => changeLane(1),
    ArrowUp: () => changeLane(-1),
    Home: () => choose(0, true),
    End: () => choose(count - 1, true),
    p: () => jump(data.problems),
    c: () => jump(data.core),
    f: fit,
    t: () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
    "+": () => zoomBy(1.5),
    "=": () => zoomBy(1.5),
    "-": () => zoomBy(1 / 1.5),
    "?": help,
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const action = actions[event.key] ?? actions[event.key.toLowerCase()];
    // On a button, arrows still move; what the button itself does is its own.
    if (!action) return;
    event.preventDefault();
    action();
  });
  const buttons = { jump: "p", previous: "ArrowLeft", next: "ArrowRight", out: "-", in: "+", fit: "f", theme: "t", help: "?" };
  for (const [id, key] of Object.entries(buttons)) $(id).addEventListener("click", actions[key]);
  if (data.problems.length === 0) $("jump").disabled = true;

  function barAt(event) {
    const rectangle = chart.getBoundingClientRect(), px = event.clientX - rectangle.left, py = event.clientY - rectangle.top + down;
    const number = Math.floor((py - HEAD) / LANE);
    if (px < NAMES || number < 0 || number >= lanes.length) return -1;
    const lane = lanes[number], position = (px - NAMES + scroll) / zoom, at = firstVisible(lane, position - 2 / zoom);
    return at < lane.length && data.from[lane[at]] <= position + 2 / zoom ? lane[at] : -1;
  }

  let drag = null;
  chart.addEventListener("pointerdown", (event) => { drag = { at: event.clientX, scroll, moved: false }; });
  window.addEventListener("pointerup", (event) => {
    if (drag && !drag.moved && event.target === chart) {
      const bar = barAt(event);
      if (bar >= 0) choose(bar);
    }
    drag = null;
    chart.style.cursor = "";
  });
  chart.addEventListener("pointermove", (event) => {
    if (drag && event.buttons) {
      drag.moved ||= Math.abs(event.clientX - drag.at) > 3;
      scroll = drag.scroll - (event.clientX - drag.at);
      chart.style.cursor = "grabbing";
      tip.hidden = true;
      return redraw();
    }
    const bar = barAt(event);
    if (bar !== hovered) { hovered = bar; redraw(); }
    tip.hidden = bar < 0;
    if (bar < 0) return;
    const label = document.createElement("b");
    label.textContent = data.label[bar];
    tip.replaceChildren(label, sentence(bar).slice((data.mark + bar + ": " + data.label[bar]).length + 2));
    const rectangle = chart.getBoundingClientRect(), px = event.clientX - rectangle.left;
    tip.style.left = clamp(px + 14, 4, Math.max(4, width - tip.offsetWidth - 8)) + "px";
    const below = HEAD + (data.lane[bar] + 1) * LANE + 4;
    const above = HEAD + data.lane[bar] * LANE - tip.offsetHeight - 4;
    tip.style.top = (below + tip.offsetHeight < HEIGHT ? below : Math.max(2, above)) + "px";
  });
  chart.addEventListener("pointerleave", () => { hovered = -1; tip.hidden = true; redraw(); });
  chart.addEventListener("wheel", (event) => {
    if (event.ctrlKey) {
      event.preventDefault();
      return zoomBy(Math.exp(-event.deltaY / 300), event.clientX - chart.getBoundingClientRect().left);
    }
    const by = Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey ? event.deltaX || event.deltaY : 0;
    if (by === 0) return;
    event.preventDefault();
    scroll += by;
    redraw();
  }, { passive: false });
  const goTo = (event) => {
    const rectangle = overview.getBoundingClientRect();
    scroll = (event.clientX - rectangle.left) / rectangle.width * data.width * zoom - room() / 2;
    redraw();
  };
  overview.addEventListener("pointerdown", goTo);
  overview.addEventListener("pointermove", (event) => { if (event.buttons) goTo(event); });
  window.addEventListener("resize", redraw);
  window.addEventListener("scroll", redraw, { passive: true });

  setTheme(system.matches ? "dark" : "light");
})();
