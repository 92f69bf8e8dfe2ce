// A scatter plot on a canvas, shared by the report and the browse page: round ticks, points to hover and pick.
function roundTicks(low, high, isLog) {
  if (isLog && high - low < 0.8) return roundTicks(10 ** low, 10 ** high, false).map(Math.log10);
  if (isLog) {
    const marks = high - low < 2 ? [1, 2, 5] : [1], ticks = [];
    for (let k = Math.floor(low); k <= high; k++) ticks.push(...marks.map(each => k + Math.log10(each)));
    return ticks.filter(tick => tick >= low && tick <= high);
  }
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(each => each * power >= rough), ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) ticks.push(k * step);
  return ticks;
}
function scatterPlot(canvas, onPick) {
  const pen = canvas.getContext("2d"), margin = { left: 58, right: 12, top: 10, bottom: 44 };
  let now = null, places = [], order = [];
  const scaled = (value, isLog) => value === null ? NaN : isLog ? value > 0 ? Math.log10(value) : NaN : Number(value);
  const digits = value => String(Number(value.toPrecision(4))).replace("-", "\u2212");
  function ends(values) {
    let low = Infinity, high = -Infinity;
    for (const v of values) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
    if (!(high >= low)) return [0, 1];
    const room = (high - low) * 0.04 || 0.5;
    return [low - room, high + room];
  }
  function axis(low, high, isLog, toPixel, isX, label, wide, tall) {
    pen.textAlign = isX ? "center" : "right"; pen.textBaseline = isX ? "top" : "middle";
    for (const tick of roundTicks(low, high, isLog)) {
      const at = toPixel(tick), exact = isLog ? 10 ** tick : tick;
      pen.strokeStyle = "#e4e4e4"; pen.beginPath();
      if (isX) { pen.moveTo(at, margin.top); pen.lineTo(at, tall - margin.bottom); } else { pen.moveTo(margin.left, at); pen.lineTo(wide - margin.right, at); }
      pen.stroke(); pen.fillStyle = "#1a1a1a";
      const text = isLog && (exact >= 1e5 || exact < 1e-3) ? exact.toExponential(0).replace("e+", "e") : digits(exact);
      if (isX) pen.fillText(text, at, tall - margin.bottom + 6); else pen.fillText(text, margin.left - 6, at);
    }
    pen.save(); pen.textAlign = "center";
    if (isX) pen.fillText(label, (margin.left + wide - margin.right) / 2, tall - 18);
    else { pen.translate(12, (margin.top + tall - margin.bottom) / 2); pen.rotate(-Math.PI / 2); pen.fillText(label, 0, 0); }
    pen.restore();
  }
  function draw(wanted) {  // {rows, x, y, xLog, yLog, xLabel, yLabel, color(row), marked}
    now = wanted;
    const wide = canvas.clientWidth, tall = canvas.clientHeight, fine = window.devicePixelRatio || 1;
    canvas.width = wide * fine; canvas.height = tall * fine;
    pen.setTransform(fine, 0, 0, fine, 0, 0);
    pen.fillStyle = "#fff"; pen.fillRect(0, 0, wide, tall); pen.font = "13px system-ui, sans-serif";
    const x = now.rows.map(k => scaled(now.x[k], now.xLog)), y = now.rows.map(k => scaled(now.y[k], now.yLog));
    const [xLow, xHigh] = ends(x.filter((_, i) => Number.isFinite(y[i]))), [yLow, yHigh] = ends(y.filter((_, i) => Number.isFinite(x[i])));
    const toX = v => margin.left + (v - xLow) / (xHigh - xLow) * (wide - margin.left - margin.right);
    const toY = v => tall - margin.bottom - (v - yLow) / (yHigh - yLow) * (tall - margin.top - margin.bottom);
    axis(xLow, xHigh, now.xLog, toX, true, now.xLabel, wide, tall); axis(yLow, yHigh, now.yLog, toY, false, now.yLabel, wide, tall);
    places = now.rows.map((row, i) => ({ row, x: toX(x[i]), y: toY(y[i]) })).filter(p => Number.isFinite(p.x + p.y));
    order = [...places].sort((a, b) => a.x - b.x || a.y - b.y);
    pen.globalAlpha = 0.7;
    for (const p of places) { pen.fillStyle = now.color(p.row); pen.beginPath(); pen.arc(p.x, p.y, 3.2, 0, 7); pen.fill(); }
    pen.globalAlpha = 1;
    const chosen = places.find(p => p.row === now.marked);
    if (chosen) { pen.strokeStyle = "#000"; pen.lineWidth = 2; pen.beginPath(); pen.arc(chosen.x, chosen.y, 7, 0, 7); pen.stroke(); pen.lineWidth = 1; }
    canvas.dataset.shown = places.length;
  }
  function nearest(event) {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    let best = null, closest = 14;
    for (const p of places) { const away = Math.hypot(p.x - x, p.y - y); if (away < closest) { best = p; closest = away; } }
    return best;
  }
  canvas.onpointermove = event => { canvas.style.cursor = nearest(event) ? "pointer" : "default"; };
  canvas.onclick = event => { const p = nearest(event); if (p) onPick(p.row); };
  canvas.onkeydown = event => {  // left and right: the next point along x
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !order.length) return;
    event.preventDefault(); event.stopPropagation();
    const at = order.findIndex(p => p.row === now.marked);
    onPick(order[at < 0 ? 0 : Math.min(order.length - 1, Math.max(0, at + step))].row);
  };
  return draw;
}
