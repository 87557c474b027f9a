"use strict";
(() => {
  const POLL_MS = 1000;
  /** Without an answer for this long the numbers on the page are old, and it says so. */
  const LOST_MS = 3500;
  const KEPT = 300;
  const RECENT = 10;
  const $ = (id) => document.getElementById(id);

  const view = {
    instance: null, next: 0, bounds: [], samples: [], latest: null, routesBefore: new Map(),
    span: 300, paused: false, answeredAt: performance.now(), sort: { key: "requests", down: true }, cursor: null,
  };

  // ---- numbers for people ----

  const trimmed = (n) => (n >= 100 ? Math.round(n).toString() : n >= 10 ? n.toFixed(1).replace(/\.0$/, "") : n.toFixed(2).replace(/\.?0+$/, ""));
  const scaled = (n, steps, names) => {
    let at = 0;
    while (at < names.length - 1 && n >= steps) { n /= steps; at += 1; }
    return [at === 0 ? trimmed(Math.round(n * 10) / 10) : trimmed(n), names[at]];
  };
  const bytes = (n) => scaled(n, 1024, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
  const duration = (us) => (us === null || us === undefined ? ["–", ""] : us < 1000 ? [trimmed(us), "µs"] : us < 1e6 ? [trimmed(us / 1e3), "ms"] : [trimmed(us / 1e6), "s"]);
  const whole = (n) => n.toLocaleString("en").replace(/,/g, "\u202f");
  const clock = (ms) => new Date(ms).toLocaleTimeString([], { hour12: false });
  const span = (s) => (s < 60 ? `${s} s` : s < 3600 ? `${Math.floor(s / 60)} min` : s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`);

  /** Sets a text where it has changed: a screen reader and the layout are left alone otherwise. */
  const put = (node, value, unit = "") => {
    const text = unit ? `${value} ${unit}` : `${value}`;
    if (node.dataset.shown === text) return;
    node.dataset.shown = text;
    node.textContent = value;
    if (unit) {
      const small = document.createElement("i");
      small.textContent = ` ${unit}`;
      node.append(small);
    }
  };
  const element = (name, text, className) => {
    const node = document.createElement(name);
    if (text !== undefined) node.textContent = text;
    if (className) node.className = className;
    return node;
  };

  // ---- sums ----

  const sumOf = (samples, pick) => samples.reduce((sum, sample) => sum + pick(sample), 0);
  const requestsOf = (sample) => sample.s.reduce((a, b) => a + b, 0);
  const secondsOf = (samples) => Math.max(sumOf(samples, (sample) => sample.d), 1) / 1e6;
  const latenciesOf = (samples) => {
    const counts = new Array(view.bounds.length + 1).fill(0);
    for (const sample of samples) for (const [bucket, count] of sample.l) counts[bucket] += count;
    return counts;
  };
  const quantile = (counts, share) => {
    const all = counts.reduce((a, b) => a + b, 0);
    if (all === 0) return null;
    const wanted = Math.max(1, Math.ceil(all * share));
    let seen = 0;
    for (let at = 0; at < counts.length; at += 1) {
      seen += counts[at];
      if (seen >= wanted) return view.bounds[Math.min(at, view.bounds.length - 1)];
    }
    return null;
  };

  // ---- what the gateway says ----

  async function poll() {
    if (!document.hidden && !view.paused) {
      try {
        const answer = await fetch(`/stats?since=${view.next}`, { cache: "no-store", signal: AbortSignal.timeout(LOST_MS - POLL_MS) });
        if (!answer.ok) throw new Error(`status ${answer.status}`);
        take(await answer.json());
      } catch (fault) {
        lost();
      }
    }
    setTimeout(poll, POLL_MS);
  }

  function take(stats) {
    if (stats.instance !== view.instance) {
      view.instance = stats.instance;
      view.samples = [];
      view.routesBefore.clear();
      if (view.next > 0) { view.next = 0; view.answeredAt = performance.now(); return; }
    }
    if (view.latest === null && stats.samples.length <= 60) choose(60);
    view.bounds = stats.bounds_us;
    view.samples = view.samples.concat(stats.samples).slice(-KEPT);
    view.next = stats.next;
    view.latest = stats;
    view.answeredAt = performance.now();
    document.body.classList.remove("lost");
    $("alert").hidden = true;
    show();
  }

  function lost() {
    if (performance.now() - view.answeredAt < LOST_MS) return;
    setState("lost", "not reachable");
    document.body.classList.add("lost");
    const since = view.latest ? ` since ${clock(view.latest.now_ms)}; the numbers below are of that time` : "";
    const text = `The gateway is not reachable${since}. This page keeps trying.`;
    if ($("alert").textContent !== text) $("alert").textContent = text;
    $("alert").hidden = false;
  }

  function setState(state, text) {
    if ($("state").dataset.state !== state) $("state").dataset.state = state;
    if ($("state-text").textContent !== text) $("state-text").textContent = text;
    document.title = state === "ready" ? "sluicegate" : `${text} · sluicegate`;
  }

  // ---- the page ----

  function show() {
    const { latest } = view;
    const draining = latest.reasons.includes("draining");
    setState(latest.reasons.length === 0 ? "ready" : "unready", latest.reasons.length === 0 ? "ready" : draining ? "draining" : "not ready");
    if (latest.reasons.length > 0 && !draining) {
      const text = `Not ready: ${latest.reasons.join("; ")}.`;
      if ($("alert").textContent !== text) $("alert").textContent = text;
      $("alert").hidden = false;
    }
    const uptime = Math.max(0, Math.round(latest.now_ms / 1000 - latest.instance));
    put($("about"), `${latest.serves} · version ${latest.version} · ${latest.workers} ${latest.workers === 1 ? "worker" : "workers"}, ${latest.driver} · up ${span(uptime)}`);
    showTiles();
    showStore();
    showKeys();
    showProcess();
    showRoutes();
    drawHeat();
    drawClasses();
  }

  function showTiles() {
    const recent = view.samples.slice(-RECENT);
    const seconds = secondsOf(recent);
    const counts = latenciesOf(recent);
    put($("rate"), trimmed(sumOf(recent, requestsOf) / seconds));
    for (const [id, share] of [["p50", 0.5], ["p90", 0.9], ["p99", 0.99]]) put($(id), ...duration(quantile(counts, share)));
    const requests = sumOf(recent, requestsOf);
    const failed = sumOf(recent, (sample) => sample.s[3] + sample.x);
    const percent = requests === 0 ? 0 : (failed / requests) * 100;
    put($("failed"), trimmed(percent), "%");
    $("failed").classList.toggle("some", failed > 0);
    put($("in-flight"), whole(view.latest.in_flight));
    for (const [id, key] of [["bytes-in", "i"], ["bytes-out", "o"]]) {
      const [number, unit] = bytes(sumOf(recent, (sample) => sample[key]) / seconds);
      put($(id), number, `${unit}/s`);
    }
  }

  function showStore() {
    const { upstream } = view.latest;
    const minute = sumOf(view.samples.slice(-60), (sample) => sample.e);
    const total = upstream.errors.reduce((sum, error) => sum + error.count, 0);
    put($("endpoint"), upstream.endpoint);
    put($("idle"), whole(upstream.idle));
    put($("ejected"), upstream.ejected === 0 ? "none" : whole(upstream.ejected));
    put($("store-errors-now"), whole(minute));
    const kinds = upstream.errors.map((error) => `${error.kind} ${whole(error.count)}`).join(", ");
    put($("store-errors"), total === 0 ? "none" : kinds);
    const answered = view.samples.slice(-60).some((sample) => sample.a > 0);
    const [health, text] = minute > 0 ? (answered ? ["warn", "some calls fail"] : ["bad", "calls fail"]) : answered ? ["good", "answers"] : ["unknown", "not asked in the last minute"];
    $("store-health").dataset.health = health;
    put($("store-health"), text);
  }

  function showKeys() {
    const list = $("keys");
    const now = view.latest.now_ms / 1000;
    const told = view.latest.credentials.map((slot) => {
      const left = slot.expires_s === null ? null : slot.expires_s - now;
      const end = left === null ? "without an end" : left <= 0 ? "ended" : `end in ${span(Math.round(left))}`;
      const health = !slot.usable ? "bad" : slot.fault !== null || (left !== null && left < 300) ? "warn" : "good";
      const words = { good: "usable", warn: "usable for now", bad: "not usable" }[health];
      return { name: slot.set === "store" ? "Store" : slot.set, health, words, detail: [slot.source && `from ${slot.source}`, end, slot.why, slot.fault].filter(Boolean).join(" · ") };
    });
    const key = JSON.stringify(told);
    if (list.dataset.shown === key) return;
    list.dataset.shown = key;
    list.replaceChildren(...told.map((slot) => {
      const item = element("li");
      const state = element("em", slot.words);
      state.dataset.health = slot.health;
      item.append(state, element("b", slot.name), element("span", slot.detail));
      return item;
    }));
  }

  function showProcess() {
    const { process, connections, rejected } = view.latest;
    const before = view.processBefore;
    if (before && view.latest.now_ms > before.at) {
      const share = (process.cpu_us - before.cpu_us) / 1000 / (view.latest.now_ms - before.at);
      put($("cpu"), trimmed(Math.max(0, share) * 100), "% of a core");
    }
    if (!before || view.latest.now_ms - before.at > 4000) view.processBefore = { at: view.latest.now_ms, cpu_us: process.cpu_us };
    put($("memory"), ...bytes(process.resident_bytes));
    put($("connections"), whole(connections));
    put($("refused"), rejected.length === 0 ? "none" : rejected.map((one) => `${one.reason}: ${whole(one.count)}`).join(", "));
  }

  // ---- routes ----

  function rows() {
    const now = view.latest.now_ms;
    return view.latest.routes.map((route) => {
      const name = `${route.method} /${route.stage}${route.resource} ${route.api}`;
      const history = view.routesBefore.get(name) ?? [];
      if (history.length === 0 || history.at(-1)[0] < now) history.push([now, route.requests]);
      while (history.length > RECENT + 1) history.shift();
      view.routesBefore.set(name, history);
      const [since, requests] = history[0];
      const rate = now > since ? (route.requests - requests) / ((now - since) / 1000) : 0;
      return { ...route, name, rate, in: route.request_bytes, out: route.response_bytes };
    });
  }

  function showRoutes() {
    const all = rows();
    const { key, down } = view.sort;
    const order = (a, b) => (typeof a === "string" ? a.localeCompare(b) : (a ?? -1) - (b ?? -1));
    all.sort((a, b) => (down ? -1 : 1) * order(a[key], b[key]) || order(a.name, b.name));
    const body = $("routes").tBodies[0];
    while (body.rows.length > all.length) body.deleteRow(-1);
    while (body.rows.length < all.length) {
      const row = body.insertRow();
      for (let at = 0; at < 10; at += 1) row.insertCell();
      row.cells[0].className = "text";
    }
    all.forEach((route, at) => fill(body.rows[at], route));
    $("no-routes").hidden = all.length > 0;
    const { totals } = view.latest;
    put($("all-requests"), whole(totals.requests));
    put($("all-rate"), trimmed(all.reduce((sum, route) => sum + route.rate, 0)), "/s");
    put($("all-e4"), whole(totals.e4));
    put($("all-e5"), whole(totals.e5));
    for (const share of ["p50", "p90", "p99"]) put($(`all-${share}`), ...duration(totals[share]));
    put($("all-in"), ...bytes(totals.request_bytes));
    put($("all-out"), ...bytes(totals.response_bytes));
  }

  function fill(row, route) {
    const [name, ...cells] = row.cells;
    if (name.dataset.shown !== route.name) {
      name.dataset.shown = route.name;
      const nowhere = route.resource === "-" && route.method === "-";
      const path = route.api === "sidecar" ? "S3" : `/${route.stage}${route.resource}`;
      name.replaceChildren(...(nowhere ? [element("span", "–"), "no such method"] : [element("span", route.method), path]));
      if (!nowhere && route.api !== "sidecar") name.append(element("small", route.api));
    }
    put(cells[0], whole(route.requests));
    put(cells[1], trimmed(route.rate), "/s");
    put(cells[2], whole(route.e4));
    put(cells[3], whole(route.e5));
    cells[3].className = route.e5 > 0 ? "bad" : "";
    put(cells[4], ...duration(route.p50));
    put(cells[5], ...duration(route.p90));
    put(cells[6], ...duration(route.p99));
    put(cells[7], ...bytes(route.in));
    put(cells[8], ...bytes(route.out));
  }

  for (const head of $("routes").tHead.rows[0].cells) {
    head.firstElementChild.addEventListener("click", () => {
      const { key } = head.dataset;
      view.sort = { key, down: view.sort.key === key ? !view.sort.down : key !== "name" };
      for (const other of head.parentNode.cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", view.sort.down ? "descending" : "ascending");
      if (view.latest) showRoutes();
    });
  }

  // ---- drawings ----

  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  /** A canvas in its own pixels: its context, width and height in CSS pixels. */
  function sheet(canvas) {
    const { width, height } = canvas.getBoundingClientRect();
    const ratio = window.devicePixelRatio || 1;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "12px system-ui, sans-serif";
    return { context, width, height };
  }

  const MARGIN = { left: 52, right: 4, top: 6, bottom: 22 };

  /** Where times and values are on a sheet. */
  function plotOf(page) {
    const left = MARGIN.left, top = MARGIN.top;
    return { left, top, width: page.width - left - MARGIN.right, height: page.height - top - MARGIN.bottom };
  }

  function timeAxis(page, plot) {
    const { context } = page;
    context.fillStyle = color("--soft");
    context.textBaseline = "top";
    const steps = plot.width < 420 ? 2 : 5;
    for (let step = 0; step <= steps; step += 1) {
      const ago = Math.round(view.span * (1 - step / steps));
      context.textAlign = step === 0 ? "left" : step === steps ? "right" : "center";
      const label = ago === 0 ? "now" : ago >= 60 ? `−${trimmed(ago / 60)} min` : `−${ago} s`;
      context.fillText(label, plot.left + (plot.width * step) / steps, plot.top + plot.height + 6);
    }
  }

  /** The samples shown, each with its column: the newest is the last one. */
  function columns() {
    const shown = view.samples.slice(-view.span);
    return shown.map((sample, at) => [view.span - shown.length + at, sample]);
  }

  /** The decades that hold something, two at least. */
  function heatRange(shown) {
    let low = Infinity, high = 0;
    for (const [, sample] of shown) for (const [bucket] of sample.l) {
      low = Math.min(low, bucket === 0 ? 10 : view.bounds[bucket - 1]);
      high = Math.max(high, view.bounds[Math.min(bucket, view.bounds.length - 1)]);
    }
    if (high === 0) { low = 100; high = 100000; }
    let from = Math.max(1, Math.floor(Math.log10(low) + 1e-9)), to = Math.min(8, Math.ceil(Math.log10(high) - 1e-9));
    while (to - from < 2) { if (to < 8) to += 1; else from -= 1; }
    return [from, to];
  }

  function heatScale(shown, plot) {
    const [from, to] = heatRange(shown);
    return { from, to, y: (us) => plot.top + plot.height * (1 - (Math.log10(Math.max(us, 10 ** from)) - from) / (to - from)) };
  }

  function drawHeat() {
    const page = sheet($("heat"));
    const plot = plotOf(page);
    const shown = columns();
    const scale = heatScale(shown, plot);
    const { context } = page;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (let decade = scale.from; decade <= scale.to; decade += 1) {
      const y = scale.y(10 ** decade);
      context.fillStyle = color("--grid");
      context.fillRect(plot.left, Math.round(y), plot.width, 1);
      context.fillStyle = color("--soft");
      context.fillText(duration(10 ** decade).join(" "), plot.left - 8, Math.min(Math.max(y, plot.top + 6), plot.top + plot.height - 4));
    }
    const most = Math.max(1, ...shown.flatMap(([, sample]) => sample.l.map(([, count]) => count)));
    const ramp = [1, 2, 3, 4, 5, 6].map((step) => color(`--heat-${step}`));
    const width = plot.width / view.span;
    for (const [column, sample] of shown) {
      const x = plot.left + column * width;
      for (const [bucket, count] of sample.l) {
        const top = scale.y(view.bounds[Math.min(bucket, view.bounds.length - 1)]);
        const bottom = scale.y(bucket === 0 ? 10 : view.bounds[bucket - 1]);
        context.fillStyle = ramp[Math.min(5, Math.floor((Math.log1p(count) / Math.log1p(most)) * 6))];
        context.fillRect(x, top, Math.max(1, width + 0.4), Math.max(1.5, bottom - top + 0.4));
      }
    }
    heatLine(context, shown, scale, plot, 0.5, "--line50");
    heatLine(context, shown, scale, plot, 0.99, "--line99");
    timeAxis(page, plot);
    drawCursor(page, plot, shown, scale);
  }

  /** A quantile over time, each point over the ten seconds before it: single seconds jump. */
  function heatLine(context, shown, scale, plot, share, name) {
    const width = plot.width / view.span;
    context.lineJoin = "round";
    context.beginPath();
    let drawing = false;
    for (let at = 0; at < shown.length; at += 1) {
      const window = shown.slice(Math.max(0, at - RECENT + 1), at + 1).map(([, sample]) => sample);
      const value = shown[at][1].l.length === 0 ? null : quantile(latenciesOf(window), share);
      if (value === null) { drawing = false; continue; }
      const x = plot.left + (shown[at][0] + 0.5) * width, y = scale.y(value);
      if (drawing) context.lineTo(x, y); else context.moveTo(x, y);
      drawing = true;
    }
    // A rim in the colour of the paper keeps the line apart from the cells.
    context.strokeStyle = color("--panel");
    context.lineWidth = 4.5;
    context.stroke();
    context.strokeStyle = color(name);
    context.lineWidth = 2;
    context.setLineDash(share > 0.9 ? [6, 3] : []);
    context.stroke();
    context.setLineDash([]);
  }

  const CLASSES = [["2xx", "--c2"], ["3xx", "--c3"], ["4xx", "--c4"], ["5xx", "--c5"], ["client gone", "--c0"]];

  function drawClasses() {
    const page = sheet($("classes"));
    const plot = plotOf(page);
    const { context } = page;
    const shown = columns();
    const rateOf = (sample) => requestsOf(sample) / (sample.d / 1e6);
    const most = Math.max(1, ...shown.map(([, sample]) => rateOf(sample)));
    const magnitude = 10 ** Math.floor(Math.log10(most));
    const ceiling = [1, 2, 5, 10].find((step) => step * magnitude >= most) * magnitude;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const share of [0, 0.5, 1]) {
      const y = plot.top + plot.height * (1 - share);
      context.fillStyle = color("--grid");
      context.fillRect(plot.left, Math.round(y) - (share === 0 ? 1 : 0), plot.width, 1);
      context.fillStyle = color("--soft");
      context.fillText(trimmed(ceiling * share), plot.left - 8, Math.min(Math.max(y, plot.top + 6), plot.top + plot.height - 4));
    }
    const width = plot.width / view.span;
    const fills = CLASSES.map(([, name]) => color(name));
    for (const [column, sample] of shown) {
      let y = plot.top + plot.height;
      sample.s.forEach((count, at) => {
        const height = (count / (sample.d / 1e6) / ceiling) * plot.height;
        context.fillStyle = fills[at];
        context.fillRect(plot.left + column * width, y - height, Math.max(1, width + 0.4), height);
        y -= height;
      });
    }
    timeAxis(page, plot);
    const samples = shown.map(([, sample]) => sample);
    const told = CLASSES.map(([name], at) => [name, sumOf(samples, (sample) => sample.s[at])]).filter(([, count]) => count > 0);
    const reached = told.map(([name, count]) => `${whole(count)} ${name}`).join(", ");
    put($("classes-told"), `${view.span / 60} min: ${reached || "no request"}.`);
  }

  // ---- the cursor of the heat map ----

  function drawCursor(page, plot, shown, scale) {
    const { cursor } = view;
    if (cursor === null) return;
    const found = shown.find(([column]) => column === cursor.column);
    const { context } = page;
    const width = plot.width / view.span;
    const high = view.bounds[Math.min(cursor.bucket, view.bounds.length - 1)];
    const low = cursor.bucket === 0 ? 10 : view.bounds[cursor.bucket - 1];
    const x = plot.left + cursor.column * width;
    context.strokeStyle = color("--cursor");
    context.lineWidth = 1;
    context.strokeRect(Math.round(x) - 0.5, scale.y(high) - 1, Math.max(4, width) + 1, Math.max(4, scale.y(low) - scale.y(high)) + 2);
    const moment = view.latest.now_ms - (view.span - 1 - cursor.column) * 1000;
    const count = found ? (found[1].l.find(([bucket]) => bucket === cursor.bucket) ?? [0, 0])[1] : 0;
    const all = found ? requestsOf(found[1]) : 0;
    put($("heat-told"), `${clock(moment)} · ${duration(low).join(" ")} to ${duration(high).join(" ")}: ${whole(count)} of ${whole(all)} requests of that second.`);
  }

  function pointAt(event) {
    if (!view.latest) return;
    const box = $("heat").getBoundingClientRect();
    const plot = plotOf(box);
    const scale = heatScale(columns(), plot);
    const column = Math.floor(((event.clientX - box.left - plot.left) / plot.width) * view.span);
    const height = 1 - (event.clientY - box.top - plot.top) / plot.height;
    if (column < 0 || column >= view.span || height < 0 || height > 1) return;
    const us = 10 ** (scale.from + height * (scale.to - scale.from));
    const bucket = view.bounds.findIndex((bound) => bound >= us);
    view.cursor = { column, bucket: bucket < 0 ? view.bounds.length : bucket };
    drawHeat();
  }

  function leave() {
    view.cursor = null;
    put($("heat-told"), "Point at the map, or move through it with the arrow keys.");
    if (view.latest) drawHeat();
  }

  $("heat").addEventListener("pointermove", pointAt);
  $("heat").addEventListener("pointerdown", pointAt);
  $("heat").addEventListener("pointerleave", leave);
  $("heat").addEventListener("blur", leave);
  $("heat").addEventListener("keydown", (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!step || !view.latest) return;
    event.preventDefault();
    const busiest = latenciesOf(view.samples.slice(-RECENT));
    const start = { column: view.span - 1, bucket: busiest.indexOf(Math.max(...busiest)) };
    const at = view.cursor ?? start;
    view.cursor = {
      column: Math.min(view.span - 1, Math.max(0, at.column + step[0])),
      bucket: Math.min(view.bounds.length - 1, Math.max(0, at.bucket + step[1])),
    };
    drawHeat();
  });

  // ---- controls ----

  const choices = document.querySelectorAll("input[name=span]");
  /** Shows so many seconds. A process that has just begun is looked at from near. */
  function choose(seconds) {
    view.span = seconds;
    view.cursor = null;
    for (const choice of choices) choice.checked = Number(choice.value) === seconds;
    if (view.latest) { drawHeat(); drawClasses(); }
  }
  for (const choice of choices) choice.addEventListener("change", () => choose(Number(choice.value)));
  $("pause").addEventListener("click", () => {
    view.paused = !view.paused;
    view.answeredAt = performance.now();
    $("pause").setAttribute("aria-pressed", String(view.paused));
    $("pause").textContent = view.paused ? "Go on" : "Pause";
  });
  const redraw = () => { if (view.latest) { drawHeat(); drawClasses(); } };
  new ResizeObserver(redraw).observe($("main"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  document.addEventListener("visibilitychange", () => { view.answeredAt = performance.now(); });
  poll();
})();
