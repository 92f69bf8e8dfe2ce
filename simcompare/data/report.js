// The report's scatter of scores against properties; without scripts the static figures stand alone.
const get = id => document.getElementById(id), data = JSON.parse(get("scatter-data").textContent);
const sets = data.datasets.names, setOf = data.datasets.codes, off = new Set();
const readable = value => value === null ? "none" : String(Number(value.toPrecision(4))).replace("-", "\u2212");
let marked = -1;
const plot = scatterPlot(get("scatter-plot"), row => { marked = row; draw(); show(); });
function draw() {
  const x = get("scatter-x").value, y = get("scatter-y").value;
  plot({
    rows: setOf.map((_, k) => k).filter(k => !off.has(setOf[k])), x: data.numbers[x], y: data.numbers[y],
    xLog: data.logarithmic.includes(x), yLog: data.logarithmic.includes(y),
    xLabel: data.labels[x], yLabel: data.labels[y], color: k => data.datasets.colors[setOf[k]], marked,
  });
}
function show() {
  const x = get("scatter-x").value, y = get("scatter-y").value, picture = get("scatter-picture");
  get("scatter-hint").hidden = marked >= 0; get("scatter-galaxy").hidden = marked < 0;
  if (marked < 0) return;
  const name = sets[setOf[marked]], size = 160;
  picture.hidden = !data.sheet || !data.datasets.pictured[setOf[marked]];
  if (!picture.hidden) {
    const scale = size / data.side;
    picture.style.backgroundImage = "url(data:image/jpeg;base64," + data.sheet.jpeg + ")";
    picture.style.backgroundSize = data.sheet.width * scale + "px " + data.sheet.height * scale + "px";
    picture.style.backgroundPosition = -(marked % data.across) * size + "px " + -Math.floor(marked / data.across) * size + "px";
  }
  get("scatter-id").textContent = data.ids[marked]; get("scatter-set").textContent = name;
  get("scatter-values").textContent = data.labels[y] + ": " + readable(data.numbers[y][marked]) + "; " + data.labels[x] + ": " + readable(data.numbers[x][marked]);
  get("scatter-link").href = "browse.html#" + new URLSearchParams({ galaxy: data.ids[marked], set: name });
}
for (const [id, names] of [["scatter-x", data.x], ["scatter-y", data.y]]) {
  get(id).replaceChildren(...names.map(name => new Option(data.labels[name], name)));
  get(id).onchange = () => { draw(); show(); };
}
sets.forEach((name, code) => {
  const label = document.createElement("label"), box = document.createElement("input"), mark = document.createElement("b");
  box.type = "checkbox"; box.checked = true;
  box.onchange = () => { box.checked ? off.delete(code) : off.add(code); draw(); };
  mark.textContent = " \u25cf "; mark.style.color = data.datasets.colors[code];
  label.append(box, mark, name + " (" + data.datasets.counts[code] + ")"); get("scatter-sets").append(label);
});
get("scatter").hidden = false;
addEventListener("resize", draw);
draw(); show();
