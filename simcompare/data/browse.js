const get = id => document.getElementById(id);
const data = get("data") ? JSON.parse(get("data").textContent) : await (await fetch("data.json")).json();
const isToy = document.querySelector(".toy") !== null, labels = data.labels, all = "All columns";
const sheets = data.sheets, side = data.side, across = data.across, perSheet = data.per_sheet, n = data.n;
const numeric = data.columns, sets = data.datasets.names, setOf = data.datasets.codes;
async function need(...names) {  // from a server, a column comes when it is first used
  for (const name of names) {
    if (data.numbers[name]) continue;
    const bytes = await (await fetch("column/" + numeric.indexOf(name))).arrayBuffer();
    data.numbers[name] = Array.from(new Float64Array(bytes), v => Number.isNaN(v) ? null : v);
  }
}
async function entries(k) {  // words, numbers and nearest real galaxies of a row
  if (!data.words) return (await fetch("row/" + k)).json();
  const words = Object.fromEntries(Object.entries(data.words).map(([name, values]) => [name, values[k]]));
  return [words, Object.fromEntries(numeric.map(name => [name, data.numbers[name][k]])), data.near[k]];
}
async function needIds() {
  if (!data.ids) data.ids = data.words ? data.words.galaxy_id || [] : await (await fetch("ids.json")).json();
}
function url(sheet) {  // one short name for each sheet, made when first needed: thousands of cells refer to it
  if (sheet.served) return sheet.served;
  if (!sheet.url) {
    const letters = atob(sheet.jpeg), bytes = new Uint8Array(letters.length);
    for (let k = 0; k < bytes.length; k++) bytes[k] = letters.charCodeAt(k);
    sheet.url = URL.createObjectURL(new Blob([bytes], { type: "image/jpeg" }));
    sheet.jpeg = null;
  }
  return sheet.url;
}
const state = { sort: data.sort, up: true, off: new Set(), range: data.sort, low: null, high: null, pick: -1, find: "", group: Object.keys(data.groups)[0] };
const ranking = { name: null, rows: null };
let order = [], cellSize = 84, perRow = 1;

function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  if (numeric.includes(words.get("sort"))) state.sort = words.get("sort");
  state.up = words.get("up") !== "0";
  state.off = new Set((words.get("off") || "").split(",").filter(Boolean).map(Number));
  if (numeric.includes(words.get("range"))) state.range = words.get("range");
  state.low = words.has("low") ? Number(words.get("low")) : null;
  state.high = words.has("high") ? Number(words.get("high")) : null;
  state.pick = words.has("pick") ? Number(words.get("pick")) : -1;
  state.find = words.get("find") || "";
  state.scatter = words.get("view") === "scatter";
  if (words.has("galaxy")) state.from = [words.get("galaxy"), words.get("set")];  // a link of the report
  if (words.get("columns") === all || Object.hasOwn(data.groups, words.get("columns"))) state.group = words.get("columns");
}
function write() {
  const words = new URLSearchParams({ sort: state.sort, up: state.up ? 1 : 0, range: state.range });
  if (state.off.size) words.set("off", [...state.off].join(","));
  if (state.low !== null) { words.set("low", state.low); words.set("high", state.high); }
  if (state.pick >= 0) words.set("pick", state.pick);
  if (state.find) words.set("find", state.find);
  if (state.scatter) words.set("view", "scatter");
  if (state.group !== Object.keys(data.groups)[0]) words.set("columns", state.group);
  history.replaceState(null, "", "#" + words);
}
function ranked() {
  const name = state.sort + state.up;
  if (ranking.name !== name) {
    const key = Float64Array.from(data.numbers[state.sort], v => v === null ? Infinity : state.up ? v : -v);
    ranking.rows = Uint32Array.from({ length: n }, (_, k) => k).sort((a, b) => key[a] < key[b] ? -1 : key[a] > key[b] ? 1 : a - b);
    ranking.name = name;
  }
  return ranking.rows;
}
function apply() {
  const rows = ranked(), start = performance.now(), range = data.numbers[state.range], kept = [], wanted = state.find.toLowerCase();
  for (const k of rows) {
    if (state.off.has(setOf[k])) continue;
    if (state.low !== null && !(range[k] >= state.low && range[k] <= state.high)) continue;
    if (wanted && !String(data.ids[k]).toLowerCase().includes(wanted)) continue;
    kept.push(k);
  }
  order = kept;
  get("count").textContent = order.length + " of " + n + " images";
  layout();
  document.body.dataset.filterMilliseconds = (performance.now() - start).toFixed(1);
  document.body.dataset.shown = order.length;
  write();
}
const plot = scatterPlot(get("plot"), k => pick(k));
function layout() {
  get("plot").hidden = !state.scatter; get("scroll").hidden = state.scatter;
  get("view").textContent = state.scatter ? "images" : "scatter";
  const box = get("scroll");
  perRow = Math.max(1, Math.floor(box.clientWidth / cellSize));
  get("space").style.height = Math.ceil(order.length / perRow) * cellSize + "px";
  draw();
}
function picture(element, k, size, from = sheets) {
  const place = k % perSheet, scale = size / side, sheet = from[Math.floor(k / perSheet)];
  element.style.backgroundImage = "url(" + url(sheet) + ")";
  element.style.backgroundSize = sheet.width * scale + "px " + sheet.height * scale + "px";
  element.style.backgroundPosition = -(place % across) * size + "px " + -Math.floor(place / across) * size + "px";
}
function draw() {
  if (state.scatter) {
    const [x, y] = [state.range, state.sort];
    plot({ rows: order, x: data.numbers[x], y: data.numbers[y], xLog: data.logarithmic.includes(x), yLog: data.logarithmic.includes(y),
      xLabel: labels[x], yLabel: labels[y], color: k => data.datasets.colors[setOf[k]], marked: state.pick });
    return;
  }
  const box = get("scroll"), space = get("space");
  const first = Math.max(0, Math.floor(box.scrollTop / cellSize) - 1) * perRow;
  const last = Math.min(order.length, first + (Math.ceil(box.clientHeight / cellSize) + 3) * perRow);
  const cells = document.createDocumentFragment();
  for (let at = first; at < last; at++) {
    const k = order[at], cell = document.createElement("div"), value = data.numbers[state.sort][k];
    cell.className = "cell" + (k === state.pick ? " on" : "");
    cell.dataset.row = k;
    cell.style.cssText = "left:" + (at % perRow) * cellSize + "px;top:" + Math.floor(at / perRow) * cellSize + "px;width:" + (cellSize - 2) + "px;height:" + (cellSize - 2) + "px";
    picture(cell, k, cellSize - 2);
    const mark = document.createElement("i"), text = document.createElement("span");
    mark.style.background = data.datasets.colors[setOf[k]];
    text.textContent = readable(value, 4);
    cell.append(mark, text);
    cells.append(cell);
  }
  space.replaceChildren(cells);
}
const tints = ["--up", "--out"].map(name => getComputedStyle(document.documentElement).getPropertyValue(name));
function bars() {
  const values = data.numbers[state.range].filter(v => v !== null), canvas = get("bars"), pen = canvas.getContext("2d");
  let low = Infinity, high = -Infinity;
  for (const v of values) { if (v < low) low = v; if (v > high) high = v; }
  if (!(high > low)) { low -= 0.5; high += 0.5; }
  const counts = new Array(55).fill(0);
  for (const v of values) counts[Math.min(54, Math.floor((v - low) / (high - low) * 55))]++;
  const top = Math.max(...counts, 1);
  pen.clearRect(0, 0, canvas.width, canvas.height);
  counts.forEach((count, k) => {
    const from = low + k * (high - low) / 55, to = low + (k + 1) * (high - low) / 55;
    const inside = state.low === null || (to >= state.low && from <= state.high);
    pen.fillStyle = tints[inside ? 0 : 1];
    const tall = count ? 4 + (canvas.height - 6) * count / top : 0;
    pen.fillRect(k * 8, canvas.height - tall, 7, tall);
  });
  const ends = state.low === null ? [low, high] : [state.low, state.high];
  get("limits").textContent = ends.map(v => Number(v.toPrecision(4))).join(" to ");
  canvas.range = [low, high];
}
const readable = (value, digits) => value === null || value === undefined ? "none" : typeof value === "number" ? String(Number(value.toPrecision(digits))) : String(value);
function make(tag, text, name) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (name) element.className = name;
  return element;
}
function tile(k, id, caption) {
  const box = make("button", undefined, "tile"), picture_ = make("div", undefined, "picture");
  box.type = "button"; box.dataset.neighbour = k; box.onclick = () => pick(k);
  picture(picture_, k, 120); box.append(picture_);
  if (data.map_sheets.length && data.datasets.mapped[setOf[k]]) {
    const map = make("div", undefined, "picture map");
    map.setAttribute("role", "img"); map.setAttribute("aria-label", "map of the log-likelihood ratio");
    picture(map, k, 120, data.map_sheets); box.append(map);
  }
  box.append(make("b", id), make("span", sets[setOf[k]]), make("span", caption));
  return box;
}
async function beside(k, id, near) {  // a galaxy and the real ones nearest to it
  await need(data.sort); await needIds();
  if (state.pick !== k) return;
  const score = row => labels[data.sort] + " " + readable(data.numbers[data.sort][row], 3);
  const there = (near || []).filter(row => row >= 0);
  get("tiles").replaceChildren(tile(k, id, score(k)), ...there.map(row => tile(row, data.ids[row], score(row))));
  get("nearest").textContent = there.length ? "The galaxy and its nearest real galaxies " + data.near_space
    : data.near_space ? "This page holds no image of its nearest real galaxies" : "No nearest real galaxies: no real images, or no S/N, size and magnitude";
  if (data.map_sheets.length) get("nearest").textContent += ". Lower row: log-likelihood ratio per pixel, smoothed; blue favours the model of real galaxies, red its background";
  else get("nearest").textContent += ". For maps of the likelihood, score with --maps";
  reveal(k);  // the strip is taller now
}
function skyLink(k, values) {
  const link = get("sky"), known = typeof values.ra === "number" && typeof values.dec === "number";
  link.hidden = isToy || !known || data.datasets.kinds[setOf[k]] !== "observed";
  if (!link.hidden) link.href = "https://aladin.cds.unistra.fr/AladinLite/?fov=0.03&survey=P/SDSS9/color&target=" + encodeURIComponent(values.ra + " " + values.dec);
}
async function show() {
  const k = state.pick, isThere = k >= 0 && k < n;
  get("panel").hidden = get("beside").hidden = !isThere;
  if (!isThere) return;
  picture(get("large"), k, get("large").clientWidth || 240);
  const rows = [["data set", sets[setOf[k]]]], [words, values, near] = await entries(k);
  if (state.pick !== k) return;
  beside(k, words.galaxy_id, near); skyLink(k, values);
  for (const name in words) rows.push([name.replaceAll("_", " "), words[name]]);
  for (const name of state.group === all ? numeric : data.groups[state.group]) rows.push([labels[name], values[name], name]);
  get("values").replaceChildren(...rows.map(([label, value, name]) => {
    const row = make("tr"), first = make("td", label);
    if (name) first.title = name;
    row.append(first, make("td", readable(value, 5)));
    return row;
  }));
  const terms = data.scales.map(name => values[name] || 0), reach = Math.max(...terms.map(Math.abs), 1e-9);
  const drawing = get("budget"), step = 16;
  drawing.setAttribute("height", terms.length * step); drawing.setAttribute("viewBox", "0 0 240 " + terms.length * step);
  drawing.replaceChildren(...terms.flatMap((value, i) => {
    const bar = document.createElementNS(drawing.namespaceURI, "rect"), text = document.createElementNS(drawing.namespaceURI, "text");
    const wide = 60 * Math.abs(value) / reach;
    bar.setAttribute("class", value < 0 ? "bar down" : "bar"); bar.setAttribute("x", value < 0 ? 170 - wide : 170); bar.setAttribute("y", i * step + 3);
    bar.setAttribute("width", wide); bar.setAttribute("height", step - 6); text.setAttribute("y", i * step + 12); text.setAttribute("font-size", 11);
    text.textContent = data.scale_names[i] + "  " + value.toFixed(1);
    return [bar, text];
  }));
}
function reveal(k) {  // scroll to a galaxy
  if (state.scatter) { draw(); return; }
  const at = order.indexOf(k), box = get("scroll"), top = Math.floor(at / perRow) * cellSize;
  if (at >= 0 && top < box.scrollTop) box.scrollTop = top;
  if (at >= 0 && top + cellSize > box.scrollTop + box.clientHeight) box.scrollTop = top + cellSize - box.clientHeight;
  draw();
}
function pick(k) {
  state.pick = k;
  show(); reveal(k); write();
}
function fill(select, chosen) {  // every column, in its groups; in the first that has it, it is the one selected
  let isChosen = false;
  select.replaceChildren(...Object.entries(data.groups).map(([group, names]) => {
    const part = make("optgroup");
    part.label = group;
    part.append(...names.map(name => { const now = !isChosen && name === chosen; isChosen ||= now; const each = new Option(labels[name], name, now, now); each.title = name; return each; }));
    return part;
  }));
}
async function find(text) {
  if (text) await needIds();
  state.find = text; apply();
}
read();
await need(state.sort, state.range);
if (state.find || state.from) await needIds();
if (state.from) {
  state.pick = data.ids.findIndex((id, k) => id === state.from[0] && (state.from[1] === null || sets[setOf[k]] === state.from[1]));
  if (state.pick < 0) get("count").title = state.from[0] + " is not among the galaxies of this page";
}
get("find").value = state.find;
get("columns").replaceChildren(...[...Object.keys(data.groups), all].map(name => new Option(name, name, false, name === state.group)));
get("columns").onchange = event => { state.group = event.target.value; show(); write(); };
get("find").oninput = event => find(event.target.value.trim());
get("ask").onclick = () => get("help").showModal();
fill(get("sort"), state.sort); fill(get("range"), state.range);
sets.forEach((name, code) => {
  const label = document.createElement("label"), box = document.createElement("input"), mark = document.createElement("b");
  box.type = "checkbox"; box.checked = !state.off.has(code);
  box.onchange = () => { box.checked ? state.off.delete(code) : state.off.add(code); apply(); };
  mark.textContent = " \u25a0 "; mark.style.color = data.datasets.colors[code];
  label.append(box, mark, name + " (" + data.datasets.counts[code] + ")"); get("sets").append(label);
});
get("sort").onchange = async event => { await need(event.target.value); state.sort = event.target.value; apply(); };
get("view").onclick = () => { state.scatter = !state.scatter; layout(); write(); };
get("turn").onclick = () => { state.up = !state.up; apply(); };
get("range").onchange = async event => { await need(event.target.value); state.range = event.target.value; state.low = state.high = null; bars(); apply(); };
get("clear").onclick = () => { state.low = state.high = null; bars(); apply(); };
const canvas = get("bars");
const at = event => { const box = canvas.getBoundingClientRect(), [low, high] = canvas.range; return low + Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * (high - low); };
canvas.onpointerdown = event => { canvas.from = at(event); canvas.setPointerCapture(event.pointerId); };
canvas.onpointermove = event => {
  if (canvas.from === undefined || !event.buttons) return;
  const here = at(event); state.low = Math.min(here, canvas.from); state.high = Math.max(here, canvas.from); bars(); apply();
};
canvas.onpointerup = () => { canvas.from = undefined; };
get("scroll").onscroll = draw;
get("space").onclick = event => { const cell = event.target.closest(".cell"); if (cell) pick(Number(cell.dataset.row)); };
document.onkeydown = event => {
  const isSearch = event.target.id === "find";
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT" || get("help").open) return;
  if (event.key === "Escape") { if (isSearch) { get("find").value = ""; find(""); get("scroll").focus(); } else pick(-1); return; }
  if (isSearch) { if (event.key === "Enter" && order.length) { pick(order[0]); get("scroll").focus(); } return; }
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: perRow, ArrowUp: -perRow }[event.key];
  if (event.key === "/") { get("find").focus(); event.preventDefault(); }
  if (event.key === "?") get("help").showModal();
  if (event.key === "s") get("view").click();
  if (event.key === "r") { state.up = !state.up; apply(); }
  if (event.key === "Enter" && order.length && event.target.tagName !== "BUTTON") pick(state.pick >= 0 ? state.pick : order[0]);
  if (!step || !order.length || event.target.type === "checkbox") return;
  event.preventDefault();
  const now = order.indexOf(state.pick);
  pick(order[now < 0 ? 0 : Math.min(order.length - 1, Math.max(0, now + step))]);
};
addEventListener("resize", layout);
bars(); apply(); if (state.pick >= 0) { pick(state.pick); await show(); }
document.body.dataset.ready = performance.now().toFixed(0);
